/**
 * A request whose body did not arrive in one piece: its head as encoded, and what came of the body so
 * far in one buffer that grows by doubling. The buffer's capacity, not what is in it, counts against
 * the body budget, and it follows what really arrived: a declared length alone reserves nothing.
 */
import type { BodyBudget } from './body-budget.ts';

const CAPACITY_MIN = 16 * 1024;
const NO_BYTES = new Uint8Array(0);

/** What `append` says. */
export const BODY_TAKEN = 0;
export const BODY_OVER_SIZE = 1;
export const BODY_OVER_BUDGET = 2;

export class PendingRequest {
  /** Open head and header block. */
  readonly head: Uint8Array;
  readonly path: string;
  readonly sessionId: string;
  readonly corsOrigin: string;
  /** Bytes of the budget that the buffer holds; given back by `drop`, or handed on with the buffer. */
  budgetBytes = 0;
  readonly #declaredBytes: number;
  #buffer: Uint8Array = NO_BYTES;
  #bytes = 0;

  constructor(
    head: Uint8Array,
    path: string,
    sessionId: string,
    corsOrigin: string,
    declaredBytes: number,
  ) {
    this.head = head;
    this.path = path;
    this.sessionId = sessionId;
    this.corsOrigin = corsOrigin;
    this.#declaredBytes = declaredBytes;
  }

  /** What arrived so far; valid until the next `append`. */
  get body(): Uint8Array {
    return this.#buffer.subarray(0, this.#bytes);
  }

  append(chunk: Uint8Array, bytesMax: number, budget: BodyBudget): number {
    const bytes = this.#bytes + chunk.length;
    if (bytes > bytesMax) return BODY_OVER_SIZE;
    if (bytes > this.#buffer.length) {
      const capacity = this.#capacityFor(bytes, bytesMax);
      if (!budget.tryTake(capacity - this.#buffer.length)) return BODY_OVER_BUDGET;
      this.budgetBytes = capacity;
      const buffer = new Uint8Array(capacity);
      buffer.set(this.#buffer.subarray(0, this.#bytes));
      this.#buffer = buffer;
    }
    this.#buffer.set(chunk, this.#bytes);
    this.#bytes = bytes;
    return BODY_TAKEN;
  }

  /** The request ends here: gives the budget back. */
  drop(budget: BodyBudget): void {
    budget.give(this.budgetBytes);
    this.budgetBytes = 0;
    this.#buffer = NO_BYTES;
    this.#bytes = 0;
  }

  #capacityFor(bytes: number, bytesMax: number): number {
    const doubled = Math.max(bytes * 2, CAPACITY_MIN);
    // Once half of what was declared is there, the rest is likely to come: no more than that.
    const declared = this.#declaredBytes >= bytes ? this.#declaredBytes : bytesMax;
    return Math.min(doubled, declared, bytesMax);
  }
}
