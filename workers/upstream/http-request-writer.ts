import { ByteRange, copyText } from '../../shared/byte-words.ts';
import { copyAll } from '../../src/protocol/jsonrpc/write.ts';
import { METHODS } from '../../src/protocol/methods.ts';
import { encodeMirrored } from '../../src/protocol/eras/mcp-headers.ts';
import type { HttpUpstreamCall } from './http-call.ts';
import type { HttpUpstreamSession } from './http-session.ts';
import type { Outgoing } from './outgoing.ts';

const CONTENT_LENGTH = Buffer.from('content-length: ', 'latin1');
const CR = 0x0d;
const LF = 0x0a;
/** The line break after the length, and the empty line at the end. */
const BREAK_BYTES = 4;
const MODERN_VERSION = 'MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: ';
const NO_LINES = Buffer.alloc(0);
const NO_LINE = new ByteRange(NO_LINES);

const LENGTH_DIGITS_MAX = 10;

/**
 * Builds HTTP requests for one upstream: the fixed part of the head, up to the length, is made once for each
 * method and copied as one block; the rest follows it into one buffer with the body, so that a call is one
 * write and can be sent again as it is.
 */
export class HttpRequestWriter {
  readonly #post: Buffer;
  readonly #get: Buffer;
  readonly #delete: Buffer;
  /** `#post` up to the length, without and with the lines of a modern method. */
  readonly #postBlock: Buffer;
  readonly #modernBlocks: (Buffer | undefined)[] = [];

  constructor(post: Buffer, get: Buffer, remove: Buffer) {
    this.#post = post;
    this.#get = get;
    this.#delete = remove;
    this.#postBlock = Buffer.concat([post, CONTENT_LENGTH]);
  }

  /** A client's call: head and body go straight into the call's own buffer. */
  call(call: HttpUpstreamCall, session: HttpUpstreamSession | null, outgoing: Outgoing): void {
    outgoing.idToken = call.idToken;
    outgoing.idRange = call.token;
    const bodyBytes = outgoing.prepare();
    const { credential, nameLine, paramLines } = outgoing;
    // `Mcp-Name` and `Mcp-Param-*` are those of what is being sent, never those of the client.
    const at =
      session !== null
        ? this.#head(call, this.#postBlock, NO_LINE, session.head, credential, bodyBytes)
        : this.#head(
            call,
            this.#modernBlock(outgoing.methodId),
            nameLine,
            credential,
            paramLines,
            bodyBytes,
          );
    call.request.end = outgoing.writePrepared(call.request.range, at);
  }

  /** A message of our own; `head` holds further header lines. */
  own(
    call: HttpUpstreamCall,
    session: HttpUpstreamSession | null,
    head: string,
    body: Buffer,
    credential: Buffer,
  ): void {
    const lines = session === null ? NO_LINES : session.head;
    call.credential = credential;
    this.#assemble(call, lines, credential, Buffer.from(head, 'latin1'), body, body.length);
  }

  /** A modern message of our own, complete. */
  message(method: string, body: Buffer, credential: Buffer): Buffer {
    const lines = Buffer.from(
      `${this.modernLines(method, null)}content-length: ${body.length}\r\n\r\n`,
      'latin1',
    );
    return Buffer.concat([this.#post, credential, lines, body]);
  }

  /** The stream of a session, or the rest of one. */
  stream(session: HttpUpstreamSession, lastEventId: string, credential: Buffer): Buffer {
    const resume = lastEventId === '' ? '' : `Last-Event-ID: ${lastEventId}\r\n`;
    // An id has no line breaks in it, but in latin1 some other characters would become one.
    return Buffer.concat([this.#get, session.head, credential, Buffer.from(`${resume}\r\n`)]);
  }

  /** Ends a session. */
  remove(call: HttpUpstreamCall, session: HttpUpstreamSession, credential: Buffer): void {
    const length = Buffer.from('content-length: 0\r\n\r\n', 'latin1');
    call.request.set(Buffer.concat([this.#delete, session.head, credential, length]));
  }

  /** The same body under another session. */
  readdress(call: HttpUpstreamCall, session: HttpUpstreamSession): void {
    const { bytes, bodyAt, end } = call.request;
    const body = Buffer.from(bytes.subarray(bodyAt, end));
    this.#assemble(call, session.head, call.credential, NO_LINES, body, body.length);
  }

  /** Header lines of a modern request whose name is known as text. */
  modernLines(method: string, name: string | null): string {
    const named = name === null ? '' : `Mcp-Name: ${encodeMirrored(name)}\r\n`;
    return `${MODERN_VERSION}${method}\r\n${named}`;
  }

  #modernBlock(methodId: number): Buffer {
    let block = this.#modernBlocks[methodId];
    if (block === undefined) {
      const lines = Buffer.from(this.modernLines(METHODS[methodId]?.name ?? '', null), 'latin1');
      block = Buffer.concat([this.#post, lines, CONTENT_LENGTH]);
      this.#modernBlocks[methodId] = block;
    }
    return block;
  }

  #assemble(
    call: HttpUpstreamCall,
    first: Buffer,
    second: Buffer,
    third: Buffer,
    body: Buffer,
    bodyBytes: number,
  ): void {
    const head = Buffer.concat([first, second, third]);
    const at = this.#head(call, this.#postBlock, NO_LINE, head, NO_LINES, bodyBytes);
    call.request.end = at + body.copy(call.request.bytes, at, 0, bodyBytes);
  }

  /** Writes the head of a request with a body of that size; returns where the body goes. */
  #head(
    call: HttpUpstreamCall,
    block: Buffer,
    nameLine: ByteRange,
    second: Buffer,
    third: Buffer,
    bodyBytes: number,
  ): number {
    const nameBytes = nameLine.bytes.length;
    const headBytes = block.length + nameBytes + second.length + third.length;
    const { request } = call;
    const range = request.reserve(headBytes + LENGTH_DIGITS_MAX + BREAK_BYTES + bodyBytes);
    const out = request.bytes;
    // The buffer of a pooled call begins with the same block, mostly.
    if (request.headBlock !== block) {
      out.set(block, 0);
      request.headBlock = block;
    }
    let at = writeDigits(out, block.length, bodyBytes);
    at = endLine(out, at);
    at = copyText(nameLine, 0, nameBytes, range, at);
    at = copyAll(second, out, at);
    at = copyAll(third, out, at);
    at = endLine(out, at);
    request.bodyAt = at;
    return at;
  }
}

function endLine(out: Buffer, at: number): number {
  out[at] = CR;
  out[at + 1] = LF;
  return at + 2;
}

function writeDigits(out: Buffer, at: number, value: number): number {
  // Most messages have three, which need no loop.
  if (value >= 100 && value < 1000) {
    const tens = (value / 10) | 0;
    const hundreds = (tens / 10) | 0;
    out[at] = 48 + hundreds;
    out[at + 1] = 48 + tens - hundreds * 10;
    out[at + 2] = 48 + value - tens * 10;
    return at + 3;
  }
  let digits = 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits += 1;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i -= 1) {
    const tens = (rest / 10) | 0;
    out[i] = 48 + rest - tens * 10;
    rest = tens;
  }
  return at + digits;
}
