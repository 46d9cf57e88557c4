import type { Clock } from '../shared/clock.ts';

/** Frames that may share one reading of the clock. */
const FRAMES_PER_READING = 8;

/**
 * A clock that can be held: while the shard reads its ring, the calls of a few frames happen at one time.
 * A call asks whether its token is still good and when it is due, and each reading costs 45 ns, of the wall
 * clock 80. What is late by it is late by the work of eight calls at most. Not for what shards compare among
 * each other, as rate limits.
 */
export class TurnClock implements Clock {
  readonly #clock: Clock;
  #isHeld = false;
  #left = 0;
  /** NaN: not asked for since time moved on last. */
  #nowMs = NaN;
  #wallMs = NaN;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    if (!this.#isHeld) return this.#clock.nowMs();
    if (Number.isNaN(this.#nowMs)) this.#nowMs = this.#clock.nowMs();
    return this.#nowMs;
  }

  wallMs(): number {
    if (!this.#isHeld) return this.#clock.wallMs();
    if (Number.isNaN(this.#wallMs)) this.#wallMs = this.#clock.wallMs();
    return this.#wallMs;
  }

  /** From here on time stands still, but for `step`. */
  hold(): void {
    this.#isHeld = true;
    this.#moveOn();
  }

  /** Another frame is read: time moves on with every eighth. */
  step(): void {
    if (this.#left === 0) this.#moveOn();
    this.#left -= 1;
  }

  release(): void {
    this.#isHeld = false;
  }

  #moveOn(): void {
    this.#left = FRAMES_PER_READING;
    this.#nowMs = NaN;
    this.#wallMs = NaN;
  }
}
