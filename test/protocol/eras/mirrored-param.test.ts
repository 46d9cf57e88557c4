import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMirrored, encodeMirrored } from '../../../src/protocol/eras/mcp-headers.ts';
import {
  checkMirroredParams,
  compileMirroredParams,
  MIRRORED_BYTES_MAX,
  mirroredFields,
} from '../../../src/protocol/eras/mirrored-param.ts';

const region = { type: 'string', 'x-mcp-header': 'Region' };
const schema = {
  type: 'object',
  properties: {
    region,
    limit: { type: 'integer', 'x-mcp-header': 'Limit' },
    deep: { type: 'object', properties: { flag: { type: 'boolean', 'x-mcp-header': 'Flag' } } },
    query: { type: 'string' },
  },
};
const { params } = compileMirroredParams(schema);

/** Fields as they come out of a header block: names in lower case, values as Latin-1. */
const fieldsOf = (pairs: readonly (readonly [string, string])[]) =>
  new Map(pairs.map(([name, value]) => [name.toLowerCase(), value]));

describe('mirrored parameters', () => {
  it('are found at any depth of plain properties', () => {
    expect(params.map(({ path, field, type }) => [path.join('.'), field, type])).toEqual([
      ['region', 'Mcp-Param-Region', 'string'],
      ['limit', 'Mcp-Param-Limit', 'integer'],
      ['deep.flag', 'Mcp-Param-Flag', 'boolean'],
    ]);
  });

  it.each<[string, unknown]>([
    ['an empty name', { properties: { a: { type: 'string', 'x-mcp-header': '' } } }],
    ['a name with a space', { properties: { a: { type: 'string', 'x-mcp-header': 'a b' } } }],
    [
      'a name with a line break',
      { properties: { a: { type: 'string', 'x-mcp-header': 'a\r\nb' } } },
    ],
    ['a name that is no string', { properties: { a: { type: 'string', 'x-mcp-header': 7 } } }],
    ['a number', { properties: { a: { type: 'number', 'x-mcp-header': 'A' } } }],
    ['an object', { properties: { a: { type: 'object', 'x-mcp-header': 'A' } } }],
    ['no type', { properties: { a: { 'x-mcp-header': 'A' } } }],
    ['the root', { type: 'string', 'x-mcp-header': 'A' }],
    [
      'two of one name',
      { properties: { a: region, b: { type: 'string', 'x-mcp-header': 'REGION' } } },
    ],
    ['items', { properties: { a: { type: 'array', items: region } } }],
    ['a branch', { anyOf: [{ properties: { a: region } }] }],
    ['a definition', { $defs: { a: region } }],
    ['a conditional', { if: { properties: { a: region } } }],
    ['additional properties', { additionalProperties: region }],
  ])('make a tool invalid on %s', (_where, inputSchema) => {
    const compiled = compileMirroredParams(inputSchema);
    expect(compiled.problem).toMatch(/x-mcp-header/);
    expect(compiled.params).toEqual([]);
  });

  it('are looked for in a bounded schema only', () => {
    let deep: unknown = { type: 'string' };
    for (let i = 0; i < 100; i += 1) deep = { properties: { a: deep } };
    expect(compileMirroredParams(deep).problem).toBe('the schema is too large');
    expect(compileMirroredParams(null)).toEqual({ params: [], problem: null });
    expect(
      compileMirroredParams({ properties: { 'x-mcp-header': { type: 'string' } } }).problem,
    ).toBe(null);
  });

  it('are sent so that the receiver finds them in agreement with the body', () => {
    const args = fc.record(
      {
        region: fc.oneof(
          fc.string({ unit: 'grapheme' }),
          fc.constantFrom(' padded ', '=?base64?x?=', 'line1\nline2', ''),
        ),
        limit: fc.oneof(fc.maxSafeInteger(), fc.constant(null)),
        deep: fc.oneof(fc.record({ flag: fc.boolean() }), fc.constantFrom(null, {}, 7)),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(args, (args) => {
        const fields = mirroredFields(params, args)!;
        for (const [, value] of fields) expect(value).toMatch(/^[\t\x20-\x7e]+$/);
        expect(checkMirroredParams(params, args, fieldsOf(fields))).toBe(null);
        for (const [name, value] of fields) {
          const others = fields.filter(([other]) => other !== name);
          expect(checkMirroredParams(params, args, fieldsOf(others))?.header).toBe(name);
          const changed = fieldsOf([...others, [name, `${value}x`]]);
          expect(checkMirroredParams(params, args, changed)?.header).toBe(name);
        }
      }),
    );
  });

  it('compare integers as numbers and all else as text', () => {
    const check = (args: object, name: string, value: string) =>
      checkMirroredParams(params, args, fieldsOf([[name, value]])) === null;
    expect(check({ limit: 42 }, 'mcp-param-limit', '42.0')).toBe(true);
    expect(check({ limit: 42 }, 'mcp-param-limit', ' 42 ')).toBe(true);
    expect(check({ limit: 42 }, 'mcp-param-limit', '0x2a')).toBe(false);
    expect(check({ limit: 42 }, 'mcp-param-limit', '43')).toBe(false);
    expect(check({ region: 'a' }, 'mcp-param-region', 'A')).toBe(false);
    expect(check({ deep: { flag: true } }, 'mcp-param-flag', 'TRUE')).toBe(false);
    expect(check({ region: 'a' }, 'mcp-param-region', '=?base64?YQ?=')).toBe(false);
    expect(check({ region: '' }, 'mcp-param-region', '')).toBe(true);
  });

  it('expect no field for what the body leaves out, and ignore a stray one', () => {
    const stray = fieldsOf([['Mcp-Param-Region', 'x']]);
    for (const args of [{}, { region: null }, null, 7, { __proto__: { region: 'x' } }]) {
      expect(checkMirroredParams(params, args, stray)).toBe(null);
      expect(mirroredFields(params, args)).toEqual([]);
    }
  });

  it('are not sent past their bound', () => {
    expect(mirroredFields(params, { region: 'x'.repeat(MIRRORED_BYTES_MAX) })).toHaveLength(1);
    expect(mirroredFields(params, { region: 'x'.repeat(MIRRORED_BYTES_MAX + 1) })).toBe(null);
    expect(mirroredFields(params, { region: 'é'.repeat(MIRRORED_BYTES_MAX / 2) })).toBe(null);
  });
});

describe('a mirrored value', () => {
  it.each([
    ['us-west1', 'us-west1'],
    ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
    [' padded ', '=?base64?IHBhZGRlZCA=?='],
    ['line1\nline2', '=?base64?bGluZTEKbGluZTI=?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
    ['us west 1', 'us west 1'],
    ['', '=?base64??='],
    ['a\tb', 'a\tb'],
  ])('%j is written as %j', (text, field) => {
    expect(encodeMirrored(text)).toBe(field);
  });

  it('is read as it was written, and never read from broken base64', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const field = Buffer.from(encodeMirrored(text), 'latin1');
        expect(Buffer.from(decodeMirrored(field, 0, field.length)!).toString()).toBe(text);
      }),
    );
    for (const broken of [
      '=?base64?YQ?=',
      '=?base64?Y===?=',
      '=?base64?=YQ=?=',
      '=?base64?Y Q=?=',
      '=?base64?/w==?=',
      'a\u0001',
      '\u00e9',
    ]) {
      const field = Buffer.from(broken, 'latin1');
      expect(decodeMirrored(field, 0, field.length)).toBe(null);
    }
  });
});
