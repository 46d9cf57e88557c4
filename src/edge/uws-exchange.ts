/**
 * One request on uWebSockets.js and its answer. Objects are pooled; their handlers are bound once.
 *
 * uWebSockets.js serves nothing that follows on a connection while a response is *pending*: it closes
 * instead. That is the one fence we have, because `end(body, true)` lifts it before the connection is
 * closed. So an answer after which nothing may be served is written raw, the response never ends for
 * uWebSockets.js, and the connection *lingers* until the client closes it or a moment passed:
 *
 * - a refusal is one raw text, given as the status;
 * - the answer to a chunked request is chunked and ends in a trailer field, since its end has to be
 *   written as a header field. Chunk sizes are read loosely below us (`5;a` as 0x5ba, any two bytes as
 *   a chunk's end), so no chunked request shares its connection with a later one.
 *
 * Never close a connection within onData: the chunk parser goes on with the freed handler.
 */
import type { ByteRange } from '../../shared/byte-words.ts';
import { assert } from '../../shared/assert.ts';
import { isFieldSafe } from './framing-rules.ts';
import type { HttpExchange, HttpListener } from './http-port.ts';
import { addressFamily, writeAddress } from './peer-address.ts';
import { refusalText } from './refusal-reply.ts';
import type { RefusalName } from './refusal-reply.ts';
import { statusBlock } from './status-block.ts';
import type { UwsResponse } from './uws-module.ts';

/** What an exchange needs of its server. */
export interface UwsHost {
  readonly listener: HttpListener;
  readonly bodyBytesMax: number;
  readonly isStopping: boolean;
  /** The number of this event loop turn; counts only turns in which requests arrived. */
  markTurn(): number;
  /** The client was disconnected in the turn its request arrived in. */
  onDisconnectedInTurn(): void;
  /** The body did not come in one piece: watch its time until `forget`. */
  watchBody(exchange: UwsExchange): void;
  /** A window of WINDOW_BYTES came. */
  onBodyWindow(exchange: UwsExchange): void;
  /** Its answer is written; close the connection in a moment. */
  linger(exchange: UwsExchange): void;
  forget(exchange: UwsExchange): void;
  /** Its header block is written, but goes out only with a first chunk. */
  flushLater(exchange: UwsExchange): void;
  release(exchange: UwsExchange): void;
}

/** uWebSockets.js drops a connection whose body takes some ten seconds for these bytes. */
const WINDOW_BYTES = 163_840;

const EMPTY = new Uint8Array(0);
const EVENT_STREAM = 'text/event-stream';
/** A comment: the least that an event stream can say (HTML, server-sent events, §9.2.5). */
const EVENT_COMMENT = ':\n\n';
const NO_ADDRESS = new Uint8Array(4);

function nothing(): void {}

export class UwsExchange implements HttpExchange {
  slot = -1;
  state: unknown = undefined;
  isOpen = false;
  /** Null once the connection is gone or the response ended. */
  res: UwsResponse | null = null;
  /** Sweep at which to give up on the body, or to close. */
  deadlineTick = 0;
  /** Sweep at which the body has stalled. */
  stallTick = 0;
  isWatched = false;
  /** Within a call of uWebSockets.js for this connection, which collects writes by itself. */
  isCorked = false;
  readonly #host: UwsHost;
  #turn = 0;
  #isHead = false;
  #isClosing = false;
  #isInBody = false;
  #hasBodyHandler = false;
  #hasBegun = false;
  #hasWritten = false;
  #isBodyless = false;
  #isEvents = false;
  #isStalled = false;
  #bodyBytes = 0;
  #windowBytes = 0;
  #peer: Uint8Array | null = null;
  // Arguments of the call that is run within a cork.
  #status = 0;
  #contentType = '';
  #headers: readonly string[] = [];
  #bytes: Uint8Array | string = EMPTY;
  #isTaken = true;
  #run: (exchange: HttpExchange) => void = nothing;

  constructor(host: UwsHost) {
    this.#host = host;
  }

  /** A request begins. @param isClosing nothing may be served after it on this connection */
  open(res: UwsResponse, isHead: boolean, isClosing: boolean): void {
    this.slot = -1;
    this.state = undefined;
    this.isOpen = true;
    this.res = res;
    this.isCorked = true;
    this.#turn = this.#host.markTurn();
    this.#isHead = isHead;
    this.#isClosing = isClosing;
    this.#isInBody = false;
    this.#hasBodyHandler = false;
    this.#hasBegun = false;
    this.#hasWritten = false;
    this.#isBodyless = isHead;
    this.#isEvents = false;
    this.#isStalled = false;
    this.#bodyBytes = 0;
    this.#windowBytes = 0;
    this.#peer = null;
    res.onAborted(this.onAborted);
  }

  /** The listener wants the body. */
  readBody(): void {
    this.#hasBodyHandler = true;
    this.res!.onData(this.#onData);
  }

  /**
   * Answers in the server's own name and closes. The listener does not hear of it from here.
   * What was begun cannot be taken back; then the connection is only closed.
   */
  refuse(name: RefusalName): void {
    const res = this.res!;
    this.isOpen = false;
    this.#host.forget(this);
    if (!this.#hasBegun) {
      const text = refusalText(name);
      if (this.isCorked) res.writeStatus(text);
      else res.cork(() => void res.writeStatus(text));
    }
    this.#host.linger(this);
  }

  /** Sends the header block of an event stream that has nothing to say yet. */
  flush(): void {
    if (!this.isOpen || !this.#hasBegun || this.#hasWritten || !this.#isEvents) return;
    this.#send(EVENT_COMMENT);
  }

  peerFamily(): 4 | 6 {
    return addressFamily(this.#peerAddress());
  }

  peerBytes(out: ByteRange, at: number): void {
    writeAddress(this.#peerAddress(), out.bytes, at);
  }

  #peerAddress(): Uint8Array {
    if (this.#peer === null) {
      const address = this.res === null ? EMPTY : new Uint8Array(this.res.getRemoteAddress());
      this.#peer = address.length === 0 ? NO_ADDRESS : address;
    }
    return this.#peer;
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
    assert(!this.#hasBegun, 'an answer begins once');
    this.#status = status;
    this.#contentType = contentType;
    this.#headers = headers;
    this.#bytes = start === 0 && end === body.length ? body : body.subarray(start, end);
    this.#corked(this.#reply);
  }

  readonly #reply = (): void => {
    const res = this.res!;
    const body = this.#bytes;
    this.#bytes = EMPTY;
    const isBodyless = this.#writeHead();
    if (this.#isClosing) {
      if (!isBodyless && body.length > 0) this.#writeChunk(res, body);
      this.#finishClosing(res);
      return;
    }
    if (isBodyless) res.endWithoutBody();
    else res.end(body, this.#host.isStopping);
    this.#finish();
  };

  begin(status: number, contentType: string, headers: readonly string[]): void {
    if (!this.isOpen) return;
    assert(!this.#hasBegun, 'an answer begins once');
    // The end of a chunked answer cannot ask uWebSockets.js to close.
    if (this.#host.isStopping) this.#isClosing = true;
    this.#hasBegun = true;
    this.#isEvents = contentType.startsWith(EVENT_STREAM);
    this.#status = status;
    this.#contentType = contentType;
    this.#headers = headers;
    this.#corked(this.#begin);
  }

  readonly #begin = (): void => {
    this.#writeHead();
    // Also keeps uWebSockets.js from giving a drained, silent stream ten seconds to live.
    this.res!.onWritable(this.#onWritable);
    this.#host.flushLater(this);
  };

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.isOpen || end <= start) return true;
    assert(this.#hasBegun, 'write comes after begin');
    if (this.#isBodyless) return true;
    return this.#send(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
  }

  #send(bytes: Uint8Array | string): boolean {
    this.#bytes = bytes;
    this.#corked(this.#write);
    if (!this.#isTaken) this.#isStalled = true;
    return this.#isTaken;
  }

  readonly #write = (): void => {
    this.#isTaken = this.#writeChunk(this.res!, this.#bytes);
    this.#bytes = EMPTY;
  };

  end(): void {
    if (!this.isOpen) return;
    assert(this.#hasBegun, 'end comes after begin');
    this.#corked(this.#end);
  }

  readonly #end = (): void => {
    const res = this.res!;
    if (this.#isClosing) {
      this.#finishClosing(res);
      return;
    }
    if (this.#isBodyless) res.endWithoutBody();
    else res.end();
    this.#finish();
  };

  abort(): void {
    if (!this.isOpen) return;
    const res = this.res!;
    this.isOpen = false;
    this.#host.forget(this);
    if (this.#isInBody) setImmediate(() => this.res?.close());
    else res.close();
  }

  cork(fn: (exchange: HttpExchange) => void): void {
    if (!this.isOpen) return;
    if (this.isCorked) {
      fn(this);
      return;
    }
    this.#run = fn;
    this.#corked(this.#runCorked);
  }

  holdBack(): void {
    // A cork of uWebSockets.js ends with the function that it was opened for.
  }

  sendHeld(): boolean {
    return true;
  }

  readonly #runCorked = (): void => {
    const run = this.#run;
    this.#run = nothing;
    run(this);
  };

  /** Runs one of the bound functions so that its writes are collected. */
  #corked(run: () => void): void {
    if (this.isCorked) {
      run();
      return;
    }
    this.isCorked = true;
    this.res!.cork(run);
    this.isCorked = false;
  }

  /** Status line and fields, without the blank line. Answers whether a body is forbidden. */
  #writeHead(): boolean {
    const res = this.res!;
    const headers = this.#headers;
    const status = this.#status;
    res.writeStatus(statusBlock(status, this.#contentType));
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at]!;
      const value = headers[at + 1]!;
      if (isFieldSafe(name, value)) res.writeHeader(name, value);
    }
    this.#isBodyless = this.#isHead || status === 204 || status === 304;
    return this.#isBodyless;
  }

  #writeChunk(res: UwsResponse, bytes: Uint8Array | string): boolean {
    if (!this.#hasWritten && this.#isClosing) res.writeHeader('Connection', 'close');
    this.#hasWritten = true;
    return res.write(bytes);
  }

  /** Completes an answer behind which nothing may be served. See the top of this file. */
  #finishClosing(res: UwsResponse): void {
    if (this.#hasWritten) {
      res.writeHeader('\r\n0\r\nX-End', '1\r\n');
    } else {
      if (!this.#isBodyless) res.writeHeader('Content-Length', '0');
      res.writeHeader('Date', new Date().toUTCString());
      res.writeHeader('Connection', 'close\r\n');
    }
    this.isOpen = false;
    this.#host.forget(this);
    this.#host.linger(this);
  }

  /** The response ended and the connection serves on. */
  #finish(): void {
    this.isOpen = false;
    this.res = null;
    this.#host.forget(this);
    // The body handler outlives the response: with the rest of the body it would call another request's.
    if (!this.#hasBodyHandler) this.#host.release(this);
  }

  readonly #onData = (chunk: ArrayBuffer, isLast: boolean): void => {
    if (!this.isOpen) return;
    this.#bodyBytes += chunk.byteLength;
    this.isCorked = true;
    this.#isInBody = true;
    if (this.#bodyBytes > this.#host.bodyBytesMax) {
      this.refuse('BODY_TOO_LARGE');
      this.#host.listener.onAborted(this);
    } else {
      if (isLast) this.#onBodyEnd();
      else this.#onBodyPart(chunk.byteLength);
      this.#host.listener.onBody(this, new Uint8Array(chunk), 0, chunk.byteLength, isLast);
    }
    this.#isInBody = false;
    this.isCorked = false;
  };

  #onBodyPart(bytes: number): void {
    if (!this.isWatched) this.#host.watchBody(this);
    this.#windowBytes += bytes;
    if (this.#windowBytes < WINDOW_BYTES) return;
    this.#windowBytes = 0;
    this.#host.onBodyWindow(this);
  }

  #onBodyEnd(): void {
    this.#hasBodyHandler = false;
    this.#turn = this.#host.markTurn();
    if (this.isWatched) this.#host.forget(this);
  }

  readonly #onWritable = (): boolean => {
    const wasStalled = this.#isStalled;
    this.#isStalled = false;
    // With a handler of ours uWebSockets.js does not send what it holds; leaving a cork does.
    this.isCorked = true;
    this.res!.cork(wasStalled ? this.#tellWritable : nothing);
    this.isCorked = false;
    return true;
  };

  readonly #tellWritable = (): void => {
    if (this.isOpen) this.#host.listener.onWritable(this);
  };

  readonly onAborted = (): void => {
    const wasOpen = this.isOpen;
    this.isOpen = false;
    this.res = null;
    this.#host.forget(this);
    if (!wasOpen) return;
    if (this.#turn === this.#host.markTurn()) this.#host.onDisconnectedInTurn();
    this.#host.listener.onAborted(this);
    this.#host.release(this);
  };
}
