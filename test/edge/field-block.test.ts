import { describe, expect, it } from 'vitest';
import { ByteRange } from '../../shared/byte-words.ts';
import { FieldBlock } from '../../src/edge/field-block.ts';
import { HEADER_ACCEPT, HEADER_MCP_NAME, HEADER_OTHER } from '../../shared/header-code.ts';
import { writeHeaderLatin1 } from '../../shared/header-field.ts';

const CAPACITY = 1024;
const SEED = 20_261_120;

/** The field as the shared codec writes it, character by character; null for one that may not travel. */
function expected(start: number, code: number, name: string, value: string): Uint8Array | null {
  const bytes = new Uint8Array(CAPACITY);
  const end = writeHeaderLatin1(bytes, start, code, name, value);
  if (end < 0 || bytes.subarray(end - value.length, end).some((byte) => byte >= 0x80)) return null;
  return bytes.slice(start, end);
}

/** From bytes in which the value does not stand alone. */
function writeFromBytes(block: FieldBlock, value: string, at = 3, code = HEADER_ACCEPT): boolean {
  const bytes = Buffer.from(`${'('.repeat(at)}${value})))))))))`, 'latin1');
  return block.tryWriteBytes(code, new ByteRange(bytes), at, at + value.length);
}

describe('a field block', () => {
  it('takes what is visible ASCII, blanks and tabs, wherever in the block and however long', () => {
    let state = SEED;
    const below = (limit: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (state >> 8) % limit;
    };
    const odd = ['\0', '\x1f', '\t', '\x7f', '\x80', '\xff', '\u0141', '\u2020', '\ud83d\ude00'];
    for (let round = 0; round < 10_000; round += 1) {
      const start = 40 + below(8);
      const block = new FieldBlock(start, CAPACITY);
      let value = '';
      for (let left = below(120); left > 0; left -= 1) {
        value += String.fromCharCode(0x20 + below(0x5f));
      }
      if (below(2) === 0) {
        const at = below(value.length + 1);
        value = value.slice(0, at) + odd[below(odd.length)]! + value.slice(at);
      }
      const wanted = expected(start, HEADER_MCP_NAME, '', value);
      const isWritten = block.tryWrite(HEADER_MCP_NAME, value);
      const label = `seed ${SEED}, round ${round}: ${JSON.stringify(value)} at ${start}`;
      expect(isWritten, label).toBe(wanted !== null);
      if (wanted === null) expect(block.end, label).toBe(start);
      else expect([...block.bytes.subarray(start, block.end)], label).toEqual([...wanted]);
      // What has no byte of its own cannot come as bytes.
      if ([...value].some((character) => character.charCodeAt(0) > 0xff)) continue;
      const other = new FieldBlock(start, CAPACITY);
      expect(writeFromBytes(other, value, below(8), HEADER_MCP_NAME), label).toBe(isWritten);
      if (wanted === null) expect(other.end, label).toBe(start);
      else expect([...other.bytes.subarray(start, other.end)], label).toEqual([...wanted]);
    }
  });

  it('writes a value again as it was the first time, and a refused one never', () => {
    const block = new FieldBlock(40, CAPACITY);
    for (const value of [
      'a',
      'b',
      'b',
      '',
      'b',
      'x'.repeat(60),
      'x'.repeat(60),
      'a\x01',
      'a\x01',
    ]) {
      block.reset();
      const wanted = expected(40, HEADER_ACCEPT, '', value);
      expect(block.tryWrite(HEADER_ACCEPT, value)).toBe(wanted !== null);
      expect(block.count).toBe(wanted === null ? 0 : 1);
      const fields = [...block.bytes.subarray(40, block.end)];
      expect(fields).toEqual(wanted === null ? [] : [...wanted]);
    }
  });

  it('is full at its end, also for a value written before', () => {
    const block = new FieldBlock(40, 64);
    expect(block.tryWrite(HEADER_ACCEPT, 'x'.repeat(10))).toBe(true);
    expect(block.tryWrite(HEADER_ACCEPT, 'x'.repeat(10))).toBe(false);
    expect(writeFromBytes(block, 'x'.repeat(10))).toBe(false);
    expect(writeFromBytes(block, 'x'.repeat(6))).toBe(true);
    expect([block.count, block.end]).toEqual([2, 64]);
  });

  it('writes other names with their values', () => {
    const block = new FieldBlock(40, CAPACITY);
    for (const value of ['Oslo', 'y'.repeat(90)]) {
      block.reset();
      expect(block.tryWriteOther(HEADER_OTHER, 'mcp-param-city', value)).toBe(true);
      const wanted = expected(40, HEADER_OTHER, 'mcp-param-city', value);
      expect([...block.bytes.subarray(40, block.end)]).toEqual([...wanted!]);
    }
  });
});
