import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern, patternProblem } from '../../src/config/plan-pattern.ts';

/** Random patterns of the part that is known, over few letters, so that texts often match. */
const { pattern: anyPattern } = fc.letrec<{
  pattern: string;
  sequence: string;
  piece: string;
  atom: string;
}>((tie) => ({
  pattern: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    tie('sequence'),
    fc.tuple(tie('sequence'), tie('pattern')).map(([left, right]) => `${left}|${right}`),
  ),
  sequence: fc.array(tie('piece'), { maxLength: 4 }).map((pieces) => pieces.join('')),
  piece: fc
    .tuple(
      tie('atom'),
      fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,}', '{0,2}', '{0}', '*?', '+?'),
    )
    .map(([atom, repeat]) => atom + repeat),
  atom: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    fc.constantFrom(
      'a',
      'b',
      '.',
      '\\d',
      '\\w',
      '\\s',
      '\\D',
      '\\W',
      '\\S',
      '[ab]',
      '[^a]',
      '[a-c1]',
      '[^]',
      '[]',
      '\\.',
      '\\u{1F600}',
      '\\x61',
      '[\\w-]',
      '[\\]a]',
      '😀',
      '\\n',
    ),
    tie('pattern').map((inner) => `(${inner})`),
    tie('pattern').map((inner) => `(?:${inner})`),
  ),
}));
const pattern = anyPattern.filter((source) => source.length <= 100);
const text = fc.string({
  unit: fc.constantFrom('a', 'b', 'c', '1', '.', ' ', '\n', '😀', '-', '_'),
  maxLength: 8,
});

/** A second group that repeats without end. */
const UNBOUNDED_GROUP = /\)(?:[*+]|\{1,\}).*\)(?:[*+]|\{1,\})/s;

describe('patterns over arguments', () => {
  it('say what JavaScript says about the whole text', () => {
    fc.assert(
      fc.property(pattern, text, (source, value) => {
        expect(patternProblem(source)).toBeNull();
        // JavaScript takes minutes for groups that repeat without end in one another: that is why we do not use it.
        if (UNBOUNDED_GROUP.test(source)) return;
        expect(compilePattern(source).test(value)).toBe(
          new RegExp(`^(?:${source})$`, 'u').test(value),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it('answer any text with one matcher as with a new one', () => {
    fc.assert(
      fc.property(pattern, fc.array(text, { maxLength: 8 }), (source, values) => {
        const kept = compilePattern(source);
        for (const value of values)
          expect(kept.test(value)).toBe(compilePattern(source).test(value));
      }),
    );
  });

  it.each([
    ['^abc$', 'abc', true],
    ['abc', 'xabc', false],
    ['abc', 'abcx', false],
    ['[0-9]{4}-[0-9]{2}', '2026-07', true],
    ['/srv/[^/]+', '/srv/a', true],
    ['/srv/[^/]+', '/srv/a/b', false],
    ['', '', true],
    ['a|', '', true],
  ])('%s and %s: %s', (source, value, expected) => {
    expect(compilePattern(source).test(value)).toBe(expected);
  });

  it.each([
    '(a)\\1',
    '(?=a)',
    '(?!a)',
    '(?<=a)',
    '(?<n>a)',
    '\\bword',
    '\\p{L}',
    'a**',
    'a{2}{3}',
    '*a',
    '(a',
    'a)',
    '[a',
    'a{',
    'a{3,2}',
    'a{1001}',
    '(a{100}){100}',
    'x$y',
    'x^y',
    '[z-a]',
    '[a-\\d]',
    'a\\',
    '\\u12',
    '\\u{110000}',
    '\\c',
    '\\8',
    ']',
    '}',
    'a'.repeat(513),
  ])('refuses %s', (source) => {
    expect(patternProblem(source)).not.toBeNull();
  });

  it.each(['(a+)+b', '(a|a)*b', '(a*)*b', '(.*a){12}', '(x+x+)+y', 'a*a*a*a*a*a*a*b'])(
    'takes %s, which would hold JavaScript for ever, in linear time',
    (source) => {
      const matcher = compilePattern(source);
      const character = source.includes('x') ? 'x' : 'a';
      expect(matcher.test(`${character.repeat(4000)}!`)).toBe(false);
    },
  );

  it('says no to a text that is longer than any name or path', () => {
    expect(compilePattern('a*').test('a'.repeat(8192))).toBe(true);
    expect(compilePattern('a*').test('a'.repeat(8193))).toBe(false);
  });

  it('reads any text as a pattern or names what is wrong with it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'ab\\[](){}|*+?^$-.,12:=!<>dwxu'), maxLength: 20 }),
        (source) => {
          const problem = patternProblem(source);
          if (problem === null) expect(() => new RegExp(`^(?:${source})$`)).not.toThrow();
          else expect(problem).toMatch(/^(?:has|is|ends|repeats) /);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
