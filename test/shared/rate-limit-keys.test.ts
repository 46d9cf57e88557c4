/** Who has an entry, who makes room, and what a shard that died leaves behind. */
import { describe, expect, it } from 'vitest';
import {
  INTENT_WORD,
  KEY_WORD,
  RECORDS_WORD,
  bankIndex,
  entryOfTag,
  layoutRateLimits,
  rateLimitTableBytes,
  readRateLimits,
  ringOfEntry,
  tagOfEntry,
} from '../../shared/rate-limit-descriptor.ts';
import {
  LIMIT_NO_ROOM,
  LIMIT_REFUSED,
  LIMIT_TAKEN,
  NO_TOOL,
  type RateLimitTable,
} from '../../shared/rate-limit-table.ts';
import type { RateLimitRule } from '../../shared/rate-limit-rule.ts';
import { activeEntries, codeOf } from './rate-limit-dump.ts';
import { client, openLimits, openTable, rule } from './rate-limit-fixture.ts';

const ALGORITHMS = ['tokenBucket', 'slidingWindow', 'fixedWindow'] as const;

function takeEach(
  table: RateLimitTable,
  rules: readonly RateLimitRule[],
  from: number,
  count: number,
  nowMs: number,
): number[] {
  return Array.from({ length: count }, (_, index) =>
    table.take(rules, client(from + index), NO_TOOL, nowMs),
  );
}

describe.each(ALGORITHMS)('with keys of a %s', (algorithm) => {
  const rules = [rule({ algorithm, requests: 2, windowMs: 1000 })];

  it.each([64, 1000, 20_000])('the table holds the %i keys it was made for', (keysMax) => {
    const table = openTable(openLimits(keysMax, 2));
    const verdicts = takeEach(table, rules, 0, keysMax, 5);
    expect(verdicts.filter((verdict) => verdict !== LIMIT_TAKEN)).toEqual([]);
    expect(table.evictedCount).toBe(0);
  });

  it('a flood of new keys is refused, and moves no budget that was spent from', () => {
    const table = openTable(openLimits(64, 2));
    takeEach(table, rules, 0, 40, 0);
    takeEach(table, rules, 0, 40, 0);
    const flood = takeEach(table, rules, 1000, 20_000, 100);
    expect(flood.filter((verdict) => verdict === LIMIT_NO_ROOM).length).toBeGreaterThan(19_900);
    expect(takeEach(table, rules, 0, 40, 150)).toEqual(new Array(40).fill(LIMIT_REFUSED));
    expect(table.evictedCount).toBe(0);
  });

  it('a key makes room only once its budget is full again', () => {
    const opened = openLimits(64, 1);
    const table = openTable(opened);
    for (let round = 0; round < 2; round += 1) takeEach(table, rules, 0, 200, 0);
    const held = activeEntries(opened).length;
    // Two tokens of a token bucket are back after a second too, as its rate is two in a second.
    expect(takeEach(table, rules, 5000, 500, 999).every((v) => v === LIMIT_NO_ROOM)).toBe(true);
    expect(table.evictedCount).toBe(0);
    const later = takeEach(table, rules, 9000, 200, 1000);
    expect(later.filter((verdict) => verdict === LIMIT_TAKEN).length).toBeGreaterThan(60);
    expect(table.evictedCount).toBeGreaterThan(60);
    expect(activeEntries(opened).length).toBeLessThanOrEqual(80);
    expect(held).toBeLessThanOrEqual(80);
  });

  it('a key that was evicted comes back with a full budget, and with one entry', () => {
    const opened = openLimits(64, 1);
    const table = openTable(opened);
    for (let nowMs = 0; nowMs < 50_000; nowMs += 1000) {
      takeEach(table, rules, nowMs, 80, nowMs);
      const again = [0, 1, 2].map(() => table.take(rules, client(nowMs), NO_TOOL, nowMs));
      expect(again.filter((verdict) => verdict === LIMIT_TAKEN).length).toBeLessThanOrEqual(1);
      const entries = activeEntries(opened);
      expect(new Set(entries).size).toBe(entries.length);
    }
  });
});

describe('a shard that died', () => {
  const rules = [rule({ algorithm: 'fixedWindow', requests: 2 })];

  function openTwo() {
    const opened = openLimits(64, 2);
    const { words, layout } = readRateLimits(opened.region, opened.offset);
    const table = openTable(opened, 0);
    return { opened, words, bank: layout.banks[0]!, table };
  }

  it('while it claimed an entry, leaves it to its next life', () => {
    const { opened, words, bank } = openTwo();
    const at = entryOfTag(bank, bank.tags + 5);
    words[at] = (7 << 3) | 3; // version 7, claimed by shard 1 of 2
    words[bank.tags + 5] = 1234;
    words[INTENT_WORD + 1] = at;
    openTable(opened, 0);
    expect(codeOf(words[at]!, 2)).toBe(3);
    openTable(opened, 1);
    expect([codeOf(words[at]!, 2), words[bank.tags + 5], words[INTENT_WORD + 1]]).toEqual([
      0, 0, 0,
    ]);
  });

  it('after it announced a key, leaves it for the next caller with that key', () => {
    const { opened, words, bank, table } = openTwo();
    expect(table.take(rules, client(1), NO_TOOL, 0)).toBe(LIMIT_TAKEN);
    const at = entryOf(words, bank, 0);
    words[at] = (99 << 3) | 1; // announced
    const verdicts = [0, 1, 2].map(() => table.take(rules, client(1), NO_TOOL, 0));
    expect(verdicts).toEqual([LIMIT_TAKEN, LIMIT_TAKEN, LIMIT_REFUSED]);
    expect(activeEntries(opened)).toHaveLength(1);
  });

  it('after it announced a key that nobody brings again, leaves room for others', () => {
    const { words, bank, table } = openTwo();
    takeEach(table, rules, 0, 500, 0);
    for (let index = 0; index < bank.sets * 16; index += 1) {
      words[bank.entries + index * bank.entryWords] = (5 << 3) | 1;
    }
    expect(takeEach(table, rules, 1000, 20, 0)).toEqual(new Array(20).fill(LIMIT_TAKEN));
  });

  it('of two announced entries for one key, one is dropped', () => {
    const { opened, words, bank, table } = openTwo();
    table.take(rules, client(1), NO_TOOL, 0);
    const at = entryOf(words, bank, 0);
    const tag = tagOfEntry(bank, at);
    const twin = (tag - bank.tags) % 16 === 15 ? tag - 1 : tag + 1;
    const twinAt = entryOfTag(bank, twin);
    words[twin] = words[tag]!;
    for (let word = KEY_WORD; word < KEY_WORD + 5; word += 1)
      words[twinAt + word] = words[at + word]!;
    words[at] = (50 << 3) | 1;
    words[twinAt] = (60 << 3) | 1;
    const verdicts = [0, 1, 2].map(() => table.take(rules, client(1), NO_TOOL, 0));
    expect(verdicts).toEqual([LIMIT_TAKEN, LIMIT_TAKEN, LIMIT_REFUSED]);
    expect(activeEntries(opened)).toHaveLength(1);
    expect(
      [at, twinAt].map((entry) => codeOf(words[entry]!, 2)).filter((code) => code === 0),
    ).toEqual([0]);
  });
});

/** Index of the head of the first active entry. */
function entryOf(
  words: Int32Array,
  bank: ReturnType<typeof layoutRateLimits>['banks'][number],
  skip: number,
): number {
  for (let index = skip; index < bank.sets * 16; index += 1) {
    const at = bank.entries + index * bank.entryWords;
    if (words[at] !== 0) return at;
  }
  throw new Error('no entry is in use');
}

describe('the memory', () => {
  it('is bounded for every number of keys and shards that settings allow', () => {
    for (const shards of [1, 2, 4, 8, 16, 32]) {
      for (const keys of [64, 65_536, 1_048_576]) {
        expect(rateLimitTableBytes(keys, shards)).toBeLessThanOrEqual(900 * 1024 * 1024);
      }
      const [first] = layoutRateLimits(65_536, shards).banks;
      expect(first!.sets * 16).toBeGreaterThanOrEqual(65_536);
    }
  });

  it('has a bank for every length a sliding window may have', () => {
    const { banks } = layoutRateLimits(64, 1);
    for (const requests of [1, 16, 17, 300, 512, 513, 4096]) {
      expect(banks[bankIndex(requests)]!.stamps).toBeGreaterThanOrEqual(requests);
    }
    expect(() => bankIndex(4097)).toThrow();
  });

  it('of shards is told apart: no entry, tag or record of one overlaps another’s', () => {
    const { banks, words } = layoutRateLimits(100, 5);
    let end = 0;
    for (const bank of banks) {
      expect(bank.tags).toBeGreaterThanOrEqual(end);
      expect(bank.entries).toBe(bank.tags + bank.sets * 16);
      expect(RECORDS_WORD + 2 * 5 * bank.recordWords).toBeLessThanOrEqual(bank.entryWords);
      expect(bank.rings).toBe(bank.entries + bank.sets * 16 * bank.entryWords);
      end = bank.rings + bank.sets * 16 * bank.stamps;
    }
    expect(words).toBe(end);
  });

  it('has one entry and one ring for each tag', () => {
    for (const bank of layoutRateLimits(100, 5).banks) {
      const entries = new Set<number>();
      const rings = new Set<number>();
      for (let tag = bank.tags; tag < bank.entries; tag += 1) {
        const at = entryOfTag(bank, tag);
        expect(tagOfEntry(bank, at)).toBe(tag);
        expect(at >= bank.entries && at + bank.entryWords <= bank.rings).toBe(true);
        entries.add(at);
        rings.add(ringOfEntry(bank, at));
      }
      expect(entries.size).toBe(bank.sets * 16);
      expect(rings.size).toBe(bank.stamps === 0 ? 1 : entries.size);
    }
  });

  it('of keys that are few for the table lies close together', () => {
    const opened = openLimits(65_536, 1);
    takeEach(openTable(opened), [rule({})], 0, 2000, 0);
    const { words, layout } = readRateLimits(opened.region, opened.offset);
    const pages = new Set<number>();
    const [bank] = layout.banks;
    for (let at = bank!.entries; at < bank!.rings; at += bank!.entryWords) {
      if (words[at] !== 0) pages.add(at >>> 10);
    }
    expect(pages.size).toBeLessThan(200);
  });
});
