import { randomBytes } from 'node:crypto';
import { createKernelMemory, openKernel, type KernelMemory } from '../../shared/kernel/byte-kernel.ts'; // prettier-ignore
import { SCRATCH_BYTES } from '../../shared/limits.ts';
import {
  RATE_LIMIT_TABLE,
  SEED_WORDS,
  formatRateLimits,
  rateLimitTableBytes,
} from '../../shared/rate-limit-descriptor.ts';
import { createRegion, layoutRegion, regionTable } from '../../shared/region-descriptor.ts';
import type { RegionLayout, RegionShape } from '../../shared/region-descriptor.ts';
import type { Plan } from '../config/plan.ts';

/** The region and where things are in it. */
export interface EdgeRegion {
  readonly region: SharedArrayBuffer;
  readonly layout: RegionLayout;
  /** What the region lies in, for the kernels of the threads; null where it lies elsewhere. */
  readonly memory: KernelMemory | null;
}

/**
 * Makes the region for a plan, with the tables that are asked for beside what the plan needs, and opens
 * the kernel of this thread, the edge's, on it. What it
 * depends on (shards, rate limit keys) cannot be reloaded. Hashes of rate limit keys get a seed that
 * nobody outside this process knows, so that no client can choose keys that meet in one place.
 */
export function openRegion(plan: Plan, asked: Omit<RegionShape, 'shards'> = {}): EdgeRegion {
  const { shards, limits } = plan;
  const bytes = rateLimitTableBytes(limits.rateLimitKeysMax, shards);
  const tables = [...(asked.tables ?? []), { name: RATE_LIMIT_TABLE, bytes }];
  const layout = layoutRegion({ ...asked, shards, tables });
  const memory = createKernelMemory(layout.bytes);
  const region = createRegion(layout, memory);
  // Before anything wants scratch.
  openKernel(memory, layout.scratch[0]!, SCRATCH_BYTES);
  const { offset } = regionTable(layout, RATE_LIMIT_TABLE);
  const seed = new Uint32Array(SEED_WORDS);
  randomBytes(seed.byteLength).copy(new Uint8Array(seed.buffer));
  formatRateLimits(region, offset, limits.rateLimitKeysMax, shards, seed);
  return { region, layout, memory };
}
