/**
 * One connection of the lean server: which part of a request its next byte belongs to.
 *
 *      HEAD ──head passed──▶ BODY (by length or in chunks) ──last byte──▶ RUNNING ──answered──▶ HEAD
 *        │                     │  answered early: the rest is read and dropped      │
 *        └─ refused ───────────┴──────────────▶ CLOSING ◀── the answer was the last ┘
 *
 * - Bytes are used up before `onRead` returns; the read buffer is shared by all connections of the
 *   server. Only an incomplete head is copied.
 * - What follows a request that still runs, or an answer that the peer does not take, disconnects: it
 *   would have to be queued, and no client of this protocol sends it.
 * - In CLOSING bytes are read and dropped, so that the peer gets to read our last words.
 */
import type { Socket } from 'node:net';
import {
  CHUNK_DATA,
  CHUNK_DONE,
  CHUNK_MORE,
  ChunkDecoder,
} from '../transport/http/chunk-decoder.ts';
import { DirectWriter } from '../transport/direct-write.ts';
import type { HttpListener, HttpServerOptions, KnownHeads } from './http-port.ts';
import { LeanExchange } from './lean-exchange.ts';
import type { LeanWire } from './lean-exchange.ts';
import { refusalBytes } from './refusal-reply.ts';
import type { RefusalName } from './refusal-reply.ts';
import type { ReplySlab } from './reply-slab.ts';
import { REQUEST_INCOMPLETE, REQUEST_REFUSED } from './request-parser.ts';
import type { RequestParser } from './request-parser.ts';
import { ShapeHint } from './shape-hint.ts';
import { tellHead } from './tell-head.ts';

/** What a connection needs of its server. */
export interface LeanHost {
  readonly options: HttpServerOptions;
  readonly listener: HttpListener;
  readonly parser: RequestParser;
  readonly slab: ReplySlab;
  readonly isStopping: boolean;
  /** Sweeps so far, and what the server's limits are in sweeps. */
  readonly tick: number;
  readonly headersTicks: number;
  readonly bodyTicks: number;
  readonly idleTicks: number;
  readonly lingerTicks: number;
  forget(connection: LeanConnection): void;
}

const STEP_HEAD = 0;
const STEP_LENGTH = 1;
const STEP_CHUNKED = 2;
const STEP_RUNNING = 3;
const STEP_CLOSING = 4;

/** Trailer fields are checked and dropped. */
const TRAILER_BYTES_MAX = 8 * 1024;
/** The edge gives its clients as long. */
const STALL_MS = 60_000;
const EMPTY = Buffer.alloc(0);
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n', 'latin1');

export class LeanConnection implements LeanWire {
  readonly exchange: LeanExchange = new LeanExchange(this);
  /** The sweep that ends what the connection waits for; Infinity while nothing is. */
  deadlineTick: number;
  readonly #host: LeanHost;
  readonly #socket: Socket;
  readonly #writer: DirectWriter;
  readonly #stallMs: number;
  #step = STEP_HEAD;
  #hasClose = false;
  #wantsBody = false;
  #bodyBytes = 0;
  #remaining = 0;
  #chunks: ChunkDecoder | null = null;
  #held: Buffer | null = null;
  /** Bytes of an incomplete head that were parsed in vain; parsed again when they have doubled. */
  #parsedBytes = 0;
  #isTimed = false;
  readonly #hint = new ShapeHint();
  /** What the socket held when its progress was looked at last. */
  #pendingBytes = 0;

  constructor(host: LeanHost, socket: Socket) {
    this.#host = host;
    this.#socket = socket;
    this.#writer = new DirectWriter(socket);
    this.#stallMs = host.options.stallTimeoutMs ?? STALL_MS;
    this.deadlineTick = host.tick + host.headersTicks;
    socket.on('drain', () => this.#onDrain());
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => undefined); // 'close' follows
    socket.on('timeout', () => this.#onStall());
    socket.on('close', () => this.#onClose());
  }

  // LeanWire

  get slab(): ReplySlab {
    return this.#host.slab;
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? '';
  }

  get isLast(): boolean {
    return this.#hasClose || this.#host.isStopping;
  }

  flush(): boolean {
    const { slab } = this.#host;
    const { length } = slab;
    const isTaken = this.#writer.write(slab.filled());
    slab.length = 0;
    if (!isTaken) {
      slab.lend(this.#writer);
      this.#watchStall(length);
    }
    return isTaken;
  }

  send(bytes: Buffer): boolean {
    const isTaken = this.#writer.write(bytes);
    if (!isTaken) this.#watchStall(bytes.length);
    return isTaken;
  }

  onAnswered(): void {
    if (this.isLast) this.#close(null);
    else if (this.#step === STEP_RUNNING) this.#awaitHead();
  }

  destroy(): void {
    this.#step = STEP_CLOSING;
    this.#held = null;
    this.#socket.destroy();
  }

  /** From the socket: bytes that are valid until this returns. */
  onRead(bytes: Buffer, count: number): void {
    const held = this.#held;
    if (held === null) {
      this.#consume(bytes, 0, count);
      return;
    }
    this.#held = null;
    const joined = Buffer.allocUnsafe(held.length + count);
    held.copy(joined, 0);
    bytes.copy(joined, held.length, 0, count);
    const hasEnd = joined.indexOf('\r\n\r\n', Math.max(0, held.length - 3), 'latin1') >= 0;
    const isOver = joined.length > this.#host.options.headerBytesMax;
    if (hasEnd || isOver || joined.length >= this.#parsedBytes * 2) {
      this.#consume(joined, 0, joined.length);
    } else {
      this.#held = joined;
    }
  }

  /** A sweep found the deadline passed. */
  onDeadline(): void {
    if (this.#step === STEP_HEAD && this.#held !== null) this.#refuse('HEADERS_TIMEOUT');
    else if (this.#isInBody() && this.exchange.isOpen) this.#refuse('BODY_TIMEOUT');
    else this.destroy();
  }

  #isInBody(): boolean {
    return this.#step === STEP_LENGTH || this.#step === STEP_CHUNKED;
  }

  #consume(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      switch (this.#step) {
        case STEP_HEAD:
          at = this.#readHead(bytes, at, end);
          break;
        case STEP_LENGTH:
          at = this.#readLength(bytes, at, end);
          break;
        case STEP_CHUNKED:
          at = this.#readChunks(bytes, at, end);
          break;
        case STEP_RUNNING:
          this.#refuseToQueue();
          return;
        default:
          return;
      }
    }
  }

  /** @returns where to go on; `end` where nothing more of these bytes counts */
  #readHead(bytes: Buffer, start: number, end: number): number {
    const host = this.#host;
    if (this.#isTimed && this.#writer.isHolding) {
      this.#refuseToQueue();
      return end;
    }
    const { known } = host.listener;
    const behind = known === undefined ? 0 : this.#hint.match(known, bytes, start, end);
    if (known !== undefined && behind > 0 && behind - start <= host.options.headerBytesMax) {
      this.#beginKnown(known);
      return behind;
    }
    const after = host.parser.parse(bytes, start, end);
    const headBytes = (after < 0 ? end : after) - start;
    if (headBytes > host.options.headerBytesMax) this.#refuse('HEADERS_TOO_LARGE');
    else if (after === REQUEST_REFUSED) this.#refuse(host.parser.refusal);
    else if (after === REQUEST_INCOMPLETE) this.#hold(bytes, start, end);
    else {
      this.#parsedBytes = 0;
      this.#begin(host.parser);
      return after;
    }
    return end;
  }

  #beginKnown(known: KnownHeads): void {
    this.exchange.open(false);
    this.#parsedBytes = 0;
    this.#hasClose = false;
    this.#bodyBytes = 0;
    this.#remaining = known.knownLength;
    this.#wantsBody = true;
    this.#step = STEP_LENGTH;
    this.#waitFor(this.#host.bodyTicks);
    known.beginKnown(this.exchange);
  }

  /** More requests, though one still runs or the answers before were not taken. */
  #refuseToQueue(): void {
    this.#host.options.onPipelinedDisconnect?.();
    this.destroy();
    this.#abortExchange();
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    // The time runs from the first byte, and on from the start where none came yet.
    if (this.#parsedBytes === 0) this.#waitFor(this.#host.headersTicks);
    this.#parsedBytes = end - start;
    this.#held = Buffer.from(bytes.subarray(start, end));
  }

  #begin(parser: RequestParser): void {
    const { listener } = this.#host;
    const { exchange } = this;
    const { contentLength, isChunked, expectsContinue } = parser;
    exchange.open(parser.method === 'HEAD');
    this.#hasClose = parser.hasClose;
    this.#bodyBytes = 0;
    this.#remaining = contentLength;
    const hasBody = isChunked || contentLength > 0;
    // Before the listener is told, as it may answer at once.
    if (!hasBody) this.#run();
    else {
      this.#step = isChunked ? STEP_CHUNKED : STEP_LENGTH;
      if (isChunked) this.#chunks = new ChunkDecoder(TRAILER_BYTES_MAX);
      this.#waitFor(this.#host.bodyTicks);
    }
    this.#wantsBody =
      listener.onRawHead?.(exchange, parser) ?? tellHead(listener, exchange, parser);
    this.#hint.learn(listener.known);
    if (!this.#wantsBody || !exchange.isOpen) return;
    if (!hasBody) listener.onBody(exchange, EMPTY, 0, 0, true);
    else if (expectsContinue) this.#writer.write(CONTINUE);
  }

  #readLength(bytes: Buffer, start: number, end: number): number {
    const take = Math.min(this.#remaining, end - start);
    const after = start + take;
    this.#remaining -= take;
    const isLast = this.#remaining === 0;
    if (isLast) this.#endBody();
    this.#take(bytes, start, after, isLast);
    return after;
  }

  #readChunks(bytes: Buffer, start: number, end: number): number {
    const chunks = this.#chunks!;
    const outcome = chunks.next(bytes, start, end);
    if (outcome === CHUNK_DATA) this.#take(bytes, chunks.dataStart, chunks.dataEnd, false);
    else if (outcome === CHUNK_DONE) {
      this.#endBody();
      this.#take(EMPTY, 0, 0, true);
    } else if (outcome !== CHUNK_MORE) {
      this.#refuse('FRAMING_REFUSED');
      return end;
    }
    return chunks.at;
  }

  /** The last byte of the body is here: what follows is for an answer. */
  #endBody(): void {
    this.#chunks = null;
    if (this.exchange.isOpen) this.#run();
    else this.#awaitHead();
  }

  #take(bytes: Buffer, start: number, end: number, isLast: boolean): void {
    const { exchange } = this;
    const { listener, options } = this.#host;
    if (!exchange.isOpen) return;
    this.#bodyBytes += end - start;
    if (this.#bodyBytes > options.bodyBytesMax) this.#refuse('BODY_TOO_LARGE');
    else if (this.#wantsBody) listener.onBody(exchange, bytes, start, end, isLast);
  }

  #run(): void {
    this.#step = STEP_RUNNING;
    this.deadlineTick = Infinity;
  }

  #awaitHead(): void {
    this.#step = STEP_HEAD;
    this.#waitFor(this.#host.idleTicks);
  }

  #waitFor(ticks: number): void {
    this.deadlineTick = this.#host.tick + ticks;
  }

  /** Answers in the server's own name, unless an answer has begun, and closes. */
  #refuse(name: RefusalName): void {
    if (name === 'FRAMING_REFUSED' || name === 'HEADER_REFUSED') {
      this.#host.options.onFramingRefused?.();
    }
    if (this.exchange.isOpen && this.exchange.hasBegun) this.destroy();
    else this.#close(refusalBytes(name));
    this.#abortExchange();
  }

  #close(lastWords: Buffer | null): void {
    this.#step = STEP_CLOSING;
    this.#held = null;
    this.#waitFor(this.#host.lingerTicks);
    if (lastWords === null) this.#socket.end();
    else this.#socket.end(lastWords);
    // A large answer on its way is not cut by the linger: its own progress is watched.
    if (this.#isTimed) this.deadlineTick = Infinity;
  }

  #abortExchange(): void {
    const { exchange } = this;
    if (!exchange.isOpen) return;
    exchange.drop();
    this.#host.listener.onAborted(exchange);
  }

  /** From now on the peer has to take some of what the socket holds, `bytes` more than before. */
  #watchStall(bytes: number): void {
    if (this.#isTimed) {
      this.#pendingBytes += bytes;
      return;
    }
    this.#isTimed = true;
    this.#pendingBytes = this.#writer.pendingBytes;
    this.#socket.setTimeout(this.#stallMs);
  }

  #onStall(): void {
    const bytes = this.#writer.pendingBytes;
    if (!this.#writer.isHolding) this.#endWatch();
    else if (bytes >= this.#pendingBytes) this.#socket.destroy();
    else {
      this.#pendingBytes = bytes;
      this.#socket.setTimeout(this.#stallMs);
    }
  }

  #endWatch(): void {
    if (!this.#isTimed) return;
    this.#isTimed = false;
    this.#socket.setTimeout(0);
    if (this.#step === STEP_CLOSING) this.#waitFor(this.#host.lingerTicks);
  }

  #onDrain(): void {
    this.#endWatch();
    const { exchange } = this;
    if (!exchange.isOpen || !exchange.isStalled) return;
    exchange.isStalled = false;
    this.#host.listener.onWritable(exchange);
  }

  /** The peer sends no more. A request that runs is taken for given up: most peers are gone then. */
  #onEnd(): void {
    const isFlushing = !this.exchange.isOpen && this.#writer.isHolding;
    if (isFlushing) this.#close(null);
    else this.destroy();
    this.#abortExchange();
  }

  #onClose(): void {
    this.#step = STEP_CLOSING;
    this.#held = null;
    this.#host.forget(this);
    this.#abortExchange();
  }
}
