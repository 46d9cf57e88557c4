import { describe, expect, it } from 'vitest';
import { CALL_ID_DIGITS, CallIds, callCounter, isCallId } from '../../workers/upstream/call-id.ts';

describe('ids of calls', () => {
  it('count in decimal behind a prefix of their own, within what a double holds', () => {
    const ids = new CallIds();
    const id = Buffer.alloc(CALL_ID_DIGITS);
    const prefixes = new Set<string>();
    for (let count = 1; count <= 12_345; count += 1) {
      expect(ids.next(id)).toBe(count);
      expect(callCounter(id, 0, CALL_ID_DIGITS)).toBe(count);
      expect(Number.isSafeInteger(Number(id.toString('latin1')))).toBe(true);
      prefixes.add(id.toString('latin1', 0, 7));
    }
    expect(prefixes.size).toBe(1);
    expect([...prefixes][0]).toMatch(/^[1-9]/);
  });

  it('are told from any other', () => {
    const ids = new CallIds();
    const [first, second] = [Buffer.alloc(CALL_ID_DIGITS), Buffer.alloc(CALL_ID_DIGITS)];
    ids.next(first);
    ids.next(second);
    expect(isCallId(first, first, 0, CALL_ID_DIGITS)).toBe(true);
    expect(isCallId(first, second, 0, CALL_ID_DIGITS)).toBe(false);
    expect(isCallId(first, first, 0, CALL_ID_DIGITS - 1)).toBe(false);
  });
});
