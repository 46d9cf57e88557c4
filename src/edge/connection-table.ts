/**
 * The exchanges of one shard, as the edge knows them: number to socket. Only the edge's thread touches
 * it. What always holds:
 *
 * - An exchange number is `generation << EXCHANGE_SLOT_BITS | slot`. A slot's generation goes up each
 *   time the slot is taken, so a frame of an earlier exchange finds nothing. It wraps after 2^18 uses of
 *   one slot (skipping 0, which shared cells keep for free); a ring cannot hold frames that old.
 * - A slot is taken from the moment an OPEN was written until the shard ended the exchange (FIN or
 *   ABORT) or was lost, even if the client left meanwhile: the shard's own table mirrors this one.
 * - `EdgeExchange` objects are made once per slot and lent again.
 */
import { assert } from '../../shared/assert.ts';
import { EXCHANGE_SLOT_BITS, EXCHANGES_MAX } from '../../shared/limits.ts';
import type { HttpExchange } from './http-server.ts';

/** Free. */
export const PHASE_FREE = 0;
/** Opened, nothing answered yet. */
export const PHASE_OPEN = 1;
/** An answer that is no event stream has begun. */
export const PHASE_BODY = 2;
/** An event stream has begun. */
export const PHASE_EVENTS = 3;

const SLOT_MASK = (1 << EXCHANGE_SLOT_BITS) - 1;
const GENERATION_MASK = 0xffff_ffff >>> EXCHANGE_SLOT_BITS;
/** Nothing written yet counts as being between two events. */
const TAIL_BETWEEN_EVENTS = 0x0a0a_0a0a;

/** One client message on its way through one shard. Fields are read and written by the edge's parts. */
export class EdgeExchange {
  readonly slot: number;
  readonly shard: number;
  /** `generation << EXCHANGE_SLOT_BITS | slot` as a signed integer, as frames carry it; never 0. */
  number: number;
  phase: number;
  /** The client's side, or null once it is answered or gone. */
  http: HttpExchange | null;
  /** The Origin to name in the answer's CORS fields; empty for none. */
  corsOrigin: string;
  /** JSON array of ids the shard told in an IDS frame (long ids and batches), or null. */
  ids: Uint8Array | null;
  /** They are a batch's: its answer is an array, even if there is one. */
  isBatch: boolean;

  /** Reply bytes written for which no credit was returned yet. */
  creditBytes: number;
  /** The last write found the socket full: credit is withheld. */
  isBlocked: boolean;
  /** Credit returned all the same since then, to find out whether the socket drained. */
  probeBytes: number;
  /** Since when the socket has taken nothing at all, monotonic ms; meaningful while the writer lists it. */
  stalledSinceMs: number;
  /** The last four reply bytes, to know whether an event was cut. */
  tail: number;

  /** Waiting to be written to the shard's ring: CREDIT, CANCEL (reason) and the rest of the body. */
  pendingCredit: number;
  pendingCancel: number;
  pendingBody: Uint8Array | null;
  pendingBodyAt: number;
  /** What this body counts for in the body budget, given back when it is written or dropped. */
  budgetBytes: number;
  /** Links of the shard proxy's queues. */
  isControlQueued: boolean;
  isBodyQueued: boolean;

  constructor(shard: number, slot: number) {
    this.slot = slot;
    this.shard = shard;
    this.number = slot;
    this.phase = PHASE_FREE;
    this.http = null;
    this.corsOrigin = '';
    this.ids = null;
    this.isBatch = false;
    this.creditBytes = 0;
    this.isBlocked = false;
    this.probeBytes = 0;
    this.stalledSinceMs = 0;
    this.tail = TAIL_BETWEEN_EVENTS;
    this.pendingCredit = 0;
    this.pendingCancel = 0;
    this.pendingBody = null;
    this.pendingBodyAt = 0;
    this.budgetBytes = 0;
    this.isControlQueued = false;
    this.isBodyQueued = false;
  }

  /** Remembers how the reply ends so far. */
  noteTail(bytes: Uint8Array, start: number, end: number): void {
    let tail = this.tail;
    for (let at = Math.max(start, end - 4); at < end; at += 1)
      tail = (tail << 8) | (bytes[at] ?? 0);
    this.tail = tail;
  }

  /** Whether the event stream stands between two events (HTML, server-sent events, §9.2.6). */
  isBetweenEvents(): boolean {
    const lastTwo = this.tail & 0xffff;
    return lastTwo === 0x0a0a || lastTwo === 0x0d0d || this.tail === 0x0d0a_0d0a;
  }
}

/** The exchanges of one shard. Full at EXCHANGES_MAX: the edge answers BUSY to the next one. */
export class ConnectionTable {
  readonly #shard: number;
  readonly #exchanges: EdgeExchange[] = [];
  readonly #free: number[] = [];
  #openCount = 0;

  constructor(shard: number) {
    this.#shard = shard;
  }

  /** Exchanges that are open. */
  get openCount(): number {
    return this.#openCount;
  }

  /** Lends an exchange, or null if the table is full. */
  tryTake(http: HttpExchange): EdgeExchange | null {
    const slot = this.#free.pop() ?? this.#exchanges.length;
    if (slot >= EXCHANGES_MAX) return null;
    let exchange = this.#exchanges[slot];
    if (exchange === undefined) {
      exchange = new EdgeExchange(this.#shard, slot);
      this.#exchanges.push(exchange);
    }
    const next = ((exchange.number >>> EXCHANGE_SLOT_BITS) + 1) & GENERATION_MASK;
    const generation = next === 0 ? 1 : next;
    exchange.number = (generation << EXCHANGE_SLOT_BITS) | slot;
    exchange.phase = PHASE_OPEN;
    exchange.http = http;
    this.#openCount += 1;
    return exchange;
  }

  /** The open exchange of this number, or undefined for a stale one. */
  find(number: number): EdgeExchange | undefined {
    const exchange = this.#exchanges[number & SLOT_MASK];
    if (exchange === undefined || exchange.number !== number) return undefined;
    return exchange.phase === PHASE_FREE ? undefined : exchange;
  }

  /** Takes the slot back. What waited to be written must have been dropped before. */
  release(exchange: EdgeExchange): void {
    assert(exchange.phase !== PHASE_FREE, 'an exchange is released once', exchange.number);
    exchange.phase = PHASE_FREE;
    exchange.http = null;
    exchange.corsOrigin = '';
    exchange.ids = null;
    exchange.isBatch = false;
    exchange.creditBytes = 0;
    exchange.isBlocked = false;
    exchange.probeBytes = 0;
    exchange.tail = TAIL_BETWEEN_EVENTS;
    exchange.pendingCredit = 0;
    exchange.pendingCancel = 0;
    this.#openCount -= 1;
    this.#free.push(exchange.slot);
  }

  /** Open exchanges at this moment. For what is rare: a lost shard, a drain, the sweep for slow readers. */
  openExchanges(): EdgeExchange[] {
    return this.#exchanges.filter((exchange) => exchange.phase !== PHASE_FREE);
  }
}
