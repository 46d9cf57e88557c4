/**
 * Credentials that were verified before, so that the second call costs a lookup. One per shard, one
 * thread, no lock.
 *
 * What always holds:
 * - An entry is found only by its exact bytes and its source (the header it came in): the probe uses
 *   the length and 16 of the bytes, then every byte is compared.
 * - Only accepted credentials are in it, so a peer cannot fill it with made-up ones, nor choose what
 *   shares a bucket (the probe is seeded besides).
 * - No entry outlives its `untilMs`; `clear` (a key was withdrawn, a plan was replaced) drops all.
 * - Nothing is allocated by `find`.
 *
 * 12 of the 16 bytes are the last ones: a JWT's signature. Four stand in the middle, for opaque
 * tokens that all end alike. The comparison takes the same time wherever two tokens differ, so it tells
 * nobody how much of a secret was right.
 *
 * Full, the table drops an entry that was not asked for lately (second chance, 64 tries at most).
 */
import { randomInt } from 'node:crypto';
import { ByteRanges, ByteWords, viewOf } from '../../shared/byte-words.ts';
import type { Principal } from './principal.ts';

const BUCKETS_MIN = 256;
const EVICTION_TRIES_MAX = 64;

class TokenEntry {
  readonly probe: number;
  readonly source: number;
  readonly method: number;
  readonly token: ByteWords;
  readonly principal: Principal;
  /** Wall time in ms. */
  readonly untilMs: number;
  /** Place in `#entries`. */
  index: number;
  wasUsed: boolean;
  next: TokenEntry | null;

  constructor(
    probe: number,
    source: number,
    method: number,
    token: ByteWords,
    principal: Principal,
    untilMs: number,
  ) {
    this.probe = probe;
    this.source = source;
    this.method = method;
    this.token = token;
    this.principal = principal;
    this.untilMs = untilMs;
    this.index = -1;
    this.wasUsed = false;
    this.next = null;
  }
}

export class TokenCache {
  readonly #max: number;
  readonly #seed: number;
  #buckets: (TokenEntry | null)[];
  /** Dense, in no order; the hand of the second chance walks over it. */
  #entries: TokenEntry[];
  #hand: number;
  /** Index of the method that verified what `find` found last. */
  foundMethod: number;
  readonly #ranges = new ByteRanges();

  /**
   * @param max entries at most; 0: nothing is remembered
   * @param seed any 32-bit number; random unless a test asks for a certain order
   */
  constructor(max: number, seed: number = randomInt(0x1_0000_0000)) {
    this.#max = max;
    this.#seed = seed | 0;
    this.#buckets = new Array<TokenEntry | null>(BUCKETS_MIN).fill(null);
    this.#entries = [];
    this.#hand = 0;
    this.foundMethod = -1;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** The principal of the credential `bytes[start, end)` that came in by `source`; null: not remembered. */
  find(
    source: number,
    bytes: Buffer,
    start: number,
    end: number,
    nowWallMs: number,
  ): Principal | null {
    const view = this.#ranges.of(bytes).view;
    const probe = this.#probe(source, view, start, end);
    let entry = this.#buckets[probe & (this.#buckets.length - 1)] ?? null;
    while (entry !== null) {
      if (
        entry.probe === probe &&
        entry.source === source &&
        entry.token.equals(view, start, end)
      ) {
        if (nowWallMs >= entry.untilMs) {
          this.#remove(entry);
          return null;
        }
        entry.wasUsed = true;
        this.foundMethod = entry.method;
        return entry.principal;
      }
      entry = entry.next;
    }
    return null;
  }

  /** Remembers a credential that is not in the table. */
  add(source: number, method: number, token: Buffer, principal: Principal, untilMs: number): void {
    if (this.#max === 0) return;
    if (this.#entries.length >= this.#max) this.#evict();
    if (this.#entries.length >= this.#buckets.length) this.#grow();
    const probe = this.#probe(source, viewOf(token), 0, token.length);
    const words = new ByteWords(token);
    const entry = new TokenEntry(probe, source, method, words, principal, untilMs);
    entry.index = this.#entries.length;
    this.#entries.push(entry);
    this.#link(entry);
  }

  /** Forgets everything. */
  clear(): void {
    this.#buckets = new Array<TokenEntry | null>(BUCKETS_MIN).fill(null);
    this.#entries = [];
    this.#hand = 0;
  }

  #probe(source: number, view: DataView, start: number, end: number): number {
    const length = end - start;
    let hash = Math.imul(this.#seed ^ length, 0x9e37_79b1) ^ source;
    if (length < 16) {
      for (let i = start; i < end; i += 1) hash = mix(hash, view.getUint8(i));
      return hash;
    }
    hash = mix(hash, view.getInt32(end - 4, true));
    hash = mix(hash, view.getInt32(end - 8, true));
    hash = mix(hash, view.getInt32(end - 12, true));
    return mix(hash, view.getInt32(start + (length >> 1) - 2, true));
  }

  #link(entry: TokenEntry): void {
    const at = entry.probe & (this.#buckets.length - 1);
    entry.next = this.#buckets[at] ?? null;
    this.#buckets[at] = entry;
  }

  #remove(entry: TokenEntry): void {
    const at = entry.probe & (this.#buckets.length - 1);
    let before = this.#buckets[at] ?? null;
    if (before === entry) {
      this.#buckets[at] = entry.next;
    } else {
      while (before !== null && before.next !== entry) before = before.next;
      if (before !== null) before.next = entry.next;
    }
    const last = this.#entries.pop();
    if (last !== undefined && last !== entry) {
      this.#entries[entry.index] = last;
      last.index = entry.index;
    }
  }

  #evict(): void {
    for (let tries = 1; ; tries += 1) {
      if (this.#hand >= this.#entries.length) this.#hand = 0;
      const entry = this.#entries[this.#hand];
      if (entry === undefined) return;
      if (!entry.wasUsed || tries >= EVICTION_TRIES_MAX) {
        this.#remove(entry);
        return;
      }
      entry.wasUsed = false;
      this.#hand += 1;
    }
  }

  #grow(): void {
    this.#buckets = new Array<TokenEntry | null>(this.#buckets.length * 2).fill(null);
    for (const entry of this.#entries) this.#link(entry);
  }
}

/** One step of murmur3's body and end: cheap, and every bit of the word reaches the low bits. */
function mix(hash: number, word: number): number {
  let mixed = Math.imul(hash ^ word, 0xcc9e_2d51);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x1b87_3593);
  return mixed ^ (mixed >>> 13);
}
