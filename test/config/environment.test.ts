import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { substitute } from '../../src/config/environment.ts';

const value = (text: string, environment: Record<string, string | undefined>): unknown =>
  substitute(text, environment).value;
const problems = (input: unknown, environment: Record<string, string | undefined> = {}): string[] =>
  substitute(input, environment).problems.map(({ message }) => message);

describe('references to the environment', () => {
  it.each([
    ['${A}', 'one'],
    ['x${A}y${A}', 'xoneyone'],
    ['${A:-two}', 'one'],
    ['${B:-two}', 'two'],
    ['${EMPTY:-two}', 'two'],
    ['${EMPTY}', ''],
    ['${B:-}', ''],
    ['${B:-a:-b}', 'a:-b'],
    ['${env:A}', 'one'],
    ['$${A}', '${A}'],
    ['$$${A}', '$${A}'],
    ['$A', '$A'],
    ['$', '$'],
    ['{A}', '{A}'],
  ])('%s becomes %s', (text, expected) => {
    expect(value(text, { A: 'one', EMPTY: '' })).toBe(expected);
    expect(problems(text, { A: 'one', EMPTY: '' })).toEqual([]);
  });

  it('names the variable that is missing, at its path', () => {
    const { problems: found } = substitute({ a: [{ b: 'x ${GONE} y' }] }, {});
    expect(found).toEqual([
      { path: ['a', 0, 'b'], message: 'needs the environment variable GONE, which is not set' },
    ]);
  });

  it.each(['${', '${}', '${1A}', '${A', '${A-b}', '${ A }', '${A:-b{c}}', '${input:x}'])(
    'refuses %s',
    (text) => {
      expect(problems(text, { A: 'one' })).toEqual([
        'has "${" without a name; write "$${" for the characters themselves',
      ]);
    },
  );

  it('takes values as text, whatever they look like', () => {
    const tricky = 'x"}, evil: {y: "${A}\n- z';
    expect(substitute({ a: '${T}' }, { T: tricky })).toMatchObject({
      value: { a: tricky },
      problems: [],
    });
  });

  it('does not find variables that every object has', () => {
    expect(problems('${constructor}')).toHaveLength(1);
    expect(problems('${__proto__}')).toHaveLength(1);
  });

  it('leaves keys, and texts of settings from code, as they are', () => {
    expect(substitute({ '${A}': '${A}' }, { A: 'one' }).value).toEqual({ '${A}': 'one' });
    expect(substitute({ a: '${A}' }, null)).toMatchObject({ value: { a: '${A}' }, problems: [] });
  });

  it('reports the one key that the schema would not see', () => {
    const value: unknown = JSON.parse('{"a": {"__proto__": {"b": 1}}}');
    expect(substitute(value, {}).problems).toEqual([
      { path: ['a', '__proto__'], message: 'unknown key' },
    ]);
  });

  it('stops at the depth that no settings have, also in a circle', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(problems(circle)).toEqual(['is nested deeper than 32']);
  });

  it('gives back any text that was escaped', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('$', '{', '}', 'A', ':', '-') }), (text) => {
        // A function, as `$$` in a replacement text would be one `$`.
        expect(
          value(
            text.replaceAll('${', () => '$${'),
            {},
          ),
        ).toBe(text);
      }),
    );
  });
});
