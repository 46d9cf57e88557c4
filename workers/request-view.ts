import {
  HEADER_ACCEPT,
  HEADER_AUTHORIZATION,
  HEADER_CONTENT_TYPE,
  HEADER_HOST,
  HEADER_MCP_METHOD,
  HEADER_MCP_NAME,
  HEADER_MCP_PROTOCOL_VERSION,
  HEADER_OTHER,
} from '../shared/header-code.ts';
import { type ByteRange, ByteRanges, ByteWords } from '../shared/byte-words.ts';
import { OpenView } from '../shared/open-codec.ts';
import { Classification } from '../src/protocol/eras/classification.ts';
import { McpHeaders } from '../src/protocol/eras/mcp-headers.ts';
import { Peek } from '../src/protocol/jsonrpc/peek-record.ts';
import type { Exchange } from './exchange.ts';
import type { CredentialSpans } from './policy/credential-spans.ts';

/**
 * Where things are in the request at hand. One for the whole shard: the pipeline loads it when it
 * starts or resumes an exchange, and it is read only until the pipeline turns to another.
 */
export class RequestView implements CredentialSpans {
  readonly open = new OpenView();
  readonly peek = new Peek();
  readonly mcpHeaders = new McpHeaders();
  readonly classification = new Classification();
  /** Header names that API keys come in, by the authenticator's index. */
  credentialHeaders: readonly Buffer[] = [];
  bytes: Buffer = EMPTY;
  authorizationStart = -1;
  authorizationEnd = -1;
  headerStart = -1;
  headerEnd = -1;

  /** Points at the exchange's OPEN payload. False: malformed, which is a bug of the edge. */
  load(exchange: Exchange): boolean {
    const { open } = this;
    if (!open.reset(exchange.frame, exchange.frameStart, exchange.frameEnd)) return false;
    this.bytes = exchange.frame;
    this.authorizationStart = -1;
    this.authorizationEnd = -1;
    if (open.find(HEADER_AUTHORIZATION)) {
      this.authorizationStart = open.valueStart;
      this.authorizationEnd = open.valueEnd;
    }
    return true;
  }

  get peerFamily(): number {
    return this.open.peerFamily;
  }

  get peerStart(): number {
    return this.open.peerStart;
  }

  /** The request's Host, where the edge passes it on; it was checked there. */
  host(exchange: Exchange): string | null {
    if (this.bytes !== exchange.frame) this.load(exchange);
    if (!this.open.find(HEADER_HOST)) return null;
    return this.bytes.toString('latin1', this.open.valueStart, this.open.valueEnd);
  }

  findHeader(index: number): boolean {
    const name = this.credentialHeaders[index];
    if (name === undefined) return false;
    if (name.equals(AUTHORIZATION)) {
      this.headerStart = this.authorizationStart;
      this.headerEnd = this.authorizationEnd;
      return this.authorizationStart >= 0;
    }
    const { open } = this;
    for (let at = open.nextHeader(open.headersStart); at >= 0; at = open.nextHeader(at)) {
      if (open.code !== HEADER_OTHER) continue;
      if (name.compare(this.bytes, open.nameStart, open.nameEnd) !== 0) continue;
      this.headerStart = open.valueStart;
      this.headerEnd = open.valueEnd;
      return true;
    }
    return false;
  }

  /** Of `bytes`. */
  get range(): ByteRange {
    return this.#ranges.of(this.bytes);
  }

  /** Whether the kernel found that these fields say what the message does, as it stands in `bytes`. */
  fieldsAgree(bytes: Buffer): boolean {
    const { open, peek } = this;
    const { kernel } = open;
    if (kernel === null || kernel !== peek.kernel || bytes !== this.bytes) return false;
    const { range } = this;
    if (range.kernel !== kernel) return false;
    return kernel.fieldsAgree(range.address, open.foundAddress, peek.address) !== 0;
  }

  /** The three header fields that the modern era checks against the body. */
  loadMcpHeaders(): McpHeaders {
    const { open, mcpHeaders } = this;
    mcpHeaders.reset(this.bytes);
    if (open.find(HEADER_MCP_PROTOCOL_VERSION)) {
      mcpHeaders.versionStart = open.valueStart;
      mcpHeaders.versionEnd = open.valueEnd;
    }
    if (open.find(HEADER_MCP_METHOD)) {
      mcpHeaders.methodStart = open.valueStart;
      mcpHeaders.methodEnd = open.valueEnd;
    }
    if (open.find(HEADER_MCP_NAME)) {
      mcpHeaders.nameStart = open.valueStart;
      mcpHeaders.nameEnd = open.valueEnd;
    }
    return mcpHeaders;
  }

  readonly #ranges = new ByteRanges();

  /** Content-Type is application/json, with or without parameters (RFC 9110 §8.3.1). */
  isJson(): boolean {
    const { open } = this;
    if (!open.find(HEADER_CONTENT_TYPE)) return false;
    const end = open.valueEnd;
    const start = open.valueStart;
    if (end - start < JSON_TYPE_BYTES) return false;
    const view = this.#ranges.of(this.bytes).view;
    // Four characters at a time, as if they were lower case.
    for (let word = 0; word < JSON_TYPE.length; word += 1) {
      if ((view.getInt32(start + 4 * word, true) | LOWER_CASE) !== JSON_TYPE[word]) return false;
    }
    const next = start + JSON_TYPE_BYTES;
    return next === end || this.bytes[next] === 0x3b || this.bytes[next] === 0x20;
  }

  /** Whether Accept lists event streams (or everything). */
  acceptsEvents(): boolean {
    return (this.#accepted() & ACCEPTS_EVENTS) !== 0;
  }

  /** Whether Accept lists JSON (or everything). */
  acceptsJson(): boolean {
    return (this.#accepted() & ACCEPTS_JSON) !== 0;
  }

  /** Clients send the same field every time: what the last one meant is remembered with its bytes. */
  #accepted(): number {
    const { open, bytes } = this;
    if (!open.find(HEADER_ACCEPT)) return 0;
    const { valueStart: start, valueEnd: end } = open;
    if (this.#lastAccept.equals(this.#ranges.of(bytes).view, start, end)) return this.#lastAccepted;
    const text = bytes.toString('latin1', start, end).toLowerCase();
    const isAny = text.includes('*/*');
    this.#lastAccept = new ByteWords(bytes.subarray(start, end));
    this.#lastAccepted =
      (isAny || text.includes('text/event-stream') ? ACCEPTS_EVENTS : 0) |
      (isAny || text.includes('application/json') ? ACCEPTS_JSON : 0);
    return this.#lastAccepted;
  }
  #lastAccept = new ByteWords(EMPTY);
  #lastAccepted = 0;
}

const ACCEPTS_EVENTS = 1;
const ACCEPTS_JSON = 2;
const JSON_TYPE_BYTES = 16;
/** `application/json` as words of four characters. */
const JSON_TYPE = Int32Array.from([0, 4, 8, 12], (at) =>
  Buffer.from('application/json', 'latin1').readInt32LE(at),
);
/** Sets the bit that tells small letters from capital ones; the slash has it. */
const LOWER_CASE = 0x2020_2020;
const AUTHORIZATION = Buffer.from('authorization', 'latin1');
const EMPTY = Buffer.alloc(0);
