import { describe, expect, it } from 'vitest';
import { REVISIONS, revisionFromBytes } from '../../../src/protocol/eras/era.ts';
import { isPlainField, sameBytes } from '../../../src/protocol/eras/mcp-headers.ts';

describe('header field and body', () => {
  it('are the same only if every byte is, at any length', () => {
    for (let length = 0; length <= 40; length += 1) {
      const body = Buffer.from(`"${'x'.repeat(length)}"`);
      const field = Buffer.from(`   ${'x'.repeat(length)}`);
      expect(sameBytes(body, 1, 1 + length, field, 3, 3 + length)).toBe(true);
      expect(sameBytes(body, 1, 2 + length, field, 3, 3 + length)).toBe(false);
      for (let at = 0; at < length; at += 1) {
        field[3 + at] ^= 1;
        expect(sameBytes(body, 1, 1 + length, field, 3, 3 + length)).toBe(false);
        field[3 + at] ^= 1;
      }
    }
  });

  it.each([
    ['add', true],
    ['a\tb', true],
    ['=?base64?', true],
    ['=?base64?YQ==', true],
    ['=?base64?YQ==?=', false],
    ['=?base64??=', false],
    ['a\x7f', false],
    ['ü', false],
    ['a\nb', false],
  ])('a field %j stands for itself: %j', (text, isPlain) => {
    const field = Buffer.from(text);
    expect(isPlainField(field, 0, field.length)).toBe(isPlain);
  });

  it('name a revision by all of its bytes', () => {
    REVISIONS.forEach((name, index) => {
      const bytes = Buffer.from(`${name}0`);
      expect(revisionFromBytes(bytes, 0, 10)).toBe(index);
      expect(revisionFromBytes(bytes, 0, 9)).toBe(-1);
      expect(revisionFromBytes(bytes, 0, 11)).toBe(-1);
      for (let at = 0; at < 10; at += 1) {
        const other = Buffer.from(name);
        other[at] ^= 0x40;
        expect(revisionFromBytes(other, 0, 10)).toBe(-1);
      }
    });
  });
});
