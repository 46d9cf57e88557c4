import { KEY_WORD, KEY_WORDS, WAYS, readRateLimits } from '../../shared/rate-limit-descriptor.ts';
import type { LimitRegion } from './rate-limit-fixture.ts';

/** The keys of all active entries of a table that stands still, as text; a key twice stands there twice. */
export function activeEntries({ region, offset }: LimitRegion): string[] {
  const { words, layout, shards } = readRateLimits(region, offset);
  const keys: string[] = [];
  for (const bank of layout.banks) {
    for (let index = 0; index < bank.sets * WAYS; index += 1) {
      const at = bank.entries + index * bank.entryWords;
      if (codeOf(words[at]!, shards) < 2 + shards) continue;
      keys.push(words.slice(at + KEY_WORD, at + KEY_WORD + KEY_WORDS).join(' '));
    }
  }
  return keys;
}

/** What a head says of its entry; see `rate-limit-descriptor.ts`. */
export function codeOf(head: number, shards: number): number {
  const bits = 32 - Math.clz32(3 * shards + 1);
  return head & ((1 << bits) - 1);
}
