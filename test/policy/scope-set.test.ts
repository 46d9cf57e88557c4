import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cleanScopes,
  haveCommonScope,
  ScopePattern,
  ScopeSet,
  ScopeSetTable,
} from '../../workers/policy/scope-set.ts';

function meets(granted: string, required: string): boolean {
  return new ScopeSet(granted.split(' ')).meets(new ScopePattern(required));
}

describe('a required scope', () => {
  it.each([
    // granted, required, met
    ['tools:add', 'tools:add', true],
    ['tools:add', 'tools:sub', false],
    ['tools:add', 'Tools:add', false],
    ['tools:add', 'tools', false],
    ['tools', 'tools:add', false],
    ['tools:*', 'tools:add', true],
    ['tools:*', 'tools:add:all', false],
    ['tools:*', 'tools', false],
    ['tools:**', 'tools:add:all', true],
    ['tools:**', 'tools', true],
    ['tools:**', 'toolsx', false],
    ['*', 'read', true],
    ['*', 'read:data', false],
    ['**', 'read:data:orders', true],
    ['*:data:*', 'read:data:orders', true],
    ['*:data:*', 'read:logs:orders', false],
    ['**:orders', 'read:data:orders', true],
    ['calc:x', 'calc:*', true],
    ['calc:*', 'calc:*', true],
    ['calc:**', 'calc:*', true],
    ['calc:x:y', 'calc:*', false],
    ['calc:x:y', 'calc:**', true],
    ['calc', 'calc:*', false],
    ['other:x', 'calc:*', false],
    ['a:*', '*:b', true],
    ['a:*', 'b:*', false],
    ['a:**:z', 'a:b:**', true],
    ['a:**:z', 'b:**:z', false],
    ['anything', '**', true],
    ['to*:add', 'tools:add', false],
    ['tools:a*', 'tools:add', false],
    ['a b c', 'c', true],
    ['a::b', 'a:*:b', true],
  ])('granted %j, required %j: %s', (granted, required, isMet) => {
    expect(meets(granted, required)).toBe(isMet);
  });

  it('is met exactly if some scope matches both sides, as trying all of them shows', () => {
    const alphabet = ['a', 'b'];
    const scopes: string[][] = [[]];
    for (let length = 1, from = 0; length <= 5; length += 1) {
      const until = scopes.length;
      for (; from < until; from += 1)
        for (const segment of alphabet) scopes.push([...(scopes[from] ?? []), segment]);
    }
    const matches = (pattern: string[], scope: string[]): boolean => {
      const [first, ...rest] = pattern;
      if (first === undefined) return scope.length === 0;
      if (first === '**')
        return matches(rest, scope) || (scope.length > 0 && matches(pattern, scope.slice(1)));
      return (
        scope.length > 0 && (first === '*' || first === scope[0]) && matches(rest, scope.slice(1))
      );
    };
    // Two patterns of at most three segments have a common scope of at most five, if they have one.
    const pattern = fc.array(fc.constantFrom('a', 'b', '*', '**'), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(pattern, pattern, (left, right) => {
        const expected = scopes.some((scope) => matches(left, scope) && matches(right, scope));
        const isCommon = haveCommonScope(
          new ScopePattern(left.join(':')),
          new ScopePattern(right.join(':')),
        );
        const isSymmetric = haveCommonScope(
          new ScopePattern(right.join(':')),
          new ScopePattern(left.join(':')),
        );
        return isCommon === expected && isSymmetric === expected;
      }),
      { numRuns: 400 },
    );
  });

  it('is compared in bounded time, however many segments and wildcards there are', () => {
    const long = Array.from({ length: 16 }, () => '**').join(':');
    expect(meets(long, Array.from({ length: 16 }, () => '*').join(':'))).toBe(true);
    const tooLong = Array.from({ length: 17 }, () => '**').join(':');
    expect(meets(tooLong, 'a')).toBe(false);
    expect(meets(tooLong, tooLong)).toBe(true);
  });
});

describe('a set of scopes', () => {
  it('is sorted and has each scope once', () => {
    expect(new ScopeSet(['b', 'a', 'b']).text).toBe('a b');
  });

  it('is kept once for all who have the same', () => {
    const table = new ScopeSetTable();
    expect(table.of(['a', 'b'])).toBe(table.of(['b', 'a', 'a']));
    expect(table.of(['a'])).not.toBe(table.of(['b']));
    for (let i = 0; i < 5_000; i += 1) table.of([`x${i}`]);
    expect(table.of(['x4999'])).not.toBe(table.of(['x4999']));
    expect(table.of(['a', 'b'])).toBe(table.of(['a', 'b']));
  });

  it('takes no scope that could end a quoted string or a line', () => {
    expect(cleanScopes(['a', 'b"', 'c\\', 'd\n', 'e f', '', 'x'.repeat(257), 1])).toEqual(['a']);
    expect(cleanScopes(Array.from({ length: 513 }, (_, i) => `s${i}`))).toBeNull();
  });
});
