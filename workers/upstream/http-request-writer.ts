import { METHODS } from '../../src/protocol/methods.ts';
import { encodeMirrored } from '../../src/protocol/eras/mcp-headers.ts';
import type { HttpUpstreamCall } from './http-call.ts';
import type { HttpUpstreamSession } from './http-session.ts';
import type { Outgoing } from './outgoing.ts';

const CONTENT_LENGTH = Buffer.from('content-length: ', 'latin1');
const HEAD_END = Buffer.from('\r\n\r\n', 'latin1');
const MODERN_VERSION = 'MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: ';
const NO_LINES = Buffer.alloc(0);

const LENGTH_DIGITS_MAX = 10;

/**
 * Builds HTTP requests for one upstream: the fixed part of the head is made once, the rest is copied
 * behind it into one buffer with the body, so that a call is one write and can be sent again as it is.
 */
export class HttpRequestWriter {
  readonly #post: Buffer;
  readonly #get: Buffer;
  readonly #delete: Buffer;
  readonly #methodLines: (Buffer | undefined)[] = [];

  constructor(post: Buffer, get: Buffer, remove: Buffer) {
    this.#post = post;
    this.#get = get;
    this.#delete = remove;
  }

  /** A client's call: head and body go straight into the call's own buffer. */
  call(call: HttpUpstreamCall, session: HttpUpstreamSession | null, outgoing: Outgoing): void {
    outgoing.idToken = call.idToken;
    const bodyBytes = outgoing.prepare();
    const at =
      session !== null
        ? this.#head(call, session.head, outgoing.credential, NO_LINES, bodyBytes)
        : this.#head(
            call,
            this.#methodLine(outgoing.methodId),
            outgoing.credential,
            this.#nameLines(outgoing),
            bodyBytes,
          );
    call.requestEnd = outgoing.writePrepared(call.request, at);
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
    call.request = Buffer.concat([
      this.#delete,
      session.head,
      credential,
      Buffer.from('content-length: 0\r\n\r\n', 'latin1'),
    ]);
    call.bodyAt = call.request.length;
    call.requestEnd = call.bodyAt;
  }

  /** The same body under another session. */
  readdress(call: HttpUpstreamCall, session: HttpUpstreamSession): void {
    const body = Buffer.from(call.request.subarray(call.bodyAt, call.requestEnd));
    this.#assemble(call, session.head, call.credential, NO_LINES, body, body.length);
  }

  /** Header lines of a modern request whose name is known as text. */
  modernLines(method: string, name: string | null): string {
    const named = name === null ? '' : `Mcp-Name: ${encodeMirrored(name)}\r\n`;
    return `${MODERN_VERSION}${method}\r\n${named}`;
  }

  #methodLine(methodId: number): Buffer {
    let line = this.#methodLines[methodId];
    if (line === undefined) {
      const name = METHODS[methodId]?.name ?? '';
      line = Buffer.from(`${MODERN_VERSION}${name}\r\n`, 'latin1');
      this.#methodLines[methodId] = line;
    }
    return line;
  }

  /** `Mcp-Name` and `Mcp-Param-*` of what is being sent: never those of the client. */
  #nameLines(outgoing: Outgoing): Buffer {
    const { nameLine, paramLines } = outgoing;
    if (paramLines.length === 0) return nameLine;
    return Buffer.concat([nameLine, paramLines]);
  }

  #assemble(
    call: HttpUpstreamCall,
    first: Buffer,
    second: Buffer,
    third: Buffer,
    body: Buffer,
    bodyBytes: number,
  ): void {
    const at = this.#head(call, first, second, third, bodyBytes);
    call.requestEnd = at + body.copy(call.request, at, 0, bodyBytes);
  }

  /** Writes the head of a request with a body of that size; returns where the body goes. */
  #head(
    call: HttpUpstreamCall,
    first: Buffer,
    second: Buffer,
    third: Buffer,
    bodyBytes: number,
  ): number {
    const prefix = this.#post;
    const headBytes = prefix.length + first.length + second.length + third.length;
    const room =
      headBytes + CONTENT_LENGTH.length + LENGTH_DIGITS_MAX + HEAD_END.length + bodyBytes;
    const out = call.reserve(room);
    out.set(prefix, 0);
    let at = prefix.length;
    at = append(out, at, first);
    at = append(out, at, second);
    at = append(out, at, third);
    at = append(out, at, CONTENT_LENGTH);
    at = writeDigits(out, at, bodyBytes);
    at = append(out, at, HEAD_END);
    call.bodyAt = at;
    return at;
  }
}

function append(out: Buffer, at: number, lines: Buffer): number {
  const { length } = lines;
  // A loop beats a call into the platform for lines of this length.
  for (let i = 0; i < length; i += 1) out[at + i] = lines[i] as number;
  return at + length;
}

function writeDigits(out: Buffer, at: number, value: number): number {
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
