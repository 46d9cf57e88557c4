import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyBudget } from '../../src/edge/body-budget.ts';
import {
  BODY_OVER_BUDGET,
  BODY_OVER_SIZE,
  BODY_TAKEN,
  PendingRequest,
} from '../../src/edge/pending-request.ts';

const pending = (declared: number) =>
  new PendingRequest(new Uint8Array(40), '/mcp', '', '', declared);

describe('a body that comes in pieces', () => {
  it('is put together, and counts for what its buffer takes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 20 }),
        fc.boolean(),
        (chunks, isDeclared) => {
          const whole = Buffer.concat(chunks);
          const budget = new BodyBudget(1 << 20);
          const request = pending(isDeclared ? whole.length : -1);
          for (const chunk of chunks) {
            expect(request.append(chunk, 1 << 20, budget)).toBe(BODY_TAKEN);
          }
          expect(Buffer.from(request.body).equals(whole)).toBe(true);
          expect(budget.bytes).toBe(request.budgetBytes);
          expect(request.budgetBytes).toBeGreaterThanOrEqual(whole.length);
          if (isDeclared) expect(request.budgetBytes).toBeLessThanOrEqual(whole.length);
          request.drop(budget);
          expect(budget.bytes).toBe(0);
        },
      ),
    );
  });

  it('reserves nothing for what was only declared', () => {
    const budget = new BodyBudget(1 << 30);
    const request = pending(100_000_000);
    request.append(new Uint8Array(10), 100_000_000, budget);
    expect(budget.bytes).toBeLessThanOrEqual(16 * 1024);
  });

  it('is refused at its size, and at the budget of all', () => {
    const budget = new BodyBudget(20_000);
    const request = pending(-1);
    expect(request.append(new Uint8Array(60), 100, budget)).toBe(BODY_TAKEN);
    expect(request.append(new Uint8Array(41), 100, budget)).toBe(BODY_OVER_SIZE);
    expect(pending(-1).append(new Uint8Array(30_000), 1 << 20, budget)).toBe(BODY_OVER_BUDGET);
    request.drop(budget);
    expect(budget.bytes).toBe(0);
  });
});
