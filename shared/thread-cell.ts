/**
 * What each thread shows of itself, five words, each alone on two cache lines:
 *
 *      0            128        256            384          512              640
 *      +------------+----------+--------------+------------+----------------+
 *      |  doorbell  |   beat   |  generation  |   state    |   plan taken   |
 *      +------------+----------+--------------+------------+----------------+
 *       all          thread     supervisor     thread        thread           (who writes)
 *
 * A generation numbers the lives of a thread, from 1. The supervisor raises it the moment it gives a
 * shard up: whatever names an older one (in-flight counts, processes) belongs to nobody any more.
 */
import { WORD_SLOT_BYTES } from './ring-descriptor.ts';

export const DOORBELL_OFFSET = 0;
export const BEAT_OFFSET: number = DOORBELL_OFFSET + WORD_SLOT_BYTES;
export const GENERATION_OFFSET: number = BEAT_OFFSET + WORD_SLOT_BYTES;
export const STATE_OFFSET: number = GENERATION_OFFSET + WORD_SLOT_BYTES;
export const PLAN_TAKEN_OFFSET: number = STATE_OFFSET + WORD_SLOT_BYTES;
export const THREAD_CELL_BYTES: number = PLAN_TAKEN_OFFSET + WORD_SLOT_BYTES;

/** Not started, or given up. */
export const THREAD_DOWN = 0;
/** Runs, but its plan is not compiled or its upstreams are not reached yet. */
export const THREAD_STARTING = 1;
export const THREAD_READY = 2;
/** Finishes what it has and takes nothing new. */
export const THREAD_DRAINING = 3;

const BEAT_WORD: number = BEAT_OFFSET >> 2;
const GENERATION_WORD: number = GENERATION_OFFSET >> 2;
const STATE_WORD: number = STATE_OFFSET >> 2;
const PLAN_TAKEN_WORD: number = PLAN_TAKEN_OFFSET >> 2;

/** The words of one thread but the doorbell, which has a class of its own. */
export class ThreadCell {
  readonly #words: Int32Array;

  constructor(region: SharedArrayBuffer, byteOffset: number) {
    this.#words = new Int32Array(region, byteOffset, THREAD_CELL_BYTES >> 2);
  }

  /** The thread itself: I am alive. */
  beat(): void {
    Atomics.add(this.#words, BEAT_WORD, 1);
  }

  /** Number of beats so far, wrapping: only whether it moved says something. */
  get beats(): number {
    return Atomics.load(this.#words, BEAT_WORD);
  }

  get generation(): number {
    return Atomics.load(this.#words, GENERATION_WORD);
  }

  /** Supervisor only. Returns the new generation. */
  raiseGeneration(): number {
    return Atomics.add(this.#words, GENERATION_WORD, 1) + 1;
  }

  get state(): number {
    return Atomics.load(this.#words, STATE_WORD);
  }

  set state(state: number) {
    Atomics.store(this.#words, STATE_WORD, state);
  }

  /** Number of the plan this thread works by; the old one may go when all threads have the new one. */
  get planTaken(): number {
    return Atomics.load(this.#words, PLAN_TAKEN_WORD) >>> 0;
  }

  set planTaken(planNumber: number) {
    Atomics.store(this.#words, PLAN_TAKEN_WORD, planNumber);
  }
}
