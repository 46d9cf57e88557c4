/**
 * One thread's block of counters. Only that thread writes it, so a plain load and a plain store do
 * instead of `Atomics`, which is a call of 15 to 25 ns each time: no other writer can come between the
 * two, aligned words of 32 bits do not tear, and a scrape that reads a count some nanoseconds early has
 * it the next time. Blocks outlive their thread: a restarted shard counts on.
 */
import { assert } from './assert.ts';
import { COUNTER_CELLS } from './counter-catalogue.ts';

export const COUNTER_BLOCK_BYTES: number = COUNTER_CELLS * 4;

/** The writing end, on the thread that counts. */
export class CounterBlock {
  readonly #cells: Int32Array;

  constructor(region: SharedArrayBuffer, byteOffset: number) {
    this.#cells = new Int32Array(region, byteOffset, COUNTER_CELLS);
  }

  /** Counts `n` more. `id` is a row's id, for a labelled row plus the position of the value. */
  add(id: number, n = 1): void {
    const cells = this.#cells;
    cells[id] = (cells[id]! + n) | 0;
  }
}

/**
 * Turns wrapping cells into running totals, from the moment it is made with what they hold then. Read
 * each cell at least once per wrap, or a whole wrap goes missing: at a million adds a second that is
 * every 71 minutes, at 4 GB of bytes a second every second. The scraper reads every second.
 */
export class CounterReader {
  readonly #cells: Int32Array;
  readonly #seen: Uint32Array;
  readonly #totals: Float64Array;

  constructor(region: SharedArrayBuffer, byteOffset: number) {
    this.#cells = new Int32Array(region, byteOffset, COUNTER_CELLS);
    this.#seen = new Uint32Array(COUNTER_CELLS);
    this.#totals = new Float64Array(COUNTER_CELLS);
  }

  /** The total of one cell. */
  read(id: number): number {
    assert(id >= 0 && id < COUNTER_CELLS, 'a counter lies in its block', id);
    const now = Atomics.load(this.#cells, id) >>> 0;
    const total = this.#totals[id]! + ((now - this.#seen[id]!) >>> 0);
    this.#seen[id] = now;
    this.#totals[id] = total;
    return total;
  }

  /**
   * Takes note of all cells, so that none wraps unseen between two scrapes. An idle gateway does this
   * every second in code that never gets hot, so a cell that stands still costs one comparison.
   */
  poll(): void {
    const cells = this.#cells;
    const seen = this.#seen;
    for (let id = 0; id < COUNTER_CELLS; id += 1) {
      if (cells[id]! >>> 0 !== seen[id]) this.read(id);
    }
  }
}
