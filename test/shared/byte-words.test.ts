import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ByteWords,
  BytesView,
  copyLarge,
  copyText,
  copyWords,
  viewOf,
} from '../../shared/byte-words.ts';

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
          const views = new BytesView();
          const isSame = () => words.equals(views.of(place), at, at + n);
          if (!isSame() || words.equals(views.of(place), at, at + n + 1)) return false;
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
            copyWords(source, viewOf(source), from, from + n, out, viewOf(out), to),
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

  it('views a ring once, and other memory each time, so as not to keep it', () => {
    const views = new BytesView();
    const ring = new Uint8Array(new SharedArrayBuffer(8), 4);
    const copy = Uint8Array.of(1, 2, 3, 4);
    const seen = views.of(ring);
    expect(views.of(copy).getUint8(3)).toBe(4);
    expect(views.of(ring)).toBe(seen);
    expect(views.of(copy)).not.toBe(views.of(copy));
    ring[3] = 7;
    expect(seen.getUint8(3)).toBe(7);
  });

  it('keeps a view of other memory up to the size it is told, counting all that it would keep', () => {
    const views = new BytesView(64);
    const small = new Uint8Array(new ArrayBuffer(64), 8, 8);
    const large = new Uint8Array(new ArrayBuffer(65), 8, 8);
    expect(views.of(small)).toBe(views.of(small));
    expect(views.of(large)).not.toBe(views.of(large));
    expect(views.of(large).byteLength).toBe(8);
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
        expect(copyText(source, viewOf(source), start, end, out, viewOf(out), at)).toBe(
          at + length,
        );
        expect(Buffer.compare(out.subarray(at, at + length), source.subarray(start, end))).toBe(0);
        expect(Buffer.from(out.subarray(0, at)).toString()).toBe('.'.repeat(at));
        expect(Buffer.from(out.subarray(at + length)).toString()).toBe('.....');
      }
    }
  });
});
