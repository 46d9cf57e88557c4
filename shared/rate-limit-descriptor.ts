/**
 * Memory of the rate limits: one table in the region, made of banks. A bank holds entries of one size:
 * bank 0 those of token buckets and fixed windows, the others those of sliding windows, by the number
 * of stamps there is room for. A limit belongs to one bank for good.
 *
 *   table   | header | intents | bank 0 | bank 1 (16 stamps) | … | bank 6 (4096 stamps) |
 *   bank    | tags: one word per entry, 16 to a set, a cache line | entries | rings: one per entry |
 *   entries | first of set 0 | first of set 1 | … | second of set 0 | second of set 1 | … |
 *   entry   | head | key, 5 words | records: two per shard |           from a cache line on
 *   ring    | stamps |                                                 bank 0 has none
 *
 *   head    | version                    | code |   one compare-exchange on it is one take
 *   code      0 free · 1 announced · 2 + s claimed by shard s · 2 + S + r active, record r counts
 *   key     | limit | client low | client high | tool low | tool high |
 *   record  | full at, ms: low, high | state, 1 word (bank 0) or 2 |      r = 2 × shard + 0 or 1
 *
 * A record is written only by its shard, and only while the head names another one: what a head names
 * stands still. Pages that were never touched cost no memory, so banks may be generous.
 *
 * The entries of a set lie apart from each other, and rings apart from entries: keys go to the emptier of
 * two sets, so most are the first of theirs and lie in a sixteenth of the bank. 2000 keys in a bank for
 * 65,536 touch some 140 pages instead of 1000; that many no processor finds without page table walks.
 */
import { assert } from './assert.ts';
import { SHARDS_MAX } from './limits.ts';

/** Name of the table in the region's layout. */
export const RATE_LIMIT_TABLE = 'rateLimits';

/** Entries of a set share one cache line of tags; a key has two sets to be in. */
export const WAYS = 16;
const WAYS_SHIFT = 4;

/** Calls one sliding window may remember; the settings are checked against the same number. */
export const STAMPS_MAX = 4096;
/** Steps of at most four, so that a window wastes little; 512 as minute windows of 300 are common. */
const RING_STAMPS: readonly number[] = [0, 16, 64, 256, 512, 1024, STAMPS_MAX];
export const BANKS: number = RING_STAMPS.length;

export const KEY_WORDS = 5;
export const KEY_WORD = 1;
/** Words into an entry. */
export const RECORDS_WORD: number = KEY_WORD + KEY_WORDS;
/** Words of a record: when the budget is full again (two), then the algorithm's own. */
const RECORD_WORDS = 3;
const SLIDING_RECORD_WORDS = 4;

const LINE_WORDS = 16;
const HEADER_WORDS = 32;
export const INTENT_WORD: number = HEADER_WORDS;
const BANKS_WORD: number = HEADER_WORDS + SHARDS_MAX;

const KEYS_MIN = 64;
const KEYS_MAX = 1_048_576;
const MIB_WORDS: number = (1024 * 1024) / 4;
/** 1,048,576 keys with up to 16 shards, half of them with 32. */
const BANK_WORDS_MAX: number = 512 * MIB_WORDS;
/** 31,000 callers with a window of 300 at once, 4000 with one of 4096. */
const SLIDING_BANK_WORDS_MAX: number = 64 * MIB_WORDS;

/** "RATE" in little endian. */
const MAGIC = 0x45544152;
const MAGIC_WORD = 0;
const KEYS_WORD = 1;
const SHARDS_WORD = 2;
const SEED_WORD = 3;

/** Where a bank lies. Offsets are words from the start of the table. */
export interface RateLimitBank {
  readonly sets: number;
  readonly tags: number;
  readonly entries: number;
  readonly entryWords: number;
  readonly recordWords: number;
  readonly rings: number;
  /** Power of two; 0 in bank 0. */
  readonly stamps: number;
}

export interface RateLimitLayout {
  readonly banks: readonly RateLimitBank[];
  readonly words: number;
}

/** Index of the bank with room for this many stamps; 0 stamps: bank 0. */
export function bankIndex(stamps: number): number {
  const index = RING_STAMPS.findIndex((room) => room >= stamps);
  assert(index >= 0, 'a sliding window has room for its stamps', stamps);
  return index;
}

function layoutBank(start: number, keysMax: number, shards: number, stamps: number): RateLimitBank {
  const recordWords = stamps === 0 ? RECORD_WORDS : SLIDING_RECORD_WORDS;
  const entryWords = toLine(RECORDS_WORD + 2 * shards * recordWords);
  const wordsMax = stamps === 0 ? BANK_WORDS_MAX : SLIDING_BANK_WORDS_MAX;
  // A quarter more than asked for: with the emptier of two sets to go to, the first key finds both full
  // when the bank as a whole is some 85 to 90 % full.
  const wanted = Math.ceil((keysMax + keysMax / 4) / WAYS);
  const sets = Math.max(
    2,
    Math.min(wanted, Math.floor(wordsMax / (WAYS * (1 + entryWords + stamps)))),
  );
  const entries = start + sets * WAYS;
  return {
    sets,
    tags: start,
    entries,
    entryWords,
    recordWords,
    rings: entries + sets * WAYS * entryWords,
    stamps,
  };
}

/** Where the entry of a tag is. */
export function entryOfTag(bank: RateLimitBank, tag: number): number {
  const place = tag - bank.tags;
  return bank.entries + ((place % WAYS) * bank.sets + (place >>> WAYS_SHIFT)) * bank.entryWords;
}

export function tagOfEntry(bank: RateLimitBank, at: number): number {
  const index = (at - bank.entries) / bank.entryWords;
  return bank.tags + (index % bank.sets) * WAYS + Math.floor(index / bank.sets);
}

/** Where the ring of an entry is. */
export function ringOfEntry(bank: RateLimitBank, at: number): number {
  return bank.rings + ((at - bank.entries) / bank.entryWords) * bank.stamps;
}

/** @param keysMax keys each bank shall hold; banks of long windows hold fewer, see above */
export function layoutRateLimits(keysMax: number, shards: number): RateLimitLayout {
  assert(keysMax >= KEYS_MIN && keysMax <= KEYS_MAX, 'rate limit keys in bounds', keysMax);
  assert(shards >= 1 && shards <= SHARDS_MAX, 'shards in bounds', shards);
  const banks: RateLimitBank[] = [];
  let end = BANKS_WORD;
  for (const stamps of RING_STAMPS) {
    const bank = layoutBank(end, keysMax, shards, stamps);
    banks.push(bank);
    end = bank.rings + bank.sets * WAYS * bank.stamps;
  }
  return { banks, words: end };
}

/** Bytes of the table, for `layoutRegion`. */
export function rateLimitTableBytes(keysMax: number, shards: number): number {
  return layoutRateLimits(keysMax, shards).words * 4;
}

/**
 * Edge, before any shard starts: writes what shards find the layout by, and the seed of the hashes.
 *
 * @param seed 16 random bytes as words: nobody outside can tell which keys meet in a set
 */
export function formatRateLimits(
  region: SharedArrayBuffer,
  byteOffset: number,
  keysMax: number,
  shards: number,
  seed: Uint32Array,
): void {
  const header = new Int32Array(region, byteOffset, HEADER_WORDS);
  for (let index = 0; index < SEED_WORDS; index += 1) header[SEED_WORD + index] = seed[index] ?? 0;
  header[KEYS_WORD] = keysMax;
  header[SHARDS_WORD] = shards;
  Atomics.store(header, MAGIC_WORD, MAGIC);
}

export const SEED_WORDS = 4;

/** What a shard reads of a table that was formatted. */
export interface RateLimitShape {
  readonly words: Int32Array;
  readonly shards: number;
  readonly layout: RateLimitLayout;
  readonly seed: Int32Array;
}

export function readRateLimits(region: SharedArrayBuffer, byteOffset: number): RateLimitShape {
  const header = new Int32Array(region, byteOffset, HEADER_WORDS);
  assert(Atomics.load(header, MAGIC_WORD) === MAGIC, 'the rate limit table was formatted');
  const shards = header[SHARDS_WORD]!;
  const layout = layoutRateLimits(header[KEYS_WORD]!, shards);
  return {
    words: new Int32Array(region, byteOffset, layout.words),
    shards,
    layout,
    seed: header.slice(SEED_WORD, SEED_WORD + SEED_WORDS),
  };
}

function toLine(words: number): number {
  return Math.ceil(words / LINE_WORDS) * LINE_WORDS;
}

assert(BANKS_WORD % LINE_WORDS === 0, 'tags of a set share a cache line');
