/**
 * `perf/results/`: `latest.json` with the last measurement of every scenario, and the charts. A run of
 * some scenarios replaces those and leaves the others; quick runs go to `dist/perf-results/`.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { QUICK_RESULTS_FOLDER, RESULTS_FOLDER } from '../load/paths.ts';
import type { RunResult, ScenarioResult } from './result.ts';
import { chartSvg } from './svg.ts';

/** A scenario with where and when it was measured. */
export interface StoredResult extends ScenarioResult {
  readonly at: string;
  readonly revision: string;
  readonly machine: RunResult['machine'];
}

export function writeResults({ scenarios, ...head }: RunResult, isQuick: boolean): void {
  const folder = isQuick ? QUICK_RESULTS_FOLDER : RESULTS_FOLDER;
  mkdirSync(folder, { recursive: true });
  const stored = new Map(readFolder(folder).map((one) => [one.name, one]));
  for (const scenario of scenarios) {
    stored.set(scenario.name, { ...head, ...scenario });
    for (const chart of scenario.charts) {
      writeFileSync(join(folder, `${chart.name}.svg`), chartSvg(chart));
    }
  }
  writeFileSync(join(folder, 'latest.json'), `${JSON.stringify([...stored.values()], null, 1)}\n`);
}

/** The last full measurements. */
export function readResults(): StoredResult[] {
  return readFolder(RESULTS_FOLDER);
}

function readFolder(folder: string): StoredResult[] {
  const file = join(folder, 'latest.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as StoredResult[]) : [];
}
