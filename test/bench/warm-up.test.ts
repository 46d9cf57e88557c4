/** How long the measurements warm a gateway up. On built files. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

import { ROOT } from '../rules/source-tree.ts';

interface WarmUp {
  warmUp(look: () => Promise<number>): Promise<number>;
}

const file = join(ROOT, 'dist', 'perf', 'load', 'warm-up.js');

/** How many of these looks it takes; all others show the last one. */
async function looks(...costs: readonly number[]): Promise<number> {
  const { warmUp } = (await import(pathToFileURL(file).href)) as WarmUp;
  let taken = 0;
  const told = await warmUp(() => {
    taken += 1;
    return Promise.resolve(costs[Math.min(taken, costs.length) - 1]!);
  });
  expect(told).toBe(taken);
  return taken;
}

describe.runIf(existsSync(file))('a warm-up', () => {
  it('ends with the second of two looks in a row that differ by less than 5 %', async () => {
    expect(await looks(50, 40, 30, 26, 25)).toBe(5);
    expect(await looks(30, 30)).toBe(2);
    expect(await looks(30, 28.5, 28)).toBe(3);
    expect(await looks(20, 21, 21.5)).toBe(3);
  });

  it('ends after twelve looks where nothing settles', async () => {
    expect(await looks(...Array.from({ length: 40 }, (_, i) => 10 + 10 * (i % 2)))).toBe(12);
    expect(await looks(0)).toBe(12);
  });
});
