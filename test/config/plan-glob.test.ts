import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { globPattern } from '../../src/config/plan-glob-parser.ts';
import { compileGlob, globProblem } from '../../src/config/plan-glob.ts';
import { compilePattern } from '../../src/config/plan-pattern.ts';

describe('globs over names and URIs', () => {
  it.each([
    ['math_*', 'math_add', true],
    ['math_*', 'math_', true],
    ['math_*', 'math_a/b', true],
    ['math_*', 'mat_add', false],
    ['*', '', true],
    ['*', '.hidden', true],
    ['*', 'line\nbreak', true],
    ['*', '..', true],
    ['**', 'a/../b', true],
    ['math_*', 'math_../x', true],
    ['math_*', 'math_\n', true],
    ['data://*', 'data://users/1', true],
    ['data://*', 'data://', true],
    ['data://*', 'data://a/../../b', true],
    ['data://**', 'data://a/./b', true],
    ['data://*', 'file://a', false],
    ['file:///srv/**', 'file:///srv/a/../b', true],
    ['file:///srv/**', 'file:///etc/passwd', false],
    ['a.b', 'axb', false],
    ['a+b', 'aab', false],
    ['a+b', 'a+b', true],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['{math,data}_*', 'data_x', true],
    ['{math,data}_*', 'admin_x', false],
    ['[a-c]_x', 'b_x', true],
    ['[a-c]_x', 'd_x', false],
    ['data://users/\\{id\\}', 'data://users/{id}', true],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['Math_*', 'math_x', false],
  ])('%s and %j: %s', (glob, text, expected) => {
    expect(globProblem(glob)).toBeNull();
    expect(compileGlob(glob)(text)).toBe(expected);
  });

  it.each([
    '',
    '!a',
    '(a+)+b',
    '+(a|b)',
    '@(a)',
    '{1..3}',
    '{a,b',
    '[ab',
    '[[:alpha:]]',
    '[z-a]',
    'a\\',
    '{{{{{a,b},c},d},e},f}',
    'x'.repeat(257),
  ])('refuses %s', (glob) => {
    expect(globProblem(glob)).not.toBeNull();
  });

  it.each([
    ['*.txt', 'a.txt'],
    ['{a,b}/[!c]?', 'b/dd'],
    ['a\\\\', 'a\\'],
    ['[]a]', ']'],
    ['\\[', '['],
    ['a{b}c..d', 'a{b}c..d'],
    ['a}', 'a}'],
    ['{a,{b,c}*}', 'cx'],
    ['$x^|+.', '$x^|+.'],
    ['😀?', '😀😀'],
    ['*a*b*c*d*e*f*g*h*', 'abcdefgh'],
    ['./a', './a'],
  ])('takes %s, which matches %s', (glob, text) => {
    expect(globProblem(glob)).toBeNull();
    expect(compileGlob(glob)(text)).toBe(true);
  });

  it('match the longest name in no time, with any number of wildcards', () => {
    const glob = '*a'.repeat(100);
    expect(compileGlob(glob)('a'.repeat(99) + 'b'.repeat(20_000))).toBe(false);
    expect(compileGlob(glob)(`${'b'.repeat(20_000)}${'a'.repeat(100)}`)).toBe(true);
  });

  it('mean the same whether picomatch or the automaton matches them', () => {
    const glob = fc.string({
      unit: fc.constantFrom('a', 'b', '_', '/', ':', '.', '-', '?'),
      maxLength: 5,
    });
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', '_', '/', ':', '.', '-', '\n', '😀'),
      maxLength: 8,
    });
    fc.assert(
      fc.property(glob, glob, fc.boolean(), text, (before, after, isWild, value) => {
        const source = before + (isWild ? '*' : '') + after;
        if (source === '') return;
        const automaton = compilePattern(globPattern(source));
        expect(compileGlob(source)(value)).toBe(automaton.test(value));
        const near = before + value + after; // random texts hardly ever match
        expect(compileGlob(source)(near)).toBe(automaton.test(near));
      }),
      { numRuns: 2000 },
    );
  });

  it('read any text as a glob or name what is wrong with it', () => {
    const glob = fc.string({ unit: fc.constantFrom(...'ab\\[]{}()*?!^-,./:|+$😀'), maxLength: 12 });
    fc.assert(
      fc.property(glob, fc.string({ maxLength: 12 }), (source, value) => {
        const problem = globProblem(source);
        if (problem === null) expect(typeof compileGlob(source)(value)).toBe('boolean');
        else expect(problem).toMatch(/^(?:has|is|ends|starts) /);
      }),
      { numRuns: 2000 },
    );
  });
});
