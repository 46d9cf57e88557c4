/**
 * The edge's handle on one shard: typed writes into its ring. What always holds:
 *
 * - A new OPEN is written now or refused; it never waits. It is refused while CREDIT or CANCEL frames
 *   wait, because then the ring is full and they must not starve.
 * - CREDIT and CANCEL are never lost. What does not fit waits on the exchange itself (credit adds up,
 *   a cancel replaces the body), so the queue is bounded by the open exchanges.
 * - The rest of a large body waits too, within the body budget, and leaves a quarter of the ring free:
 *   a 4 MiB body must not make the calls beside it fail.
 * - After `detach` nothing is written and nothing waits.
 */
import {
  FLAG_FIN,
  FRAME_CANCEL,
  FRAME_CREDIT,
  FRAME_DATA,
  FRAME_OPEN,
} from '../../shared/frame-kind.ts';
import { FRAME_HEADER_BYTES } from '../../shared/frame-descriptor.ts';
import { FRAME_BYTES_MAX } from '../../shared/limits.ts';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import type { Doorbell } from '../../shared/doorbell.ts';
import { ByteRange, ByteRanges, copyRange } from '../../shared/byte-words.ts';
import type { RingWriter } from '../../shared/ring-writer.ts';
import type { BodyBudget } from './body-budget.ts';
import { ConnectionTable } from './connection-table.ts';
import type { EdgeExchange } from './connection-table.ts';
import type { HttpExchange } from './http-server.ts';

/** See `#ringSoon`. */
const FRAMES_PER_RING = 16;
const NO_BYTES = new Uint8Array(0);
/** The scratch block of heads and the buffer that sockets are read into are not larger. */
const KEPT_BYTES_MAX = 64 * 1024;

/** Holds a body, and a part of the body budget for it. */
export interface BodyOwner {
  readonly budgetBytes: number;
}

export class ShardProxy {
  readonly index: number;
  readonly table: ConnectionTable;
  /** Generation that runs, 0 for none. */
  generation: number;
  /** Whether the shard said `ready` and takes new exchanges. */
  isRunning: boolean;
  readonly #doorbell: Doorbell;
  readonly #counters: CounterBlock;
  readonly #budget: BodyBudget;
  /** A claim this large must be granted before more of a large body is written: it leaves half of that. */
  readonly #reservePayloadBytes: number;
  readonly #framePayloadBytesMax: number;
  #writer: RingWriter | null;
  #ring: ByteRange = new ByteRange(NO_BYTES);
  readonly #heads = new ByteRanges(KEPT_BYTES_MAX);
  readonly #bodies = new ByteRanges(KEPT_BYTES_MAX);
  /** Frames written since the doorbell was last rung. */
  #unrung: number;
  #isRingDue: boolean;
  readonly #ringNow: () => void;
  #controlQueue: EdgeExchange[];
  #bodyQueue: EdgeExchange[];

  constructor(
    index: number,
    doorbell: Doorbell,
    budget: BodyBudget,
    counters: CounterBlock,
    ringBytes: number,
  ) {
    this.index = index;
    this.table = new ConnectionTable(index);
    this.generation = 0;
    this.isRunning = false;
    this.#doorbell = doorbell;
    this.#counters = counters;
    this.#budget = budget;
    this.#reservePayloadBytes = ringBytes / 2 - FRAME_HEADER_BYTES;
    this.#framePayloadBytesMax = Math.min(FRAME_BYTES_MAX, ringBytes / 4) - FRAME_HEADER_BYTES;
    this.#writer = null;
    this.#unrung = 0;
    this.#isRingDue = false;
    this.#ringNow = () => {
      this.#isRingDue = false;
      if (this.#unrung > 0) this.ring();
    };
    this.#controlQueue = [];
    this.#bodyQueue = [];
  }

  get openCount(): number {
    return this.table.openCount;
  }

  /** A new generation starts on an empty ring. */
  attach(generation: number, writer: RingWriter): void {
    this.generation = generation;
    this.#writer = writer;
    this.#ring = new ByteRange(writer.bytes);
  }

  /** The shard is gone: drops all that waits. Its exchanges stay open until somebody answers them. */
  detach(): void {
    this.isRunning = false;
    this.#writer = null;
    for (const exchange of this.#bodyQueue) this.#dropBody(exchange);
    for (const exchange of this.#controlQueue) exchange.isControlQueued = false;
    this.#bodyQueue = [];
    this.#controlQueue = [];
  }

  /** Wakes the shard if it sleeps. */
  ring(): void {
    this.#unrung = 0;
    if (this.#doorbell.ring()) this.#counters.add(COUNTERS.DOORBELLS.id);
  }

  /**
   * Wakes the shard at the end of this event loop turn, after all sockets had theirs: waking costs a
   * system call, and a shard faster than its requests come would sleep and be woken once for each. Some
   * frames are enough reason not to wait, so that the shard works while the edge still reads. An exchange that
   * is the only one waits for no others: the way to the end of the turn would be a part of its time.
   */
  #ringSoon(): void {
    this.#unrung += 1;
    if (this.#unrung >= FRAMES_PER_RING || this.table.openCount === 1) this.ring();
    else if (this.#unrung === 1 && !this.#isRingDue) {
      this.#isRingDue = true;
      setImmediate(this.#ringNow);
    }
  }

  /**
   * Hands a request over.
   *
   * @param head open head and header block, as `open-codec.ts` has them, `headBytes` long
   * @param body the whole body in `body[bodyStart, bodyEnd)`; copied before this returns unless it has an owner
   * @param owner what holds `body` until now: nobody else will touch that, and its part of the budget comes with it
   * @returns the exchange, or null if there is no room: no slot, a full ring, or no budget for the rest
   */
  tryOpen(
    http: HttpExchange,
    head: Uint8Array,
    headBytes: number,
    body: Uint8Array,
    bodyStart: number,
    bodyEnd: number,
    owner: BodyOwner | null,
  ): EdgeExchange | null {
    const writer = this.#writer;
    if (writer === null || this.#controlQueue.length > 0) return null;
    // A body that fits no frame goes behind the OPEN as a whole: then its size is no reason to refuse.
    const bodyBytes = bodyEnd - bodyStart;
    const isWhole = bodyBytes <= this.#framePayloadBytesMax - headBytes;
    const first = isWhole ? bodyBytes : 0;
    const rest = bodyBytes - first;
    if (rest > 0 && owner === null && !this.#budget.tryTake(rest)) return null;
    const exchange = this.table.tryTake(http);
    const at =
      exchange === null
        ? -1
        : writer.tryClaim(
            FRAME_OPEN,
            rest === 0 ? FLAG_FIN : 0,
            exchange.number,
            bodyBytes,
            headBytes + first,
          );
    if (exchange === null || at < 0) {
      if (exchange !== null) this.table.release(exchange);
      if (rest > 0 && owner === null) this.#budget.give(rest);
      return null;
    }
    const bodyAt = copyRange(this.#heads.of(head), 0, headBytes, this.#ring, at);
    if (isWhole) copyRange(this.#bodies.of(body), bodyStart, bodyEnd, this.#ring, bodyAt);
    writer.commit();
    if (rest > 0) {
      exchange.pendingBody = owner === null ? body.slice(bodyStart, bodyEnd) : body;
      exchange.pendingBodyAt = 0;
      exchange.budgetBytes = owner === null ? rest : owner.budgetBytes;
      this.#queueBody(exchange);
      this.#flushBodies(writer);
    } else if (owner !== null) {
      this.#budget.give(owner.budgetBytes);
    }
    this.#ringSoon();
    return exchange;
  }

  /** Lets the shard send `bytes` more of this exchange's reply. */
  sendCredit(exchange: EdgeExchange, bytes: number): void {
    const writer = this.#writer;
    if (writer === null) return;
    exchange.pendingCredit += bytes;
    if (!this.#trySendControl(writer, exchange)) this.#queueControl(exchange);
    this.#ringSoon();
  }

  /** Tells the shard to stop working for this exchange. What it had not been sent of the body is dropped. */
  cancel(exchange: EdgeExchange, reason: number): void {
    const writer = this.#writer;
    if (writer === null || exchange.pendingCancel !== 0) return;
    exchange.pendingCancel = reason;
    exchange.pendingCredit = 0;
    this.#dropBody(exchange);
    if (!this.#trySendControl(writer, exchange)) this.#queueControl(exchange);
    this.#ringSoon();
  }

  /** Forgets what waits for an exchange that the shard has ended, and gives its slot back. */
  release(exchange: EdgeExchange): void {
    this.#dropBody(exchange);
    if (exchange.isControlQueued) {
      exchange.isControlQueued = false;
      const at = this.#controlQueue.indexOf(exchange);
      if (at >= 0) this.#controlQueue.splice(at, 1);
    }
    this.table.release(exchange);
  }

  /** Whether frames wait for room. */
  get hasQueued(): boolean {
    return this.#controlQueue.length > 0 || this.#bodyQueue.length > 0;
  }

  /** Whether frames wait for which the shard has made room since. */
  get canFlush(): boolean {
    return this.hasQueued && this.#writer !== null && !this.#writer.isStarved;
  }

  /** Writes what waits, as far as there is room. */
  flush(): void {
    const writer = this.#writer;
    if (writer === null || !this.hasQueued) return;
    let sent = 0;
    for (const exchange of this.#controlQueue) {
      if (!this.#trySendControl(writer, exchange)) break;
      exchange.isControlQueued = false;
      sent += 1;
    }
    if (sent > 0) this.#controlQueue.splice(0, sent);
    if (this.#controlQueue.length === 0) this.#flushBodies(writer);
    this.#ringSoon();
  }

  #trySendControl(writer: RingWriter, exchange: EdgeExchange): boolean {
    const number = exchange.number;
    if (exchange.pendingCancel > 0) {
      const reason = exchange.pendingCancel;
      if (!writer.tryWrite(FRAME_CANCEL, 0, number, reason, NO_BYTES, 0, 0)) return false;
      exchange.pendingCancel = -1; // sent: no second one, and no credit after it
      return true;
    }
    if (exchange.pendingCredit > 0) {
      const bytes = exchange.pendingCredit;
      if (!writer.tryWrite(FRAME_CREDIT, 0, number, bytes, NO_BYTES, 0, 0)) return false;
      exchange.pendingCredit = 0;
    }
    return true;
  }

  #queueControl(exchange: EdgeExchange): void {
    if (exchange.isControlQueued) return;
    exchange.isControlQueued = true;
    this.#counters.add(COUNTERS.EDGE_QUEUED.id);
    this.#controlQueue.push(exchange);
  }

  #queueBody(exchange: EdgeExchange): void {
    exchange.isBodyQueued = true;
    this.#bodyQueue.push(exchange);
  }

  /** One frame of each waiting body in turn, so that a small one does not wait behind a large one. */
  #flushBodies(writer: RingWriter): void {
    while (this.#bodyQueue.length > 0) {
      if (!this.#hasReserve(writer)) return;
      const exchange = this.#bodyQueue.shift();
      if (exchange === undefined || exchange.pendingBody === null) continue;
      const at = exchange.pendingBodyAt;
      const end = Math.min(exchange.pendingBody.length, at + this.#framePayloadBytesMax);
      const isLast = end === exchange.pendingBody.length;
      writer.tryWrite(
        FRAME_DATA,
        isLast ? FLAG_FIN : 0,
        exchange.number,
        0,
        exchange.pendingBody,
        at,
        end,
      );
      exchange.pendingBodyAt = end;
      exchange.isBodyQueued = false;
      if (isLast) this.#dropBody(exchange);
      else this.#queueBody(exchange);
    }
  }

  #dropBody(exchange: EdgeExchange): void {
    if (exchange.budgetBytes > 0) this.#budget.give(exchange.budgetBytes);
    exchange.budgetBytes = 0;
    exchange.pendingBody = null;
    exchange.pendingBodyAt = 0;
    if (!exchange.isBodyQueued) return;
    exchange.isBodyQueued = false;
    const at = this.#bodyQueue.indexOf(exchange);
    if (at >= 0) this.#bodyQueue.splice(at, 1);
  }

  /** Whether half of the ring is free, of which a frame takes half; if not, the reader rings once it is. */
  #hasReserve(writer: RingWriter): boolean {
    if (writer.tryClaim(FRAME_DATA, 0, 0, 0, this.#reservePayloadBytes) < 0) return false;
    writer.abandon();
    return true;
  }
}
