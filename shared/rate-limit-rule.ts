/**
 * One limit, ready for use: all sums that do not depend on the call are done. Times are whole
 * milliseconds and fractions over `parts`, so that no rate is rounded: with 7 calls in 10 s a call
 * costs 1428 + 4/7 ms, and after seven calls exactly 10,000.
 */
import { assert } from './assert.ts';
import { STAMPS_MAX, bankIndex } from './rate-limit-descriptor.ts';

export const TOKEN_BUCKET = 0;
export const SLIDING_WINDOW = 1;
export const FIXED_WINDOW = 2;

export interface RateLimitSettings {
  /** Below 256; two limits in use at once never share it. */
  readonly slot: number;
  readonly algorithm: 'tokenBucket' | 'slidingWindow' | 'fixedWindow';
  readonly per: 'global' | 'client' | 'tool' | 'client+tool';
  /** 1 to 1e9, for a sliding window to STAMPS_MAX. */
  readonly requests: number;
  /** 1000 to 86,400,000, whole. */
  readonly windowMs: number;
  /** Token bucket only: 1 to `requests`. */
  readonly burst: number;
}

const SLOT_BITS = 8;
const REQUESTS_MAX = 1_000_000_000;
const WINDOW_MS_MAX = 86_400_000;

export class RateLimitRule {
  readonly algorithm: number;
  readonly requests: number;
  readonly windowMs: number;
  readonly usesClient: boolean;
  readonly usesTool: boolean;
  /** Bank of its keys. */
  readonly bank: number;
  /**
   * First word of its keys: slot and a hash of the settings. A slot that was given to a limit with
   * other settings meets no state of the one before.
   */
  readonly word: number;
  /** Its part of the hashes of its keys. */
  readonly hash: number;
  /** Token bucket: what a call costs, and the whole bucket, in ms and `parts`ths of a ms. */
  readonly parts: number;
  readonly costMs: number;
  readonly costParts: number;
  readonly depthMs: number;
  readonly depthParts: number;
  /** Sliding window: a tick, an eighth to a quarter of the window, is 2 to the power of this in ms. */
  readonly tickBits: number;
  /** Where the desk of this thread keeps it, if that agrees: see `rate-limit-desk.ts`. */
  place: number;

  constructor(settings: RateLimitSettings) {
    const { slot, algorithm, per, requests, windowMs, burst } = settings;
    const isSliding = algorithm === 'slidingWindow';
    assert(
      Number.isInteger(slot) && slot >= 0 && slot < 1 << SLOT_BITS,
      'a limit has a slot',
      slot,
    );
    assertWithin(requests, isSliding ? STAMPS_MAX : REQUESTS_MAX, 'requests');
    assertWithin(windowMs, WINDOW_MS_MAX, 'windowMs');
    assertWithin(burst, requests, 'burst');
    const shared = divisor(windowMs, requests);
    this.algorithm = isSliding
      ? SLIDING_WINDOW
      : algorithm === 'tokenBucket'
        ? TOKEN_BUCKET
        : FIXED_WINDOW;
    this.requests = requests;
    this.windowMs = windowMs;
    this.usesClient = per === 'client' || per === 'client+tool';
    this.usesTool = per === 'tool' || per === 'client+tool';
    this.bank = bankIndex(isSliding ? requests : 0);
    this.word = slot | (settingsHash(settings) << SLOT_BITS);
    this.hash = Math.imul(this.word, 0x9e37_79b1);
    this.parts = requests / shared;
    const window = windowMs / shared;
    this.costMs = Math.floor(window / this.parts);
    this.costParts = window % this.parts;
    // burst × costParts can pass 2^53, so it is divided half by half.
    const high = Math.floor(burst / HALF) * this.costParts;
    const low = (high % this.parts) * HALF + (burst % HALF) * this.costParts;
    this.depthMs =
      burst * this.costMs + Math.floor(high / this.parts) * HALF + Math.floor(low / this.parts);
    this.depthParts = low % this.parts;
    this.tickBits = 29 - Math.clz32(windowMs);
    this.place = 0;
  }
}

const HALF = 0x8000;

function assertWithin(value: number, max: number, what: string): void {
  assert(Number.isInteger(value) && value >= 1 && value <= max, `a limit has valid ${what}`, value);
}

function divisor(a: number, b: number): number {
  let [large, small] = [a, b];
  while (small > 0) [large, small] = [small, large % small];
  return large;
}

/** FNV-1a over the settings as text; equal in every shard and after every reload. */
function settingsHash(settings: RateLimitSettings): number {
  const { algorithm, per, requests, windowMs, burst } = settings;
  let hash = 0x811c9dc5;
  for (const char of `${algorithm} ${per} ${requests} ${windowMs} ${burst}`) {
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  }
  return hash ^ (hash >>> 16);
}
