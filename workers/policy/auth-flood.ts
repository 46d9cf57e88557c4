/**
 * Addresses that keep sending wrong credentials are refused for a while before any signature is
 * checked. Counted per IPv4 address and per IPv6 /64 (`writeAddressKey`), in each shard on its own:
 * with n shards an address may fail n times as often before all of them refuse it, which bounds the
 * work all the same and needs no lock.
 *
 * A fixed set of rows, eight to a set, found by a seeded hash. A new address takes the free row of
 * its set, or the one that matters least: not refused, oldest window. An attacker with many networks
 * forgets its own failures that way, never makes anyone else refused, and costs one signature each.
 *
 * Words 0 and 0 are no address (a listener without addresses): everybody there would be one, so they
 * are not counted.
 */
import { randomInt } from 'node:crypto';
import { FLOOD_ADDRESSES_MAX } from './policy-limits.ts';

const WAYS = 8;
const SETS: number = FLOOD_ADDRESSES_MAX / WAYS;

export interface AuthFloodOptions {
  /** Failures within `windowMs` after which the address is refused; 0: never refuse. */
  readonly failures: number;
  readonly windowMs: number;
  readonly blockMs: number;
}

export class AuthFlood {
  readonly #options: AuthFloodOptions;
  readonly #seed: number;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  /** Monotonic ms of the first failure of the window; -Infinity: row is free. */
  readonly #since: Float64Array;
  readonly #failures: Uint32Array;
  readonly #blockedUntil: Float64Array;

  constructor(options: AuthFloodOptions, seed: number = randomInt(0x1_0000_0000)) {
    this.#options = options;
    this.#seed = seed | 0;
    this.#low = new Uint32Array(FLOOD_ADDRESSES_MAX);
    this.#high = new Uint32Array(FLOOD_ADDRESSES_MAX);
    this.#since = new Float64Array(FLOOD_ADDRESSES_MAX).fill(-Infinity);
    this.#failures = new Uint32Array(FLOOD_ADDRESSES_MAX);
    this.#blockedUntil = new Float64Array(FLOOD_ADDRESSES_MAX).fill(-Infinity);
  }

  /**
   * Milliseconds for which this address is still refused; 0: it is not.
   * @param address two words as of `writeAddressKey`
   * @param nowMs monotonic
   */
  blockedMs(address: Uint32Array, nowMs: number): number {
    const row = this.#find(address);
    if (row < 0) return 0;
    const left = (this.#blockedUntil[row] ?? 0) - nowMs;
    return left > 0 ? left : 0;
  }

  /** Counts one wrong credential of this address. True if it is refused from now on. */
  fail(address: Uint32Array, nowMs: number): boolean {
    if (this.#options.failures === 0 || (address[0] === 0 && address[1] === 0)) return false;
    let row = this.#find(address);
    if (row < 0) row = this.#take(address, nowMs);
    if (nowMs - (this.#since[row] ?? 0) >= this.#options.windowMs) {
      this.#since[row] = nowMs;
      this.#failures[row] = 0;
    }
    const failures = (this.#failures[row] ?? 0) + 1;
    this.#failures[row] = failures;
    if (failures < this.#options.failures) return false;
    this.#blockedUntil[row] = nowMs + this.#options.blockMs;
    // The block counts from the last straw; afterwards the address starts with a clean slate.
    this.#since[row] = nowMs - this.#options.windowMs;
    return true;
  }

  #setOf(address: Uint32Array): number {
    let hash = Math.imul(this.#seed ^ (address[0] ?? 0), 0xcc9e_2d51);
    hash = Math.imul(hash ^ (hash >>> 15) ^ (address[1] ?? 0), 0x1b87_3593);
    hash ^= hash >>> 16;
    return ((hash >>> 0) % SETS) * WAYS;
  }

  #find(address: Uint32Array): number {
    const first = this.#setOf(address);
    for (let row = first; row < first + WAYS; row += 1) {
      const isHere = this.#low[row] === address[0] && this.#high[row] === address[1];
      if (isHere && this.#since[row] !== -Infinity) return row;
    }
    return -1;
  }

  #take(address: Uint32Array, nowMs: number): number {
    const first = this.#setOf(address);
    let chosen = first;
    let least = Infinity;
    for (let row = first; row < first + WAYS; row += 1) {
      const since = this.#since[row] ?? 0;
      const until = this.#blockedUntil[row] ?? 0;
      // Those refused now rank after all others, the one that is free soonest first.
      const rank = until > nowMs ? Number.MAX_SAFE_INTEGER / 2 + until : since;
      if (rank < least) {
        least = rank;
        chosen = row;
      }
    }
    this.#low[chosen] = address[0] ?? 0;
    this.#high[chosen] = address[1] ?? 0;
    this.#since[chosen] = nowMs;
    this.#failures[chosen] = 0;
    this.#blockedUntil[chosen] = -Infinity;
    return chosen;
  }
}
