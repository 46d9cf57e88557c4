/**
 * Whether one build is worse than another. Four gateways are measured in turns, two of each build. The
 * two of one build differ by chance alone: that is the noise. The builds differ if the confidence
 * interval of their ratio lies above 1 and the ratio is beyond the noise.
 */
import { interval, type Interval } from './statistics.ts';

/** Differences below this are nobody's business, however certain. */
const LEAST_NOISE = 1.01;

/** Rounds of two gateways of the same build. */
export interface Twins {
  readonly first: readonly number[];
  readonly second: readonly number[];
}

export interface Comparison {
  /** This build over the other one; above 1 is worse. */
  readonly ratio: Interval;
  /** What a build differs from itself by, as a factor of at least 1. */
  readonly noise: number;
  readonly isWorse: boolean;
  readonly isBetter: boolean;
}

export function compareTwins(ours: Twins, theirs: Twins): Comparison {
  const logs = [...logRatios(ours.first, theirs.first), ...logRatios(ours.second, theirs.second)];
  const { mean, low, high } = interval(logs);
  const ratio = { mean: Math.exp(mean), low: Math.exp(low), high: Math.exp(high) };
  const noise = Math.max(LEAST_NOISE, selfNoise(ours), selfNoise(theirs));
  return {
    ratio,
    noise,
    isWorse: ratio.low > 1 && ratio.mean > noise,
    isBetter: ratio.high < 1 && ratio.mean < 1 / noise,
  };
}

function selfNoise({ first, second }: Twins): number {
  return Math.exp(Math.abs(interval(logRatios(first, second)).mean));
}

function logRatios(values: readonly number[], against: readonly number[]): number[] {
  return values.map((value, index) => Math.log(value / (against[index] ?? value)));
}
