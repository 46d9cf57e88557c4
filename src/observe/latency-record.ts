/**
 * Latencies of many calls as a high dynamic range histogram: three significant digits from one
 * microsecond to ten minutes, in constant memory.
 */
import { build, type Histogram } from 'hdr-histogram-js';

const HIGHEST_US = 600_000_000;

export interface LatencySummary {
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
}

export class LatencyRecord {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    useWebAssembly: false,
  });

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** @param us clamped to what the histogram can hold */
  add(us: number): void {
    this.#histogram.recordValue(Math.min(HIGHEST_US, Math.max(0, Math.round(us))));
  }

  /** In microseconds; all zero without a call. */
  summary(): LatencySummary {
    const histogram = this.#histogram;
    const at = (percentile: number): number =>
      this.count === 0 ? 0 : histogram.getValueAtPercentile(percentile);
    return {
      min: this.count === 0 ? 0 : histogram.minNonZeroValue,
      mean: this.count === 0 ? 0 : histogram.mean,
      p50: at(50),
      p75: at(75),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      p9999: at(99.99),
      max: this.count === 0 ? 0 : histogram.maxValue,
    };
  }
}
