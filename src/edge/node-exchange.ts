/** One request on node:http and its answer. Made per request: this is the fallback, kept simple. */
import type { ByteRange } from '../../shared/byte-words.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { assert } from '../../shared/assert.ts';
import { isFieldSafe } from './framing-rules.ts';
import type { HttpExchange, HttpListener } from './http-port.ts';
import { ADDRESS_BYTES, parseAddress } from './peer-address.ts';
import type { RefusalName } from './refusal-reply.ts';

const EMPTY = new Uint8Array(0);

/** What an exchange needs of its server. */
export interface NodeHost {
  readonly listener: HttpListener;
  readonly bodyBytesMax: number;
  readonly isStopping: boolean;
  /** The exchange ended; its connection may carry the next one. */
  onEnded(exchange: NodeExchange): void;
  readonly bodyTimeoutMs: number;
  /** Answers in the server's own name, tells the listener that the exchange is over, and closes. */
  refuseBody(exchange: NodeExchange, name: RefusalName): void;
}

export class NodeExchange implements HttpExchange {
  slot = -1;
  state: unknown = undefined;
  isOpen = true;
  hasBegun = false;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #host: NodeHost;
  readonly #peer = new Uint8Array(ADDRESS_BYTES);
  readonly #family: 4 | 6;
  #bodyBytes = 0;
  #isStalled = false;
  #bodyTimer: NodeJS.Timeout | undefined;

  constructor(host: NodeHost, request: IncomingMessage, response: ServerResponse) {
    this.#host = host;
    this.request = request;
    this.response = response;
    const text = request.socket.remoteAddress ?? '';
    const zone = text.indexOf('%');
    const family = parseAddress(text, 0, zone < 0 ? text.length : zone, this.#peer, 0);
    this.#family = family === 0 ? 4 : family;
    response.on('close', () => this.drop());
  }

  /** Passes the body on to the listener. */
  readBody(): void {
    const { request } = this;
    const { bodyBytesMax, bodyTimeoutMs, listener } = this.#host;
    this.#bodyTimer = setTimeout(() => this.#host.refuseBody(this, 'BODY_TIMEOUT'), bodyTimeoutMs);
    request.on('data', (chunk: Buffer) => {
      if (!this.isOpen) return;
      this.#bodyBytes += chunk.length;
      if (this.#bodyBytes > bodyBytesMax) this.#host.refuseBody(this, 'BODY_TOO_LARGE');
      else listener.onBody(this, chunk, 0, chunk.length, false);
    });
    request.on('end', () => {
      clearTimeout(this.#bodyTimer);
      if (this.isOpen) listener.onBody(this, EMPTY, 0, 0, true);
    });
  }

  /** The client is gone, or the server gave up on it. */
  drop(): void {
    if (!this.isOpen) return;
    this.#finish();
    this.#host.listener.onAborted(this);
  }

  peerFamily(): 4 | 6 {
    return this.#family;
  }

  peerBytes(out: ByteRange, at: number): void {
    out.bytes.set(this.#peer, at);
  }

  reply(
    status: number,
    contentType: string,
    headers: readonly string[],
    body: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (!this.isOpen) return;
    this.#writeHead(
      status,
      contentType,
      headers,
      status === 204 || status === 304 ? -1 : end - start,
    );
    this.#finish();
    // Copied, as node may write after this returns and the bytes lie in memory that is reused.
    this.response.end(Buffer.from(body.subarray(start, end)));
  }

  begin(status: number, contentType: string, headers: readonly string[]): void {
    if (!this.isOpen) return;
    this.#writeHead(status, contentType, headers, -1);
    this.response.flushHeaders();
    this.response.on('drain', () => {
      if (!this.#isStalled || !this.isOpen) return;
      this.#isStalled = false;
      this.#host.listener.onWritable(this);
    });
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.isOpen || end <= start) return true;
    assert(this.hasBegun, 'write comes after begin');
    const isTaken = this.response.write(Buffer.from(bytes.subarray(start, end)));
    if (!isTaken) this.#isStalled = true;
    return isTaken;
  }

  end(): void {
    if (!this.isOpen) return;
    assert(this.hasBegun, 'end comes after begin');
    this.#finish();
    this.response.end();
  }

  abort(): void {
    if (!this.isOpen) return;
    this.#finish();
    this.request.socket.destroy();
  }

  cork(fn: (exchange: HttpExchange) => void): void {
    if (!this.isOpen) return;
    this.response.cork();
    fn(this);
    this.response.uncork();
  }

  holdBack(): void {
    // Each write leaves by itself.
  }

  sendHeld(): boolean {
    return true;
  }

  #writeHead(
    status: number,
    contentType: string,
    headers: readonly string[],
    contentLength: number,
  ): void {
    assert(!this.hasBegun, 'an answer begins once');
    this.hasBegun = true;
    const fields: string[] = [];
    if (contentType !== '' && isFieldSafe('content-type', contentType)) {
      fields.push('Content-Type', contentType);
    }
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at]!;
      const value = headers[at + 1]!;
      if (isFieldSafe(name, value)) fields.push(name, value);
    }
    if (contentLength >= 0) fields.push('Content-Length', String(contentLength));
    if (this.#host.isStopping) this.response.shouldKeepAlive = false;
    this.response.writeHead(status, fields);
  }

  #finish(): void {
    this.isOpen = false;
    clearTimeout(this.#bodyTimer);
    this.#host.onEnded(this);
  }
}
