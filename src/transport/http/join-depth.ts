/**
 * How many calls may share a connection while others could be used: what the settings allow, less while
 * answers are slow. Calls that share a connection wait for one another, so a slow answer halves the
 * number at once, and answers that are fast let it grow again, one by one. An upstream that is slow at
 * all times ends up with a connection for each call.
 *
 *   depth   16 ┐slow                      fast, one step per RAISE_MS
 *            8 └──┐slow          ┌──┐  ┌──
 *            4    └───────────┌──┘  └──┘
 */

/** From the write to the end of the answer. A fast upstream takes 1 to 5, a whole pause of ours 10 to 20. */
const SLOW_MS = 25;
/** From 1 to the 16 calls that one turn rarely exceeds in 0.8 s. */
const RAISE_MS = 50;

export class JoinDepth {
  current: number;
  readonly #max: number;
  #cutMs = -Infinity;
  #raiseMs = -Infinity;

  constructor(max: number) {
    this.current = max;
    this.#max = max;
  }

  onAnswered(sentMs: number, nowMs: number): void {
    if (nowMs - sentMs <= SLOW_MS) {
      if (this.current === this.#max || nowMs < this.#raiseMs) return;
      this.current += 1;
    } else {
      // The calls that were out by then tell the same story again.
      if (sentMs < this.#cutMs || this.current === 1) return;
      this.current >>= 1;
      this.#cutMs = nowMs;
    }
    this.#raiseMs = nowMs + RAISE_MS;
  }
}
