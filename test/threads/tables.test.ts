/** Tables that several threads write at once, under real threads. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { InflightTable } from '../../shared/inflight-table.ts';
import { PROCESSES_MAX } from '../../shared/limits.ts';
import { ProcessTable } from '../../shared/process-table.ts';
import { createRegion, layoutRegion, type RegionLayout } from '../../shared/region-descriptor.ts';
import { compileShared, type CompiledShared } from './compiled-shared.ts';

const SHARDS = 3;
const TIME_LIMIT_MS = 30_000;

let compiled: CompiledShared;
const workers: Worker[] = [];

beforeAll(() => {
  compiled = compileShared();
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});
afterAll(() => compiled.dispose());

interface Fight {
  region: SharedArrayBuffer;
  layout: RegionLayout;
}

function openFight(): Fight {
  const layout = layoutRegion({ shards: SHARDS, tables: [{ name: 'holders', bytes: 4 }] });
  return { layout, region: createRegion(layout) };
}

interface Report {
  taken: number;
  /** Times that more than `max` threads had what only `max` may have. */
  tooMany: number;
}

/** Starts one thread per shard, lets them begin together, and collects their reports. */
async function fight(
  what: string,
  data: Fight & { takes: number; max: number },
): Promise<Report[]> {
  const url = new URL('./table-user.mjs', import.meta.url);
  for (let shard = 0; shard < SHARDS; shard += 1) {
    workers.push(new Worker(url, { workerData: { shared: compiled.url, shard, ...data } }));
  }
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const reports = workers.map(async (worker) => (await once(worker, 'message'))[0] as Report);
  for (const worker of workers) worker.postMessage(what);
  return Promise.all(reports);
}

it(
  'in-flight counts never let more calls through than allowed, however many threads ask at once',
  async () => {
    const opened = openFight();
    const takes = 50_000;
    const reports = await fight('calls', {
      ...opened,
      takes,
      max: 1,
    });
    for (const { taken, tooMany } of reports) {
      expect([taken, tooMany]).toEqual([takes, 0]);
    }
    const { layout, region } = opened;
    const table = new InflightTable(
      region,
      layout.inflight,
      SHARDS,
      layout.threadCells[layout.edges]!,
    );
    expect(table.sum(3)).toBe(0);
  },
  TIME_LIMIT_MS,
);

it(
  'a process entry belongs to one thread only, however many claim the last free one at once',
  async () => {
    const opened = openFight();
    const table = new ProcessTable(opened.region, opened.layout.processes);
    for (let taken = 1; taken < PROCESSES_MAX; taken += 1) table.register(9, 1, 0, 500);
    const takes = 5000;
    const reports = await fight('entries', { ...opened, takes, max: 1 });
    for (const { taken, tooMany } of reports) expect([taken, tooMany]).toEqual([takes, 0]);
    expect(table.count()).toBe(PROCESSES_MAX - 1);
  },
  TIME_LIMIT_MS,
);
