/** What a refused client is told, and what is counted. */
import { expect, it } from 'vitest';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import { COUNTER_BLOCK_BYTES, CounterBlock, CounterReader } from '../../shared/counter-cell.ts';
import { headerName } from '../../shared/header-code.ts';
import { HeaderFields } from '../../shared/header-field.ts';
import { RateLimitRule } from '../../shared/rate-limit-rule.ts';
import type { PlanRateLimit } from '../../src/config/plan.ts';
import type { AppliedLimits } from '../../workers/policy/plan-limits.ts';
import { ANONYMOUS, Principal } from '../../workers/policy/principal.ts';
import { RateLimiter } from '../../workers/policy/rate-limiter.ts';
import { NO_SCOPES } from '../../workers/policy/scope-set.ts';
import type { ReplyFields } from '../../workers/reply-fields.ts';
import { openLimits, openTable, settings } from '../shared/rate-limit-fixture.ts';

function applied(...some: Partial<PlanRateLimit>[]): AppliedLimits {
  const limits = some.map((one, slot) => ({
    ...settings({ slot, ...one }),
    match: null,
    methods: null,
  }));
  return { limits, rules: limits.map((limit) => new RateLimitRule(limit)) };
}

function open(keysMax = 64) {
  const cells = new SharedArrayBuffer(COUNTER_BLOCK_BYTES);
  const time = { nowMs: 1000.25 };
  const clock = { nowMs: () => time.nowMs, wallMs: () => 0 };
  const limiter = new RateLimiter(
    openTable(openLimits(keysMax, 1)),
    clock,
    new CounterBlock(cells, 0),
  );
  const counters = new CounterReader(cells, 0);
  const take = (
    limits: AppliedLimits,
    address: readonly number[],
    principal = ANONYMOUS,
  ): boolean => {
    const bytes = Uint8Array.from([0xee, ...address]);
    return limiter.tryTake(limits, null, principal, address.length === 4 ? 4 : 6, bytes, 1);
  };
  return { limiter, counters, take, time };
}

function named(name: string): Principal {
  const identity = {
    issuer: 'me',
    subject: name,
    clientId: name,
    scopes: [],
    expiresAtMs: Infinity,
    method: 'jwt',
  };
  return new Principal(identity, NO_SCOPES, null, false);
}

/** Fields as they travel. */
class Block extends HeaderFields {
  constructor({ bytes, count }: ReplyFields) {
    super();
    expect(this.setFields(bytes, 0, bytes.length, count)).toBe(true);
  }
}

function readFields(reply: ReplyFields): Record<string, string> {
  const { bytes } = reply;
  const fields = new Block(reply);
  const found: Record<string, string> = {};
  for (let at = fields.nextHeader(fields.headersStart); at >= 0; at = fields.nextHeader(at)) {
    found[headerName(fields.code)] = bytes.toString('latin1', fields.valueStart, fields.valueEnd);
  }
  return found;
}

const HOME = [10, 0, 0, 1];

it('tells the wait in whole seconds, rounded up, and in milliseconds', () => {
  const { limiter, take, time } = open();
  const limits = applied({ algorithm: 'fixedWindow', requests: 1, windowMs: 60_000 });
  expect(take(limits, HOME)).toBe(true);
  time.nowMs += 12_345;
  expect(take(limits, HOME)).toBe(false);
  const { fault, data, fields } = limiter.refusal(limits);
  // The window began at 1001, rounded up, and 13,345 are over, rounded down.
  expect([fault, data]).toEqual(['RATE_LIMITED', '{"retryAfterMs":47656}']);
  expect(readFields(fields)).toEqual({
    'retry-after': '48',
    ratelimit: '"client";r=0;t=48',
    'ratelimit-policy': '"client";q=1;w=60',
  });
});

it('names the limit that refused, and never a wait of no seconds', () => {
  const { limiter, take } = open();
  const limits = applied(
    { per: 'global', requests: 1000 },
    { per: 'client', requests: 500, burst: 1, windowMs: 1000 },
  );
  expect(take(limits, HOME)).toBe(true);
  expect(take(limits, HOME)).toBe(false);
  expect(readFields(limiter.refusal(limits).fields)).toEqual({
    'retry-after': '1',
    ratelimit: '"client";r=0;t=1',
    'ratelimit-policy': '"client";q=500;w=1',
  });
});

it('refuses new keys as such while the table is full, and counts that and evictions', () => {
  const { limiter, counters, take, time } = open(64);
  const limits = applied({ algorithm: 'slidingWindow', requests: 1 });
  const addresses = Array.from({ length: 200 }, (_, index) => [10, 0, 1, index]);
  const refused = addresses.filter((address) => !take(limits, address)).length;
  expect(refused).toBeGreaterThan(100);
  const { fault, fields, data } = limiter.refusal(limits);
  expect([fault, data]).toEqual(['LIMIT_TABLE_FULL', '{"retryAfterMs":1000}']);
  expect(readFields(fields)).toEqual({ 'retry-after': '1' });
  expect(counters.read(COUNTERS.RATE_TABLE_FULL.id)).toBe(refused);
  expect(counters.read(COUNTERS.RATE_LIMITED.id)).toBe(0);
  expect(counters.read(COUNTERS.RATE_EVICTED.id)).toBe(0);
  time.nowMs += 1001;
  expect(take(limits, [10, 9, 9, 9])).toBe(true);
  expect(take(limits, [10, 9, 9, 9])).toBe(false);
  expect(counters.read(COUNTERS.RATE_LIMITED.id)).toBe(1);
  expect(counters.read(COUNTERS.RATE_EVICTED.id)).toBe(1);
});

it('knows an anonymous caller by its address and IPv6 /64, and others by who they are', () => {
  const { take } = open();
  const limits = applied({ requests: 1, windowMs: 60_000 });
  const v6 = (...tail: number[]) => [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, ...tail];
  expect(take(limits, HOME)).toBe(true);
  expect(take(limits, [10, 0, 0, 2])).toBe(true);
  expect(take(limits, v6(0, 0, 0, 0, 0, 0, 0, 1))).toBe(true);
  expect(take(limits, v6(9, 9, 9, 9, 9, 9, 9, 9))).toBe(false);
  expect(take(limits, HOME, named('ada'))).toBe(true);
  expect(take(limits, [10, 0, 0, 3], named('ada'))).toBe(false);
  expect(take(limits, [10, 0, 0, 3], named('bob'))).toBe(true);
});
