/** What `perf:compare` calls worse, and what a few rounds are worth. On built files. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

import { ROOT } from '../rules/source-tree.ts';

interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

interface Twins {
  readonly first: readonly number[];
  readonly second: readonly number[];
}

interface Report {
  compareTwins(
    ours: Twins,
    theirs: Twins,
  ): { ratio: Interval; noise: number; isWorse: boolean; isBetter: boolean };
  interval(values: readonly number[]): Interval;
  ratioInterval(values: readonly number[], against: readonly number[]): Interval;
  slope(points: readonly (readonly [x: number, y: number])[]): number;
}

const folder = join(ROOT, 'dist', 'perf', 'report');
const isBuilt = existsSync(join(folder, 'comparison.js'));

async function load(): Promise<Report> {
  const part = (name: string): Promise<Partial<Report>> =>
    import(pathToFileURL(join(folder, name)).href) as Promise<Partial<Report>>;
  return { ...(await part('comparison.js')), ...(await part('statistics.js')) } as Report;
}

const twins = (first: readonly number[], second: readonly number[]): Twins => ({ first, second });

describe.runIf(isBuilt)('the comparison of two builds', () => {
  it('finds nothing between a build and itself', async () => {
    const { compareTwins } = await load();
    const one = twins([20, 20.4, 19.8, 20.1], [20.2, 20, 20.3, 19.9]);
    const other = twins([20.1, 20, 20.3, 20], [19.9, 20.2, 20.1, 20.2]);
    expect(compareTwins(one, other)).toMatchObject({ isWorse: false, isBetter: false });
  });

  it('tells a tenth more from the noise, in either direction', async () => {
    const { compareTwins } = await load();
    const slow = twins([22, 22.4, 21.8, 22.1], [22.2, 22, 22.3, 21.9]);
    const fast = twins([20.1, 20, 20.3, 20], [19.9, 20.2, 20.1, 20.2]);
    expect(compareTwins(slow, fast)).toMatchObject({ isWorse: true, isBetter: false });
    expect(compareTwins(fast, slow)).toMatchObject({ isWorse: false, isBetter: true });
  });

  it('lets a difference pass that a build has from itself as well', async () => {
    const { compareTwins } = await load();
    const uneven = twins([24, 24, 24, 24], [20, 20, 20, 20]);
    const even = twins([20, 20, 20, 20], [19.9, 20, 20, 20]);
    const { isWorse, noise } = compareTwins(uneven, even);
    expect(noise).toBeCloseTo(1.2, 5);
    expect(isWorse).toBe(false);
  });

  it('has a wider interval the fewer the rounds, and none for one', async () => {
    const { interval, ratioInterval } = await load();
    const few = interval([10, 12]);
    const many = interval([10, 12, 10, 12, 10, 12]);
    expect(few.high - few.low).toBeGreaterThan(many.high - many.low);
    expect(few.low).toBeCloseTo(11 - 12.706, 3); // t for one degree of freedom, deviation √2 over √2
    expect(interval([7])).toEqual({ mean: 7, low: 7, high: 7 });
    const ratio = ratioInterval([20, 40], [10, 20]);
    for (const value of [ratio.mean, ratio.low, ratio.high]) expect(value).toBeCloseTo(2, 10);
  });
});

describe.runIf(isBuilt)('the slope of points', () => {
  it('is that of the nearest line, and nothing where there is none', async () => {
    const { slope } = await load();
    expect(slope([[1, 5], [2, 7], [4, 11]])).toBeCloseTo(2, 10); // prettier-ignore
    expect(slope([[0, 1], [1, 0], [2, 2]])).toBeCloseTo(0.5, 10); // prettier-ignore
    expect(slope([[3, 9]])).toBe(0);
    expect(slope([])).toBe(0);
  });
});
