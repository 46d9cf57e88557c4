/**
 * Turns answers into bytes for the edge: results, faults and event streams, for single exchanges and
 * for the members of a batch. The one place where a fault becomes what a client reads.
 */
import { copyLarge } from '../shared/byte-words.ts';
import { FAULTS } from '../shared/fault.ts';
import type { FaultCode } from '../shared/fault.ts';
import {
  HEADER_CACHE_CONTROL,
  HEADER_RETRY_AFTER,
  HEADER_X_ACCEL_BUFFERING,
} from '../shared/header-code.ts';
import {
  REPLY_EVENT_STREAM,
  REPLY_JSON,
  REPLY_NONE as CONTENT_NONE,
} from '../shared/reply-codec.ts';
import { ERA_MODERN } from '../src/protocol/eras/era.ts';
import type { EdgeProxy } from './edge-proxy.ts';
import { REPLY_BODY, REPLY_DONE, REPLY_EVENTS, REPLY_NONE } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { NO_FIELDS, replyFields } from './reply-fields.ts';
import type { ReplyFields } from './reply-fields.ts';

const RETRY_SOON = replyFields([[HEADER_RETRY_AFTER, '1']]);
const EVENT_STREAM_FIELDS = replyFields([
  [HEADER_CACHE_CONTROL, 'no-cache, no-transform'],
  [HEADER_X_ACCEL_BUFFERING, 'no'],
]);

const EVENT_START = Buffer.from('event: message\ndata: ');
const EVENT_END = Buffer.from('\n\n');
const EVENT_BYTES = EVENT_START.length + EVENT_END.length;
const KEEP_ALIVE = Buffer.from(': keep-alive\n\n');
const RESULT_START = Buffer.from('{"jsonrpc":"2.0","id":');
const RESULT_MIDDLE = Buffer.from(',"result":');
const RESULT_END = Buffer.from('}');

/** What is told of every fault that is answered: for counters, metrics and the log. */
export type FaultObserver = (exchange: Exchange, code: FaultCode, detail: string) => void;

export class Replier {
  readonly #edge: EdgeProxy;
  readonly #onFault: FaultObserver;

  constructor(edge: EdgeProxy, onFault: FaultObserver) {
    this.#edge = edge;
    this.#onFault = onFault;
  }

  /**
   * Answers with a fault. Without an id (a notification that must be refused, an unreadable message)
   * the error carries `id: null`.
   *
   * @param detail for the log only
   * @param data JSON text for `error.data`, or null
   * @param message replaces the row's text where the protocol asks for a precise one
   */
  fault(
    exchange: Exchange,
    code: FaultCode,
    detail = '',
    data: string | null = null,
    fields: ReplyFields | null = null,
    message: string | null = null,
  ): void {
    this.#onFault(exchange, code, detail);
    const row = FAULTS[code];
    const error = errorText(exchange.idText(), row.rpc, message ?? row.message, data);
    const status = faultStatus(exchange, code);
    this.#message(exchange, status, Buffer.from(error), fields ?? retryFields(status));
  }

  /** Answers `{"jsonrpc":"2.0","id":…,"result":RESULT}`. */
  result(exchange: Exchange, result: Buffer, fields: ReplyFields = NO_FIELDS): void {
    const idLength = exchange.idLength;
    const bytes =
      RESULT_START.length + idLength + RESULT_MIDDLE.length + result.length + RESULT_END.length;
    let at = this.beginMessage(exchange, 200, fields, bytes);
    const { target } = this;
    at += RESULT_START.copy(target, at);
    at += exchange.idBytes.copy(target, at, 0, idLength);
    at += RESULT_MIDDLE.copy(target, at);
    at += result.copy(target, at);
    RESULT_END.copy(target, at);
    this.finishMessage(exchange);
  }

  /** Sends a complete response message, e.g. one that an upstream wrote and that has been spliced. */
  message(exchange: Exchange, bytes: Buffer, start: number, end: number, status = 200): void {
    const at = this.beginMessage(exchange, status, NO_FIELDS, end - start);
    copyLarge(bytes, start, end, this.target, at);
    this.finishMessage(exchange);
  }

  #message(exchange: Exchange, status: number, bytes: Buffer, fields: ReplyFields): void {
    const at = this.beginMessage(exchange, status, fields, bytes.length);
    bytes.copy(this.target, at);
    this.finishMessage(exchange);
  }

  /** Where `beginMessage` wants the bytes. */
  get target(): Buffer {
    return this.#held ?? this.#edge.target;
  }

  /**
   * Opens the final response of an exchange, of exactly `bytes` bytes, to be written to `target` at
   * the returned index. Whatever form the reply has by now (plain, event stream, batch) is kept.
   */
  beginMessage(exchange: Exchange, status: number, fields: ReplyFields, bytes: number): number {
    if (exchange.batch !== null) {
      this.#held = Buffer.allocUnsafe(bytes);
      return 0;
    }
    if (exchange.replyState === REPLY_EVENTS) {
      return this.#startEvent(this.#edge.beginPiece(exchange, bytes + EVENT_BYTES, true), bytes);
    }
    return this.#edge.beginWhole(exchange, status, REPLY_JSON, fields, bytes);
  }

  finishMessage(exchange: Exchange): void {
    const held = this.#held;
    if (held !== null) {
      this.#held = null;
      exchange.batch?.onResponse(exchange, held);
    } else if (exchange.replyState === REPLY_EVENTS) {
      this.#finishEvent(exchange);
    } else {
      this.#edge.finishWhole(exchange);
    }
  }

  /** What a batch gets in one piece. */
  #held: Buffer | null = null;
  /** Where the message of the open event ends. */
  #eventEnd = 0;

  /** 202 for notifications and responses that were taken. */
  accepted(exchange: Exchange): void {
    if (exchange.batch !== null) {
      exchange.batch.onAccepted(exchange);
      return;
    }
    this.empty(exchange, 202);
  }

  /** A status without a body. */
  empty(exchange: Exchange, status: number, fields: ReplyFields = NO_FIELDS): void {
    this.#edge.beginWhole(exchange, status, CONTENT_NONE, fields, 0);
    this.#edge.finishWhole(exchange);
  }

  /**
   * Sends a notification or a server's request as an event, and turns the reply into an event stream
   * if it is not one yet. The message has no line breaks. False when this client cannot be sent
   * events.
   */
  event(exchange: Exchange, bytes: Buffer, start: number, end: number): boolean {
    const { batch } = exchange;
    if (batch !== null) return batch.onEvent(bytes, start, end);
    const at = this.beginEvent(exchange, end - start);
    if (at < 0) return false;
    copyLarge(bytes, start, end, this.target, at);
    this.finishEvent(exchange);
    return true;
  }

  /**
   * Opens such an event with a message of exactly `bytes` bytes, to be written to `target` at the returned
   * index; `finishEvent` sends it. Less than 0 when this client cannot be sent events.
   */
  beginEvent(exchange: Exchange, bytes: number): number {
    const { replyState } = exchange;
    if (exchange.batch !== null) {
      this.#held = Buffer.allocUnsafe(bytes);
      return 0;
    }
    const size = bytes + EVENT_BYTES;
    if (replyState === REPLY_EVENTS) {
      return this.#startEvent(this.#edge.beginPiece(exchange, size, false), bytes);
    }
    if (replyState !== REPLY_NONE || !exchange.acceptsEvents) return -1;
    exchange.replyState = REPLY_EVENTS;
    const fields = EVENT_STREAM_FIELDS;
    const at = this.#edge.beginWithPiece(exchange, 200, REPLY_EVENT_STREAM, fields, size);
    return this.#startEvent(at, bytes);
  }

  finishEvent(exchange: Exchange): void {
    const held = this.#held;
    if (held === null) {
      this.#finishEvent(exchange);
      return;
    }
    this.#held = null;
    exchange.batch?.onEvent(held, 0, held.length);
  }

  #startEvent(at: number, bytes: number): number {
    const start = at + EVENT_START.copy(this.#edge.target, at);
    this.#eventEnd = start + bytes;
    return start;
  }

  #finishEvent(exchange: Exchange): void {
    EVENT_END.copy(this.#edge.target, this.#eventEnd);
    this.#edge.finishPiece(exchange);
  }

  /** Makes the reply an event stream. False when that is not possible (any more). */
  beginEvents(exchange: Exchange, fields: ReplyFields = EVENT_STREAM_FIELDS): boolean {
    if (exchange.replyState === REPLY_EVENTS) return true;
    if (exchange.replyState !== REPLY_NONE || !exchange.acceptsEvents) return false;
    this.#edge.begin(exchange, 200, REPLY_EVENT_STREAM, fields, 0);
    exchange.replyState = REPLY_EVENTS;
    return true;
  }

  /** Begins a JSON body whose size is not known. */
  beginBody(exchange: Exchange): boolean {
    if (exchange.replyState !== REPLY_NONE || exchange.batch !== null) return false;
    this.#edge.begin(exchange, 200, REPLY_JSON, NO_FIELDS, 0);
    exchange.replyState = REPLY_BODY;
    return true;
  }

  /** A piece of a body, or of an event whose frame the caller writes. False: pause the source. */
  data(exchange: Exchange, bytes: Buffer, start: number, end: number): boolean {
    return this.#edge.data(exchange, bytes, start, end);
  }

  eventStart(exchange: Exchange): void {
    this.#edge.data(exchange, EVENT_START, 0, EVENT_START.length);
  }

  eventEnd(exchange: Exchange): void {
    this.#edge.data(exchange, EVENT_END, 0, EVENT_END.length);
  }

  /** Ends a stream or a body in good order. */
  end(exchange: Exchange): void {
    this.#edge.end(exchange);
  }

  /** Ends a body that cannot be completed. */
  abort(exchange: Exchange, code: FaultCode, detail: string): void {
    this.#onFault(exchange, code, detail);
    this.#edge.abort(exchange, code);
  }

  /** A comment, so that intermediaries see life on a silent stream. */
  keepAlive(exchange: Exchange): void {
    if (exchange.replyState === REPLY_EVENTS && exchange.queuedBytes === 0) {
      this.#edge.data(exchange, KEEP_ALIVE, 0, KEEP_ALIVE.length);
    }
  }

  isDone(exchange: Exchange): boolean {
    return exchange.replyState === REPLY_DONE;
  }
}

/**
 * HTTP status of a fault for this exchange. A legacy client reads 404 as "session gone" and any other
 * error status as a broken transport, so what is an answer to the call is 200 for it.
 */
function faultStatus(exchange: Exchange, code: FaultCode): number {
  const { http } = FAULTS[code];
  if (exchange.era !== ERA_MODERN && code === 'METHOD_NOT_FOUND') return 200;
  return http;
}

function retryFields(status: number): ReplyFields {
  return status === 503 ? RETRY_SOON : NO_FIELDS;
}

/** A JSON-RPC error response as text. `idText` and `data` are JSON. */
export function errorText(
  idText: string,
  rpc: number,
  message: string,
  data: string | null,
): string {
  const tail = data === null ? '' : `,"data":${data}`;
  return `{"jsonrpc":"2.0","id":${idText},"error":{"code":${rpc},"message":${JSON.stringify(message)}${tail}}}`;
}
