/** The limits against a model that remembers everything, on one thread and a clock that tests drive. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RateLimitSettings } from '../../shared/rate-limit-rule.ts';
import { RateLimitRule } from '../../shared/rate-limit-rule.ts';
import {
  LIMIT_REFUSED,
  LIMIT_TAKEN,
  NO_TOOL,
  type RateLimitTable,
} from '../../shared/rate-limit-table.ts';
import { client, openLimits, openTable, rule, settings } from './rate-limit-fixture.ts';
import { RateLimitModel } from './rate-limit-model.ts';

const ALGORITHMS = ['tokenBucket', 'slidingWindow', 'fixedWindow'] as const;
const SCOPES = ['global', 'tool', 'client', 'client+tool'] as const;
const SHARDS = 3;
const TWO_32 = 4_294_967_296;

interface Step {
  client: number;
  tool: number;
  shard: number;
  waitMs: number;
}

const steps = fc.array(
  fc.record({
    client: fc.nat(2),
    tool: fc.nat(1),
    shard: fc.nat(SHARDS - 1),
    waitMs: fc.oneof(
      { weight: 6, arbitrary: fc.nat(3) },
      { weight: 4, arbitrary: fc.nat(700) },
      { weight: 1, arbitrary: fc.integer({ min: 900, max: 200_000 }) },
    ),
  }),
  { minLength: 1, maxLength: 120 },
);

function limitOf(
  slot: number,
  algorithm: RateLimitSettings['algorithm'],
  per: RateLimitSettings['per'],
): fc.Arbitrary<RateLimitSettings> {
  return fc
    .record({
      requests: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(16, 17, 97)),
      windowMs: fc.constantFrom(1000, 7000, 60_000),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    .map(({ requests, windowMs, share }) => {
      const burst = algorithm === 'tokenBucket' ? 1 + Math.floor(share * (requests - 1)) : requests;
      return { slot, algorithm, per, requests, windowMs, burst };
    });
}

/** The same calls by the tables of several shards, in turn, and by the model. */
function compare(
  limits: readonly RateLimitSettings[],
  calls: readonly Step[],
  startMs: number,
): void {
  const opened = openLimits(64, SHARDS);
  const tables = Array.from({ length: SHARDS }, (_, shard) => openTable(opened, shard));
  const rules = tables.map(() => limits.map((limit) => new RateLimitRule(limit)));
  const model = new RateLimitModel(limits);
  let nowMs = startMs;
  for (const call of calls) {
    nowMs += call.waitMs;
    const table = tables[call.shard]!;
    const tool = table.toolOf(call.tool, 5);
    const verdict = table.take(rules[call.shard]!, client(call.client), tool, nowMs);
    const expected = model.take(call.client, call.tool, nowMs);
    expect(outcome(verdict, table)).toEqual(expected);
  }
}

function outcome(verdict: number, table: RateLimitTable): { by: number; waitMs: number } | null {
  if (verdict === LIMIT_TAKEN) return null;
  expect(verdict).toBe(LIMIT_REFUSED);
  return { by: table.refusedBy, waitMs: table.waitMs };
}

describe('one limit does what its model does', () => {
  for (const algorithm of ALGORITHMS) {
    for (const per of SCOPES) {
      it(`as a ${algorithm} for ${per}`, () => {
        fc.assert(
          fc.property(
            limitOf(3, algorithm, per),
            steps,
            // Also from just before 32 bits of milliseconds are used up, and well after.
            fc.constantFrom(0, TWO_32 / 2 - 3000, TWO_32 - 3000, TWO_32 * 5 - 800),
            (limit, calls, startMs) => compare([limit], calls, startMs),
          ),
          { numRuns: 60 },
        );
      });
    }
  }
});

it('of several limits all must pass, and one that refuses takes nothing from the others', () => {
  const several = fc
    .tuple(
      ...SCOPES.map((per, slot) =>
        fc.constantFrom(...ALGORITHMS).chain((algorithm) => limitOf(slot, algorithm, per)),
      ),
    )
    .chain((limits) => fc.subarray(limits, { minLength: 1 }));
  fc.assert(fc.property(several, steps, fc.constantFrom(0, TWO_32 - 3000), compare), {
    numRuns: 200,
  });
});

describe('a token bucket', () => {
  it('rounds no rate, however odd or large', () => {
    const odd = fc.record({
      requests: fc.oneof(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 1_000_000_000 }),
      ),
      windowMs: fc.integer({ min: 1, max: 86_400 }).map((seconds) => seconds * 1000),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(odd, fc.array(fc.nat(5000), { maxLength: 60 }), (limit, waits) => {
        const { requests, windowMs, share } = limit;
        const burst = 1 + Math.floor(share * Math.min(20, requests - 1));
        const full = {
          slot: 1,
          per: 'global',
          algorithm: 'tokenBucket',
          requests,
          windowMs,
          burst,
        } as const;
        compare(
          [full],
          waits.map((waitMs) => ({ client: 0, tool: 0, shard: 0, waitMs })),
          17,
        );
      }),
      { numRuns: 300 },
    );
  });

  it('counts a burst of a thousand million without losing one', () => {
    const big = rule({ requests: 999_999_937, windowMs: 86_400_000, burst: 999_999_937 });
    // 999,999,937 calls cost the window exactly, as a whole bucket is refilled in one window.
    expect([big.depthMs, big.depthParts]).toEqual([86_400_000, 0]);
    const half = rule({ requests: 999_999_937, windowMs: 86_400_000, burst: 777_777_777 });
    const exact = (777_777_777n * 86_400_000n * 1n) % 999_999_937n;
    expect(BigInt(half.depthParts)).toBe(exact);
    expect(BigInt(half.depthMs)).toBe((777_777_777n * 86_400_000n) / 999_999_937n);
  });
});

describe('with fractions of a millisecond', () => {
  const times = fc
    .array(fc.double({ min: 0, max: 400, noNaN: true }), { minLength: 2, maxLength: 150 })
    .map((waits) => {
      let sum = 0.5;
      return waits.map((wait) => (sum += wait));
    });

  it('a sliding window never lets more through in any window', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), times, (requests, at) => {
        const table = openTable(openLimits(64, 1));
        const rules = [rule({ algorithm: 'slidingWindow', requests })];
        const taken = at.filter(
          (now) => table.take(rules, client(1), NO_TOOL, now) === LIMIT_TAKEN,
        );
        for (let i = requests; i < taken.length; i += 1) {
          expect(taken[i]! - taken[i - requests]!).toBeGreaterThanOrEqual(1000);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('a token bucket never lets more through in any span than its burst and its rate', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 5 }),
        times,
        (requests, most, at) => {
          const burst = Math.min(most, requests);
          const table = openTable(openLimits(64, 1));
          const rules = [rule({ requests, burst })];
          const taken = at.filter(
            (now) => table.take(rules, client(1), NO_TOOL, now) === LIMIT_TAKEN,
          );
          taken.forEach((from, first) => {
            for (let last = first; last < taken.length; last += 1) {
              const most = burst + ((taken[last]! - from) * requests) / 1000;
              expect(last - first + 1).toBeLessThanOrEqual(most + 1e-9);
            }
          });
        },
      ),
      { numRuns: 100 },
    );
  });
});

it('a limit that got another limit’s slot starts afresh', () => {
  const table = openTable(openLimits(64, 1));
  const before = [rule({ slot: 9, requests: 1 })];
  expect(table.take(before, client(1), NO_TOOL, 0)).toBe(LIMIT_TAKEN);
  expect(table.take(before, client(1), NO_TOOL, 0)).toBe(LIMIT_REFUSED);
  const after = [rule({ slot: 9, requests: 1, algorithm: 'fixedWindow' })];
  expect(table.take(after, client(1), NO_TOOL, 0)).toBe(LIMIT_TAKEN);
  // The same limit, compiled anew by a reload, finds its budget as it was.
  const reloaded = [new RateLimitRule(settings({ slot: 9, requests: 1 }))];
  expect(table.take(reloaded, client(1), NO_TOOL, 999)).toBe(LIMIT_REFUSED);
});

it('a clock that goes back gives nobody more, and takes nothing away', () => {
  for (const algorithm of ALGORITHMS) {
    const table = openTable(openLimits(64, 1));
    const rules = [rule({ algorithm, requests: 2 })];
    const times = [50_000, 49_000, 48_000, 50_000, 50_000, 49_500];
    const taken = times.filter((now) => table.take(rules, client(1), NO_TOOL, now) === LIMIT_TAKEN);
    expect(taken).toHaveLength(2);
  }
});

it('a sliding window of a day forgets calls of last month', () => {
  const table = openTable(openLimits(64, 1));
  const day = 86_400_000;
  const rules = [rule({ algorithm: 'slidingWindow', requests: 20, windowMs: day })];
  const verdicts = Array.from({ length: 60 }, (_, call) =>
    table.take(rules, client(1), NO_TOOL, call * 1.5 * day),
  );
  expect(verdicts).toEqual(new Array(60).fill(LIMIT_TAKEN));
});

it('a sliding window holds for calls whose thread read the clock before others did', () => {
  const calls = fc.array(fc.record({ on: fc.nat(400), back: fc.nat(900) }), {
    minLength: 2,
    maxLength: 150,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), calls, (requests, moves) => {
      const table = openTable(openLimits(64, 1));
      const rules = [rule({ algorithm: 'slidingWindow', requests })];
      let nowMs = 5000;
      const taken: number[] = [];
      for (const { on, back } of moves) {
        nowMs += on;
        const readMs = nowMs - back;
        if (table.take(rules, client(1), NO_TOOL, readMs) === LIMIT_TAKEN) taken.push(readMs);
      }
      taken.sort((a, b) => a - b);
      for (let i = requests; i < taken.length; i += 1) {
        expect(taken[i]! - taken[i - requests]!).toBeGreaterThanOrEqual(1000);
      }
    }),
    { numRuns: 300 },
  );
});

describe('a call that loses its last unit to another shard between look and take', () => {
  /** Runs `meanwhile` when the widest limit is about to be taken from, after the narrow one was. */
  function interrupted(rules: readonly RateLimitRule[], meanwhile: () => void): RateLimitRule[] {
    const copy = [...rules];
    let reads = 0;
    Object.defineProperty(copy, 0, {
      get: () => {
        reads += 1;
        // Read to approach it, to look at it, to take from it.
        if (reads === 3) meanwhile();
        return rules[0];
      },
    });
    return copy;
  }

  function race(algorithm: (typeof ALGORITHMS)[number], others: number) {
    // Without a kernel, which nothing on this thread can interrupt.
    const opened = openLimits(64, 2, 1, false);
    const [mine, theirs] = [openTable(opened, 0), openTable(opened, 1)];
    const wide = rule({ slot: 1, per: 'global', algorithm: 'fixedWindow', requests: 1 });
    const narrow = rule({ slot: 2, per: 'client', algorithm, requests: 5 });
    const rules = interrupted([wide, narrow], () => {
      expect(theirs.take([wide], client(9), NO_TOOL, 100)).toBe(LIMIT_TAKEN);
      for (let call = 0; call < others; call += 1) {
        expect(theirs.take([narrow], client(1), NO_TOOL, 100)).toBe(LIMIT_TAKEN);
      }
    });
    expect(mine.take(rules, client(1), NO_TOOL, 100)).toBe(LIMIT_REFUSED);
    expect(mine.refusedBy).toBe(0);
    const rest = Array.from({ length: 9 }, () => theirs.take([narrow], client(1), NO_TOOL, 100));
    return rest.filter((verdict) => verdict === LIMIT_TAKEN).length;
  }

  it.each(ALGORITHMS)('gives what it took back to a %s', (algorithm) => {
    expect(race(algorithm, 0)).toBe(5);
  });

  it('gives back what can be told from the units others took meanwhile, and no more', () => {
    expect(race('slidingWindow', 2)).toBe(3);
    expect(race('fixedWindow', 2)).toBe(3);
    // A token bucket may have been full in between; then the unit has come back by itself.
    expect(race('tokenBucket', 2)).toBe(2);
  });
});
