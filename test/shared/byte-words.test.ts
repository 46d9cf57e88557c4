import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ByteRange,
  ByteRanges,
  ByteWords,
  copyLarge,
  copyRange,
  copyText,
  visibleEnd,
} from '../../shared/byte-words.ts';
import { createKernelMemory, kernelOf, openKernel } from '../../shared/kernel/byte-kernel.ts';

const PLACE_BYTES = 256 * 1024;
const memory = createKernelMemory(2 * PLACE_BYTES)!;
openKernel(memory, 0, 0);

/** Memory of a kernel, to read from (0) or to write to (1). */
function inKernel(bytes: Uint8Array, at: number, part: 0 | 1): Uint8Array {
  const length = at + bytes.length + 5;
  const place = new Uint8Array(memory.buffer, part * PLACE_BYTES, length);
  place.fill(0x2e);
  place.set(bytes, at);
  return place;
}

/** The bytes somewhere within others, in memory of a ring or of their own. */
function placed(bytes: Uint8Array, at: number, isShared: boolean): Uint8Array {
  const length = at + bytes.length + 5;
  const place = new Uint8Array(isShared ? new SharedArrayBuffer(length) : new ArrayBuffer(length));
  place.fill(0x2e);
  place.set(bytes, at);
  return place;
}

describe('bytes as words', () => {
  it('are equal to the same bytes anywhere, and to nothing that differs in one byte', () => {
    const lengths = fc.integer({ min: 0, max: 70 });
    const ats = fc.integer({ min: 0, max: 9 });
    fc.assert(
      fc.property(
        lengths,
        ats,
        fc.boolean(),
        fc.integer({ min: 1, max: 255 }),
        (n, at, is, bits) => {
          const bytes = randomBytes(n);
          const words = new ByteWords(bytes);
          const place = placed(bytes, at, is);
          const views = new ByteRanges();
          const isSame = () => words.equals(views.of(place).view, at, at + n);
          if (!isSame() || words.equals(views.of(place).view, at, at + n + 1)) return false;
          for (let changed = at; changed < at + n; changed += 1) {
            place[changed]! ^= bits;
            if (isSame()) return false;
            place[changed]! ^= bits;
          }
          return isSame();
        },
      ),
    );
  });

  it('are copied as they are, whatever they are and however they lie', () => {
    const at = fc.integer({ min: 0, max: 17 });
    const length = fc.oneof(
      fc.integer({ min: 0, max: 900 }),
      fc.constantFrom(65_535, 65_536, 65_537, 140_001),
    );
    fc.assert(
      fc.property(length, at, at, fc.boolean(), fc.boolean(), (n, from, to, isFrom, isTo) => {
        const bytes = randomBytes(n);
        const source = placed(bytes, from, isFrom);
        for (const copy of [
          (out: Uint8Array) => copyLarge(source, from, from + n, out, to),
          (out: Uint8Array) =>
            copyRange(new ByteRange(source), from, from + n, new ByteRange(out), to),
        ]) {
          const out = placed(new Uint8Array(n), to, isTo);
          copy(out);
          const wanted = placed(bytes, to, isTo);
          if (Buffer.compare(Buffer.from(out), Buffer.from(wanted)) !== 0) return false;
        }
        return true;
      }),
      { numRuns: 300 },
    );
  });

  it('knows a ring once, and other memory each time, so as not to keep it', () => {
    const views = new ByteRanges();
    const ring = new Uint8Array(new SharedArrayBuffer(8), 4);
    const copy = Uint8Array.of(1, 2, 3, 4);
    const seen = views.of(ring);
    expect(views.of(copy).view.getUint8(3)).toBe(4);
    expect(views.of(ring)).toBe(seen);
    expect(views.of(copy)).not.toBe(views.of(copy));
    ring[3] = 7;
    expect(seen.view.getUint8(3)).toBe(7);
  });

  it('keeps a range of other memory up to the size it is told, counting all that it would keep', () => {
    const views = new ByteRanges(64);
    const small = new Uint8Array(new ArrayBuffer(64), 8, 8);
    const large = new Uint8Array(new ArrayBuffer(65), 8, 8);
    expect(views.of(small)).toBe(views.of(small));
    expect(views.of(large)).not.toBe(views.of(large));
    expect(views.of(large).view.byteLength).toBe(8);
  });

  it('copies text of any length and leaves those around it alone', () => {
    const text = Buffer.from('\u007f\u{10ffff}\u007f\u{1f600}ÿ€"\\ plain'.repeat(80));
    for (const isShared of [true, false]) {
      for (let length = 0; length < 800; length += 1) {
        const source = placed(text.subarray(length, 2 * length), length % 7, isShared);
        const out = placed(new Uint8Array(length), length % 5, !isShared);
        const start = length % 7;
        const at = length % 5;
        const end = start + length;
        expect(copyText(new ByteRange(source), start, end, new ByteRange(out), at)).toBe(
          at + length,
        );
        expect(Buffer.compare(out.subarray(at, at + length), source.subarray(start, end))).toBe(0);
        expect(Buffer.from(out.subarray(0, at)).toString()).toBe('.'.repeat(at));
        expect(Buffer.from(out.subarray(at + length)).toString()).toBe('.....');
      }
    }
  });

  it('are copied by the kernel as they are, to the last byte and no further', () => {
    for (const copy of [copyRange, copyText]) {
      for (let length = 0; length < 300; length += 1) {
        const bytes = randomBytes(length);
        const [from, to] = [length % 19, length % 23];
        const source = inKernel(bytes, from, 0);
        const out = inKernel(new Uint8Array(length), to, 1);
        expect(copy(new ByteRange(source), from, from + length, new ByteRange(out), to)).toBe(to + length); // prettier-ignore
        const wanted = Buffer.concat([Buffer.alloc(to, '.'), bytes, Buffer.from('.....')]);
        expect(Buffer.compare(Buffer.from(out), wanted)).toBe(0);
      }
    }
  });

  it('never leave what they lie in, whatever a caller asks of the kernel', () => {
    const source = new ByteRange(inKernel(randomBytes(64), 0, 0).subarray(0, 64));
    const out = new ByteRange(inKernel(new Uint8Array(64), 0, 1).subarray(0, 64));
    expect(source.kernel).not.toBeNull();
    for (const [start, end, at] of [
      [0, 65, 0],
      [-1, 40, 0],
      [0, 32, 33],
      [0, 32, -1],
    ] as const) {
      const before = Buffer.from(new Uint8Array(memory.buffer));
      try {
        copyRange(source, start, end, out, at);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
      out.bytes.set(before.subarray(PLACE_BYTES, PLACE_BYTES + 64));
      expect(Buffer.compare(Buffer.from(new Uint8Array(memory.buffer)), before)).toBe(0);
    }
  });

  it('are visible up to the first byte that is not, in the kernel and here', () => {
    for (let length = 0; length < 70; length += 1) {
      for (const odd of [0x00, 0x1f, 0x09, 0x0d, 0x7f, 0x80, 0xff]) {
        for (const place of [inKernel, placedAlone]) {
          const bytes = new Uint8Array(length).fill(0x20 + (length % 0x5f));
          const range = new ByteRange(place(bytes, 3, 0));
          expect(visibleEnd(range, 3, 3 + length)).toBe(3 + length);
          for (let at = 3; at < 3 + length; at += 1) {
            const kept = range.bytes[at]!;
            range.bytes[at] = odd;
            const end = visibleEnd(range, 3, 3 + length);
            expect(end <= at && end > at - 16).toBe(true);
            expect(range.bytes.subarray(3, end).every((byte) => byte >= 0x20 && byte < 0x7f)).toBe(true); // prettier-ignore
            range.bytes[at] = kept;
          }
        }
      }
    }
  });

  it('belong to no kernel where none was opened', () => {
    expect(kernelOf(new SharedArrayBuffer(64))).toBeNull();
    expect(kernelOf(new ArrayBuffer(64))).toBeNull();
    expect(new ByteRange(new Uint8Array(8)).kernel).toBeNull();
    expect(kernelOf(memory.buffer)).not.toBeNull();
  });
});

function placedAlone(bytes: Uint8Array, at: number): Uint8Array {
  return placed(bytes, at, false);
}
