import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteMap } from '../../workers/routing/byte-map.ts';

describe('a byte map', () => {
  it('agrees with a Map as long as it is not full', () => {
    const key = fc.tuple(fc.nat(3), fc.string({ maxLength: 12 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.nat()), { maxLength: 60 }), (entries) => {
        const map = new ByteMap<number>(64);
        const model = new Map<string, number>();
        for (const [[salt, text], value] of entries) {
          const bytes = Buffer.from(`<${text}>`);
          map.set(salt, bytes, 1, bytes.length - 1, value);
          model.set(`${salt} ${text}`, value);
        }
        expect(map.count).toBe(model.size);
        for (const [[salt, text]] of entries) {
          const bytes = Buffer.from(text);
          expect(map.get(salt, bytes, 0, bytes.length)).toBe(model.get(`${salt} ${text}`));
          expect(map.get(salt + 10, bytes, 0, bytes.length)).toBeNull();
        }
      }),
    );
  });

  it('is emptied rather than grown when it is full', () => {
    const map = new ByteMap<number>(8);
    for (let i = 0; i < 1000; i += 1) {
      const bytes = Buffer.from(`name-${i}`);
      map.set(0, bytes, 0, bytes.length, i);
      expect(map.count).toBeLessThanOrEqual(8);
      expect(map.get(0, bytes, 0, bytes.length)).toBe(i);
    }
  });

  it('keeps its own copy of a key', () => {
    const map = new ByteMap<string>(8);
    const bytes = Buffer.from('abc');
    map.set(0, bytes, 0, 3, 'value');
    bytes.fill(0x7a);
    expect(map.get(0, Buffer.from('abc'), 0, 3)).toBe('value');
    expect(map.get(0, bytes, 0, 3)).toBeNull();
  });
});
