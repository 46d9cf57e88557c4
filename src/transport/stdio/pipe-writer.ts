/**
 * Writes lines to a child's stdin. What is written in one turn of the event loop leaves in one
 * system call: a pipe write costs several microseconds, a copy of a call some dozen nanoseconds.
 *
 * Bounded by bytes that wait, here or in the pipe's own queue. Past the bound a line is refused,
 * whole, and what was accepted before still goes: a child that stops reading fails the calls that
 * come after, and nothing grows.
 */
import type { Writable } from 'node:stream';

import { assert } from '../../../shared/assert.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** What one write carries at most, unless a single line is longer. As much as a pipe takes at once. */
const BATCH_BYTES: number = 64 * 1024;

const NO_BYTES: Buffer = Buffer.alloc(0);

export class PipeWriter {
  readonly #pipe: Writable;
  readonly #waitingBytesMax: number;
  readonly #onTurnEnd: () => void;
  #batch: Buffer;
  #filled: number;
  #isScheduled: boolean;
  #isEnded: boolean;

  constructor(pipe: Writable, waitingBytesMax: number) {
    this.#pipe = pipe;
    this.#waitingBytesMax = waitingBytesMax;
    this.#onTurnEnd = () => this.flush();
    this.#batch = NO_BYTES;
    this.#filled = 0;
    this.#isScheduled = false;
    this.#isEnded = false;
  }

  /** Accepted bytes that the child has not read into its pipe yet. */
  get waitingBytes(): number {
    return this.#filled + this.#pipe.writableLength;
  }

  /**
   * Accepts one line; the bytes are copied before this returns. A line longer than the bound is
   * accepted while nothing waits, otherwise no setting of the bound could ever let it through.
   *
   * @returns false when the child does not read (or its stdin is gone): nothing of the line is sent
   * @throws when the bytes hold a line break: two messages would arrive where one was checked
   */
  tryWrite(bytes: Uint8Array, start: number, end: number): boolean {
    const size = end - start + 1;
    const waiting = this.#filled + this.#pipe.writableLength;
    if (this.#isEnded || !this.#pipe.writable) return false;
    if (waiting > 0 && waiting + size > this.#waitingBytesMax) return false;
    if (this.#filled + size > this.#batch.length) this.#makeRoom(size);

    const at = this.#filled;
    const lineEnd = at + size - 1;
    this.#batch.set(bytes.subarray(start, end), at);
    // The searched byte is put behind the line first, so that the search always ends there.
    this.#batch[lineEnd] = CARRIAGE_RETURN;
    const hasReturn = this.#batch.indexOf(CARRIAGE_RETURN, at) !== lineEnd;
    this.#batch[lineEnd] = LINE_FEED;
    assert(!hasReturn && this.#batch.indexOf(LINE_FEED, at) === lineEnd, 'a message is one line');

    this.#filled = lineEnd + 1;
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      process.nextTick(this.#onTurnEnd);
    }
    return true;
  }

  /** Hands everything accepted to the pipe now, instead of at the end of this turn. */
  flush(): void {
    this.#isScheduled = false;
    const filled = this.#filled;
    if (filled === 0) return;
    this.#filled = 0;
    if (!this.#pipe.writable) return;
    const batch = this.#batch;
    this.#pipe.write(filled === batch.length ? batch : batch.subarray(0, filled));
    // A write that the kernel took at once leaves nothing queued, and the buffer is ours again.
    if (this.#pipe.writableLength > 0 || batch.length > BATCH_BYTES) this.#batch = NO_BYTES;
  }

  /** Sends what was accepted, then the end of input. Later lines are refused. */
  end(): void {
    if (this.#isEnded) return;
    this.flush();
    this.#isEnded = true;
    if (this.#pipe.writable) this.#pipe.end();
  }

  #makeRoom(size: number): void {
    this.flush();
    if (size > this.#batch.length) {
      this.#batch = Buffer.allocUnsafeSlow(Math.max(size, BATCH_BYTES));
    }
  }
}
