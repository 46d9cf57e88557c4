/**
 * One keep-alive connection of the lean client: a socket, the calls on it in the order in which they
 * were written, and how far the response to the first of them has been read.
 *
 * - Bytes that answer no written call end the connection: they are never matched to a later call.
 * - Reading is synchronous: a piece of the body points into the read buffer, which all connections of
 *   the thread share (`lean-socket.ts`), and is gone when the listener returns. Only an incomplete
 *   head, and what was already read when a listener asked for a pause, is copied.
 * - A listener may abort any call of the client. After each call of one, `isClosed` is looked at.
 * - A paused response stops its whole connection; calls pipelined behind it wait, others do not.
 */
import type { Socket } from 'node:net';
import { DirectWriter } from '../direct-write.ts';
import {
  CLOSED,
  CONTENT_EVENT_STREAM,
  PROTOCOL,
  TOO_LARGE,
  type HttpFailureKind,
} from './http-client.ts';
import {
  CHUNK_DATA,
  CHUNK_DONE,
  CHUNK_MALFORMED,
  CHUNK_MORE,
  CHUNK_TOO_LARGE,
  ChunkDecoder,
} from './chunk-decoder.ts';
import { CALL_ANSWERED, CALL_ASSIGNED, CALL_ENDED, CALL_SENT, CallList } from './lean-call.ts';
import type { LeanCall } from './lean-call.ts';
import type { SocketSource } from './lean-socket.ts';
import type { RequestWriter } from './request-writer.ts';
import { HEAD_INCOMPLETE, HEAD_TOO_LARGE, type ResponseHead } from './response-head.ts';

/** What a connection tells its client. Listeners of calls are called by the connection itself. */
export interface ConnectionOwner {
  /** One for all connections of the client: a head is parsed and used up within one call. */
  readonly head: ResponseHead;
  readonly headerBytesMax: number;
  onConnected(connection: LeanConnection): void;
  /** A response ended. The connection has room, and is idle if `calls` is empty. */
  onRoom(connection: LeanConnection): void;
  /** The call is over; called just before its listener hears of it. */
  onAnswered(call: LeanCall): void;
  /** `isClosed` has become true; `calls` still holds what was on it. */
  onLost(connection: LeanConnection, kind: HttpFailureKind): void;
  /** The socket's descriptor is gone. */
  onSocketClosed(): void;
}

const STEP_HEAD = 0;
const STEP_LENGTH = 1;
const STEP_CHUNKED = 2;
const STEP_UNTIL_CLOSE = 3;

/** 1xx responses to one call. 103 may repeat, 102 comes every few seconds at most. */
const INTERIM_MAX = 64;

export class LeanConnection {
  /** Connected at least once. */
  isOpen = false;
  isClosed = false;
  /** Takes no further call and is closed after the last response it owes. */
  isRetiring = false;
  isPaused = false;
  /** The response under way, or to come, has no end in sight: nothing may be queued behind it. */
  isStreaming = false;
  /** In the client's list of connections to flush, before `nextDirty`. */
  isDirty = false;
  nextDirty: LeanConnection | null = null;
  /** A paused response is to be read on at the next flush. */
  isResuming = false;
  connectDeadlineMs = Infinity;
  /** When it became idle last. */
  restedMs = 0;
  /** Meaningful while the connection is idle. */
  idleUntilMs = Infinity;
  /** What the last response said of `Keep-Alive: timeout=`; -1 for nothing. */
  keepAliveSeconds = -1;
  /** Responses that came to their end here. */
  answered = 0;
  /** Calls on this connection that were given up. */
  givenUp = 0;
  readonly calls = new CallList();
  /** Why the socket failed, as it says itself; for the client's choice of failure kind. */
  errorCode = '';

  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #out: DirectWriter;
  #firstUnwritten: LeanCall | null = null;
  #step = STEP_HEAD;
  #remaining = 0;
  #interims = 0;
  /** This response is the connection's last (RFC 9112 9.3). */
  #isLast = false;
  #chunks: ChunkDecoder | null = null;
  /** The upstream's end came while reading was paused. */
  #isEnded = false;
  /** Bytes read but not used: an incomplete head, or what came after a pause. */
  #held: Buffer | null = null;
  /** Bytes of an incomplete head that have been parsed in vain; parsed again when they have doubled. */
  #parsedBytes = 0;

  constructor(owner: ConnectionOwner, source: SocketSource, connectDeadlineMs: number) {
    this.#owner = owner;
    this.connectDeadlineMs = connectDeadlineMs;
    this.#socket = source.open(this);
    this.#out = new DirectWriter(this.#socket);
  }

  /** Calls written or about to be. */
  get load(): number {
    return this.calls.count;
  }

  /** Calls of which the upstream may know. */
  writtenCount(): number {
    let count = 0;
    for (let call = this.calls.first; call !== null; call = call.next) {
      if (call.state === CALL_ASSIGNED) break;
      count += 1;
    }
    return count;
  }

  /** Appends a call; `flush` writes it. */
  assign(call: LeanCall): void {
    call.state = CALL_ASSIGNED;
    call.attempts += 1;
    call.connection = this;
    this.calls.pushBack(call);
    if (call.isLasting) this.isStreaming = true;
    if (this.#firstUnwritten === null) this.#firstUnwritten = call;
  }

  /** Takes a call off that was assigned and not written. */
  unassign(call: LeanCall): void {
    if (this.#firstUnwritten === call) this.#firstUnwritten = call.next;
    this.calls.remove(call);
    call.connection = null;
    if (call.isLasting) this.isStreaming = false;
  }

  /** Writes what was assigned since the last flush, in one write where that is possible. */
  flush(writer: RequestWriter, nowMs: number): void {
    const first = this.#firstUnwritten;
    if (first === null || this.isClosed) return;
    // A write that fails at once took no byte: the calls stay as they are and are safe to move.
    if (!writer.write(this.#out, first)) return;
    this.#firstUnwritten = null;
    for (let call: LeanCall | null = first; call !== null; call = call.next) {
      call.state = CALL_SENT;
      call.sentMs = nowMs;
    }
  }

  /** Reads on after a pause: first what is held, then the socket. */
  resume(): void {
    if (!this.isPaused || this.isClosed) return;
    this.isPaused = false;
    const held = this.#held;
    this.#held = null;
    if (held === null) this.#consume(EMPTY, 0, 0);
    else this.#consume(held, 0, held.length);
    if (this.isPaused || this.isClosed) return;
    if (this.#isEnded) this.onEof();
    else this.#socket.resume();
  }

  /** Ends the connection. The calls on it are settled by the owner. */
  shut(kind: HttpFailureKind): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#held = null;
    this.#firstUnwritten = null;
    this.#socket.destroy();
    this.#owner.onLost(this, kind);
  }

  /** From the socket. */
  onConnect(): void {
    if (this.isClosed) return;
    this.isOpen = true;
    this.connectDeadlineMs = Infinity;
    this.#owner.onConnected(this);
  }

  /** From the socket: bytes that are valid until this returns. False stops reading. */
  onRead(bytes: Buffer, count: number): boolean {
    if (this.isClosed) return false;
    if (this.isPaused) {
      this.#holdMore(bytes, count);
      return false;
    }
    const held = this.#held;
    if (held === null) {
      this.#consume(bytes, 0, count);
    } else {
      this.#held = null;
      this.#consumeHeld(held, bytes, count);
    }
    return !this.isPaused;
  }

  /** From the socket: the upstream will send no more. */
  onEof(): void {
    if (this.isClosed) return;
    if (this.isPaused) {
      // Over TLS the end may come with what is held; it counts once that is used up.
      this.#isEnded = true;
      this.isRetiring = true;
    } else if (this.#step === STEP_UNTIL_CLOSE) this.#finish(false);
    else this.shut(CLOSED);
  }

  /** From the socket: it is gone, with or without an error before. */
  onSocketError(code: string): void {
    this.errorCode = code;
    this.shut(CLOSED);
  }

  /** From the socket: its descriptor is closed. */
  onSocketClosed(): void {
    if (!this.#isEnded) this.shut(CLOSED);
    this.#owner.onSocketClosed();
  }

  /** Over TLS, the rest of a read that a pause came in the middle of: 64 KiB at most. */
  #holdMore(bytes: Buffer, count: number): void {
    const more = bytes.subarray(0, count);
    this.#held = this.#held === null ? Buffer.from(more) : Buffer.concat([this.#held, more]);
  }

  /** An incomplete head grows. It is parsed again when its end may be there or it has doubled. */
  #consumeHeld(held: Buffer, bytes: Buffer, count: number): void {
    const joined = Buffer.allocUnsafe(held.length + count);
    held.copy(joined, 0);
    bytes.copy(joined, held.length, 0, count);
    const hasEnd = joined.indexOf('\r\n\r\n', Math.max(0, held.length - 3), 'latin1') >= 0;
    const isOver = joined.length > this.#owner.headerBytesMax;
    if (hasEnd || isOver || joined.length >= this.#parsedBytes * 2) {
      this.#consume(joined, 0, joined.length);
    } else {
      this.#held = joined;
    }
  }

  /** Works through what has come. Leaves when it is used up, the connection closed or reading paused. */
  #consume(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (!this.isClosed && !this.isPaused) {
      if (this.#step === STEP_LENGTH && this.#remaining === 0) {
        this.#finish(at < end);
        continue;
      }
      if (at >= end) return;
      const call = this.calls.first;
      if (call === null || call.state === CALL_ASSIGNED) {
        this.shut(PROTOCOL);
        return;
      }
      call.state = CALL_ANSWERED;
      at =
        this.#step === STEP_HEAD
          ? this.#readHead(call, bytes, at, end)
          : this.#readBody(call, bytes, at, end);
    }
    if (this.isPaused && !this.isClosed && at < end) {
      this.#held = Buffer.from(bytes.subarray(at, end));
    }
  }

  /** @returns where to go on; `end` where more must come, or where the connection was closed */
  #readHead(call: LeanCall, bytes: Buffer, start: number, end: number): number {
    const { head } = this.#owner;
    const after = head.parse(bytes, start, end);
    const isOver = (after < 0 ? end : after) - start > this.#owner.headerBytesMax;
    if (after < 0 || isOver) {
      if (after === HEAD_TOO_LARGE || (isOver && after >= HEAD_INCOMPLETE)) this.shut(TOO_LARGE);
      else if (after !== HEAD_INCOMPLETE) this.shut(PROTOCOL);
      else this.#hold(bytes, start, end);
      return end;
    }
    this.#parsedBytes = 0;
    if (head.status < 200) {
      this.#interims += 1;
      if (!isInterimSound(head) || this.#interims > INTERIM_MAX) this.shut(PROTOCOL);
      return after;
    }
    this.#interims = 0;
    this.#frameBody(head);
    call.listener.onHead(head.status, head);
    return after;
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    this.#held = Buffer.from(bytes.subarray(start, end));
    this.#parsedBytes = end - start;
  }

  /** RFC 9112 6.3: how the body ends, and whether the connection outlives it (9.3). */
  #frameBody(head: ResponseHead): void {
    this.#isLast = head.hasClose || (head.minorVersion === 0 && !head.hasKeepAlive);
    this.keepAliveSeconds = head.keepAliveSeconds;
    if (head.status === 204 || head.status === 304) {
      // These have no body whatever the fields say. A server that says otherwise may send one.
      if (head.status === 204 && (head.isChunked || head.contentLength > 0)) this.#isLast = true;
      this.#step = STEP_LENGTH;
      this.#remaining = 0;
    } else if (head.isChunked) {
      this.#step = STEP_CHUNKED;
      if (this.#chunks === null) this.#chunks = new ChunkDecoder(this.#owner.headerBytesMax);
      else this.#chunks.reset();
    } else if (head.contentLength >= 0) {
      this.#step = STEP_LENGTH;
      this.#remaining = head.contentLength;
    } else {
      this.#step = STEP_UNTIL_CLOSE;
      this.#isLast = true;
    }
    if (this.#isLast) this.isRetiring = true;
    this.isStreaming = head.contentType === CONTENT_EVENT_STREAM || this.#step === STEP_UNTIL_CLOSE;
  }

  #readBody(call: LeanCall, bytes: Buffer, start: number, end: number): number {
    if (this.#step === STEP_CHUNKED) return this.#readChunks(call, bytes, start, end);
    const take = this.#step === STEP_LENGTH ? Math.min(this.#remaining, end - start) : end - start;
    this.#remaining -= take;
    this.#deliver(call, bytes, start, start + take);
    return start + take;
  }

  #readChunks(call: LeanCall, bytes: Buffer, start: number, end: number): number {
    const chunks = this.#chunks as ChunkDecoder;
    const outcome = chunks.next(bytes, start, end);
    if (outcome === CHUNK_DATA) this.#deliver(call, bytes, chunks.dataStart, chunks.dataEnd);
    else if (outcome === CHUNK_DONE) this.#finish(chunks.at < end);
    else if (outcome === CHUNK_MALFORMED) this.shut(PROTOCOL);
    else if (outcome === CHUNK_TOO_LARGE) this.shut(TOO_LARGE);
    return outcome === CHUNK_MORE ? end : chunks.at;
  }

  #deliver(call: LeanCall, bytes: Buffer, start: number, end: number): void {
    if (!call.listener.onBody(bytes, start, end) && !call.isGivenUp) this.isPaused = true;
  }

  /** The first call's response is complete. `hasMore`: bytes follow that were read with it. */
  #finish(hasMore: boolean): void {
    const call = this.calls.first as LeanCall;
    const listener = call.listener;
    this.calls.remove(call);
    if (call.isGivenUp) this.givenUp -= 1;
    call.state = CALL_ENDED;
    call.connection = null;
    this.answered += 1;
    this.#step = STEP_HEAD;
    this.isStreaming = false;
    const next = this.calls.first;
    const isSurplus = hasMore && (next === null || next.state === CALL_ASSIGNED);
    // An answer that came before the request had left leaves half a request in the socket.
    const isEarly = (next === null || call.isHeld) && this.#out.isHolding;
    const isSpent = isSurplus || isEarly || this.#isLast || (this.isRetiring && next === null);
    // Room is told before the listener is, so that the call it makes next finds this connection.
    if (isSpent) this.isRetiring = true;
    else if (!this.isRetiring) this.#owner.onRoom(this);
    if (!call.isGivenUp) {
      this.#owner.onAnswered(call);
      // From here on it may begin anew. Whatever else ends a call may still find it in a list.
      call.isSpent = !call.isHeld;
    }
    listener.onEnd();
    if (isSpent) this.shut(isSurplus ? PROTOCOL : CLOSED);
    else if (this.givenUp > 0 && this.givenUp === this.writtenCount()) this.shut(CLOSED);
  }
}

const EMPTY = Buffer.alloc(0);

/**
 * 101 would end HTTP on this connection, and nobody asked for that. The others have no body and end
 * nothing (RFC 9110 15.2, RFC 9112 6.1); where the fields say otherwise, two readers would differ.
 */
function isInterimSound(head: ResponseHead): boolean {
  if (head.status === 101 || head.minorVersion === 0) return false;
  return !head.hasClose && !head.isChunked && head.contentLength < 0;
}
