import fc from 'fast-check';
import { expect, it } from 'vitest';
import { foldMemberName, isUnambiguous } from '../../../src/protocol/jsonrpc/unambiguous.ts';

const check = (text: string) => {
  const bytes = Buffer.from(`##${text}##`);
  return isUnambiguous(bytes, 2, bytes.length - 2);
};

it.each([
  '{}',
  '[]',
  '1',
  '"a"',
  '{"a":1,"b":{"a":2}}',
  '[{"a":1},{"a":1}]',
  '{"a":{"b":1},"c":{"b":1}}',
  '{"a":"\\"a\\":1","b":"b"}',
  '{"a":["a","a"],"b":"a"}',
])('reads %s in one way', (text) => {
  expect(check(text)).toBe(true);
});

it.each([
  '{"a":1,"a":2}',
  '{"a":1,"\\u0061":2}',
  '{"a":1,"A":2}',
  '{"x":[{"k":1,"\\u212a":2}]}',
  '{"s":1,"ſ":2}',
  '{"a":{},"b":{"c":1,"c" :2}}',
  '{"a":1,"a\\u0000b":2}',
  '{"i":1,"\\u0130":2}',
])('reads %s in more ways than one', (text) => {
  expect(check(text)).toBe(false);
});

it('is linear and bounded', () => {
  const wide = `{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":0`).join(',')}}`;
  expect(check(wide)).toBe(false);
});

it('agrees with a count of the names that JSON.parse sees', () => {
  const key = fc.constantFrom('a', 'A', 'b', 'c', 'ſ', 's');
  const tree = fc.letrec<{ node: string }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('1', '"a"'),
      fc.array(tie('node'), { maxLength: 2 }).map((items) => `[${items.join(',')}]`),
      fc
        .array(fc.tuple(key, tie('node')), { maxLength: 3 })
        .map((members) => `{${members.map(([name, value]) => `"${name}":${value}`).join(',')}}`),
    ),
  })).node;
  fc.assert(
    fc.property(tree, (text) => {
      let isPlain = true;
      // Without duplicates the text has as many keys as its parse; folded names must be as many too.
      JSON.parse(text, (_key, value: unknown) => {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
        const names = Object.keys(value);
        if (new Set(names.map(foldMemberName)).size < names.length) isPlain = false;
        return value;
      });
      const keys = (text.match(/"[^"]*":/g) ?? []).length;
      let parsed = 0;
      JSON.stringify(JSON.parse(text), (_key, value: unknown) => {
        if (typeof value === 'object' && value !== null && !Array.isArray(value))
          parsed += Object.keys(value).length;
        return value;
      });
      expect(check(text)).toBe(isPlain && keys === parsed);
    }),
    { numRuns: 500 },
  );
});
