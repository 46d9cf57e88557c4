/**
 * One call under way: gathers the answer, a JSON body or an event stream, and says what became of it.
 * Pooled: `reset` makes it ready for the next call.
 */
import { MESSAGE_BYTES_MAX } from '../../shared/limits.ts';
import { KIND_ERROR, KIND_RESPONSE, Peek } from '../protocol/jsonrpc/peek-record.ts';
import { peek } from '../protocol/jsonrpc/peek.ts';
import { PEEK_OK, PEEK_REWRITE } from '../protocol/jsonrpc/verdict.ts';
import { EventStreamParser, type EventStreamListener } from '../transport/event-stream.ts';
import {
  CONTENT_EVENT_STREAM,
  CONTENT_JSON,
  failureName,
  type HttpCall,
  type HttpContentType,
  type HttpExecuted,
  type HttpFailureKind,
  type HttpHeadView,
  type HttpResponseListener,
} from '../transport/http/http-client.ts';

/** Hears once of each call. `error` is '' for a success. */
export interface BenchAnswerOwner {
  onAnswered(answer: BenchAnswer, error: string): void;
}

const HELD_BYTES_MIN = 4096;

/** One is enough for the thread: it is read right after it was filled. */
const SEEN = new Peek();

export class BenchAnswer implements HttpResponseListener, EventStreamListener {
  /** The request; it stays as it is until the call has ended. */
  request: Buffer;
  /** Digits of the JSON-RPC id. */
  id = '';
  /** When the call was due (open loop) or made. */
  dueMs = 0;
  isMeasured = false;
  call: HttpCall | null = null;
  /** Of the last answer. */
  status = 0;
  sessionId: string | null = null;
  bytesIn = 0;
  /** JSON of the response message, kept only where `keepsMessage` is set. */
  message = '';
  readonly keepsMessage: boolean;

  readonly #owner: BenchAnswerOwner;
  #contentType: HttpContentType = 0;
  #held: Buffer = Buffer.alloc(0);
  #heldBytes = 0;
  #error: string | null = null;
  #events: EventStreamParser | null = null;
  #expectsAnswer = true;

  constructor(owner: BenchAnswerOwner, requestBytes: number, keepsMessage = false) {
    this.#owner = owner;
    this.request = Buffer.allocUnsafe(requestBytes);
    this.keepsMessage = keepsMessage;
  }

  /** @param expectsAnswer false for a notification, or a DELETE: any 2xx will do */
  reset(id: string, dueMs: number, expectsAnswer = true): void {
    this.id = id;
    this.dueMs = dueMs;
    this.call = null;
    this.status = 0;
    this.sessionId = null;
    this.bytesIn = 0;
    this.message = '';
    this.#contentType = 0;
    this.#heldBytes = 0;
    this.#error = expectsAnswer ? null : '';
    this.#events = null;
    this.#expectsAnswer = expectsAnswer;
  }

  onHead(status: number, head: HttpHeadView): void {
    this.status = status;
    this.#contentType = head.contentType;
    this.sessionId = head.find('mcp-session-id');
    if (head.contentType === CONTENT_EVENT_STREAM)
      this.#events = new EventStreamParser(this, MESSAGE_BYTES_MAX);
  }

  onBody(bytes: Buffer, start: number, end: number): boolean {
    this.bytesIn += end - start;
    if (this.#events !== null) this.#events.push(bytes, start, end);
    else this.#hold(bytes, start, end);
    return true;
  }

  onEnd(): void {
    this.call = null;
    if (this.#contentType === CONTENT_JSON && this.#heldBytes > 0)
      this.#judge(this.#held, 0, this.#heldBytes);
    this.#owner.onAnswered(this, this.#outcome());
  }

  onFailure(kind: HttpFailureKind, _executed: HttpExecuted): void {
    this.call = null;
    this.#owner.onAnswered(this, failureName(kind));
  }

  onEvent(bytes: Buffer, start: number, end: number): boolean {
    if (end > start) this.#judge(bytes, start, end);
    return true;
  }

  onEventChunk(): boolean {
    this.#error ??= 'answer too large';
    return true;
  }

  onEventTooLarge(): void {
    this.#error ??= 'answer too large';
  }

  #outcome(): string {
    const isSuccess = this.status >= 200 && this.status < 300;
    if (!isSuccess) return `HTTP ${this.status}`;
    if (!this.#expectsAnswer) return '';
    return this.#error ?? 'no answer';
  }

  /** A message: the answer to our call decides, others (progress, requests) are passed over. */
  #judge(bytes: Buffer, start: number, end: number): void {
    const outcome = peek(bytes, start, end, SEEN);
    if (outcome !== PEEK_OK && outcome !== PEEK_REWRITE) {
      this.#error ??= 'not JSON-RPC';
      return;
    }
    if (SEEN.kind !== KIND_RESPONSE && SEEN.kind !== KIND_ERROR) return;
    if (this.keepsMessage) this.message = bytes.toString('utf8', start, end);
    if (bytes.toString('latin1', SEEN.idStart, SEEN.idEnd) !== this.id)
      this.#error ??= 'another id';
    else if (SEEN.kind === KIND_ERROR)
      this.#error = `error ${bytes.toString('latin1', SEEN.errorCodeStart, SEEN.errorCodeEnd)}`;
    else this.#error = SEEN.isError === 1 ? 'isError' : '';
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    const needed = this.#heldBytes + end - start;
    if (needed > MESSAGE_BYTES_MAX) {
      this.#error ??= 'answer too large';
      return;
    }
    if (needed > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(HELD_BYTES_MIN, needed * 2));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    bytes.copy(this.#held, this.#heldBytes, start, end);
    this.#heldBytes = needed;
  }
}
