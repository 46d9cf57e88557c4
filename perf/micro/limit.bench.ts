/**
 * What rate limits cost per call: each algorithm, three at once, refusals, many keys, new keys in a full
 * table, and the whole stage's part of a call. One thread; `test/threads` has the contended case.
 */
import { createKernelMemory, openKernel } from '../../shared/kernel/byte-kernel.ts';
import { SCRATCH_BYTES } from '../../shared/limits.ts';
import { formatRateLimits, rateLimitTableBytes } from '../../shared/rate-limit-descriptor.ts';
import { RateLimitRule, type RateLimitSettings } from '../../shared/rate-limit-rule.ts';
import { LIMIT_TAKEN, RateLimitTable } from '../../shared/rate-limit-table.ts';
import { bench, type Bench } from '../bench.ts';

const SHARDS = 4;
const KEYS_MAX = 65_536;

/** With `--plain`, one without a kernel. */
const isPlain = process.argv.includes('--plain');

function openTable(keysMax: number): RateLimitTable {
  const tableBytes = rateLimitTableBytes(keysMax, SHARDS);
  const bytes = tableBytes + SCRATCH_BYTES;
  const memory = isPlain ? null : createKernelMemory(bytes);
  const region = memory === null ? new SharedArrayBuffer(bytes) : memory.buffer;
  openKernel(memory, Math.ceil(tableBytes / 64) * 64, SCRATCH_BYTES - 64);
  formatRateLimits(region, 0, keysMax, SHARDS, Uint32Array.of(1, 2, 3, 4));
  return new RateLimitTable(region, 0, 0);
}

function rule(some: Partial<RateLimitSettings>): RateLimitRule {
  const requests = some.requests ?? 1_000_000_000;
  return new RateLimitRule({
    slot: 0,
    per: 'client',
    algorithm: 'tokenBucket',
    windowMs: 60_000,
    burst: requests,
    ...some,
    requests,
  });
}

interface Load {
  readonly rules: readonly RateLimitRule[];
  /** Callers in turn. */
  readonly clients: number;
  /** What the clock moves on by each call. */
  readonly stepMs: number;
  readonly keysMax?: number;
}

/** A number of calls in a row, with callers in turn. */
function timeLoad({ size, time, digest }: Bench, load: Load): void {
  const rounds = size('rounds', { smoke: 100, full: 500_000 });
  const table = openTable(load.keysMax ?? KEYS_MAX);
  const tool = table.toolOf(11, 12);
  const client = new Uint32Array(2);
  let nowMs = 1000.5;
  let next = 0;
  let taken = 0;
  time(rounds, () => {
    for (let round = 0; round < rounds; round += 1) {
      client[0] = next;
      client[1] = 0x8000_0000;
      next = next + 1 === load.clients ? 0 : next + 1;
      nowMs += load.stepMs;
      if (table.take(load.rules, client, tool, nowMs) === LIMIT_TAKEN) taken += 1;
    }
  });
  digest(taken);
}

const SLIDING = { algorithm: 'slidingWindow', requests: 4096 } as const;
const FIXED = { algorithm: 'fixedWindow' } as const;

bench('limit: token bucket, one client', (run) =>
  timeLoad(run, { rules: [rule({})], clients: 1, stepMs: 0.001 }),
);
bench('limit: fixed window, one client', (run) =>
  timeLoad(run, { rules: [rule(FIXED)], clients: 1, stepMs: 0.001 }),
);
// The window lets 4096 calls through in its second, and the clock moves so that it always has room.
bench('limit: sliding window of 4096, one client', (run) =>
  timeLoad(run, { rules: [rule({ ...SLIDING, windowMs: 1000 })], clients: 1, stepMs: 0.25 }),
);
bench('limit: token bucket, 1000 clients in turn', (run) =>
  timeLoad(run, { rules: [rule({})], clients: 1000, stepMs: 0.001 }),
);
bench('limit: token bucket, 50000 clients in turn', (run) =>
  timeLoad(run, { rules: [rule({})], clients: 50_000, stepMs: 0.001 }),
);
bench('limit: sliding window of 300, 1000 clients in turn', (run) =>
  timeLoad(run, {
    rules: [rule({ algorithm: 'slidingWindow', requests: 300, windowMs: 1000 })],
    clients: 1000,
    stepMs: 0.01,
  }),
);
bench('limit: three limits, 1000 clients in turn', (run) =>
  timeLoad(run, {
    rules: [
      rule({ slot: 1, per: 'global', algorithm: 'fixedWindow' }),
      rule({ slot: 2, per: 'tool' }),
      rule({ slot: 3, algorithm: 'slidingWindow', requests: 300, windowMs: 1000 }),
    ],
    clients: 1000,
    stepMs: 0.01,
  }),
);
bench('limit: refused by a token bucket', (run) =>
  timeLoad(run, { rules: [rule({ requests: 1 })], clients: 1, stepMs: 1e-6 }),
);
bench('limit: refused by a sliding window', (run) =>
  timeLoad(run, { rules: [rule({ ...SLIDING, requests: 300 })], clients: 1, stepMs: 1e-6 }),
);
bench('limit: a new key each call, table full of active keys', (run) =>
  timeLoad(run, { rules: [rule({ requests: 1 })], clients: -1, stepMs: 1e-6, keysMax: 4096 }),
);
bench('limit: a new key each call, evicting full ones', (run) =>
  timeLoad(run, {
    rules: [rule({ requests: 60_000, burst: 1 })],
    clients: -1,
    stepMs: 1,
    keysMax: 4096,
  }),
);
