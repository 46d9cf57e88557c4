/** Rate limits under real threads: never more than allowed, and never fewer without another's refusal. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RateLimitSettings } from '../../shared/rate-limit-rule.ts';
import {
  SCRATCH_BYTES,
  openLimits,
  openTable,
  rule,
  settings,
} from '../shared/rate-limit-fixture.ts';
import { activeEntries } from '../shared/rate-limit-dump.ts';
import { RateLimitModel } from '../shared/rate-limit-model.ts';
import { LIMIT_TAKEN } from '../../shared/rate-limit-table.ts';
import { compileShared, type CompiledShared } from './compiled-shared.ts';

const TIME_LIMIT_MS = 60_000;
const ALGORITHMS = ['tokenBucket', 'slidingWindow', 'fixedWindow'] as const;
const SCOPES = ['global', 'client', 'tool', 'client+tool'] as const;

let compiled: CompiledShared;
const workers: Worker[] = [];

beforeAll(() => {
  compiled = compileShared();
});
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.terminate()));
  compiled.dispose();
});

interface Standing {
  taken: number[];
  noRoom: number;
  refused: number;
}

/** Which shards have a kernel. Those with and those without take from the same budgets. */
type Kernels = 'all' | 'some' | 'none';

/** Shards that share a table, each on a thread. */
class Shards {
  readonly opened: ReturnType<typeof openLimits>;
  readonly counts = new Int32Array(new SharedArrayBuffer(64));
  readonly #gate = new SharedArrayBuffer(4);
  readonly #threads: Worker[] = [];
  readonly #kernels: Kernels;
  #begun = 0;

  constructor(shards: number, kernels: Kernels, keysMax = 1024) {
    this.opened = openLimits(keysMax, shards);
    this.#kernels = kernels;
  }

  async start(shard: number): Promise<void> {
    const { memory, scratch } = this.opened;
    const hasKernel = this.#kernels === 'all' || (this.#kernels === 'some' && shard % 2 === 0);
    const data = {
      ...this.opened,
      memory: hasKernel ? memory : null,
      scratch: { start: scratch[shard], bytes: SCRATCH_BYTES },
      shared: compiled.url,
      gate: this.#gate,
      counts: this.counts.buffer,
      shard,
    };
    const worker = new Worker(new URL('./limit-taker.mjs', import.meta.url), { workerData: data });
    workers.push(worker);
    await once(worker, 'message');
    this.#threads[shard] = worker;
  }

  async terminate(shard: number): Promise<void> {
    await this.#threads[shard]!.terminate();
  }

  /** Lets these shards run a phase together; resolves with what each reports. */
  run<T>(
    shards: readonly number[],
    limits: readonly RateLimitSettings[],
    phase: Record<string, unknown>,
  ): Promise<T>[] {
    this.#begun += shards.length;
    const message = { ...phase, limits, gate: this.#begun };
    return shards.map(async (shard) => {
      const worker = this.#threads[shard]!;
      const answer = once(worker, 'message');
      worker.postMessage(message);
      return (await answer)[0] as T;
    });
  }
}

async function startAll(count: number, kernels: Kernels, keysMax?: number): Promise<Shards> {
  const shards = new Shards(count, kernels, keysMax);
  await Promise.all(Array.from({ length: count }, (_, shard) => shards.start(shard)));
  return shards;
}

function sums(reports: readonly Standing[]): number[] {
  return reports[0]!.taken.map((_, index) =>
    reports.reduce((sum, { taken }) => sum + taken[index]!, 0),
  );
}

/** How many of `tries` calls of each client and tool the model lets through at this time. */
function modelTakes(
  model: RateLimitModel,
  clients: number[],
  tools: number,
  tries: number,
  nowMs: number,
) {
  return clients.map((client) => {
    let taken = 0;
    for (let round = 0; round < tries; round += 1) {
      if (model.take(client, round % tools, nowMs) === null) taken += 1;
    }
    return taken;
  });
}

describe.each([
  { count: 2, busy: [0, 1], kernels: 'some' },
  { count: 4, busy: [0, 1, 2, 3], kernels: 'all' },
  { count: 4, busy: [0, 1, 2, 3], kernels: 'none' },
  { count: 4, busy: [2], kernels: 'all' },
] as const)('of $count shards $busy.length have all the load, $kernels a kernel', (some) => {
  const { count, busy, kernels } = some;
  let shards: Shards;
  let slot = 0;
  beforeAll(async () => {
    shards = await startAll(count, kernels);
  });

  it.each(ALGORITHMS.flatMap((algorithm) => SCOPES.map((per) => ({ algorithm, per }))))(
    'a $algorithm for $per lets through exactly what the model does',
    async ({ algorithm, per }) => {
      slot += 1;
      const burst = algorithm === 'tokenBucket' ? 60 : 100;
      const limit = settings({ slot, algorithm, per, requests: 100, burst, windowMs: 1000 });
      const model = new RateLimitModel([limit]);
      const clients = [1, 2, 3];
      const rounds = 400;
      // Times at which some of the budget is back, none, all, and more than 32 bits have passed.
      for (const nowMs of [10, 10, 300, 1009, 1010, 1500, 2 ** 32 - 100, 2 ** 32 + 400, 2 ** 33]) {
        const phase = { kind: 'standing', clients, tools: 2, rounds, nowMs };
        const reports = await Promise.all(shards.run<Standing>(busy, [limit], phase));
        const sum = sums(reports).reduce((a, b) => a + b);
        const expected = modelTakes(model, clients, 2, rounds * busy.length, nowMs);
        expect([nowMs, sum]).toEqual([nowMs, expected.reduce((a, b) => a + b)]);
        // Which client gets the rest of a common budget is chance; a budget of its own is its own.
        if (per.startsWith('client')) expect(sums(reports)).toEqual(expected);
      }
    },
    TIME_LIMIT_MS,
  );
});

it(
  'of four limits at once, none lets more through, and none fewer but for what another one refused',
  async () => {
    const limits = [
      settings({ slot: 0, per: 'global', algorithm: 'fixedWindow', requests: 700 }),
      settings({ slot: 1, per: 'tool', algorithm: 'tokenBucket', requests: 400, burst: 380 }),
      settings({ slot: 2, per: 'client', algorithm: 'slidingWindow', requests: 300 }),
      settings({ slot: 3, per: 'client+tool', algorithm: 'tokenBucket', requests: 160 }),
    ];
    const shards = await startAll(4, 'some');
    // Beside a thread that has the shard's scratch: without.
    const probe = openTable({ ...shards.opened, memory: null }, 0);
    const clients = [1, 2, 3];
    for (let window = 1; window <= 20; window += 1) {
      const nowMs = window * 5000;
      const phase = { kind: 'standing', clients, tools: 2, rounds: 600, nowMs };
      const reports = await Promise.all(shards.run<Standing>([0, 1, 2, 3], limits, phase));
      const taken = sums(reports);
      const total = taken.reduce((a, b) => a + b);
      // All budgets are full at the start. 700 for all are less than each tool's and client's together.
      expect(total).toBeLessThanOrEqual(700);
      for (const own of taken) expect(own).toBeLessThanOrEqual(300);
      // What was given back could be taken by the calls that came after: all tried far more often.
      expect(total).toBe(700);
      // Shard 0 stands still, so its place may be used here. Nothing is left of the common budget …
      const rest = [rule(limits[0]!)];
      expect(probe.take(rest, new Uint32Array(2), probe.toolOf(0, 1), nowMs)).not.toBe(LIMIT_TAKEN);
    }
  },
  TIME_LIMIT_MS,
);

it(
  'while time runs, no window and no span ever sees too many',
  async () => {
    const cases = [
      settings({ algorithm: 'slidingWindow', requests: 50 }),
      settings({ algorithm: 'tokenBucket', requests: 50, burst: 7 }),
    ];
    for (const limit of cases) {
      const shards = await startAll(4, 'some');
      const phase = {
        kind: 'running',
        clients: [5],
        baseMs: performance.timeOrigin,
        speed: 100,
        forMs: 400,
        heldMsMax: 500,
      };
      const reports = await Promise.all(shards.run<{ at: number[] }>([0, 1, 2, 3], [limit], phase));
      const at = reports.flatMap((report) => report.at).sort((a, b) => a - b);
      expect(at.length).toBeGreaterThan(limit.requests);
      expect(worstExcess(limit, at)).toBeLessThanOrEqual(0);
    }
  },
  TIME_LIMIT_MS,
);

/** By how many calls any window (or span) of these sorted times is over the limit; 0 and less: none. */
function worstExcess(limit: RateLimitSettings, at: readonly number[]): number {
  const { requests, windowMs, burst } = limit;
  let worst = Number.NEGATIVE_INFINITY;
  if (limit.algorithm === 'slidingWindow') {
    let first = 0;
    at.forEach((time, last) => {
      while (time - at[first]! >= windowMs) first += 1;
      worst = Math.max(worst, last - first + 1 - requests);
    });
    return worst;
  }
  // Between i and j: j - i + 1 <= burst + rate × (tj - ti), for all i <= j.
  let lowest = Number.POSITIVE_INFINITY;
  at.forEach((time, index) => {
    const line = index - (time * requests) / windowMs;
    lowest = Math.min(lowest, line);
    worst = Math.max(worst, line - lowest + 1 - burst - 1e-6);
  });
  return worst;
}

it(
  'a new key that all shards bring at once has one entry and one budget',
  async () => {
    const limit = settings({ algorithm: 'fixedWindow', requests: 3 });
    const shards = await startAll(4, 'some', 4096);
    let name = 0;
    for (let phase = 0; phase < 15; phase += 1) {
      const clients = Array.from({ length: 200 }, () => (name += 1));
      const work = { kind: 'standing', clients, rounds: 2, nowMs: 50 };
      const reports = await Promise.all(shards.run<Standing>([0, 1, 2, 3], [limit], work));
      expect(sums(reports)).toEqual(clients.map(() => 3));
    }
    const entries = activeEntries(shards.opened);
    expect(entries).toHaveLength(name);
    expect(new Set(entries).size).toBe(name);
  },
  TIME_LIMIT_MS,
);

it(
  'keys that push each other out of a small table never get a second budget',
  async () => {
    const limit = settings({ algorithm: 'slidingWindow', requests: 3 });
    const shards = await startAll(4, 'some', 64);
    for (let phase = 0; phase < 60; phase += 1) {
      // The keys of the phase before are full again, and half of those of this phase are among them.
      const nowMs = 5000 + phase * 1000;
      const clients = Array.from({ length: 90 }, (_, index) => phase * 45 + index);
      const work = { kind: 'standing', clients, rounds: 2, nowMs };
      const reports = await Promise.all(shards.run<Standing>([0, 1, 2, 3], [limit], work));
      for (const taken of sums(reports)) expect(taken).toBeLessThanOrEqual(3);
      const sum = sums(reports).reduce((a, b) => a + b);
      expect(sum).toBeGreaterThanOrEqual(64 * 3);
      const entries = activeEntries(shards.opened);
      expect(new Set(entries).size).toBe(entries.length);
    }
  },
  TIME_LIMIT_MS,
);

it(
  'a shard killed in the middle loses at most the unit it was taking, and locks nothing',
  async () => {
    for (const algorithm of ALGORITHMS) {
      const requests = algorithm === 'slidingWindow' ? 4096 : 300_000;
      const limit = settings({ algorithm, requests, windowMs: 60_000 });
      const shards = await startAll(4, 'some');
      for (let life = 1; life <= 6; life += 1) {
        shards.counts.fill(0);
        const nowMs = life * 200_000;
        const phase = { kind: 'untilRefused', clients: [life], nowMs };
        const [victim, ...others] = shards.run([3, 0, 1, 2], [limit], phase);
        victim!.catch(() => undefined);
        await kill(shards, 3, requests);
        await Promise.all(others);
        const taken = shards.counts.reduce((a, b) => a + b);
        expect(taken).toBeLessThanOrEqual(requests);
        expect(taken).toBeGreaterThanOrEqual(requests - 1);
        await shards.start(3);
      }
    }
  },
  TIME_LIMIT_MS,
);

/** Ends a shard's thread as soon as some of the budget has gone. */
async function kill(shards: Shards, shard: number, requests: number): Promise<void> {
  while (Atomics.load(shards.counts, shard) < requests / 100) {
    if (shards.counts.reduce((a, b) => a + b) >= requests - 1) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  await shards.terminate(shard);
}
