import { ByteRanges } from '../shared/byte-words.ts';
import { FLAG_FIN, FRAME_ABORT, FRAME_DATA, FRAME_HEAD, FRAME_IDS } from '../shared/frame-kind.ts';
import { FAULTS } from '../shared/fault.ts';
import type { FaultCode } from '../shared/fault.ts';
import { CREDIT_BYTES, FRAME_BYTES_MAX } from '../shared/limits.ts';
import { REPLY_HEAD_BYTES, writeReplyHead } from '../shared/reply-codec.ts';
import { REPLY_BODY, REPLY_DONE, REPLY_EVENTS } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import type { FrameWriter } from './frame-writer.ts';
import { NO_FIELDS } from './reply-fields.ts';
import type { ReplyFields } from './reply-fields.ts';

/** Payload of one frame, its header not counted: as much as one read of an upstream brings (`PIECE_BYTES_MAX`). */
const PAYLOAD_BYTES_MAX = FRAME_BYTES_MAX;

/**
 * The shard's handle on the edge: replies as frames. Keeps the rule of credit: of one exchange's reply
 * at most CREDIT_BYTES are under way; what exceeds them waits in the exchange's queue, and `data`
 * answers false so that the source pauses.
 */
export class EdgeProxy {
  readonly #frames: FrameWriter;
  readonly #onDone: (exchange: Exchange) => void;
  readonly #targets = new ByteRanges();
  /** What is open and cannot be written straight into the ring: a whole body, or a piece of one. */
  #whole: Buffer | null = null;
  #wholeStatus = 0;
  #wholeType = 0;
  #wholeFields: ReplyFields = NO_FIELDS;
  #isLastPiece = false;

  /** @param onDone told when an exchange's last frame is out */
  constructor(frames: FrameWriter, onDone: (exchange: Exchange) => void) {
    this.#frames = frames;
    this.#onDone = onDone;
  }

  /** Where `beginWhole`, `beginWithPiece` and `beginPiece` want their bytes. */
  get target(): Buffer {
    return this.#whole ?? this.#frames.target;
  }

  /**
   * Opens a complete reply with a body of exactly `bodyBytes`, to be written to `target` at the index
   * this returns; `finishWhole` sends it. A body that fits a frame is written straight into the ring.
   */
  beginWhole(
    exchange: Exchange,
    status: number,
    contentType: number,
    fields: ReplyFields,
    bodyBytes: number,
  ): number {
    const payload = REPLY_HEAD_BYTES + fields.bytes.length + bodyBytes;
    if (payload > PAYLOAD_BYTES_MAX) {
      this.#whole = Buffer.allocUnsafe(bodyBytes);
      this.#wholeStatus = status;
      this.#wholeType = contentType;
      this.#wholeFields = fields;
      return 0;
    }
    this.#whole = null;
    const at = this.#frames.claim(FRAME_HEAD, FLAG_FIN, exchange.number, bodyBytes, payload);
    return this.#writeHead(at, status, contentType, fields);
  }

  finishWhole(exchange: Exchange): void {
    const whole = this.#whole;
    if (whole === null) {
      this.#frames.commit();
      this.#finish(exchange);
      return;
    }
    this.#whole = null;
    this.begin(exchange, this.#wholeStatus, this.#wholeType, this.#wholeFields, whole.length);
    exchange.replyState = REPLY_BODY;
    this.#send(exchange, whole, 0, whole.length, true);
    this.end(exchange);
  }

  /** Begins a reply whose body follows in pieces. `bodyBytes` is 0 where it is not known. */
  begin(
    exchange: Exchange,
    status: number,
    contentType: number,
    fields: ReplyFields,
    bodyBytes: number,
  ): void {
    const payload = REPLY_HEAD_BYTES + fields.bytes.length;
    const at = this.#frames.claim(FRAME_HEAD, 0, exchange.number, bodyBytes, payload);
    this.#writeHead(at, status, contentType, fields);
    this.#frames.commit();
    exchange.credit = CREDIT_BYTES;
  }

  /**
   * The same with the body's first piece, of exactly `bytes` bytes, which travels in the head's frame if it
   * fits: to be written to `target` at the index this returns; `finishPiece` sends it.
   */
  beginWithPiece(
    exchange: Exchange,
    status: number,
    contentType: number,
    fields: ReplyFields,
    bytes: number,
  ): number {
    const payload = REPLY_HEAD_BYTES + fields.bytes.length + bytes;
    if (payload > PAYLOAD_BYTES_MAX) {
      this.begin(exchange, status, contentType, fields, 0);
      return this.beginPiece(exchange, bytes, false);
    }
    this.#whole = null;
    this.#isLastPiece = false;
    exchange.credit = CREDIT_BYTES - bytes;
    const at = this.#frames.claim(FRAME_HEAD, 0, exchange.number, 0, payload);
    return this.#writeHead(at, status, contentType, fields);
  }

  /**
   * Opens a piece of the body of exactly `bytes` bytes, to be written to `target` at the index this returns;
   * `finishPiece` sends it. What credit and a frame allow is written straight into the ring.
   *
   * @param isLast the body is complete with it: its frame ends the exchange
   */
  beginPiece(exchange: Exchange, bytes: number, isLast: boolean): number {
    this.#isLastPiece = isLast;
    const mustWait = exchange.queuedBytes > 0 || bytes > exchange.credit;
    if (mustWait || bytes > PAYLOAD_BYTES_MAX) {
      this.#whole = Buffer.allocUnsafe(bytes);
      return 0;
    }
    this.#whole = null;
    exchange.credit -= bytes;
    return this.#frames.claim(FRAME_DATA, isLast ? FLAG_FIN : 0, exchange.number, 0, bytes);
  }

  finishPiece(exchange: Exchange): void {
    const piece = this.#whole;
    if (piece !== null) {
      this.#whole = null;
      this.#send(exchange, piece, 0, piece.length, true);
      if (this.#isLastPiece) this.end(exchange);
      return;
    }
    this.#frames.commit();
    if (this.#isLastPiece) this.#finish(exchange);
  }

  /** Sends a piece of the body. False when the source should pause until `onCredit`. */
  data(exchange: Exchange, bytes: Buffer, start: number, end: number): boolean {
    if (exchange.replyState === REPLY_DONE) return true;
    this.#send(exchange, bytes, start, end, false);
    return exchange.queuedBytes === 0;
  }

  /** The body is complete. */
  end(exchange: Exchange): void {
    if (exchange.replyState === REPLY_DONE) return;
    if (exchange.queuedBytes > 0) {
      exchange.finQueued = true;
      return;
    }
    this.#frames.claim(FRAME_DATA, FLAG_FIN, exchange.number, 0, 0);
    this.#frames.commit();
    this.#finish(exchange);
  }

  /** Ends an exchange in the middle: the edge turns the fault into what still can be said. */
  abort(exchange: Exchange, code: FaultCode): void {
    if (exchange.replyState === REPLY_DONE) return;
    exchange.queue = [];
    exchange.queuedBytes = 0;
    this.#frames.claim(FRAME_ABORT, 0, exchange.number, FAULTS[code].id, 0);
    this.#frames.commit();
    this.#finish(exchange);
  }

  /** Tells the edge ids that do not fit the shared cell: a JSON array. Of a batch, an array is answered. */
  ids(exchange: Exchange, json: Buffer, isBatch: boolean): void {
    this.#frames.write(FRAME_IDS, 0, exchange.number, isBatch ? 1 : 0, json, 0, json.length);
  }

  /** The edge took bytes off: go on with what waits. */
  onCredit(exchange: Exchange, bytes: number): void {
    exchange.credit += bytes;
    while (exchange.queue.length > 0 && exchange.credit > 0) {
      const head = exchange.queue[0] as Buffer;
      const sent = Math.min(head.length, exchange.credit, PAYLOAD_BYTES_MAX);
      this.#frame(exchange, head, 0, sent);
      exchange.queuedBytes -= sent;
      if (sent === head.length) exchange.queue.shift();
      else exchange.queue[0] = head.subarray(sent);
    }
    if (exchange.queuedBytes > 0) return;
    if (exchange.finQueued) this.end(exchange);
    else if (exchange.source !== null) exchange.source.onCredit(exchange);
  }

  #finish(exchange: Exchange): void {
    exchange.replyState = REPLY_DONE;
    this.#onDone(exchange);
  }

  #writeHead(at: number, status: number, contentType: number, fields: ReplyFields): number {
    const { bytes, count } = fields;
    const { target } = this.#frames;
    const range = this.#targets.of(target);
    const next = writeReplyHead(range, at, status, contentType, count, bytes.length);
    if (bytes.length > 0) bytes.copy(target, next);
    return next + bytes.length;
  }

  #send(exchange: Exchange, bytes: Buffer, start: number, end: number, isOwned: boolean): void {
    let at = start;
    if (exchange.queuedBytes === 0) {
      while (at < end && exchange.credit > 0) {
        const sent = Math.min(end - at, exchange.credit, PAYLOAD_BYTES_MAX);
        this.#frame(exchange, bytes, at, at + sent);
        at += sent;
      }
    }
    if (at < end) {
      const rest = bytes.subarray(at, end);
      exchange.queue.push(isOwned ? rest : Buffer.from(rest));
      exchange.queuedBytes += end - at;
    }
  }

  #frame(exchange: Exchange, bytes: Buffer, start: number, end: number): void {
    this.#frames.write(FRAME_DATA, 0, exchange.number, 0, bytes, start, end);
    exchange.credit -= end - start;
  }
}

/** Whether a reply has begun and can only be continued. */
export function hasBegun(exchange: Exchange): boolean {
  return exchange.replyState === REPLY_EVENTS || exchange.replyState === REPLY_BODY;
}
