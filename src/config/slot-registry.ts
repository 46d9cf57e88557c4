/**
 * Which place in shared memory belongs to which name. What always holds: a name keeps its slot until
 * it is retired, so that counters, budgets and processes found by slot stay those of that name over
 * reloads; no slot has two names at once; and a retired slot is the last to be taken again, so that
 * calls that began under an old plan and end late do not count for somebody else. A name that comes
 * back before its slot was needed has its old one again.
 *
 * Edge thread only. Shards see the numbers in the plan.
 */
export class SlotRegistry {
  readonly #capacity: number;
  readonly #slots = new Map<string, number>();
  /** In the order of retirement. */
  readonly #retired = new Set<string>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Whether `tryTake` would succeed. */
  hasRoom(names: readonly string[]): boolean {
    const wanted = new Set(names);
    let held = wanted.size;
    for (const name of this.#slots.keys())
      if (!this.#retired.has(name) && !wanted.has(name)) held += 1;
    return held <= this.#capacity;
  }

  /**
   * Slots for these names, in their order: the one a name has, else one never used, else the one that
   * was retired first. Null, and nothing taken, if there are not enough.
   */
  tryTake(names: readonly string[]): readonly number[] | null {
    if (!this.hasRoom(names)) return null;
    // Known names first, so that none of them loses its retired slot to a new one.
    for (const name of names) this.#retired.delete(name);
    return names.map((name) => this.#slots.get(name) ?? this.#place(name));
  }

  /** Retires every name whose slot is none of these. Call it when no new call uses another plan. */
  keepOnly(slots: ReadonlySet<number>): void {
    for (const [name, slot] of this.#slots) if (!slots.has(slot)) this.#retired.add(name);
  }

  #place(name: string): number {
    const slot = this.#slots.size < this.#capacity ? this.#slots.size : this.#reclaim();
    this.#slots.set(name, slot);
    return slot;
  }

  /** `hasRoom` has seen that there is one. */
  #reclaim(): number {
    const [name = ''] = this.#retired;
    const slot = this.#slots.get(name) ?? 0;
    this.#retired.delete(name);
    this.#slots.delete(name);
    return slot;
  }
}
