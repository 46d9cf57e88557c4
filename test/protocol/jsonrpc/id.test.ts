import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isIdToken, isSafeInteger } from '../../../src/protocol/jsonrpc/id.ts';

function isSafe(text: string): boolean {
  const bytes = Buffer.from(`"${text}1`);
  return isSafeInteger(bytes, 1, bytes.length - 1);
}

describe('an integer as an id', () => {
  it('is safe where a double holds it, and its neighbours are told apart', () => {
    const most = BigInt(Number.MAX_SAFE_INTEGER);
    const near = fc.bigInt({ min: most - 20n, max: most + 20n });
    const any = fc.bigInt({ min: 0n, max: 10n ** 18n });
    const digits = fc.integer({ min: 1, max: 18 }).chain((count) => {
      const min = 10n ** BigInt(count - 1);
      return fc.bigInt({ min, max: min * 10n });
    });
    fc.assert(
      fc.property(fc.oneof(near, any, digits), (value) => {
        for (const text of [String(value), `-${value}`])
          if (isSafe(text) !== value <= most) throw new Error(text);
      }),
      { numRuns: 5000 },
    );
  });

  it('is nothing else', () => {
    for (const text of ['', '-', '1.5', '1e3', 'null', 'true', '{}', '1 ', '99999999999999999'])
      expect(isSafe(text), text).toBe(false);
    expect(isSafe('0') && isSafe('-0') && isSafe('-9007199254740991')).toBe(true);
    expect(isIdToken(Buffer.from('{}'), 0, 2)).toBe(false);
  });
});
