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
 * tokens that all end alike. Shared secrets (static tokens, opaque tokens) are compared in constant
 * time. Of a signed token memcmp may tell how much matches: its prefix is no secret, and whoever has
 * the last bytes of its signature has the token.
 *
 * Full, the table drops an entry that was not asked for lately (second chance, 64 tries at most).
 */
import { randomInt } from 'node:crypto';
import type { Principal } from './principal.ts';

const BUCKETS_MIN = 256;
const EVICTION_TRIES_MAX = 64;

/** Verified by comparing a secret, or by a signature: how it may be compared. */
export type TokenForm = 'secret' | 'signed';

class TokenEntry {
  readonly probe: number;
  readonly source: number;
  readonly method: number;
  readonly token: Buffer;
  readonly isSecret: boolean;
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
    form: TokenForm,
    token: Buffer,
    principal: Principal,
    untilMs: number,
  ) {
    this.probe = probe;
    this.source = source;
    this.method = method;
    this.token = token;
    this.isSecret = form === 'secret';
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
    const probe = this.#probe(source, bytes, start, end);
    let entry = this.#buckets[probe & (this.#buckets.length - 1)] ?? null;
    while (entry !== null) {
      if (entry.probe === probe && entry.source === source && isSame(entry, bytes, start, end)) {
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

  /**
   * Remembers a credential that is not in the table.
   * @param token owned by the table from here on
   */
  add(
    source: number,
    method: number,
    form: TokenForm,
    token: Buffer,
    principal: Principal,
    untilMs: number,
  ): void {
    if (this.#max === 0) return;
    if (this.#entries.length >= this.#max) this.#evict();
    if (this.#entries.length >= this.#buckets.length) this.#grow();
    const probe = this.#probe(source, token, 0, token.length);
    const entry = new TokenEntry(probe, source, method, form, token, principal, untilMs);
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

  #probe(source: number, bytes: Buffer, start: number, end: number): number {
    const length = end - start;
    let hash = Math.imul(this.#seed ^ length, 0x9e37_79b1) ^ source;
    if (length < 16) {
      for (let i = start; i < end; i += 1) hash = mix(hash, bytes[i] ?? 0);
      return hash;
    }
    hash = mix(hash, wordAt(bytes, end - 4));
    hash = mix(hash, wordAt(bytes, end - 8));
    hash = mix(hash, wordAt(bytes, end - 12));
    return mix(hash, wordAt(bytes, start + (length >> 1) - 2));
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

function isSame(entry: TokenEntry, bytes: Buffer, start: number, end: number): boolean {
  const token = entry.token;
  if (token.length !== end - start) return false;
  if (!entry.isSecret) return bytes.compare(token, 0, token.length, start, end) === 0;
  let difference = 0;
  for (let i = 0; i < token.length; i += 1) difference |= (token[i] ?? 0) ^ (bytes[start + i] ?? 0);
  return difference === 0;
}

/** One step of murmur3's body and end: cheap, and every bit of the word reaches the low bits. */
function mix(hash: number, word: number): number {
  let mixed = Math.imul(hash ^ word, 0xcc9e_2d51);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x1b87_3593);
  return mixed ^ (mixed >>> 13);
}

function wordAt(bytes: Buffer, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  return low | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}
