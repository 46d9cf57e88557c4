/**
 * Which place in shared memory belongs to which name. What always holds: a name keeps its slot until
 * it is told to let go, so that counters, budgets and processes found by slot stay those of that name
 * over reloads; and no slot has two names, also while an old plan is still in use.
 *
 * Edge thread only. Shards see the numbers in the plan.
 */
export class SlotRegistry {
  readonly #capacity: number;
  readonly #slots = new Map<string, number>();
  readonly #used = new Set<number>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Slots that names hold now. */
  get size(): number {
    return this.#slots.size;
  }

  hasRoom(names: readonly string[]): boolean {
    return this.#slots.size + this.#freshOf(names).size <= this.#capacity;
  }

  /**
   * Slots for these names, in their order: the one a name has, else the lowest free one. Null, and
   * nothing taken, if there are not enough.
   */
  tryTake(names: readonly string[]): readonly number[] | null {
    if (!this.hasRoom(names)) return null;
    let next = 0;
    for (const name of this.#freshOf(names)) {
      while (this.#used.has(next)) next += 1;
      this.#slots.set(name, next);
      this.#used.add(next);
    }
    return names.map((name) => this.#slots.get(name) ?? 0);
  }

  /** Gives away every slot but these. Call it when no shard holds a plan with others any more. */
  keepOnly(slots: ReadonlySet<number>): void {
    for (const [name, slot] of this.#slots) {
      if (slots.has(slot)) continue;
      this.#slots.delete(name);
      this.#used.delete(slot);
    }
  }

  #freshOf(names: readonly string[]): ReadonlySet<string> {
    return new Set(names.filter((name) => !this.#slots.has(name)));
  }
}
