/** The kernel's way of a take against the JavaScript's, and whose rules stand where on the desk. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openKernel } from '../../shared/kernel/byte-kernel.ts';
import {
  KEY_WORD,
  KEY_WORDS,
  rateLimitTableBytes,
  readRateLimits,
} from '../../shared/rate-limit-descriptor.ts';
import {
  DESK_UNUSED,
  HASH_WORD,
  LIMITS_PER_CALL_MAX,
  LOOK_STOPPED,
  PUT_STOPPED,
  RULES_MAX,
  RateLimitDesk,
} from '../../shared/rate-limit-desk.ts';
import { RateLimitKeys, headCodes } from '../../shared/rate-limit-keys.ts';
import type { RateLimitSettings } from '../../shared/rate-limit-rule.ts';
import { RateLimitRule } from '../../shared/rate-limit-rule.ts';
import { LIMIT_NO_ROOM, LIMIT_REFUSED, LIMIT_TAKEN } from '../../shared/rate-limit-table.ts';
import {
  SCRATCH_BYTES,
  client,
  openLimits,
  openTable,
  rule,
  settings,
} from './rate-limit-fixture.ts';

const SHARDS = 3;
const KEYS_MAX = 64;
const TWO_32 = 4_294_967_296;

/** The shards of one gateway, each with rules of its own. */
class Gateway {
  readonly #opened;
  readonly #tables;
  #rules: RateLimitRule[][] = [];

  constructor(seed: number, hasKernel: boolean) {
    this.#opened = openLimits(KEYS_MAX, SHARDS, seed, hasKernel);
    this.#tables = Array.from({ length: SHARDS }, (_, shard) => openTable(this.#opened, shard));
  }

  reload(limits: readonly RateLimitSettings[]): void {
    this.#rules = this.#tables.map(() => limits.map((limit) => new RateLimitRule(limit)));
  }

  take(call: Call): readonly number[] {
    const table = this.#tables[call.shard]!;
    const own = this.#rules[call.shard]!;
    const rules = call.limits.map((limit) => own[limit % own.length]!);
    const tool = table.toolOf(call.tool, 0xffff_0000);
    const verdict = table.take(rules, client(call.client), tool, call.nowMs);
    const { evictedCount, refusedBy, waitMs } = table;
    return verdict === LIMIT_TAKEN
      ? [verdict, evictedCount]
      : [verdict, evictedCount, refusedBy, waitMs];
  }

  /** The whole table as it is. */
  bytes(): Buffer {
    const { region, offset } = this.#opened;
    return Buffer.from(region, offset, rateLimitTableBytes(KEYS_MAX, SHARDS));
  }
}

interface Call {
  readonly shard: number;
  readonly client: number;
  readonly tool: number;
  /** Which of the limits; one twice is as if another thread had been quicker. */
  readonly limits: readonly number[];
  readonly nowMs: number;
}

const limitsOf: fc.Arbitrary<RateLimitSettings[]> = fc
  .array(
    fc.record({
      algorithm: fc.constantFrom('tokenBucket', 'slidingWindow', 'fixedWindow'),
      per: fc.constantFrom('global', 'client', 'tool', 'client+tool'),
      requests: fc.oneof(
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(16, 97, 300, 1999, 4096, 999_999_937, 1_000_000_000),
      ),
      windowMs: fc.constantFrom(1000, 1000, 1001, 7000, 86_400_000),
      burst: fc.oneof(fc.constantFrom(1, 2, 3), fc.integer({ min: 1, max: 1_000_000_000 })),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((some) =>
    some.map((limit, slot) => {
      const most = limit.algorithm === 'slidingWindow' ? 4096 : limit.requests;
      const requests = Math.min(limit.requests, most);
      return { ...limit, slot, requests, burst: Math.min(limit.burst, requests) };
    }),
  );

const moves = fc.array(
  fc.record({
    shard: fc.nat(SHARDS - 1),
    client: fc.oneof({ weight: 5, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(300) }),
    tool: fc.nat(2),
    limits: fc.array(fc.nat(5), { minLength: 0, maxLength: 5 }),
    // Quarters of a millisecond, so that times meet the ends of windows exactly, and just miss them.
    onMs: fc
      .oneof(
        { weight: 6, arbitrary: fc.nat(8) },
        { weight: 3, arbitrary: fc.integer({ min: -12_000, max: 3600 }) },
        { weight: 3, arbitrary: fc.constantFrom(3998, 3999, 4000, 4001, 4004, 7998, 8000, 28_000) },
        { weight: 1, arbitrary: fc.integer({ min: 3600, max: 360_000_000 }) },
      )
      .map((quarters) => quarters / 4),
    isReload: fc.nat(30).map((chance) => chance === 0),
  }),
  { minLength: 1, maxLength: 300, size: 'max' },
);

it('with a kernel and without, verdicts, waits and every word of the table are the same', () => {
  const starts = fc.constantFrom(0.5, TWO_32 / 2 - 3000, TWO_32 - 3000.25, TWO_32 * 5 - 800, 1e12);
  fc.assert(
    fc.property(limitsOf, moves, starts, fc.nat(1e6), (limits, steps, startMs, seed) => {
      const pair = [new Gateway(seed, true), new Gateway(seed, false)] as const;
      let nowMs = startMs;
      for (const gateway of pair) gateway.reload(limits);
      for (const { onMs, isReload, ...move } of steps) {
        if (isReload) for (const gateway of pair) gateway.reload(limits);
        nowMs += onMs;
        const [one, other] = pair.map((gateway) => gateway.take({ ...move, nowMs }));
        expect(one).toEqual(other);
      }
      expect(pair[0].bytes().equals(pair[1].bytes())).toBe(true);
    }),
    { numRuns: 300 },
  );
});

it('with more rules than the desk has places, and reloads, each call is judged by its own rules', () => {
  const pair = [new Gateway(5, true), new Gateway(5, false)] as const;
  const plans = [1, 2, 3].map((plan) =>
    Array.from({ length: 256 }, (_, slot) =>
      settings({ slot, requests: 1 + ((slot * plan) % 7), windowMs: 1000 * plan }),
    ),
  );
  const seen = new Set<number>();
  let draw = 7;
  const drawn = (below: number): number => {
    draw = (Math.imul(draw, 1_664_525) + 1_013_904_223) >>> 0;
    return (draw >>> 8) % below;
  };
  for (let call = 0; call < 12_000; call += 1) {
    if (call % 2000 === 0) for (const gateway of pair) gateway.reload(plans[(call / 2000) % 3]!);
    // Some plans in full, of others few rules.
    const below = Math.floor(call / 2000) % 2 === 0 ? 256 : 40;
    const limits = [drawn(below), drawn(below), drawn(below)];
    const move = {
      shard: drawn(SHARDS),
      client: drawn(2),
      tool: 0,
      limits,
      nowMs: 1000 + call / 4,
    };
    const [one, other] = pair.map((gateway) => gateway.take(move));
    expect(one).toEqual(other);
    seen.add(one![0]!);
  }
  // More keys than the table has room for.
  expect(seen).toEqual(new Set([LIMIT_TAKEN, LIMIT_REFUSED, LIMIT_NO_ROOM]));
  expect(pair[0].bytes().equals(pair[1].bytes())).toBe(true);
});

/** A desk with the keys beside it, as a table has them. */
function openDesk() {
  const { region, offset, memory, scratch } = openLimits(KEYS_MAX, 1);
  openKernel(memory, scratch[0]!, SCRATCH_BYTES);
  const shape = readRateLimits(region, offset);
  const desk = new RateLimitDesk(shape, headCodes(1, 0));
  const keys = new RateLimitKeys(shape, 0, desk.hints);
  const take = (rules: readonly RateLimitRule[], nowMs = 5): number =>
    desk.take(rules, client(1), 0, 0, 0, nowMs);
  /** Makes the entry of the only limit of the call before, a client's. */
  /** Finds or makes the entry of the only limit of the call before, a client's. */
  const insert = (of: RateLimitRule): number => {
    keys.hash = desk.limits[HASH_WORD]!;
    keys.key.set([of.word, ...client(1), 0, 0]);
    return keys.find(shape.layout.banks[of.bank]!, 5);
  };
  return { desk, shape, take, insert };
}

describe('the desk', () => {
  it('takes by itself once it has the rule and somebody found the entry', () => {
    const { take, insert } = openDesk();
    const rules = [rule({ requests: 2 })];
    expect([take(rules), take(rules)]).toEqual([DESK_UNUSED, LOOK_STOPPED]);
    insert(rules[0]!);
    expect([take(rules), take(rules), take(rules)]).toEqual([0, 0, 1]);
  });

  it('tells who refused, and for how long', () => {
    const { desk, take, insert } = openDesk();
    const rules = [rule({ requests: 1, algorithm: 'fixedWindow' })];
    take(rules);
    take(rules);
    insert(rules[0]!);
    expect([take(rules, 5.5), take(rules, 6.5)]).toEqual([0, 1]);
    expect(desk.waitMs).toBe(1000);
  });

  it('stops where another was quicker, with what it took before in force', () => {
    const { take, insert } = openDesk();
    const one = rule({ requests: 2 });
    take([one]);
    take([one]);
    insert(one);
    // The second one's head is not that which the first one saw.
    expect(take([one, one])).toBe(PUT_STOPPED);
    expect(take([one, one, one])).toBe(PUT_STOPPED - 1);
    expect(take([one])).toBe(1);
  });

  it('takes from no entry of another key, nor from one that is not active', () => {
    const { shape, take, insert } = openDesk();
    const one = rule({ requests: 9 });
    take([one]);
    take([one]);
    const at = insert(one);
    expect(take([one])).toBe(0);
    const { words } = shape;
    for (let word = KEY_WORD; word < KEY_WORD + KEY_WORDS; word += 1) {
      words[at + word]! ^= 1 << (word * 5);
      expect(take([one])).toBe(LOOK_STOPPED);
      words[at + word]! ^= 1 << (word * 5);
    }
    const head = words[at]!;
    const mask = (1 << headCodes(1, 0).shift) - 1;
    // Free, announced, claimed.
    for (const code of [0, 1, 2]) {
      words[at] = (head & ~mask) | code;
      expect(take([one])).toBe(LOOK_STOPPED);
    }
    words[at] = head;
    expect(take([one])).toBe(0);
  });

  it('goes by no hint into another bank, were the same key there', () => {
    const { desk, shape, take, insert } = openDesk();
    const { words, layout } = shape;
    const one = rule({ requests: 2 });
    take([one]);
    take([one]);
    const at = insert(one);
    const hint = desk.limits[HASH_WORD]! & (desk.hints.length - 1);
    for (const bank of layout.banks.slice(1)) {
      words.copyWithin(bank.entries, at, at + KEY_WORD + KEY_WORDS);
      desk.hints[hint] = bank.entries;
      expect(take([one])).toBe(LOOK_STOPPED);
      expect(insert(one)).toBe(at);
    }
    expect(take([one])).toBe(0);
  });

  it('is not used for more limits than it has room for', () => {
    const { take } = openDesk();
    const rules = new Array<RateLimitRule>(LIMITS_PER_CALL_MAX + 1).fill(rule({}));
    expect([take(rules), take(rules)]).toEqual([DESK_UNUSED, DESK_UNUSED]);
    expect([take(rules.slice(1)), take(rules.slice(1))]).toEqual([DESK_UNUSED, LOOK_STOPPED]);
  });

  it('gives places again, the oldest first, and knows the rules that lost theirs', () => {
    const { take } = openDesk();
    const old = Array.from({ length: RULES_MAX }, () => rule({}));
    for (const one of old) expect([take([one]), take([one])]).toEqual([DESK_UNUSED, LOOK_STOPPED]);
    const young = rule({ requests: 9 });
    let calls = 0;
    while (take([young]) === DESK_UNUSED) calls += 1;
    expect(calls).toBe(16);
    expect(take([old[0]!])).toBe(DESK_UNUSED);
    expect(old.slice(1).map((one) => take([one]))).toEqual(
      new Array(RULES_MAX - 1).fill(LOOK_STOPPED),
    );
    expect(young.place).toBe(old[0]!.place);
  });
});
