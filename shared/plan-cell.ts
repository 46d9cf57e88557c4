/**
 * Number of the current plan. The edge writes it when it publishes a plan, everybody reads it. The
 * plan itself travels over the control ports; the number tells a shard that its own is old. Plans
 * are numbered from 1; 0 says that there is none yet.
 */
export const PLAN_CELL_BYTES = 4;

export class PlanCell {
  readonly #words: Int32Array;

  constructor(region: SharedArrayBuffer, byteOffset: number) {
    this.#words = new Int32Array(region, byteOffset, 1);
  }

  /** Edge only. */
  publish(planNumber: number): void {
    Atomics.store(this.#words, 0, planNumber);
  }

  current(): number {
    return Atomics.load(this.#words, 0) >>> 0;
  }
}
