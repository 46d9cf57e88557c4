/**
 * Which entry belongs to which key. Many threads look, insert and evict at once, without a lock.
 *
 *             claim                 announce                  activate
 *   free ───────────────▶ claimed ──────────────▶ announced ──────────────▶ active
 *     ▲  compare-exchange  by s   key is written             one look around   │
 *     └──────────────────────┴────────── drop ──────┘◀──── evict: budget full ──┘
 *
 * Always holds:
 * - The key words of an entry change only while it is claimed, and only by the claimant. Each change of
 *   the head makes it a value it never had (the version), so a key read under one head belongs to it.
 * - A key has at most one active entry. Who inserts announces first and looks at all places of the key
 *   after that; of two who do so at once, at least one sees the other. It is activated only if it saw no
 *   active one, no announced one at an earlier place, and dropped those at later places; a drop makes
 *   the other's activation fail.
 * - Only entries whose budget is full are evicted, by a compare-exchange on the head under which it was
 *   seen full: a take in between makes it fail.
 * - A place looked at is one of 32: a flood costs a bounded look and evicts nobody who spent anything.
 *
 * A shard that dies leaves an announced entry, which anybody may activate or evict, or a claimed one,
 * which its next life frees: it noted it as its intent before.
 */
import { assert } from './assert.ts';
import {
  INTENT_WORD,
  KEY_WORD,
  KEY_WORDS,
  RECORDS_WORD,
  WAYS,
  entryOfTag,
  tagOfEntry,
  type RateLimitBank,
  type RateLimitShape,
} from './rate-limit-descriptor.ts';
import { readFullAt, writeFresh } from './rate-limit-step.ts';

const FREE = 0;
const ANNOUNCED = 1;
const CLAIMED = 2;

/** Times an insertion is begun anew because others were at the same key. */
const INSERTIONS_MAX = 16;
const PLACES = 2 * WAYS;
/** Power of two. */
export const HINTS = 16_384;

/** What `#settle` found. */
const SETTLED = 0;
const LOOK_AGAIN = 1;

/** How a shard reads and writes heads. */
export interface HeadCodes {
  /** Bits of the code; the version is above them. */
  readonly shift: number;
  /** From this code on the entry is active, and what is more is the record in force. */
  readonly active: number;
  /** Code of the first of this shard's two records. */
  readonly own: number;
}

export function headCodes(shards: number, shard: number): HeadCodes {
  const active = CLAIMED + shards;
  return { shift: 32 - Math.clz32(3 * shards + 1), active, own: active + 2 * shard };
}

export class RateLimitKeys {
  readonly words: Int32Array;
  readonly banks: readonly RateLimitBank[];
  /** The key looked for, and its hash. */
  readonly key: Int32Array;
  hash: number;
  /** Entries this thread has evicted. */
  evictedCount: number;
  readonly #shift: number;
  readonly #activeCode: number;
  readonly #ownCode: number;
  readonly #claimedCode: number;
  readonly #intent: number;
  readonly #seed: Int32Array;
  /** Entry that a hash led to the last time: most looks need no more than that. */
  readonly #hints: Int32Array;
  #tag: number;
  #tagsA: number;
  #tagsB: number;
  #chance: number;

  /**
   * @param shard of this thread; another life of it must have ended
   * @param hints HINTS words, all 0
   */
  constructor(shape: RateLimitShape, shard: number, hints: Int32Array) {
    const { shards, words, layout, seed } = shape;
    assert(shard >= 0 && shard < shards, 'a shard of this region', shard);
    this.words = words;
    this.banks = layout.banks;
    this.key = new Int32Array(KEY_WORDS);
    this.hash = 0;
    this.evictedCount = 0;
    const { shift, active, own } = headCodes(shards, shard);
    this.#shift = shift;
    this.#activeCode = active;
    this.#ownCode = own;
    this.#claimedCode = CLAIMED + shard;
    this.#intent = INTENT_WORD + shard;
    this.#seed = seed;
    this.#hints = hints;
    this.#tag = 0;
    this.#tagsA = 0;
    this.#tagsB = 0;
    this.#chance = seed[0]! ^ shard;
    this.#recover();
  }

  isActive(head: number): boolean {
    return this.#codeOf(head) >= this.#activeCode;
  }

  /** The record that an active head names, as an offset in records. */
  recordOf(head: number): number {
    return this.#codeOf(head) - this.#activeCode;
  }

  /** This shard's record that an active head does not name. */
  spareOf(head: number): number {
    const own = this.#ownCode - this.#activeCode;
    return this.#codeOf(head) === this.#ownCode ? own + 1 : own;
  }

  /** The head after this one, naming a record. */
  nextActive(head: number, record: number): number {
    return this.#next(head, this.#activeCode + record);
  }

  /**
   * Two words, hashed with the seed: the part of a hash that clients can choose. Of keys with one high
   * word no two have the same hash; with two, it takes the seed to tell which do.
   */
  hashWords(low: number, high: number): number {
    return mix((low ^ this.#seed[0]!) + mix(high ^ this.#seed[1]!));
  }

  /**
   * Where the active entry of `key` should be, as the index of its head; made if there is none; -1: no
   * room. It is a guess: check head and key, and if that fails, call `dropHint` and ask again.
   *
   * @param nowMs of the call, whole: budgets full by then may be evicted
   */
  find(bank: RateLimitBank, nowMs: number): number {
    const hint = this.hintOf(this.hash);
    // Another limit's key can have the same hash, and lie in another bank.
    if (hint >= bank.entries && hint < bank.rings) return hint;
    const at = this.#findIn(bank, nowMs);
    if (at > 0) this.#hints[this.hash & (HINTS - 1)] = at;
    return at;
  }

  /** Where a hash led to the last time, 0: nowhere. */
  hintOf(hash: number): number {
    return this.#hints[hash & (HINTS - 1)]!;
  }

  hasKey(at: number): boolean {
    const { words, key } = this;
    return (
      words[at + 1] === key[0] &&
      words[at + 2] === key[1] &&
      words[at + 3] === key[2] &&
      words[at + 4] === key[3] &&
      words[at + 5] === key[4]
    );
  }

  /** `hasKey`, in one order with what other threads do. For the look around, not for each call. */
  #hasKeyNow(at: number): boolean {
    const { words, key } = this;
    for (let word = 0; word < KEY_WORDS; word += 1) {
      if (Atomics.load(words, at + KEY_WORD + word) !== key[word]) return false;
    }
    return true;
  }

  /** Forgets where a hash led to: the entry has gone to another key. */
  dropHint(): void {
    this.#hints[this.hash & (HINTS - 1)] = 0;
  }

  #findIn(bank: RateLimitBank, nowMs: number): number {
    const { sets, tags } = bank;
    const hash = mix(this.hash ^ this.#seed[2]!);
    const setA = (hash >>> 0) % sets;
    const step = (mix(hash ^ this.#seed[3]!) >>> 0) % (sets - 1);
    const setB = (setA + 1 + step) % sets;
    this.#tag = hash | 1;
    this.#tagsA = tags + setA * WAYS;
    this.#tagsB = tags + setB * WAYS;
    for (let attempt = 0; attempt < INSERTIONS_MAX; attempt += 1) {
      const found = this.#search(bank);
      if (found < 0) {
        const made = this.#insert(bank, nowMs);
        if (made !== 0) return made;
        continue;
      }
      const head = Atomics.load(this.words, found);
      if (this.isActive(head)) return found;
      // Announced by somebody who is slow, or dead: finish it.
      if (this.#codeOf(head) !== ANNOUNCED || !this.#hasKeyNow(found)) continue;
      if (this.#settle(bank, found, head) === SETTLED) return found;
    }
    return -1;
  }

  /** Index of an announced or active entry that has the key; -1: none seen, as far as one sees. */
  #search(bank: RateLimitBank): number {
    const { words } = this;
    const tag = this.#tag;
    for (let place = 0; place < PLACES; place += 1) {
      if (words[this.#tagAt(place)] !== tag) continue;
      const at = this.#entryAt(bank, place);
      const code = this.#codeOf(Atomics.load(words, at));
      if ((code === ANNOUNCED || code >= this.#activeCode) && this.hasKey(at)) return at;
    }
    return -1;
  }

  /** Index of the entry made; 0: look again; -1: no room. */
  #insert(bank: RateLimitBank, nowMs: number): number {
    const { words, key } = this;
    const place = this.#claim(bank, nowMs);
    if (place < 0) return -1;
    const at = this.#entryAt(bank, place);
    Atomics.store(words, this.#tagAt(place), this.#tag);
    for (let word = 0; word < KEY_WORDS; word += 1) {
      Atomics.store(words, at + KEY_WORD + word, key[word]!);
    }
    const head = this.#next(Atomics.load(words, at), ANNOUNCED);
    Atomics.store(words, at, head); // claimed: nobody else writes it
    Atomics.store(words, this.#intent, 0);
    return this.#settle(bank, at, head) === SETTLED ? at : 0;
  }

  /** The look around: activates an announced entry of the key, or drops it for another one. */
  #settle(bank: RateLimitBank, at: number, head: number): number {
    const { words } = this;
    let isEarlier = true;
    for (let place = 0; place < PLACES; place += 1) {
      const other = this.#entryAt(bank, place);
      if (other === at) {
        isEarlier = false;
        continue;
      }
      if (Atomics.load(words, this.#tagAt(place)) !== this.#tag) continue;
      const otherHead = Atomics.load(words, other);
      const code = this.#codeOf(otherHead);
      if (code !== ANNOUNCED && code < this.#activeCode) continue;
      // Of another key, or on its way to one: who brings our key there has yet to look, and sees us.
      if (!this.#hasKeyNow(other)) continue;
      if (code === ANNOUNCED && !isEarlier) {
        if (!this.#drop(bank, other, otherHead)) return LOOK_AGAIN;
        continue;
      }
      this.#drop(bank, at, head);
      return LOOK_AGAIN;
    }
    const own = this.#ownCode;
    writeFresh(words, this.#recordAt(bank, at, own), bank.recordWords);
    const active = this.#next(head, own);
    return Atomics.compareExchange(words, at, head, active) === head ? SETTLED : LOOK_AGAIN;
  }

  /** Frees an announced entry. False: it is not that any more. */
  #drop(bank: RateLimitBank, at: number, head: number): boolean {
    if (!this.#tryClaim(at, head)) return false;
    this.#free(bank, at);
    return true;
  }

  /** Takes a place for the key. Its place, or -1: all 32 belong to others who spent something. */
  #claim(bank: RateLimitBank, nowMs: number): number {
    const { words } = this;
    const isFirstFuller = this.#roomIn(this.#tagsA) < this.#roomIn(this.#tagsB);
    const first = isFirstFuller ? WAYS : 0;
    for (let tries = 0; tries < PLACES; tries += 1) {
      const place = (first + tries) % PLACES;
      if (words[this.#tagAt(place)] !== 0) continue;
      const at = this.#entryAt(bank, place);
      const head = Atomics.load(words, at);
      if (this.#codeOf(head) === FREE && this.#tryClaim(at, head)) return place;
    }
    // From anywhere, so that inserters at once meet at different places.
    const start = this.#draw();
    for (let tries = 0; tries < PLACES; tries += 1) {
      const place = (start + tries) % PLACES;
      const at = this.#entryAt(bank, place);
      const head = Atomics.load(words, at);
      const code = this.#codeOf(head);
      if (code < this.#activeCode) continue;
      if (readFullAt(words, this.#recordAt(bank, at, code)) > nowMs) continue;
      if (!this.#tryClaim(at, head)) continue;
      this.evictedCount += 1;
      return place;
    }
    // What was announced and never used, as by a shard that died.
    for (let place = 0; place < PLACES; place += 1) {
      const at = this.#entryAt(bank, place);
      const head = Atomics.load(words, at);
      if (this.#codeOf(head) === ANNOUNCED && this.#tryClaim(at, head)) return place;
    }
    return -1;
  }

  #tryClaim(at: number, head: number): boolean {
    const { words } = this;
    Atomics.store(words, this.#intent, at);
    const claimed = this.#next(head, this.#claimedCode);
    if (Atomics.compareExchange(words, at, head, claimed) === head) return true;
    Atomics.store(words, this.#intent, 0);
    return false;
  }

  /** Frees an entry that is claimed by this shard. */
  #free(bank: RateLimitBank, at: number): void {
    const { words } = this;
    Atomics.store(words, tagOfEntry(bank, at), 0);
    Atomics.store(words, at, this.#next(Atomics.load(words, at), FREE));
    Atomics.store(words, this.#intent, 0);
  }

  /** An earlier life of this shard may have died between claim and announcement. */
  #recover(): void {
    const at = Atomics.load(this.words, this.#intent);
    if (at === 0) return;
    const bank = this.banks.findLast(({ entries }) => entries <= at);
    if (bank !== undefined && this.#codeOf(Atomics.load(this.words, at)) === this.#claimedCode) {
      this.#free(bank, at);
    } else Atomics.store(this.words, this.#intent, 0);
  }

  #roomIn(tags: number): number {
    let room = 0;
    for (let way = 0; way < WAYS; way += 1) if (this.words[tags + way] === 0) room += 1;
    return room;
  }

  #tagAt(place: number): number {
    return place < WAYS ? this.#tagsA + place : this.#tagsB + place - WAYS;
  }

  #entryAt(bank: RateLimitBank, place: number): number {
    return entryOfTag(bank, this.#tagAt(place));
  }

  #recordAt(bank: RateLimitBank, at: number, code: number): number {
    return at + RECORDS_WORD + (code - this.#activeCode) * bank.recordWords;
  }

  #codeOf(head: number): number {
    return head & ((1 << this.#shift) - 1);
  }

  #next(head: number, code: number): number {
    return (((head >>> this.#shift) + 1) << this.#shift) | code;
  }

  /** A place to begin at: xorshift32. */
  #draw(): number {
    let chance = this.#chance === 0 ? 1 : this.#chance;
    chance ^= chance << 13;
    chance ^= chance >>> 17;
    chance ^= chance << 5;
    this.#chance = chance;
    return (chance >>> 0) % PLACES;
  }
}

/** The finalizer of MurmurHash3: every bit of the input sways every bit of the output. */
function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}
