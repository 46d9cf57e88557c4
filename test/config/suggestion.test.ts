import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, suggest } from '../../src/config/suggestion.ts';

describe('suggestions', () => {
  it.each([
    ['shard', 'shards'],
    ['upstream', 'upstreams'],
    ['lisetn', 'listen'],
    ['ratelimits', 'rateLimits'],
    ['x', null],
    ['something-else', null],
    ['', null],
    ['y'.repeat(5000), null],
  ])('for %s it is %s', (word, expected) => {
    expect(suggest(word, ['listen', 'shards', 'upstreams', 'rateLimits'])).toBe(expected);
  });

  it('counts a swap as one slip', () => {
    expect(editDistance('lisetn', 'listen')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('kitten', 'sitting')).toBe(3);
  });

  it('is a distance: zero for itself only, the same both ways', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (left, right) => {
        expect(editDistance(left, right)).toBe(editDistance(right, left));
        expect(editDistance(left, right) === 0).toBe(left === right);
      }),
    );
  });
});
