import { EXCHANGES_MAX } from '../shared/limits.ts';
import { Exchange } from './exchange.ts';
import type { Principal } from './policy/principal.ts';
import type { ShardPlan } from './shard-plan.ts';

/** Exchange objects kept for reuse; a burst beyond it is left to the collector. */
const POOL_MAX = 1024;

/**
 * The exchanges of one shard, by the slot in their number. The edge gives numbers out, at most
 * EXCHANGES_MAX at a time, so the table cannot overflow.
 */
export class ExchangeTable {
  readonly #slots: (Exchange | null)[] = new Array<Exchange | null>(EXCHANGES_MAX).fill(null);
  readonly #pool: Exchange[] = [];
  readonly #noPlan: ShardPlan;
  readonly #anonymous: Principal;
  #count = 0;

  constructor(noPlan: ShardPlan, anonymous: Principal) {
    this.#noPlan = noPlan;
    this.#anonymous = anonymous;
  }

  get count(): number {
    return this.#count;
  }

  /** One exchange is open at most: whoever works for it need not wait for what might join it. */
  get isQuiet(): boolean {
    return this.#count <= 1;
  }

  /** A fresh exchange under a number of the edge. */
  open(number: number): Exchange {
    const exchange = this.#pool.pop() ?? this.fresh();
    exchange.number = number;
    this.#slots[number & (EXCHANGES_MAX - 1)] = exchange;
    this.#count += 1;
    return exchange;
  }

  find(number: number): Exchange | null {
    const exchange = this.#slots[number & (EXCHANGES_MAX - 1)] ?? null;
    return exchange !== null && exchange.number === number ? exchange : null;
  }

  /**
   * The exchange has ended. Its object may be lent again at once. Its shared cell keeps the id: the edge
   * may still need it for an ABORT on its way, and knows by the number that it is this exchange's.
   */
  close(exchange: Exchange): void {
    const slot = exchange.number & (EXCHANGES_MAX - 1);
    if (this.#slots[slot] !== exchange) return;
    this.#slots[slot] = null;
    this.#count -= 1;
    exchange.reset(this.#noPlan, this.#anonymous);
    if (this.#pool.length < POOL_MAX) this.#pool.push(exchange);
  }

  /** An exchange without a slot, for a member of a batch. Never pooled: it has no number of its own. */
  fresh(): Exchange {
    return new Exchange(this.#noPlan, this.#anonymous);
  }
}
