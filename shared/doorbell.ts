/**
 * Wakes a thread that sleeps. One word per thread, not per ring:
 *
 *      AWAKE ──park()──▶ PARKED ──ring() by any thread, or a last look that found work──▶ AWAKE
 *
 * No wake-up is lost: a writer first commits its frame, then looks at the word; the sleeper first
 * stores PARKED, then looks at its rings. Both are `Atomics`, so at least one sees the other. The
 * last look must cover all that a ring may announce: frames to read, and room in rings for which the
 * thread holds frames back (`RingWriter.isStarved`).
 *
 * `Atomics.waitAsync` does not keep a thread alive, so whoever parks holds a port or a socket open.
 * It is called without a time limit: a wait with one pins its memory until the time is over.
 */
import { assert } from './assert.ts';

const AWAKE = 0;
const PARKED = 1;

/**
 * Parks in a row that may end in a promise job because the last look found work. Promise jobs run
 * before sockets and timers: a writer that keeps finding this gap would keep the thread from them.
 * The next one goes by way of the event loop, which costs some microseconds.
 */
const QUICK_WAKES_MAX = 8;

/** What the others hold of a thread's doorbell. */
export class Doorbell {
  readonly #words: Int32Array;

  constructor(region: SharedArrayBuffer, byteOffset: number) {
    this.#words = new Int32Array(region, byteOffset, 1);
  }

  /** Wakes the thread if it is parked. Call after the frame was committed. Returns whether it woke it. */
  ring(): boolean {
    if (Atomics.load(this.#words, 0) !== PARKED) return false;
    if (Atomics.compareExchange(this.#words, 0, PARKED, AWAKE) !== PARKED) return false;
    // All waiters, not one: a waiter of a thread that died may still stand before the living one.
    Atomics.notify(this.#words, 0);
    return true;
  }
}

/** What the thread itself holds of its doorbell. */
export class DoorbellWaiter {
  readonly #words: Int32Array;
  readonly #hasWork: () => boolean;
  readonly #onWake: () => void;
  readonly #woken: () => void;
  #parked: boolean;
  #stopped: boolean;
  #quickWakes: number;

  /**
   * @param hasWork the last look before sleeping; must not park
   * @param onWake called once per `park`, never within it
   */
  constructor(
    region: SharedArrayBuffer,
    byteOffset: number,
    hasWork: () => boolean,
    onWake: () => void,
  ) {
    this.#words = new Int32Array(region, byteOffset, 1);
    this.#hasWork = hasWork;
    this.#onWake = onWake;
    this.#woken = () => this.#wake(); // one closure for all parks
    this.#parked = false;
    this.#stopped = false;
    this.#quickWakes = 0;
    Atomics.store(this.#words, 0, AWAKE); // a predecessor may have died parked
  }

  /** Whether a `park` is under way whose `onWake` has not been called. */
  get isParked(): boolean {
    return this.#parked;
  }

  /** Sleeps until rung. Returns at once; `onWake` is called later, exactly once. */
  park(): void {
    assert(!this.#parked, 'a thread parks once at a time');
    if (this.#stopped) return;
    this.#parked = true;
    Atomics.store(this.#words, 0, PARKED);
    const isBusy = this.#hasWork();
    if (isBusy && this.#quickWakes < QUICK_WAKES_MAX) {
      this.#quickWakes += 1;
      Atomics.store(this.#words, 0, AWAKE);
      void Promise.resolve().then(this.#woken);
      return;
    }
    this.#quickWakes = 0;
    const wait = Atomics.waitAsync(this.#words, 0, PARKED);
    // Not async: rung between the store and the wait.
    if (wait.async) void wait.value.then(this.#woken);
    else void Promise.resolve().then(this.#woken);
    if (isBusy) this.#release();
  }

  /** Ends a park without `onWake`, and refuses later ones. No waiter is left behind. */
  stop(): void {
    this.#stopped = true;
    this.#parked = false;
    this.#release();
  }

  /** Wakes this thread's own waiter, if there is one. */
  #release(): void {
    Atomics.store(this.#words, 0, AWAKE);
    Atomics.notify(this.#words, 0);
  }

  #wake(): void {
    if (this.#stopped || !this.#parked) return;
    this.#parked = false;
    Atomics.store(this.#words, 0, AWAKE);
    this.#onWake();
  }
}
