/**
 * Bytes of request bodies the edge holds at once, over all connections: bodies that are still arriving
 * and those that wait for room in a shard's ring. Full: the request is refused with BUSY.
 */
export class BodyBudget {
  #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A new plan's bound. What is held already stays. */
  setMax(bytesMax: number): void {
    this.#bytesMax = bytesMax;
  }

  /** Takes `bytes`, or refuses all of them. */
  tryTake(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}
