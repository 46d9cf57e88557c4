/**
 * Cuts a byte stream into lines without gluing chunks together.
 *
 *      chunk 1                     chunk 2
 *      ┌──────────┬──────────┬────┐┌─────────┬─────────┐
 *      │ line A ⏎ │ line B ⏎ │ C… ││ …C ⏎    │ line D ⏎│
 *      └──────────┴──────────┴────┘└─────────┴─────────┘
 *       in place   in place   held  from held  in place
 *
 * Only a line that spans chunks is copied, into one buffer that doubles up to the bound. A line
 * longer than the bound is not kept: its first and last bytes are, because a JSON-RPC id stands at
 * one end of a message or at the other, and whoever waits for that id wants to hear of it.
 */
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** What is shown of either end of a line that was too long. A JSON-RPC id is at most 256 bytes. */
export const LINE_EDGE_BYTES: number = 4 * 1024;

/** The first size of the buffer for a split line: pipes deliver at most 64 KiB at a time. */
const HELD_BYTES_FIRST: number = 16 * 1024;
/** A larger buffer is given back after its line: one large result must not stay for good. */
const HELD_BYTES_KEPT: number = 256 * 1024;

const NO_BYTES: Buffer = Buffer.alloc(0);

export interface LineListener {
  /** One line without its line break; empty lines are not reported. Valid during the call only. */
  onLine(bytes: Buffer, start: number, end: number): void;
  /** A line over the bound was thrown away. Its two ends may overlap; valid during the call only. */
  onOversizedLine(head: Buffer, tail: Buffer): void;
}

export class LineSplitter {
  readonly #listener: LineListener;
  readonly #lineBytesMax: number;
  #held: Buffer;
  #heldBytes: number;
  #isOversized: boolean;
  #isClosed: boolean;
  #head: Buffer;
  #tail: Buffer;
  #tailBytes: number;

  /** @param lineBytesMax bytes of the longest line that is passed on, line break not counted */
  constructor(lineBytesMax: number, listener: LineListener) {
    this.#listener = listener;
    this.#lineBytesMax = lineBytesMax;
    this.#held = NO_BYTES;
    this.#heldBytes = 0;
    this.#isOversized = false;
    this.#isClosed = false;
    this.#head = NO_BYTES;
    this.#tail = NO_BYTES;
    this.#tailBytes = 0;
  }

  /** Bytes of an unfinished line that are held. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  push(chunk: Buffer): void {
    let from = 0;
    while (!this.#isClosed) {
      const at = chunk.indexOf(LINE_FEED, from);
      if (at === -1) {
        if (from < chunk.length) this.#hold(chunk, from, chunk.length);
        return;
      }
      if (this.#isOversized) this.#endOversized(chunk, from, at);
      else if (this.#heldBytes > 0) this.#endHeld(chunk, from, at);
      else this.#report(chunk, from, at);
      from = at + 1;
    }
  }

  /** Nothing is reported any more, also not from a chunk that is being cut right now. */
  close(): void {
    this.#isClosed = true;
    this.#release();
  }

  #report(bytes: Buffer, start: number, lineFeed: number): void {
    const end =
      lineFeed > start && bytes[lineFeed - 1] === CARRIAGE_RETURN ? lineFeed - 1 : lineFeed;
    if (end === start) return;
    if (end - start <= this.#lineBytesMax) {
      this.#listener.onLine(bytes, start, end);
    } else {
      this.#listener.onOversizedLine(
        bytes.subarray(start, start + LINE_EDGE_BYTES),
        bytes.subarray(Math.max(start, end - LINE_EDGE_BYTES), end),
      );
    }
  }

  /** Keeps the beginning of a line. One byte over the bound is kept too: it may be a `\r`. */
  #hold(chunk: Buffer, start: number, end: number): void {
    const bytes = this.#heldBytes + end - start;
    if (this.#isOversized) {
      this.#keepTail(chunk, start, end);
    } else if (bytes > this.#lineBytesMax + 1) {
      this.#becomeOversized(chunk, start, end);
    } else {
      this.#append(chunk, start, end);
    }
  }

  #append(chunk: Buffer, start: number, end: number): void {
    const bytes = this.#heldBytes + end - start;
    if (bytes > this.#held.length) {
      let capacity = Math.max(this.#held.length * 2, HELD_BYTES_FIRST);
      while (capacity < bytes) capacity *= 2;
      const grown = Buffer.allocUnsafeSlow(
        Math.min(capacity, Math.max(this.#lineBytesMax + 1, bytes)),
      );
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#heldBytes, start, end);
    this.#heldBytes = bytes;
  }

  #endHeld(chunk: Buffer, start: number, lineFeed: number): void {
    if (this.#heldBytes + lineFeed - start > this.#lineBytesMax + 1) {
      this.#becomeOversized(chunk, start, lineFeed);
      this.#endOversized(chunk, lineFeed, lineFeed);
      return;
    }
    this.#append(chunk, start, lineFeed);
    // The buffer is ours again before the listener runs, so that it may push or close.
    const held = this.#held;
    const heldBytes = this.#heldBytes;
    this.#heldBytes = 0;
    if (held.length > HELD_BYTES_KEPT) this.#held = NO_BYTES;
    this.#report(held, 0, heldBytes);
  }

  #becomeOversized(chunk: Buffer, start: number, end: number): void {
    this.#isOversized = true;
    this.#head = Buffer.allocUnsafeSlow(LINE_EDGE_BYTES);
    this.#tail = Buffer.allocUnsafeSlow(LINE_EDGE_BYTES);
    this.#tailBytes = 0;
    const fromHeld = this.#held.copy(this.#head, 0, 0, Math.min(this.#heldBytes, LINE_EDGE_BYTES));
    const fromChunk = chunk.copy(
      this.#head,
      fromHeld,
      start,
      Math.min(end, start + LINE_EDGE_BYTES - fromHeld),
    );
    this.#head = this.#head.subarray(0, fromHeld + fromChunk);
    this.#keepTail(this.#held, 0, this.#heldBytes);
    this.#keepTail(chunk, start, end);
    this.#held = NO_BYTES;
    this.#heldBytes = 0;
  }

  /** Moves the window of the last bytes on by `start` to `end`. */
  #keepTail(bytes: Buffer, start: number, end: number): void {
    const added = Math.min(end - start, LINE_EDGE_BYTES);
    const kept = Math.min(this.#tailBytes, LINE_EDGE_BYTES - added);
    this.#tail.copyWithin(0, this.#tailBytes - kept, this.#tailBytes);
    bytes.copy(this.#tail, kept, end - added, end);
    this.#tailBytes = kept + added;
  }

  #endOversized(chunk: Buffer, start: number, lineFeed: number): void {
    this.#keepTail(chunk, start, lineFeed);
    let end = this.#tailBytes;
    if (end > 0 && this.#tail[end - 1] === CARRIAGE_RETURN) end -= 1;
    const head = this.#head;
    const tail = this.#tail.subarray(0, end);
    this.#release();
    this.#listener.onOversizedLine(head, tail);
  }

  #release(): void {
    this.#held = NO_BYTES;
    this.#heldBytes = 0;
    this.#isOversized = false;
    this.#head = NO_BYTES;
    this.#tail = NO_BYTES;
    this.#tailBytes = 0;
  }
}
