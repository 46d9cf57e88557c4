/**
 * One latency histogram in shared memory, in microseconds from 1 to ten minutes. Only one thread
 * writes it; the edge reads at any time.
 *
 *      values    0 … 31        32 … 63         64 … 127        …   2^29 … 2^30 - 1
 *      cells     32, exact     16, 2 wide      16, 4 wide      …   16, 2^25 wide
 *
 * Log-linear, as HDR histograms are: 16 cells for each power of two. A cell stands for its middle,
 * which is off by half a width at most: 1/32 of the value, 3.13 %.
 *
 *      32 + 25 × 16 = 432 cells of 4 bytes = 1728 bytes
 */
import { assert } from './assert.ts';

const LINEAR_CELLS = 32;
/** 2^5 is the first value past the exact cells. */
const LINEAR_BITS = 5;
const STEP_BITS = 4;
const STEPS: number = 1 << STEP_BITS;
const TOP_BIT = 29;

export const HISTOGRAM_CELLS: number = LINEAR_CELLS + (TOP_BIT - LINEAR_BITS + 1) * STEPS;
export const HISTOGRAM_BYTES: number = HISTOGRAM_CELLS * 4;
/** Longer times count as this one: ten minutes. */
export const HISTOGRAM_VALUE_MAX_US = 600_000_000;

/** The cell of a value in microseconds; fractions are cut off, out of range values go to the ends. */
export function histogramCell(valueUs: number): number {
  if (!(valueUs >= 0)) return 0; // negative or NaN
  const value = valueUs > HISTOGRAM_VALUE_MAX_US ? HISTOGRAM_VALUE_MAX_US : valueUs | 0;
  if (value < LINEAR_CELLS) return value;
  const bit = 31 - Math.clz32(value);
  const step = (value >>> (bit - STEP_BITS)) & (STEPS - 1);
  return LINEAR_CELLS + (bit - LINEAR_BITS) * STEPS + step;
}

/** The middle of a cell in microseconds: what its counts are reported as. */
export function histogramValue(cell: number): number {
  if (cell < LINEAR_CELLS) return cell;
  const bit = LINEAR_BITS + ((cell - LINEAR_CELLS) >> STEP_BITS);
  const step = (cell - LINEAR_CELLS) & (STEPS - 1);
  const width = 1 << (bit - STEP_BITS);
  return (STEPS + step) * width + (width >> 1);
}

/**
 * Counts one value in the histogram whose first cell is `words[first]`. Single writer, so nothing here is
 * atomic (see `counter-cell.ts`).
 */
export function recordValue(words: Int32Array, first: number, valueUs: number): void {
  const index = first + histogramCell(valueUs);
  words[index] = (words[index]! + 1) | 0;
}

/** A histogram that stands alone, e.g. of ring waits. */
export class HistogramCell {
  readonly #words: Int32Array;

  constructor(region: SharedArrayBuffer, byteOffset: number) {
    this.#words = new Int32Array(region, byteOffset, HISTOGRAM_CELLS);
  }

  record(valueUs: number): void {
    recordValue(this.#words, 0, valueUs);
  }
}

/**
 * Reads what was counted since the last time. Wrap-safe if read at least once per 2^32 values. The
 * first read yields all that is there.
 */
export class HistogramReader {
  readonly #words: Int32Array;
  readonly #seen: Uint32Array;

  constructor(region: SharedArrayBuffer, byteOffset: number) {
    this.#words = new Int32Array(region, byteOffset, HISTOGRAM_CELLS);
    this.#seen = new Uint32Array(HISTOGRAM_CELLS);
  }

  /** Calls `visit` for each value with new counts, smallest first. Returns the number of new counts. */
  read(visit: (valueUs: number, count: number) => void): number {
    let total = 0;
    for (let cell = 0; cell < HISTOGRAM_CELLS; cell += 1) {
      const now = Atomics.load(this.#words, cell) >>> 0;
      const count = (now - this.#seen[cell]!) >>> 0;
      if (count === 0) continue;
      this.#seen[cell] = now;
      total += count;
      visit(histogramValue(cell), count);
    }
    return total;
  }
}

assert(histogramCell(HISTOGRAM_VALUE_MAX_US) < HISTOGRAM_CELLS, 'ten minutes have a cell');
