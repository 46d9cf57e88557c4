/**
 * Calls by upstream and tool, over all shards and all their lives.
 *
 * Every shard gives out the rows of its metric table by itself and says over the control port what a
 * row stands for. What always holds:
 * - What was counted in a row goes to the label the row had then: a row is read before its label
 *   changes, and to its end when its shard is gone. So totals never go backwards, and a shard that
 *   labels its rows otherwise than the one before it mixes nothing up.
 * - A label that comes later than the first count loses none: the row waits for it.
 * - At most CALL_LABELS_MAX labels are kept. Later ones share one, so that no upstream that renames its
 *   tools all day fills memory, or the disk of whoever scrapes.
 */
import { build } from 'hdr-histogram-js';
import type { Histogram } from 'hdr-histogram-js';
import { METRIC_LABELS_MAX } from '../../shared/limits.ts';
import { MetricRowReader, OUTCOMES, isRowUsed } from '../../shared/metric-table.ts';
import type { RegionLayout } from '../../shared/region-descriptor.ts';

/** Labels in the whole gateway: twice what one shard has, as settings come and go. 25 KiB each. */
export const CALL_LABELS_MAX: number = METRIC_LABELS_MAX * 2;
/** Upstreams choose their tools' names; as labels they are cut. */
export const LABEL_CHARS_MAX = 128;
/** Rows looked at per tick: all of 32 shards in 34 minutes, and a count wraps after 2^32 calls. */
const ROWS_PER_TICK = 8;

/** Upper bounds of the latency buckets, in seconds. */
export const LATENCY_BUCKETS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
const BUCKETS_US: readonly number[] = LATENCY_BUCKETS.map((seconds) => seconds * 1e6);
/** Above what a cell can stand for: ten minutes, and half of its last cell. */
const LATENCY_US_MAX = 2 ** 30;

/** What all calls to one tool added up to. */
export class CallTotal {
  readonly upstream: string;
  readonly tool: string;
  /** By outcome (`metric-table.ts`). */
  readonly outcomes: Float64Array = new Float64Array(OUTCOMES);
  /** Calls by the bucket they are in, not those below too; the last is above all bounds. */
  readonly buckets: Float64Array = new Float64Array(BUCKETS_US.length + 1);
  /** Microseconds. */
  readonly latency: Histogram = build({
    bitBucketSize: 64,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_US_MAX,
    numberOfSignificantValueDigits: 2,
  });
  /** Calls whose time was taken; refused and cancelled ones took none. */
  timed = 0;
  sumUs = 0;
  minUs: number = Infinity;
  maxUs = 0;

  constructor(upstream: string, tool: string) {
    this.upstream = upstream;
    this.tool = tool;
  }

  /** `count` calls took about `valueUs`. */
  addLatency(valueUs: number, count: number): void {
    this.timed += count;
    this.sumUs += valueUs * count;
    this.minUs = Math.min(this.minUs, valueUs);
    this.maxUs = Math.max(this.maxUs, valueUs);
    let bucket = 0;
    while (bucket < BUCKETS_US.length && valueUs > BUCKETS_US[bucket]!) bucket += 1;
    this.buckets[bucket]! += count;
    this.latency.recordValueWithCount(Math.min(valueUs, LATENCY_US_MAX), count);
  }

  /** Microseconds that so many percent of the calls did not take longer than; 0 without calls. */
  percentileUs(percent: number): number {
    if (this.timed === 0) return 0;
    const value = this.latency.getValueAtPercentile(percent); // the upper end of its cell
    return Math.min(Math.max(value, this.minUs), this.maxUs);
  }
}

/** One shard's table, as far as it is labelled. */
class ShardRows {
  readonly readers = new Map<number, MetricRowReader>();
  readonly labels = new Map<number, CallTotal>();
}

export class CallTotals {
  readonly #region: SharedArrayBuffer;
  readonly #layout: RegionLayout;
  readonly #shards: readonly ShardRows[];
  readonly #totals = new Map<string, CallTotal>();
  readonly #before: Float64Array = new Float64Array(OUTCOMES);
  #nextRow = 0;

  constructor(region: SharedArrayBuffer, layout: RegionLayout) {
    this.#region = region;
    this.#layout = layout;
    this.#shards = layout.metrics.map(() => new ShardRows());
  }

  /** From here on that row of that shard counts calls of this tool. */
  onLabel(shard: number, row: number, upstream: string, tool: string): void {
    const rows = this.#shards[shard];
    if (rows === undefined || !Number.isInteger(row) || row < 0 || row >= METRIC_LABELS_MAX) return;
    const old = rows.labels.get(row);
    if (old !== undefined) this.#take(shard, row, old);
    rows.labels.set(row, this.#total(upstream, tool));
  }

  /** Its thread has ended: nothing more is counted before the next one starts, which labels anew. */
  onShardGone(shard: number): void {
    const rows = this.#shards[shard];
    if (rows === undefined) return;
    const table = this.#layout.metrics[shard]!;
    for (let row = 0; row < METRIC_LABELS_MAX; row += 1) {
      const total = rows.labels.get(row);
      if (total !== undefined) this.#take(shard, row, total);
      else if (isRowUsed(this.#region, table, row)) this.#takeUnlabelled(shard, row);
    }
    rows.labels.clear();
  }

  /** Looks at some rows, so that none wraps unseen where nobody scrapes. Call it every second. */
  poll(): void {
    const all = this.#shards.length * METRIC_LABELS_MAX;
    for (let looked = 0; looked < ROWS_PER_TICK; looked += 1) {
      const shard = Math.floor(this.#nextRow / METRIC_LABELS_MAX);
      const row = this.#nextRow % METRIC_LABELS_MAX;
      const total = this.#shards[shard]!.labels.get(row);
      if (total !== undefined) this.#take(shard, row, total);
      this.#nextRow = (this.#nextRow + 1) % all;
    }
  }

  /** All totals, up to date, in the order in which they first came. */
  read(): readonly CallTotal[] {
    this.#shards.forEach((rows, shard) => {
      for (const [row, total] of rows.labels) this.#take(shard, row, total);
    });
    return [...this.#totals.values()];
  }

  /** Adds what is new in a row to the total that the row stands for. */
  #take(shard: number, row: number, total: CallTotal): void {
    const reader = this.#reader(shard, row);
    this.#before.set(reader.totals);
    reader.read((valueUs, count) => total.addLatency(valueUs, count));
    this.#addOutcomes(reader, total);
  }

  /** A shard that dies right after it gave out a row may take the label along. */
  #takeUnlabelled(shard: number, row: number): void {
    const reader = this.#reader(shard, row);
    const latencies: [number, number][] = [];
    this.#before.set(reader.totals);
    reader.read((valueUs, count) => latencies.push([valueUs, count]));
    if (reader.totals.every((count, outcome) => count === this.#before[outcome])) return;
    const total = this.#total('', UNLABELLED);
    for (const [valueUs, count] of latencies) total.addLatency(valueUs, count);
    this.#addOutcomes(reader, total);
  }

  #addOutcomes(reader: MetricRowReader, total: CallTotal): void {
    for (let outcome = 0; outcome < OUTCOMES; outcome += 1) {
      total.outcomes[outcome]! += reader.totals[outcome]! - this.#before[outcome]!;
    }
  }

  #reader(shard: number, row: number): MetricRowReader {
    const { readers } = this.#shards[shard]!;
    let reader = readers.get(row);
    if (reader === undefined) {
      reader = new MetricRowReader(this.#region, this.#layout.metrics[shard]!, row);
      readers.set(row, reader);
    }
    return reader;
  }

  #total(upstream: string, tool: string): CallTotal {
    const upstreamLabel = label(upstream);
    const toolLabel = label(tool);
    const key = `${upstreamLabel}\n${toolLabel}`;
    let total = this.#totals.get(key);
    if (total !== undefined) return total;
    if (this.#totals.size >= CALL_LABELS_MAX - 1 && tool !== OVERFLOW) {
      return this.#total('', OVERFLOW);
    }
    total = new CallTotal(upstreamLabel, toolLabel);
    this.#totals.set(key, total);
    return total;
  }
}

const OVERFLOW = '(overflow)';
const UNLABELLED = '(unlabelled)';

function label(text: string): string {
  return text.length <= LABEL_CHARS_MAX ? text : `${text.slice(0, LABEL_CHARS_MAX)}…`;
}
