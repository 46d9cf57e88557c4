/**
 * Copies of credentials in scratch of the thread, where the kernel compares sixteen bytes at a time
 * (`shared/kernel/byte-kernel.ts`) with those of a request. One for all token caches of a thread: scratch
 * is never given back, and with each plan comes a new cache.
 *
 * Copies are written one behind the other, round and round, so a new one takes the room of the oldest:
 *
 *          ├ copy ┤├ copy ┤├ copy ┤·····├ oldest ┤├ next oldest ┤ …
 *                                  ▲ head: lines written so far; never goes back
 *
 * Whoever has a copy keeps what `head` was at its first line. All that was written within the last
 * LINES is still there, so nobody has to be told that a copy is gone, and caches need not know of
 * each other.
 */
import { ByteRange, copyRange, equalRanges } from '../../shared/byte-words.ts';
import { takeBytes } from '../../shared/kernel/byte-kernel.ts';
import { TOKEN_FRONT_BYTES } from './policy-limits.ts';

const LINE_BYTES = 64;
const LINES: number = TOKEN_FRONT_BYTES / LINE_BYTES;
/** The kernel is for no less. */
const COPIED_BYTES_MIN = 16;
/** One long credential is many others' room. */
const COPIED_BYTES_MAX: number = TOKEN_FRONT_BYTES / 32;
/**
 * One lookup in so many that find no copy makes one: if more credentials are in use than there is room
 * for, each would else be copied in vain.
 */
const COPIED_OF = 8;
/** A position at which there was never a copy. */
export const NO_COPY = 0;

export class TokenFront {
  /** Of the copy that `write` made last. */
  position = NO_COPY;
  offset = 0;
  /** Null until there is something that the kernel can work on. */
  #copies: ByteRange | null = null;
  #head = 2 * LINES;
  #untilCopied = 0;

  /** Whether the copy written at `position` is still there, and the kernel can compare it with this. */
  has(position: number, range: ByteRange): boolean {
    return (
      position >= this.#head - LINES &&
      this.#copies !== null &&
      range.kernel !== null &&
      range.kernel === this.#copies.kernel
    );
  }

  /** Whether the copy at `offset` is equal to the range from `start` on: always compared to the end. */
  equals(offset: number, length: number, range: ByteRange, start: number): boolean {
    return equalRanges(range, start, this.#copies!, offset, length);
  }

  /** Copies a credential and sets `position` and `offset`. False: not this one, or not now. */
  tryWrite(range: ByteRange, start: number, end: number): boolean {
    const length = end - start;
    if (range.kernel === null || length < COPIED_BYTES_MIN || length > COPIED_BYTES_MAX) {
      return false;
    }
    if (this.#untilCopied > 0) {
      this.#untilCopied -= 1;
      return false;
    }
    this.#untilCopied = COPIED_OF - 1;
    const copies = (this.#copies ??= new ByteRange(takeBytes(TOKEN_FRONT_BYTES)));
    if (copies.kernel !== range.kernel) return false;
    const lines = Math.ceil(length / LINE_BYTES);
    let line = this.#head % LINES;
    if (line + lines > LINES) {
      this.#head += LINES - line;
      line = 0;
    }
    this.position = this.#head;
    this.offset = line * LINE_BYTES;
    this.#head += lines;
    copyRange(range, start, end, copies, this.offset);
    return true;
  }
}

/** The thread's. */
export const tokenFront: TokenFront = new TokenFront();
