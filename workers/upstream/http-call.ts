import type { FaultCode } from '../../shared/fault.ts';
import { MESSAGE_HELD_BYTES } from '../../shared/limits.ts';
import type { EventChunkPlace, EventStreamListener } from '../../src/transport/event-stream.ts';
import { CHUNK_FIRST, CHUNK_LAST, EventStreamParser } from '../../src/transport/event-stream.ts';
import {
  ANSWERED,
  CONTENT_EVENT_STREAM,
  CONTENT_JSON,
  PIECE_BYTES_MAX,
} from '../../src/transport/http/http-client.ts';
import type {
  HttpCall,
  HttpExecuted,
  HttpFailureKind,
  HttpHeadView,
  HttpResponseListener,
} from '../../src/transport/http/http-client.ts';
import { STREAM_DONE, STREAM_FAILED } from '../../src/protocol/jsonrpc/response-stream.ts';
import type { ByteSink, ResponseStream } from '../../src/protocol/jsonrpc/response-stream.ts';
import type { ByteRange } from '../../shared/byte-words.ts';
import { newCallToken } from './call-id.ts';
import type { CallListener } from './call.ts';
import { UpstreamCall } from './call.ts';
import type { HttpUpstream } from './http-upstream.ts';
import type { HttpUpstreamSession } from './http-session.ts';
import { RequestBuffer } from './request-buffer.ts';
import { StreamResume } from './stream-resume.ts';

/** Error bodies of upstreams are read up to this, to find a JSON-RPC error in them. */
const ERROR_BODY_MAX = 64 * 1024;
/**
 * One JSON-RPC message posted to an HTTP upstream, and its answer: a JSON body or an event stream.
 * Small answers are handed on where they lie in the socket's read buffer; what comes in pieces is
 * collected up to MESSAGE_HELD_BYTES and beyond that passed through as it comes, if the listener can.
 */
export class HttpUpstreamCall
  extends UpstreamCall
  implements HttpResponseListener, EventStreamListener, ByteSink
{
  readonly #upstream: HttpUpstream;
  /** Of `idToken`. */
  readonly token: ByteRange = newCallToken();
  readonly request: RequestBuffer;
  /** Comes back to its upstream for another client's call once its answer has ended. */
  readonly isPooled: boolean;
  upSession: HttpUpstreamSession | null = null;
  /** Header line of our own credential, for a second sending. */
  credential: Buffer = EMPTY;
  /** Sent again because the connection was lost before it left. */
  isResent = false;
  /** Sent again because the upstream forgot the session; a restarted upstream causes both. */
  isSessionRenewed = false;
  /** Nothing is expected but an empty 202. */
  isNotification = false;
  isResendable = false;
  /** Opens a stream that has no end. */
  isLasting = false;
  /** `Mcp-Session-Id` of the answer; read for `initialize` only. */
  sessionIdHeader: string | null = null;
  #handle: HttpCall | null = null;
  /** A socket that was lost may have had some of the request still to send. */
  #isHeld = false;
  /** The last handle, once it has ended well. */
  #spent: HttpCall | null = null;
  #contentType = 0;
  #expected = -1;
  #held: Buffer = EMPTY;
  #heldBytes = 0;
  #isDispatched = false;
  #stream: ResponseStream | null = null;
  #parser: EventStreamParser | null = null;
  #resume: StreamResume | null = null;
  #isOpen = true;

  constructor(upstream: HttpUpstream, isPooled = false) {
    super();
    this.isPooled = isPooled;
    this.request = new RequestBuffer(isPooled);
    this.#upstream = upstream;
    this.idToken = this.token.bytes as Buffer;
  }

  /** Sends the request (again). False: no room. */
  send(): boolean {
    this.#resume = null;
    this.#expectAnswer();
    this.#handle = this.#upstream.client.send(
      this.request.bytes,
      0,
      this.request.end,
      this,
      0,
      this.isResendable,
      this.isLasting,
      this.#spent,
    );
    this.#spent = null;
    return this.#handle !== null;
  }

  #expectAnswer(): void {
    this.httpStatus = 0;
    this.#contentType = 0;
    this.#heldBytes = 0;
    this.#isDispatched = false;
    this.#parser = null;
    this.#stream = null;
  }

  onHead(status: number, head: HttpHeadView): void {
    this.httpStatus = status;
    this.#contentType = head.contentType;
    this.#expected = head.contentLength;
    if (this.methodId === this.#upstream.initializeMethod) {
      this.sessionIdHeader = head.find('mcp-session-id');
    }
    if (head.contentType === CONTENT_EVENT_STREAM) {
      this.#parser = new EventStreamParser(this, MESSAGE_HELD_BYTES);
    }
  }

  onBody(bytes: Buffer, start: number, end: number): boolean {
    if (this.isNotification) return true;
    if (this.#parser !== null) return this.#parser.push(bytes, start, end);
    if (this.#stream !== null) return this.#pass(bytes, start, end);
    if (this.#heldBytes === 0 && this.#expected === end - start && this.#isMessage()) {
      this.#isDispatched = true;
      this.#dispatchWhole(bytes, start, end);
      return true;
    }
    // What is announced to be too large to be held is passed on from its first byte.
    if (this.#heldBytes === 0 && this.#expected > MESSAGE_HELD_BYTES && this.#isMessage()) {
      this.#stream = this.listener?.onStreamBegin(this) ?? null;
      if (this.#stream !== null) return this.#pass(bytes, start, end);
    }
    return this.#hold(bytes, start, end);
  }

  onEnd(): void {
    this.#spent = this.#handle;
    this.#handle = null;
    const { listener } = this;
    if (this.isNotification) this.#upstream.onPosted(this);
    else if (this.#parser !== null) {
      this.#parser.end();
      if (this.#goesOnLater()) return;
    } else if (this.#stream !== null) {
      this.#endPassing();
      return;
    } else if (!this.#isDispatched && listener !== null) {
      const goesOn = this.#dispatchWhole(this.#held, 0, this.#heldBytes);
      if (goesOn) return;
    }
    // Still listening: the stream or body ended without the response.
    if (this.listener !== null) this.fault('UPSTREAM_CLOSED', ANSWERED, 'ended without a response');
    // Nobody knows the call any more: the exchange let go of it when it was settled.
    else if (this.isPooled && !this.isResent && !this.isSessionRenewed)
      this.#upstream.release(this);
  }

  /** Ready for another client's call. A large buffer is let go. */
  recycle(): void {
    this.upSession = null;
    this.session = null;
    this.exchange = null;
    this.credential = EMPTY;
    this.serverRequests = 0;
    this.sessionIdHeader = null;
    this.#resume = null;
    this.#held = EMPTY;
    this.#heldBytes = 0;
    this.request.recycle();
  }

  onFailure(kind: HttpFailureKind, executed: HttpExecuted): void {
    this.#isHeld = this.#handle?.isHeld === true;
    this.#handle = null;
    if (this.#goesOnLater()) return;
    if (this.#resume !== null) {
      // The call was taken once: it must not be sent again.
      this.fault('UPSTREAM_CLOSED', ANSWERED, 'stream broke off and was not resumed');
      return;
    }
    this.#upstream.onCallFailure(this, kind, executed);
  }

  /** The answer broke off between two events, and its server may have the rest. */
  #goesOnLater(): boolean {
    const session = this.upSession;
    if (this.listener === null || session === null || session.id === null) return false;
    // Half an event has been passed on: what follows cannot be joined to it.
    if (this.#stream !== null) return false;
    const parser = this.#parser;
    if (parser !== null && parser.lastEventId !== '') this.#resume ??= new StreamResume();
    const resume = this.#resume;
    if (resume === null) return false;
    if (parser !== null) resume.note(parser);
    return resume.later(() => this.#goOn(session, resume.lastEventId));
  }

  #goOn(session: HttpUpstreamSession, lastEventId: string): void {
    if (this.listener === null) return;
    this.#expectAnswer();
    const { client, writer } = this.#upstream;
    const request = writer.stream(session, lastEventId, this.credential);
    this.#handle = client.send(request, 0, request.length, this, 0, true, true);
    if (this.#handle === null) this.fault('UPSTREAM_CLOSED', ANSWERED, 'no room to resume');
  }

  // Event stream.

  onEvent(bytes: Buffer, start: number, end: number): boolean {
    if (this.listener !== null && start < end) this.#upstream.onMessage(this, bytes, start, end);
    // A resumed stream is not a response of its own, and may stay open after what it was opened for.
    if (this.listener === null && this.#resume !== null) this.abort();
    return true;
  }

  /** A single event that is too large to be held here: passed through, or gathered after all. */
  onEventChunk(bytes: Buffer, start: number, end: number, place: EventChunkPlace): boolean {
    if (place === CHUNK_FIRST) this.#stream = this.listener?.onStreamBegin(this) ?? null;
    if (this.#stream !== null) {
      const isOpen = start === end || this.#pass(bytes, start, end);
      if (place === CHUNK_LAST) this.#endPassing();
      return isOpen;
    }
    if (place !== CHUNK_LAST) return this.#gather(bytes, start, end);
    const held = this.#held;
    const heldBytes = this.#heldBytes;
    this.#held = EMPTY;
    this.#heldBytes = 0;
    return this.onEvent(held, 0, heldBytes);
  }

  onEventTooLarge(): void {
    this.#failTooLarge();
  }

  // UpstreamCall.

  override giveUp(reason: number): void {
    this.#upstream.onGiveUp(this, reason);
  }

  override respond(bytes: Buffer, start: number, end: number): void {
    this.#upstream.post(this.upSession, Buffer.from(bytes.subarray(start, end)));
  }

  override resume(): void {
    this.#handle?.resume();
  }

  /** Stops reading and frees the connection or closes it. */
  abort(): HttpExecuted {
    const handle = this.#handle;
    this.#handle = null;
    this.#resume?.cancel();
    if (handle === null) return ANSWERED;
    const executed = handle.abort();
    if (!handle.isHeld) this.request.release();
    return executed;
  }

  /** Goes on in another session. */
  moveTo(session: HttpUpstreamSession | null): void {
    if (this.upSession !== null) this.upSession.calls -= 1;
    this.upSession = session;
    if (session !== null) session.calls += 1;
  }

  /** Ends the call for its listener; the wire may still be busy. */
  settle(): CallListener | null {
    const { listener } = this;
    this.listener = null;
    if (listener !== null) this.#upstream.onSettled(this);
    return listener;
  }

  fault(code: FaultCode, executed: HttpExecuted, detail: string): void {
    const listener = this.settle();
    if (listener !== null) listener.onFault(this, code, executed, detail);
    // Where an answer is still read, its end comes and with it the next use.
    if (this.#handle === null && !this.#isHeld) this.request.release();
  }

  /** An answer proper need not wait for `onEnd`; any other may mean that this call is sent again. */
  #isMessage(): boolean {
    return this.#contentType === CONTENT_JSON && this.httpStatus === 200;
  }

  /** All of a plain body is there. True: the call goes on, with another request. */
  #dispatchWhole(bytes: Buffer, start: number, end: number): boolean {
    if (this.listener === null) return false;
    if (!this.#isMessage()) {
      if (this.#resume !== null) {
        this.fault('UPSTREAM_CLOSED', ANSWERED, `not resumed: status=${this.httpStatus}`);
        return false;
      }
      const isJson = this.#contentType === CONTENT_JSON;
      return this.#upstream.onStatus(this, bytes, start, end, isJson);
    }
    this.#upstream.onMessage(this, bytes, start, end);
    return false;
  }

  #hold(bytes: Buffer, start: number, end: number): boolean {
    const size = end - start;
    const total = this.#heldBytes + size;
    if (this.httpStatus !== 200 && total > ERROR_BODY_MAX) return true;
    if (total > MESSAGE_HELD_BYTES && this.httpStatus === 200) {
      const { listener } = this;
      const stream =
        this.#contentType === CONTENT_JSON ? (listener?.onStreamBegin(this) ?? null) : null;
      if (stream !== null) {
        this.#stream = stream;
        const held = this.#held;
        const heldBytes = this.#heldBytes;
        this.#held = EMPTY;
        this.#heldBytes = 0;
        const isOpen = heldBytes === 0 || this.#pass(held, 0, heldBytes);
        return this.#pass(bytes, start, end) && isOpen;
      }
    }
    return this.#gather(bytes, start, end);
  }

  #gather(bytes: Buffer, start: number, end: number): boolean {
    const total = this.#heldBytes + end - start;
    if (total > this.#upstream.plan.messageBytesMax) {
      this.#failTooLarge();
      return true;
    }
    if (total > this.#held.length) {
      const expected = Math.min(this.#expected, MESSAGE_HELD_BYTES);
      const grown = Buffer.allocUnsafe(Math.max(total, expected, this.#held.length * 2));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    bytes.copy(this.#held, this.#heldBytes, start, end);
    this.#heldBytes = total;
    return true;
  }

  #failTooLarge(): void {
    this.abort();
    this.fault('UPSTREAM_TOO_LARGE', ANSWERED, 'answer exceeds messageBytesMax');
  }

  #pass(bytes: Buffer, start: number, end: number): boolean {
    const stream = this.#stream;
    if (this.listener === null || stream === null) return true;
    this.#isOpen = true;
    if (stream.push(bytes, start, end, this) === STREAM_FAILED) {
      this.abort();
      this.#endPassing();
      return true;
    }
    if (!this.#isOpen) return false;
    const { exchange } = this;
    if (exchange === null || exchange.clientGone) return true;
    // Stops before a piece may exceed the credit and would have to be copied to wait for more. More
    // comes by the half window; a small one says that the client is slow, and then one piece waits.
    const isOpen = exchange.credit >= PIECE_BYTES_MAX;
    if (!isOpen) this.#upstream.onOutOfCredit();
    return isOpen;
  }

  /** What the response stream lets through. */
  write(bytes: Buffer, start: number, end: number): void {
    if (this.listener?.onStreamData(this, bytes, start, end) === false) this.#isOpen = false;
  }

  #endPassing(): void {
    const stream = this.#stream;
    this.#stream = null;
    if (stream === null) return;
    const listener = this.settle();
    listener?.onStreamEnd(this, stream.state === STREAM_DONE, stream.isError);
  }
}

const EMPTY = Buffer.alloc(0);
