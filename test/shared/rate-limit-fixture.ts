import { formatRateLimits, rateLimitTableBytes } from '../../shared/rate-limit-descriptor.ts';
import { RateLimitRule, type RateLimitSettings } from '../../shared/rate-limit-rule.ts';
import { RateLimitTable } from '../../shared/rate-limit-table.ts';

/** A region that holds a rate limit table and nothing else; the table does not begin at 0. */
export interface LimitRegion {
  readonly region: SharedArrayBuffer;
  readonly offset: number;
}

export function openLimits(keysMax: number, shards: number, seed = 1): LimitRegion {
  const offset = 128;
  const region = new SharedArrayBuffer(offset + rateLimitTableBytes(keysMax, shards));
  formatRateLimits(region, offset, keysMax, shards, Uint32Array.of(seed, seed * 7, 3, 99));
  return { region, offset };
}

export function openTable({ region, offset }: LimitRegion, shard = 0): RateLimitTable {
  return new RateLimitTable(region, offset, shard);
}

export function settings(some: Partial<RateLimitSettings>): RateLimitSettings {
  const requests = some.requests ?? 3;
  return {
    slot: 0,
    per: 'client',
    algorithm: 'tokenBucket',
    windowMs: 1000,
    burst: requests,
    ...some,
    requests,
  };
}

export function rule(some: Partial<RateLimitSettings>): RateLimitRule {
  return new RateLimitRule(settings(some));
}

/** The two words of a made-up client. */
export function client(name: number): Uint32Array {
  return Uint32Array.of(name, 0x8000_0000 + Math.imul(name, 77));
}
