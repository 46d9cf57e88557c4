import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SlotRegistry } from '../../src/config/slot-registry.ts';

const set = (...slots: number[]): ReadonlySet<number> => new Set(slots);

describe('slots of names', () => {
  it('stay with their names', () => {
    const registry = new SlotRegistry(4);
    expect(registry.tryTake(['a', 'b'])).toEqual([0, 1]);
    expect(registry.tryTake(['c', 'b'])).toEqual([2, 1]);
    expect(registry.tryTake(['b', 'a', 'c'])).toEqual([1, 0, 2]);
  });

  it('are given away last, and only when told', () => {
    const registry = new SlotRegistry(3);
    registry.tryTake(['a', 'b']);
    expect(registry.tryTake(['c', 'd'])).toBeNull();
    registry.keepOnly(set(1));
    expect(registry.tryTake(['b', 'c'])).toEqual([1, 2]); // one never used before a retired one
    expect(registry.tryTake(['b', 'c', 'd'])).toEqual([1, 2, 0]);
  });

  it('come back with a name that comes back in time', () => {
    const registry = new SlotRegistry(2);
    registry.tryTake(['a', 'b']);
    registry.keepOnly(set(1));
    expect(registry.tryTake(['b', 'a'])).toEqual([1, 0]);
  });

  it('are not taken by a refused wish', () => {
    const registry = new SlotRegistry(2);
    registry.tryTake(['a']);
    expect(registry.tryTake(['b', 'c'])).toBeNull();
    expect(registry.tryTake(['d'])).toEqual([1]);
  });

  it('never belong to two names at once', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
    const wish = fc.record({
      names: fc.uniqueArray(name, { maxLength: 4 }),
      isApplied: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 20 }), (wishes) => {
        const registry = new SlotRegistry(5);
        let current: ReadonlyMap<string, number> = new Map();
        for (const { names, isApplied } of wishes) {
          const slots = registry.tryTake(names);
          if (slots === null) continue;
          const next: ReadonlyMap<string, number> = new Map(
            names.map((each, index) => [each, slots[index]!]),
          );
          expect(new Set(slots).size).toBe(slots.length);
          expect(Math.max(-1, ...slots)).toBeLessThan(5);
          for (const [each, slot] of current) {
            if (next.has(each)) expect(next.get(each)).toBe(slot);
            else expect(slots).not.toContain(slot); // the old plan still uses it
          }
          if (isApplied) current = next;
          registry.keepOnly(new Set(current.values()));
        }
      }),
    );
  });
});
