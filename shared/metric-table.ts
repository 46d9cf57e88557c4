/**
 * Calls and their latency by label (upstream and tool), one table per shard. The shard gives out the
 * rows; which label a row stands for travels over the control port. Rows are never given anew while
 * the shard lives, and a restarted shard goes on with the rows of its predecessor if it labels them
 * alike.
 *
 *      row:  0                5 words      8 words                           440 words
 *            +----------------+------------+---------------------------------+
 *            | one per outcome|   spare    |  latency histogram, 432 words   |
 *            +----------------+------------+---------------------------------+
 *
 *      512 rows × 440 words × 4 bytes = 901,120 bytes = 880 KiB per shard
 */
import { assert } from './assert.ts';
import { HISTOGRAM_BYTES, HistogramReader, recordValue } from './histogram-cell.ts';
import { METRIC_LABELS_MAX } from './limits.ts';

/** How a call ended, and its word in a row. */
export const OUTCOME_OK = 0;
/** A result with `isError: true`: the tool failed, the call did not. */
export const OUTCOME_IS_ERROR = 1;
/** A JSON-RPC error from the upstream, or a fault on the way to it. */
export const OUTCOME_FAILED = 2;
/** The gateway did not let the call through. */
export const OUTCOME_REFUSED = 3;
export const OUTCOME_CANCELLED = 4;
export const OUTCOMES = 5;
/** Label values, by outcome. */
export const OUTCOME_NAMES: readonly string[] = [
  'ok',
  'is_error',
  'failed',
  'refused',
  'cancelled',
];

const HISTOGRAM_OFFSET = 32;
const ROW_BYTES: number = HISTOGRAM_OFFSET + HISTOGRAM_BYTES;
const ROW_WORDS: number = ROW_BYTES >> 2;
const HISTOGRAM_WORD: number = HISTOGRAM_OFFSET >> 2;

/** Bytes of one shard's table. */
export const METRIC_TABLE_BYTES: number = METRIC_LABELS_MAX * ROW_BYTES;

assert(
  METRIC_TABLE_BYTES <= 2 * 1024 * 1024,
  'a metric table takes at most 2 MiB',
  METRIC_TABLE_BYTES,
);

/** The writing end, on the shard. Its only writer, so nothing is atomic (see `counter-cell.ts`). */
export class MetricTable {
  readonly #words: Int32Array;

  constructor(region: SharedArrayBuffer, byteOffset: number) {
    this.#words = new Int32Array(region, byteOffset, METRIC_TABLE_BYTES >> 2);
  }

  /** Counts a call that took no time worth telling, as one that was refused. */
  count(row: number, outcome: number): void {
    const word = row * ROW_WORDS + outcome;
    this.#words[word] = (this.#words[word]! + 1) | 0;
  }

  /** Counts a call and its latency in microseconds. */
  record(row: number, outcome: number, latencyUs: number): void {
    this.count(row, outcome);
    recordValue(this.#words, row * ROW_WORDS + HISTOGRAM_WORD, latencyUs);
  }
}

/** Reads one row, on the edge. `read` it at least once per 2^32 calls. */
export class MetricRowReader {
  /** Running totals, by outcome, as of the last `read`. */
  readonly totals: Float64Array = new Float64Array(OUTCOMES);
  readonly #words: Int32Array;
  readonly #seen: Uint32Array;
  readonly #histogram: HistogramReader;
  /** A call is counted before its latency, so the histogram may move once more after the counts did. */
  #hasMoved = true;

  constructor(region: SharedArrayBuffer, tableByteOffset: number, row: number) {
    assert(row >= 0 && row < METRIC_LABELS_MAX, 'a row lies in its table', row);
    const byteOffset = tableByteOffset + row * ROW_BYTES;
    this.#words = new Int32Array(region, byteOffset, OUTCOMES);
    this.#seen = new Uint32Array(OUTCOMES);
    this.#histogram = new HistogramReader(region, byteOffset + HISTOGRAM_OFFSET);
  }

  /**
   * Brings `totals` up to date and calls `visit` for each latency with new counts. Cheap for a row
   * that nothing was counted in since.
   */
  read(visit: (valueUs: number, count: number) => void): void {
    const hadMoved = this.#hasMoved;
    this.#hasMoved = false;
    for (let outcome = 0; outcome < OUTCOMES; outcome += 1) {
      const now = Atomics.load(this.#words, outcome) >>> 0;
      if (now === this.#seen[outcome]) continue;
      this.#hasMoved = true;
      this.totals[outcome]! += (now - this.#seen[outcome]!) >>> 0;
      this.#seen[outcome] = now;
    }
    if (hadMoved || this.#hasMoved) this.#histogram.read(visit);
  }
}

/** Whether anything was ever counted in a row. */
export function isRowUsed(
  region: SharedArrayBuffer,
  tableByteOffset: number,
  row: number,
): boolean {
  const words = new Int32Array(region, tableByteOffset + row * ROW_BYTES, OUTCOMES);
  for (let outcome = 0; outcome < OUTCOMES; outcome += 1) {
    if (Atomics.load(words, outcome) !== 0) return true;
  }
  return false;
}
