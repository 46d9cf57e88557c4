import { ByteRange } from '../../shared/byte-words.ts';
import { giveBytes } from '../../shared/kernel/byte-kernel.ts';
import { takeBuffer } from '../../src/transport/kernel-buffer.ts';

/** Room for the usual request, so that the first one is rarely too small for the next. */
const BYTES_MIN = 2048;
/** A buffer that serves many requests is kept up to this size. */
const BYTES_KEPT = 8 * 1024;

/**
 * A request as it is sent, head and body, kept for a second sending. A call that serves many clients keeps
 * its memory: scratch of the thread for the usual sizes, so that the kernel can copy into it. There is not
 * much of that, so whoever gives up such a call says so (`release`).
 */
export class RequestBuffer {
  readonly #isLasting: boolean;
  range: ByteRange = NONE;
  /** Where the body starts, and where it ends. */
  bodyAt = 0;
  end = 0;
  /** What the bytes begin with, if their writer left a note of that; null: anything. */
  headBlock: Buffer | null = null;

  /** @param isLasting serves many requests */
  constructor(isLasting: boolean) {
    this.#isLasting = isLasting;
  }

  get bytes(): Buffer {
    return this.range.bytes as Buffer;
  }

  /** Makes room for so many bytes, and gives the range of all there is. */
  reserve(bytes: number): ByteRange {
    if (this.bytes.length < bytes) {
      this.release();
      const isUsual = this.#isLasting && bytes <= BYTES_MIN;
      this.range = new ByteRange(isUsual ? takeBuffer(BYTES_MIN) : Buffer.allocUnsafeSlow(bytes));
    }
    return this.range;
  }

  /** Takes on a request that was written elsewhere and has no body. */
  set(request: Buffer): void {
    this.release();
    this.range = new ByteRange(request);
    this.bodyAt = request.length;
    this.end = request.length;
  }

  /** The request is over. A large buffer is let go. */
  recycle(): void {
    if (this.bytes.length > BYTES_KEPT) this.release();
  }

  /** Lets go of the memory. No socket may have it: scratch goes to others. */
  release(): void {
    if (this.bytes.length === BYTES_MIN) giveBytes(this.bytes);
    this.range = NONE;
    this.headBlock = null;
  }
}

const NONE = new ByteRange(Buffer.alloc(0));
