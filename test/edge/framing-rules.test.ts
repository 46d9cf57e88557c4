import { describe, expect, it } from 'vitest';
import { FIELDS_MAX, HeadFields, isFieldSafe } from '../../src/edge/framing-rules.ts';
import type { RefusalName } from '../../src/edge/refusal-reply.ts';

const head = new HeadFields();

function refusalOf(
  fields: readonly (readonly [string, string])[],
  bytesMax = 1000,
): RefusalName | null {
  head.reset();
  for (const [name, value] of fields) head.add(name, value);
  return head.refusal(10, bytesMax);
}

const HOST = ['host', 'a'] as const;

describe('a head', () => {
  it('is fine with one Host and at most one sign of a body', () => {
    expect(refusalOf([HOST])).toBe(null);
    expect(head).toMatchObject({ contentLength: -1, isChunked: false, count: 1 });
    expect(refusalOf([HOST, ['content-length', '0012']])).toBe(null);
    expect(head).toMatchObject({ contentLength: 12, isChunked: false });
    expect(refusalOf([HOST, ['transfer-encoding', 'CHUNKED']])).toBe(null);
    expect(head).toMatchObject({ contentLength: -1, isChunked: true });
  });

  it('forgets the one before it', () => {
    expect(refusalOf([HOST, ['content-length', '1'], ['content-length', '1']])).toBe(
      'FRAMING_REFUSED',
    );
    expect(refusalOf([['x', '1']])).toBe('HEADER_REFUSED');
    expect(refusalOf([HOST], 10)).toBe('HEADERS_TOO_LARGE');
    expect(refusalOf([HOST])).toBe(null);
  });

  it.each(['', ' ', '1 ', '-1', '+1', '1.0', '1e3', '0x1', '1,1', '\u0661', '1'.repeat(16)])(
    'with the length %j is refused',
    (length) => {
      expect(refusalOf([HOST, ['content-length', length]])).toBe('FRAMING_REFUSED');
    },
  );

  it.each([
    '',
    'gzip',
    'chunked, chunked',
    'gzip, chunked',
    'chunked;a',
    'xchunked',
    'chunked\u00a0',
  ])('with the encoding %j is refused', (encoding) => {
    expect(refusalOf([HOST, ['transfer-encoding', encoding]])).toBe('FRAMING_REFUSED');
  });

  it('is counted in bytes and fields', () => {
    // 12 for the rest of the request line, 10 for method and target, 9 for the Host field
    expect(refusalOf([HOST], 31)).toBe(null);
    expect(refusalOf([HOST], 30)).toBe('HEADERS_TOO_LARGE');
    const many = Array.from({ length: FIELDS_MAX - 1 }, (_, index) => [`x${index}`, ''] as const);
    expect(refusalOf([HOST, ...many])).toBe(null);
    expect(refusalOf([HOST, ...many, ['y', '']])).toBe('HEADERS_TOO_LARGE');
    expect(head.count).toBe(FIELDS_MAX);
  });
});

describe('a field of an answer', () => {
  it('is safe without line ends, other controls and what is no byte', () => {
    expect(isFieldSafe('x-a', 'some value')).toBe(true);
    expect(isFieldSafe('x-a', '\t~\u0080\u00ff')).toBe(true);
    for (const [name, value] of [
      ['', 'x'],
      ['x\r', 'x'],
      ['x\n', 'x'],
      ['x', 'a\rb'],
      ['x', 'a\nb'],
      ['x', '\0'],
      ['x', 'a\u007f'],
      ['x', 'a\u010d\u010ax-b: 1'],
      ['x\u010a', 'x'],
      ['x', '\u212a'],
    ] as const) {
      expect(isFieldSafe(name, value)).toBe(false);
    }
  });
});
