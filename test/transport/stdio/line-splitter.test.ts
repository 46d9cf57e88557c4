import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { LINE_EDGE_BYTES, LineSplitter } from '../../../src/transport/stdio/line-splitter.ts';

interface Seen {
  readonly lines: string[];
  readonly oversized: { head: string; tail: string }[];
}

function openSplitter(lineBytesMax: number): { splitter: LineSplitter; seen: Seen } {
  const seen: Seen = { lines: [], oversized: [] };
  const splitter = new LineSplitter(lineBytesMax, {
    onLine: (bytes, start, end) => seen.lines.push(bytes.toString('latin1', start, end)),
    onOversizedLine: (head, tail) =>
      seen.oversized.push({ head: head.toString('latin1'), tail: tail.toString('latin1') }),
  });
  return { splitter, seen };
}

/** Cuts a text at the given places (any numbers; they are wrapped and sorted). */
function cut(text: string, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (text.length + 1)))].sort((a, b) => a - b);
  const bounds = [0, ...at, text.length];
  return bounds.slice(1).map((end, index) => Buffer.from(text.slice(bounds[index], end), 'latin1'));
}

describe('LineSplitter', () => {
  it('finds the same lines however the stream is cut into chunks', () => {
    const line = fc.string({
      unit: fc.constantFrom('a', '{', '"', '\r', 'é', '0'),
      maxLength: 40,
    });
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(2_000), { maxLength: 30 }), (lines, places) => {
        const { splitter, seen } = openSplitter(20);
        for (const chunk of cut(lines.map((text) => `${text}\n`).join(''), places)) {
          splitter.push(chunk);
        }

        const bare = lines.map((text) => (text.endsWith('\r') ? text.slice(0, -1) : text));
        expect(seen.lines).toEqual(bare.filter((text) => text.length > 0 && text.length <= 20));
        const long = bare.filter((text) => text.length > 20);
        expect(seen.oversized).toEqual(long.map((text) => ({ head: text, tail: text })));
      }),
    );
  });

  it('passes a line inside one chunk on in place and strips a carriage return', () => {
    const chunk = Buffer.from('{"a":1}\r\n{"b":2}\n');
    const places: [Buffer, number, number][] = [];
    const splitter = new LineSplitter(100, {
      onLine: (bytes, start, end) => places.push([bytes, start, end]),
      onOversizedLine: () => {},
    });
    splitter.push(chunk);

    expect(places.map(([bytes]) => bytes === chunk)).toEqual([true, true]);
    expect(places.map(([, start, end]) => [start, end])).toEqual([
      [0, 7],
      [9, 16],
    ]);
    expect(splitter.heldBytes).toBe(0);
  });

  it('keeps a line of exactly the bound, with and without a carriage return, and refuses one more', () => {
    const text = 'x'.repeat(64);
    for (const ending of ['\n', '\r\n']) {
      const { splitter, seen } = openSplitter(64);
      for (const byte of Buffer.from(text + ending)) splitter.push(Buffer.from([byte]));
      expect(seen).toEqual({ lines: [text], oversized: [] });

      for (const byte of Buffer.from(`${text}x${ending}next${ending}`)) {
        splitter.push(Buffer.from([byte]));
      }
      expect(seen.lines).toEqual([text, 'next']);
      expect(seen.oversized).toHaveLength(1);
    }
  });

  it('gives both ends of a line that is too long, and holds no more than those', () => {
    const { splitter, seen } = openSplitter(100_000);
    splitter.push(Buffer.from('{"id":"first"'));
    for (let i = 0; i < 64; i += 1) {
      splitter.push(Buffer.alloc(64 * 1024, 'x'));
      expect(splitter.heldBytes).toBeLessThanOrEqual(100_000);
    }
    splitter.push(Buffer.from(',"id":"last"}\r\nafter\n'));

    expect(seen.oversized).toHaveLength(1);
    const { head, tail } = seen.oversized[0] ?? { head: '', tail: '' };
    expect([head.length, tail.length <= LINE_EDGE_BYTES]).toEqual([LINE_EDGE_BYTES, true]);
    expect(head.startsWith('{"id":"first"xxx')).toBe(true);
    expect(tail.endsWith('xxx,"id":"last"}')).toBe(true);
    expect(seen.lines).toEqual(['after']);
  });

  it('gives both ends of a long line that lies in one chunk', () => {
    const { splitter, seen } = openSplitter(10_000);
    splitter.push(Buffer.from(`<${'y'.repeat(20_000)}>\nok\n`));

    expect(seen.oversized[0]).toEqual({
      head: `<${'y'.repeat(4095)}`,
      tail: `${'y'.repeat(4095)}>`,
    });
    expect(seen.lines).toEqual(['ok']);
  });

  it('takes a line of 16 MiB in pipe-sized chunks and lets go of the memory', () => {
    const bytes = 16 * 1024 * 1024;
    let length = 0;
    const splitter = new LineSplitter(bytes, {
      onLine: (_, start, end) => (length = end - start),
      onOversizedLine: () => (length = -1),
    });
    const chunk = Buffer.alloc(64 * 1024, 'z');
    for (let i = 0; i < bytes / chunk.length; i += 1) splitter.push(chunk);
    splitter.push(Buffer.from('\n'));

    expect(length).toBe(bytes);
    expect(splitter.heldBytes).toBe(0);
  });

  it('skips a flood of empty lines and counts a flood of tiny ones', () => {
    let count = 0;
    const splitter = new LineSplitter(10, {
      onLine: () => (count += 1),
      onOversizedLine: () => {},
    });
    splitter.push(Buffer.alloc(64 * 1024, '\n'));
    expect(count).toBe(0);
    splitter.push(Buffer.alloc(64 * 1024, '1\n'));
    expect(count).toBe(32 * 1024);
  });

  it('reports nothing after it was closed, also when a line closes it', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter(10, {
      onLine: (bytes, start, end) => {
        lines.push(bytes.toString('latin1', start, end));
        splitter.close();
      },
      onOversizedLine: () => {},
    });
    splitter.push(Buffer.from('one\ntwo\nthr'));
    splitter.push(Buffer.from('ee\n'));
    expect(lines).toEqual(['one']);
  });

  it('never reports a last line that did not end', () => {
    const { splitter, seen } = openSplitter(10);
    splitter.push(Buffer.from('whole\npart'));
    expect(seen.lines).toEqual(['whole']);
    expect(splitter.heldBytes).toBe(4);
  });
});
