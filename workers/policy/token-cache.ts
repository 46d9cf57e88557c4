/**
 * Credentials that were verified before, so that the second call costs a lookup. One per plan and shard,
 * one thread, no lock.
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
 *
 * A shard under load has other things in its caches than this table, so what a lookup costs is the loads
 * that wait for each other. There are three: the bucket, the record of the slot that it names, the
 * credential's bytes (in the front if they were used lately, see `token-front.ts`).
 *
 *      #buckets ─▶ slot ─▶ #words, #doubles   RECORD of the slot: what is known of the credential
 *                       └▶ #principals        by slot
 */
import { randomInt } from 'node:crypto';
import { ByteRanges, viewOf } from '../../shared/byte-words.ts';
import { CREDENTIAL_BYTES_MAX } from './policy-limits.ts';
import type { Principal } from './principal.ts';
import { NO_COPY, tokenFront } from './token-front.ts';
import type { TokenFront } from './token-front.ts';
import { TokenStore } from './token-store.ts';

const SLOTS_MIN = 128;
/** Half of the buckets are empty at least: a bucket with two entries costs a load more. */
const BUCKETS_PER_SLOT = 2;
const EVICTION_TRIES_MAX = 64;
/** Ends a chain. */
const NONE = -1;

/** A record: six words and two doubles, in one memory. */
const RECORD_WORDS = 10;
const RECORD_DOUBLES: number = RECORD_WORDS / 2;
const PROBE = 0;
/** Slot of the next entry in the bucket. */
const NEXT = 1;
/** Source and length, see `kindOf`. */
const KIND = 2;
/** The method that verified it, and in the lowest bit whether it was found since the hand came by. */
const METHOD = 3;
/** In the store. */
const PLACE = 4;
/** In the front, if it still has the copy made at POSITION. */
const OFFSET = 5;
const POSITION = 3;
/** Wall time in ms. */
const UNTIL = 4;

export class TokenCache {
  readonly #max: number;
  readonly #seed: number;
  readonly #front: TokenFront;
  readonly #ranges = new ByteRanges();
  /** Index of the method that verified what `find` found last. */
  foundMethod: number;
  #buckets: Int32Array;
  #words: Int32Array;
  #doubles: Float64Array;
  /** Null where the slot is free. */
  #principals: (Principal | null)[];
  #freeSlots: number[];
  #store: TokenStore;
  /** Slot that the second chance looks at next. */
  #hand: number;

  /**
   * @param max entries at most; 0: nothing is remembered
   * @param seed any 32-bit number; random unless a test asks for a certain order
   * @param front the thread's, unless a test has its own
   */
  constructor(max: number, seed: number = randomInt(0x1_0000_0000), front = tokenFront) {
    this.#max = max;
    this.#seed = seed | 0;
    this.#front = front;
    this.foundMethod = -1;
    this.#buckets = newBuckets(SLOTS_MIN);
    this.#words = new Int32Array(SLOTS_MIN * RECORD_WORDS);
    this.#doubles = new Float64Array(this.#words.buffer);
    this.#principals = [];
    this.#freeSlots = [];
    this.#store = new TokenStore();
    this.#hand = 0;
  }

  get size(): number {
    return this.#principals.length - this.#freeSlots.length;
  }

  /** Memory held for what is remembered, in bytes, but for the principals. */
  get bytes(): number {
    return this.#store.bytes + this.#words.byteLength + this.#buckets.byteLength;
  }

  /** The principal of the credential `bytes[start, end)` that came in by `source`; null: not remembered. */
  find(
    source: number,
    bytes: Buffer,
    start: number,
    end: number,
    nowWallMs: number,
  ): Principal | null {
    const length = end - start;
    if (length > CREDENTIAL_BYTES_MAX) return null;
    const range = this.#ranges.of(bytes);
    const probe = this.#probe(source, range.view, start, end);
    const kind = kindOf(source, length);
    const words = this.#words;
    let slot = this.#buckets[probe & (this.#buckets.length - 1)]!;
    for (; slot !== NONE; slot = words[slot * RECORD_WORDS + NEXT]!) {
      const at = slot * RECORD_WORDS;
      if (words[at + PROBE] !== probe || words[at + KIND] !== kind) continue;
      const doublesAt = slot * RECORD_DOUBLES;
      const front = this.#front;
      if (front.has(this.#doubles[doublesAt + POSITION]!, range)) {
        if (!front.equals(words[at + OFFSET]!, length, range, start)) continue;
      } else {
        if (!this.#store.equals(words[at + PLACE]!, length, range.view, start)) continue;
        if (front.tryWrite(range, start, end)) {
          words[at + OFFSET] = front.offset;
          this.#doubles[doublesAt + POSITION] = front.position;
        }
      }
      if (nowWallMs >= this.#doubles[doublesAt + UNTIL]!) {
        this.#remove(slot);
        return null;
      }
      const method = words[at + METHOD]!;
      words[at + METHOD] = method | 1;
      this.foundMethod = method >> 1;
      return this.#principals[slot]!;
    }
    return null;
  }

  /** Remembers a credential that is not in the table, of CREDENTIAL_BYTES_MAX at most. */
  add(source: number, method: number, token: Buffer, principal: Principal, untilMs: number): void {
    const { length } = token;
    if (this.#max === 0 || length > CREDENTIAL_BYTES_MAX) return;
    if (this.size >= this.#max) this.#evict();
    const slot = this.#freeSlots.pop() ?? this.#principals.length;
    const at = slot * RECORD_WORDS;
    if (at === this.#words.length) this.#grow();
    this.#principals[slot] = principal;
    this.#words[at + PROBE] = this.#probe(source, viewOf(token), 0, length);
    this.#words[at + KIND] = kindOf(source, length);
    this.#words[at + METHOD] = method << 1;
    this.#words[at + PLACE] = this.#store.add(token);
    this.#doubles[slot * RECORD_DOUBLES + POSITION] = NO_COPY;
    this.#doubles[slot * RECORD_DOUBLES + UNTIL] = untilMs;
    this.#link(slot);
  }

  /** Forgets everything. */
  clear(): void {
    this.#buckets = newBuckets(SLOTS_MIN);
    this.#words = new Int32Array(SLOTS_MIN * RECORD_WORDS);
    this.#doubles = new Float64Array(this.#words.buffer);
    this.#principals = [];
    this.#freeSlots = [];
    this.#store = new TokenStore();
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

  #link(slot: number): void {
    const at = slot * RECORD_WORDS;
    const bucket = this.#words[at + PROBE]! & (this.#buckets.length - 1);
    this.#words[at + NEXT] = this.#buckets[bucket]!;
    this.#buckets[bucket] = slot;
  }

  #unlink(slot: number): void {
    const words = this.#words;
    const next = words[slot * RECORD_WORDS + NEXT]!;
    const bucket = words[slot * RECORD_WORDS + PROBE]! & (this.#buckets.length - 1);
    let before = this.#buckets[bucket]!;
    if (before === slot) {
      this.#buckets[bucket] = next;
      return;
    }
    while (words[before * RECORD_WORDS + NEXT] !== slot) {
      before = words[before * RECORD_WORDS + NEXT]!;
    }
    words[before * RECORD_WORDS + NEXT] = next;
  }

  #remove(slot: number): void {
    const at = slot * RECORD_WORDS;
    this.#unlink(slot);
    this.#store.remove(this.#words[at + PLACE]!, lengthOf(this.#words[at + KIND]!));
    this.#principals[slot] = null;
    this.#freeSlots.push(slot);
  }

  /** Of a full table, so that no slot is free. */
  #evict(): void {
    for (let tries = 1; ; tries += 1) {
      if (this.#hand >= this.#principals.length) this.#hand = 0;
      const at = this.#hand * RECORD_WORDS + METHOD;
      const method = this.#words[at]!;
      if ((method & 1) === 0 || tries >= EVICTION_TRIES_MAX) {
        this.#remove(this.#hand);
        return;
      }
      this.#words[at] = method ^ 1;
      this.#hand += 1;
    }
  }

  #grow(): void {
    const words = new Int32Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
    this.#doubles = new Float64Array(words.buffer);
    this.#buckets = newBuckets(words.length / RECORD_WORDS);
    for (let slot = 0; slot < this.#principals.length; slot += 1) this.#link(slot);
  }
}

function newBuckets(slots: number): Int32Array {
  return new Int32Array(slots * BUCKETS_PER_SLOT).fill(NONE);
}

/** In one word, to be compared at once: lengths stay below 2^16. */
function kindOf(source: number, length: number): number {
  return (source << 16) | length;
}

function lengthOf(kind: number): number {
  return kind & 0xffff;
}

/** One step of murmur3's body and end: cheap, and every bit of the word reaches the low bits. */
function mix(hash: number, word: number): number {
  let mixed = Math.imul(hash ^ word, 0xcc9e_2d51);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x1b87_3593);
  return mixed ^ (mixed >>> 13);
}
