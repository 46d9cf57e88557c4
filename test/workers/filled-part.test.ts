import { describe, expect, it } from 'vitest';

import { FilledPart } from '../../workers/upstream/filled-part.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

describe('FilledPart', () => {
  it('shows the first bytes of a buffer, as they are by now', () => {
    const filled = new FilledPart();
    const buffer = Buffer.from('abcdef');
    const part = filled.of(buffer, 4);
    buffer.write('x');
    expect(text(part)).toBe('xbcd');
    expect(text(filled.of(buffer, 6))).toBe('xbcdef');
    expect(text(filled.of(buffer, 2))).toBe('xb');
  });

  it('makes no new view for the same length', () => {
    const filled = new FilledPart();
    const buffer = Buffer.from('abcdef');
    expect(filled.of(buffer, 3)).toBe(filled.of(buffer, 3));
  });

  it('follows the call to another buffer, wherever that lies in its memory', () => {
    const filled = new FilledPart();
    const memory = Buffer.from('0123456789');
    expect(text(filled.of(memory, 3))).toBe('012');
    expect(text(filled.of(memory.subarray(4), 3))).toBe('456');
    expect(text(filled.of(memory, 3))).toBe('012');
  });

  it('lets a buffer go for an empty one', () => {
    const filled = new FilledPart();
    filled.of(Buffer.from('abc'), 3);
    expect(filled.of(new Uint8Array(0), 0).buffer.byteLength).toBe(0);
  });
});
