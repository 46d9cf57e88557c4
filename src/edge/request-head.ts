/**
 * The head of the request at hand, encoded as an OPEN payload while its fields arrive: one scratch
 * block for all requests, since the server hands each head over in one turn.
 *
 *      0            40                      end
 *      +------------+-----------------------+
 *      | open head  |  header block         |
 *      +------------+-----------------------+
 *
 * Only fields that a shard needs get in: those with a request code, `mcp-param-*`, names the plan asks
 * for, and the Host, which the edge vouches for by writing it once it was checked. They
 * carry visible ASCII, blanks and tabs alone (what RFC 9110 §5.5 recommends; MCP wraps anything else in
 * Base64), so that no two readers of them can disagree.
 */
import {
  HEADER_ACCEPT,
  HEADER_BAGGAGE,
  HEADER_CLIENT_CERT,
  HEADER_CODES,
  HEADER_HOST,
  HEADER_MCP_SESSION_ID,
  HEADER_ORIGIN,
  HEADER_OTHER,
  HEADER_TRACESTATE,
  headerCode,
} from '../../shared/header-code.ts';
import { HEADER_BYTES_MAX } from '../../shared/limits.ts';
import { ByteRange, ByteWords } from '../../shared/byte-words.ts';
import {
  OPEN_FAMILY_OFFSET,
  OPEN_HEAD_BYTES,
  OPEN_PEER_OFFSET,
  OpenHead,
  writeOpenHead,
} from '../../shared/open-codec.ts';
import type { PlanAddressRange } from '../config/plan.ts';
import { FieldBlock } from './field-block.ts';
import {
  FIELD_CORS_HEADERS,
  FIELD_CORS_METHOD,
  FIELD_FORWARDED_FOR,
  FIELD_HOST,
  FIELD_OTHER,
  FIELD_PARAM,
} from './field-kind.ts';
import { digitsValue } from './framing-rules.ts';
import type { HeadShapes } from './head-shape.ts';
import type { HttpExchange } from './http-server.ts';
import { ADDRESS_BYTES, resolveClient } from './peer-address.ts';
import type { RequestParser } from './request-parser.ts';

/** Fields whose lists may be split over several lines (RFC 9110 §5.3); others are refused when repeated. */
const REPEATABLE: number = (1 << HEADER_ACCEPT) | (1 << HEADER_TRACESTATE) | (1 << HEADER_BAGGAGE);

/** The header limit counts `: ` and line ends, four bytes a field; a field's own head here is four too. */
const SCRATCH_BYTES: number = OPEN_HEAD_BYTES + HEADER_BYTES_MAX;

const PARAM_PREFIX = 'mcp-param-';
const LETTER_M = 0x6d;
const NO_ADDRESS = new Uint8Array(0);

export class RequestHead {
  /** `bytes[0, end)` is the payload, once `finish` was called. */
  readonly bytes: Uint8Array;
  /** A field that a shard needs was malformed or repeated. */
  isRefused = false;
  sessionId = '';
  origin = '';
  host = '';
  /** X-Forwarded-For, several lines joined as RFC 9110 §5.3 says. */
  forwardedFor = '';
  /** Content-Length, -1 for none. */
  contentLength = -1;
  /** Access-Control-Request-Method and -Headers of a preflight. */
  corsMethod = '';
  corsHeaders = '';
  readonly #block = new FieldBlock(OPEN_HEAD_BYTES, SCRATCH_BYTES);
  readonly #buffer: Buffer;
  #seen = 0;
  #otherNames: string[] = [];
  #lastHostBytes = new ByteWords(NO_ADDRESS);
  #lastHost = '';
  readonly #open = new OpenHead();
  readonly #peer = new ByteRange(new Uint8Array(ADDRESS_BYTES));

  constructor() {
    const { bytes } = this.#block;
    this.bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get end(): number {
    return this.#block.end;
  }

  /** A new request begins. */
  reset(): void {
    this.#block.reset();
    this.isRefused = false;
    this.sessionId = '';
    this.origin = '';
    this.host = '';
    this.forwardedFor = '';
    this.contentLength = -1;
    this.corsMethod = '';
    this.corsHeaders = '';
    this.#seen = 0;
    if (this.#otherNames.length > 0) this.#otherNames = [];
  }

  /**
   * @param name lower case
   * @param asked names beyond the known ones that the plan wants passed on, lower case
   */
  addField(name: string, value: string, asked: readonly string[]): void {
    const code = headerCode(name);
    if (code !== HEADER_OTHER) {
      if (code < HEADER_CLIENT_CERT) this.#addKnown(code, value);
      return; // a field of answers says nothing in a request
    }
    this.#noteOwn(name, value);
    if (name.charCodeAt(0) === LETTER_M && name.startsWith(PARAM_PREFIX))
      this.#addOther(name, value);
    else if (asked.length > 0 && asked.includes(name)) this.#addOther(name, value);
  }

  /** The same for all fields of a head that lies in bytes. */
  addRaw(head: RequestParser, asked: readonly string[]): void {
    const { bytes, view, count } = head;
    this.contentLength = head.contentLength;
    for (let index = 0; index < count; index += 1) {
      const kind = head.kindAt(index);
      const start = head.valueStartAt(index);
      const end = head.valueEndAt(index);
      if (kind === FIELD_HOST) this.host = this.#hostText(bytes, view, start, end);
      else if (kind === FIELD_OTHER) {
        if (asked.length > 0) this.#addAsked(head.nameAt(index), head.valueAt(index), asked);
      } else if (kind < HEADER_CODES) {
        this.#noteKnown(kind);
        if (kind === HEADER_MCP_SESSION_ID) this.sessionId = bytes.toString('latin1', start, end);
        else if (kind === HEADER_ORIGIN) this.origin = head.valueAt(index);
        if (!this.#block.tryWriteBytes(kind, head.range, start, end)) this.isRefused = true;
      } else this.#addRare(head, index, kind);
    }
  }

  #addRare(head: RequestParser, index: number, kind: number): void {
    if (kind === FIELD_PARAM) this.#addOther(head.nameAt(index), head.valueAt(index));
    else if (kind === FIELD_FORWARDED_FOR) this.#addForwarded(head.valueAt(index));
    else if (kind === FIELD_CORS_METHOD) this.corsMethod = head.valueAt(index);
    else if (kind === FIELD_CORS_HEADERS) this.corsHeaders = head.valueAt(index);
  }

  #addAsked(name: string, value: string, asked: readonly string[]): void {
    if (asked.includes(name)) this.#addOther(name, value);
  }

  /** Clients send the same Host with every request, so it becomes a string once. */
  #hostText(bytes: Buffer, view: DataView, start: number, end: number): string {
    if (!this.#lastHostBytes.equals(view, start, end)) {
      this.#lastHostBytes = new ByteWords(bytes.subarray(start, end));
      this.#lastHost = bytes.toString('utf8', start, end);
    }
    return this.#lastHost;
  }

  /** The head was recognised, and its payload lies in `bytes` already. */
  takeKnown(shapes: HeadShapes): void {
    const { sessionStart, sessionEnd } = shapes;
    this.#block.takeWritten(shapes.payloadBytes);
    this.contentLength = shapes.contentLength;
    this.sessionId =
      sessionStart < 0 ? '' : this.#buffer.toString('latin1', sessionStart, sessionEnd);
    this.forwardedFor = '';
    this.#open.peerFamily = 0;
  }

  /** All fields are there and were checked: writes the open head before them, without the client's address. */
  finish(method: number, endpoint: number, planNumber: number, arrivalUs: number): void {
    if (!this.#block.tryWrite(HEADER_HOST, this.host)) this.isRefused = true;
    const open = this.#open;
    open.method = method;
    open.endpoint = endpoint;
    open.planNumber = planNumber;
    open.arrivalUs = arrivalUs;
    open.peerFamily = 0;
    open.headerCount = this.#block.count;
    open.headerBytes = this.#block.end - OPEN_HEAD_BYTES;
    writeOpenHead(this.bytes, 0, open, NO_ADDRESS);
  }

  /** After `finish`: the client's address, as trusted proxies name it, unless it is there already. */
  addClient(exchange: HttpExchange, trustedProxies: readonly PlanAddressRange[]): void {
    const open = this.#open;
    if (open.peerFamily !== 0) return;
    const family = exchange.peerFamily();
    if (trustedProxies.length === 0) {
      open.peerFamily = family;
      this.bytes[OPEN_FAMILY_OFFSET] = family;
      exchange.peerBytes(this.#block.range, OPEN_PEER_OFFSET);
      return;
    }
    const peer = this.#peer.bytes;
    exchange.peerBytes(this.#peer, 0);
    open.peerFamily = resolveClient(trustedProxies, this.forwardedFor, family, peer, 0);
    this.bytes[OPEN_FAMILY_OFFSET] = open.peerFamily;
    this.bytes.set(peer, OPEN_PEER_OFFSET);
  }

  #addKnown(code: number, value: string): void {
    this.#noteKnown(code);
    if (code === HEADER_MCP_SESSION_ID) this.sessionId = value;
    else if (code === HEADER_ORIGIN) this.origin = value;
    if (!this.#block.tryWrite(code, value)) this.isRefused = true;
  }

  #noteKnown(code: number): void {
    const bit = 1 << code;
    if ((this.#seen & bit) !== 0 && (REPEATABLE & bit) === 0) this.isRefused = true;
    this.#seen |= bit;
  }

  #addForwarded(value: string): void {
    this.forwardedFor = this.forwardedFor === '' ? value : `${this.forwardedFor}, ${value}`;
  }

  #addOther(name: string, value: string): void {
    if (this.#otherNames.includes(name)) this.isRefused = true;
    this.#otherNames.push(name);
    if (!this.#block.tryWriteOther(HEADER_OTHER, name, value)) this.isRefused = true;
  }

  /** Fields that the edge itself reads. */
  #noteOwn(name: string, value: string): void {
    switch (name.length) {
      case 4:
        if (name === 'host') this.host = value;
        return;
      case 14:
        if (name === 'content-length') this.contentLength = digitsValue(value);
        return;
      case 15:
        if (name === 'x-forwarded-for') this.#addForwarded(value);
        return;
      case 29:
        if (name === 'access-control-request-method') this.corsMethod = value;
        return;
      case 30:
        if (name === 'access-control-request-headers') this.corsHeaders = value;
        return;
      default:
    }
  }
}
