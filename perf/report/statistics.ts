/** What a few rounds say of the true value. */

/** A mean and the 95 % confidence interval of it. One value has no interval: low and high equal it. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Student's t for 97.5 %, by degrees of freedom from 1. */
const T_QUANTILES = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086,
];
const T_LIMIT = 1.96;

export function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / Math.max(1, values.length);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

export function interval(values: readonly number[]): Interval {
  const center = mean(values);
  const count = values.length;
  if (count < 2) return { mean: center, low: center, high: center };
  const variance = values.reduce((total, value) => total + (value - center) ** 2, 0) / (count - 1);
  const half = (T_QUANTILES[count - 2] ?? T_LIMIT) * Math.sqrt(variance / count);
  return { mean: center, low: center - half, high: center + half };
}

/**
 * The ratio of two series that were measured in turns: each round is a pair, so that what slowed the
 * whole machine for a while is in both. On logarithms, as 2 and 1/2 are equally far from 1.
 */
export function ratioInterval(values: readonly number[], against: readonly number[]): Interval {
  const logs: number[] = [];
  values.forEach((value, round) => {
    const other = against[round];
    if (other !== undefined && other > 0 && value > 0) logs.push(Math.log(value / other));
  });
  const { mean: center, low, high } = interval(logs);
  return { mean: Math.exp(center), low: Math.exp(low), high: Math.exp(high) };
}

/** How steeply points rise, by least squares; 0 if they say nothing of it. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const centerX = mean(points.map(([x]) => x));
  const centerY = mean(points.map(([, y]) => y));
  const spread = points.reduce((total, [x]) => total + (x - centerX) ** 2, 0);
  if (spread === 0) return 0;
  return points.reduce((total, [x, y]) => total + (x - centerX) * (y - centerY), 0) / spread;
}
