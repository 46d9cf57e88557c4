import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CREDENTIAL_BYTES_MAX } from '../../workers/policy/policy-limits.ts';
import { TokenStore } from '../../workers/policy/token-store.ts';

const length = fc.oneof(
  fc.integer({ min: 1, max: 70 }),
  fc.integer({ min: 1, max: 1_100 }),
  fc.constantFrom(64, 65, 128, 129, 4_096, 4_097, CREDENTIAL_BYTES_MAX),
);

function isHeld(store: TokenStore, place: number, token: Buffer): boolean {
  const at = 1 + (token.length % 7);
  const view = new DataView(new ArrayBuffer(at + token.length));
  new Uint8Array(view.buffer).set(token, at);
  return store.equals(place, token.length, view, at);
}

describe('the store of credentials', () => {
  it('holds each as it was given while others come and go', () => {
    const step = fc.record({ length, isRemoval: fc.boolean(), index: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const store = new TokenStore();
        const held: { place: number; token: Buffer }[] = [];
        for (const one of steps) {
          if (one.isRemoval && held.length > 0) {
            const [gone] = held.splice(one.index % held.length, 1);
            store.remove(gone!.place, gone!.token.length);
          } else {
            const token = randomBytes(one.length);
            held.push({ place: store.add(token), token });
          }
        }
        return held.every(({ place, token }) => isHeld(store, place, token));
      }),
    );
  });

  it('tells a credential from any that differs in one byte', () => {
    fc.assert(
      fc.property(length, fc.integer({ min: 1, max: 255 }), (n, bits) => {
        const store = new TokenStore();
        const token = randomBytes(n);
        store.add(randomBytes(n));
        const place = store.add(token);
        for (let at = 0; at < n; at += 1 + (n >> 10)) {
          token[at]! ^= bits;
          if (isHeld(store, place, token)) return false;
          token[at]! ^= bits;
        }
        token[n - 1]! ^= bits;
        return !isHeld(store, place, token);
      }),
    );
  });

  it('uses what was given back before it takes more memory', () => {
    const store = new TokenStore();
    const tokens = Array.from({ length: 2_000 }, (_, i) => Buffer.alloc(1 + (i % 500), 'x'));
    for (let lap = 0; lap < 3; lap += 1) {
      const places = tokens.map((token) => store.add(token));
      expect(new Set(places).size).toBe(tokens.length);
      places.forEach((place, i) => store.remove(place, tokens[i]!.length));
    }
    // At most twice their length, 250 bytes on average, and less than a chunk of each of four sizes.
    expect(store.bytes).toBeLessThan(2 * 2_000 * 250 + 4 * 64 * 1024);
  });
});
