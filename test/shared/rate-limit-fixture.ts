import {
  createKernelMemory,
  openKernel,
  type KernelMemory,
} from '../../shared/kernel/byte-kernel.ts';
import { formatRateLimits, rateLimitTableBytes } from '../../shared/rate-limit-descriptor.ts';
import { RateLimitRule, type RateLimitSettings } from '../../shared/rate-limit-rule.ts';
import { RateLimitTable } from '../../shared/rate-limit-table.ts';

/** A region that holds a rate limit table and scratch; the table does not begin at 0. */
export interface LimitRegion {
  readonly region: SharedArrayBuffer;
  readonly offset: number;
  /** Null: all is done in JavaScript. */
  readonly memory: KernelMemory | null;
  /** Where the scratch of each shard begins. */
  readonly scratch: readonly number[];
}

/** Room for one desk, as shards find it after an earlier life: not empty. */
export const SCRATCH_BYTES: number = 80 * 1024;

export function openLimits(
  keysMax: number,
  shards: number,
  seed = 1,
  hasKernel = true,
): LimitRegion {
  const offset = 128;
  const end = offset + Math.ceil(rateLimitTableBytes(keysMax, shards) / 64) * 64;
  const bytes = end + shards * SCRATCH_BYTES;
  const memory = hasKernel ? createKernelMemory(bytes) : null;
  if (hasKernel && memory === null) throw new Error('no memory for a kernel');
  const region = memory === null ? new SharedArrayBuffer(bytes) : memory.buffer;
  new Int32Array(region, end, (shards * SCRATCH_BYTES) / 4).fill(0x5a5a_5a5a);
  formatRateLimits(region, offset, keysMax, shards, Uint32Array.of(seed, seed * 7, 3, 99));
  const scratch = Array.from({ length: shards }, (_, shard) => end + shard * SCRATCH_BYTES);
  return { region, offset, memory, scratch };
}

/** The table as a shard has it, with that shard's kernel. A rule serves one such table. */
export function openTable(limits: LimitRegion, shard = 0): RateLimitTable {
  const { region, offset, memory, scratch } = limits;
  openKernel(memory, scratch[shard]!, SCRATCH_BYTES);
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
