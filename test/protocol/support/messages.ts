/**
 * Messages for property tests: JSON text whose keys and values are spelled in every way that the
 * grammar allows, with the names that matter more often than others.
 */
import fc from 'fast-check';
import { MEMBER_NAMES } from '../../../src/protocol/jsonrpc/member.ts';
import { Peek } from '../../../src/protocol/jsonrpc/peek-record.ts';
import { peek } from '../../../src/protocol/jsonrpc/peek.ts';

export interface Peeked {
  verdict: number;
  record: Peek;
  bytes: Buffer;
}

/** Peeks text that stands in the middle of a larger buffer over shared memory, as in a ring. */
export function peekText(text: string | Uint8Array, record: Peek = new Peek()): Peeked {
  const raw = Buffer.from(text as string);
  const bytes = Buffer.from(new SharedArrayBuffer(raw.length + 16));
  bytes.fill('"}]');
  raw.copy(bytes, 8);
  const verdict = peek(bytes, 8, 8 + raw.length, record);
  return { verdict, record, bytes };
}

/** The text of a span, or undefined where it is absent. */
export function textOf(bytes: Buffer, start: number, end: number): string | undefined {
  return start < 0 ? undefined : bytes.toString('utf8', start, end);
}

/** What a lenient parser may make of a key: independent of the code under test. */
export function foldKey(key: string): string {
  return key
    .replace(/\0.*$/s, '')
    .replace(/[\u0130\u0131]/g, 'i')
    .replace(/\u017f/g, 's')
    .replace(/\u212a/g, 'k')
    .toLowerCase();
}

const space = fc.constantFrom('', '', '', '', ' ', '\n', '\t\r');

/** One string literal of the given text: each character plain or escaped. */
function literal(text: string): fc.Arbitrary<string> {
  const units = [...text].map((character) => {
    const plain = JSON.stringify(character).slice(1, -1);
    const escaped = [...character]
      .flatMap((c) => Array.from({ length: c.length }, (_, i) => c.charCodeAt(i)))
      .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
      .join('');
    return fc.oneof(
      { weight: 60, arbitrary: fc.constant(plain) },
      { weight: 1, arbitrary: fc.constant(escaped) },
      { weight: 1, arbitrary: fc.constant(escaped.toUpperCase().replaceAll('\\U', '\\u')) },
    );
  });
  return fc.tuple(...units).map((parts) => `"${parts.join('')}"`);
}

const oddities = fc.constantFrom(
  '',
  'K\u212a',
  'ſ',
  '\0',
  '\u2028',
  '\u0085',
  '\ud800',
  'é',
  '😀',
  '"',
  '\\',
  '/',
  '\u007f',
);
const someText = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'add',
      'tools/call',
      '2.0',
      '2026-07-28',
      'info',
      'file:///a',
      'complete',
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.string({ maxLength: 4 }), oddities).map(([a, b]) => a + b) },
);
const textLiteral = someText.chain(literal);

const scalar = fc.oneof(
  textLiteral,
  fc.constantFrom(
    '1',
    '0',
    '-7',
    'null',
    'true',
    'false',
    '1.5',
    '1e3',
    '9007199254740991',
    '9007199254740993',
    '12345678901234567890',
    '1.0',
    '-0',
  ),
);
const anyValue: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: scalar },
  { weight: 1, arbitrary: fc.json({ maxDepth: 2 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '{}',
      '[]',
      '{"a":{"b":[1,{"name":"x"}]}}',
      '{"code":-1,"message":"m"}',
    ),
  },
);

/** A key that is one of `names`, nearly one of them, or something else. */
function keyOf(names: readonly string[]): fc.Arbitrary<string> {
  const listed = fc.constantFrom(...names.slice(1));
  const bent = fc
    .tuple(listed, fc.constantFrom('upper', 'title', 'kelvin', 'long s', 'nul', 'plain'))
    .map(([name, how]) => {
      if (how === 'upper') return name.toUpperCase();
      if (how === 'title') return name.charAt(0).toUpperCase() + name.slice(1);
      if (how === 'kelvin') return name.replace(/k/i, '\u212a');
      if (how === 'long s') return name.replace(/s/i, 'ſ');
      return how === 'nul' ? `${name}\0x` : name;
    });
  return fc.oneof(
    { weight: 30, arbitrary: listed.chain(literal) },
    { weight: 1, arbitrary: bent.chain(literal) },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom('other', 'data', 'x', '__proto__', 'na', 'constructor')
        .chain(literal),
    },
  );
}

function objectOf(
  members: fc.Arbitrary<readonly [string, string]>,
  maxLength: number,
): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(members, { maxLength }), space)
    .map(
      ([list, gap]) =>
        `{${gap}${list.map(([key, value]) => `${key}${gap}:${gap}${value}`).join(`${gap},${gap}`)}${gap}}`,
    );
}

function level(
  index: number,
  nested: Record<string, fc.Arbitrary<string>>,
  maxLength = 4,
): fc.Arbitrary<string> {
  const names = MEMBER_NAMES[index]!;
  const member = keyOf(names).chain((key) => {
    const name = JSON.parse(key) as string;
    const own = Object.hasOwn(nested, name) ? nested[name] : undefined;
    const value = own
      ? fc.oneof({ weight: 8, arbitrary: own }, { weight: 1, arbitrary: anyValue })
      : anyValue;
    return value.map((text) => [key, text] as const);
  });
  return objectOf(member, maxLength);
}

const params = level(1, { _meta: level(2, {}), ref: level(3, {}) });
const result = level(4, { _meta: level(6, {}) });
const error = level(5, {});

/** Text that is valid JSON and often, but not always, one message. */
export const messageText: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('call', 'call', 'call', 'result', 'error', 'mixed'),
    level(0, { params, result, error }, 3),
    params,
    result,
    error,
    scalar,
    textLiteral,
  )
  .map(([shape, extra, params, result, error, id, method]) => {
    const open = '{"jsonrpc":"2.0",';
    const rest = extra.slice(1);
    const more = /^\s*}$/.test(rest) ? '}' : `,${rest}`;
    if (shape === 'call') return `${open}"id":${id},"method":${method},"params":${params}${more}`;
    if (shape === 'result') return `${open}"id":${id},"result":${result}${more}`;
    if (shape === 'error') return `${open}"id":${id},"error":${error}${more}`;
    return extra;
  });
