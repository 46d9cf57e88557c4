import fc from 'fast-check';
import { expect, it } from 'vitest';
import { singleLineBytes, toSingleLine } from '../../../src/protocol/jsonrpc/single-line.ts';

it('makes any JSON one line that means the same', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('\u0085', '\u2028', '\u2029', '\u2027', '\u0084', '\u00c2\u00e2'),
  );
  const value = fc.array(fc.tuple(text, text).map(([a, b]) => ({ [a + b]: [b + a, a] })));
  fc.assert(
    fc.property(value, fc.constantFrom(0, 2, '\r\n'), (value, indent) => {
      const pretty = JSON.stringify(value, null, indent as string).replaceAll('\n', '\r\n');
      const bytes = Buffer.from(pretty);
      const out = Buffer.alloc(singleLineBytes(bytes.length));
      const line = out.toString('utf8', 0, toSingleLine(bytes, 0, bytes.length, out, 0));
      expect(JSON.parse(line)).toEqual(value);
      expect(line).not.toMatch(/[\n\r\u0085\u2028\u2029]/);
    }),
  );
});

it('needs the room that it says, and no more, for the character that grows most', () => {
  const bytes = Buffer.from(`"${'\u0085'.repeat(100)}"`);
  const out = Buffer.alloc(singleLineBytes(bytes.length));
  const end = toSingleLine(bytes, 0, bytes.length, out, 0);
  expect(end).toBe(602);
  expect(end).toBeLessThanOrEqual(out.length);
});
