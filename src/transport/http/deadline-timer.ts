/**
 * One timer for many deadlines. It stands at the earliest moment at which one of them can be due;
 * whoever owns the deadlines then looks through all of them and names the next. Deadlines that go away
 * are not taken out, so setting one costs a comparison, and with nothing to wait for there is no timer.
 */
import type { Clock } from '../../../shared/clock.ts';

/** Deadlines this much earlier than the standing one do not move it: they are met this much late. */
const SLACK_MS = 10;
/** What `setTimeout` can hold; later deadlines take another round. */
const DELAY_MS_MAX = 0x7fffffff;

export class DeadlineTimer {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | null = null;
  #atMs = Infinity;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Makes sure that the owner is called when `atMs` has come. Infinity asks for nothing. */
  ensure(atMs: number): void {
    if (atMs + SLACK_MS >= this.#atMs || atMs === Infinity) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#atMs = atMs;
    const delayMs = Math.max(1, Math.ceil(atMs - this.#clock.nowMs()));
    this.#timer = setTimeout(() => this.#fire(), Math.min(delayMs, DELAY_MS_MAX));
    this.#timer.unref(); // whatever is waited for has a socket, and that keeps the thread
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#atMs = Infinity;
  }

  #fire(): void {
    this.#timer = null;
    this.#atMs = Infinity;
    this.#onDue();
  }
}
