/**
 * The reading end of a ring. One thread only. It reads what lies between `head` and `tail`; frames
 * are handed out in place and their memory goes back to the writer when `head` is stored, which is
 * after the handler returned. Lengths are checked before they are used: a frame that breaks the
 * layout is a bug and fails an assertion, it never leads the reader astray.
 */
import { assert } from './assert.ts';
import {
  FRAME_AUX_WORD,
  FRAME_BYTES_WORD,
  FRAME_EXCHANGE_WORD,
  FRAME_HEADER_BYTES,
  FRAME_KIND_WORD,
  frameFootprint,
} from './frame-descriptor.ts';
import { FRAME_PAD } from './frame-kind.ts';
import {
  FRAMES_OFFSET,
  HEAD_OFFSET,
  STARVED_OFFSET,
  TAIL_OFFSET,
  WANTED_OFFSET,
  assertCapacity,
  assertPositions,
} from './ring-descriptor.ts';

const TAIL_WORD: number = TAIL_OFFSET >> 2;
const HEAD_WORD: number = HEAD_OFFSET >> 2;
const STARVED_WORD: number = STARVED_OFFSET >> 2;
const WANTED_WORD: number = WANTED_OFFSET >> 2;
const FRAMES_WORD: number = FRAMES_OFFSET >> 2;

/** Room is given back at least this often within one `read`, so that a writer need not wait for its end. */
const PUBLISH_BYTES: number = 64 * 1024;

export interface FrameHandler {
  /**
   * Takes one frame; its payload is `bytes[start, end)`, valid only during the call. `bytes` is the
   * same object in every call of a reader. `exchange` and `aux` are signed 32-bit integers.
   */
  onFrame(
    kind: number,
    flags: number,
    exchange: number,
    aux: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void;
}

export class RingReader {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #capacity: number;
  readonly #mask: number;
  #head: number;
  /** Copy of the writer's tail. */
  #tail: number;
  /** The head that the writer knows. */
  #published: number;
  #reading: boolean;

  /**
   * Goes on where the ring's last reader had published.
   *
   * @param byteOffset where the ring starts, a multiple of 8
   * @param capacity bytes of the frames area, a power of two
   * @param bytes a view over exactly the frames area, to be handed to handlers (a shard passes a
   *   `Buffer`); left out, a `Uint8Array`
   */
  constructor(region: SharedArrayBuffer, byteOffset: number, capacity: number, bytes?: Uint8Array) {
    assertCapacity(capacity);
    const framesOffset = byteOffset + FRAMES_OFFSET;
    this.#bytes = bytes ?? new Uint8Array(region, framesOffset, capacity);
    assert(
      this.#bytes.buffer === region &&
        this.#bytes.byteOffset === framesOffset &&
        this.#bytes.length === capacity,
      'the view covers the frames area',
    );
    this.#words = new Int32Array(region, byteOffset, FRAMES_WORD + (capacity >> 2));
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    this.#head = Atomics.load(this.#words, HEAD_WORD);
    this.#tail = Atomics.load(this.#words, TAIL_WORD);
    this.#published = this.#head;
    this.#reading = false;
    assertPositions(this.#tail, this.#head, capacity);
  }

  /** Whether nothing is left to read; looks up the writer's tail if need be. */
  isEmpty(): boolean {
    return this.#head === this.#tail && !this.#refreshTail();
  }

  /**
   * Hands at most `maxFrames` frames to the handler, in order and in place. Gives room back at the
   * end, and every 64 KiB. Returns the number of frames read. If the handler throws, the frame
   * counts as read and the error goes on to the caller. A handler does not read its own ring.
   */
  read(handler: FrameHandler, maxFrames: number): number {
    assert(!this.#reading, 'a handler does not read its own ring');
    if (this.#head === this.#tail && !this.#refreshTail()) return 0;
    const words = this.#words;
    let frames = 0;
    this.#reading = true;
    try {
      while (frames < maxFrames && (this.#head !== this.#tail || this.#refreshTail())) {
        const position = this.#head & this.#mask;
        const word = FRAMES_WORD + (position >> 2);
        const bytes = words[word + FRAME_BYTES_WORD]!;
        const kindAndFlags = words[word + FRAME_KIND_WORD]!;
        this.#head = (this.#head + this.#checkedFootprint(position, bytes)) | 0;
        if ((kindAndFlags & 0xff) === FRAME_PAD) continue;
        frames += 1;
        handler.onFrame(
          kindAndFlags & 0xff,
          (kindAndFlags >> 8) & 0xff,
          words[word + FRAME_EXCHANGE_WORD]!,
          words[word + FRAME_AUX_WORD]!,
          this.#bytes,
          position + FRAME_HEADER_BYTES,
          position + bytes,
        );
        if (((this.#head - this.#published) | 0) >= PUBLISH_BYTES) this.#publish();
      }
    } finally {
      this.#reading = false;
      if (this.#head !== this.#published) this.#publish();
    }
    return frames;
  }

  /**
   * True once after a writer found the ring full and the room it asked for has been made: the caller
   * then rings the writer's doorbell. Call it after every `read` that returned more than 0.
   */
  takeStarved(): boolean {
    if (Atomics.load(this.#words, STARVED_WORD) === 0) return false;
    const wanted = Atomics.load(this.#words, WANTED_WORD);
    if (((this.#published - wanted) | 0) < 0) return false;
    // The writer may state its next wish between the two looks above and this store. That wish is
    // dropped here, but the doorbell that follows makes the writer try and ask again.
    Atomics.store(this.#words, STARVED_WORD, 0);
    return true;
  }

  /**
   * Drops all that is in the ring, unread: the first act of a thread that takes the place of one that
   * died, because those frames were meant for its predecessor. Returns the number of bytes dropped.
   * The writer may be at work meanwhile.
   */
  discard(): number {
    assert(!this.#reading, 'a handler does not discard its own ring');
    this.#refreshTail();
    const dropped = (this.#tail - this.#head) | 0;
    this.#head = this.#tail;
    this.#publish();
    return dropped;
  }

  /** Bytes committed and not read yet, headers included. */
  get usedBytes(): number {
    this.#refreshTail();
    return (this.#tail - this.#head) | 0;
  }

  /** Looks up the writer's tail. Returns whether there is something to read. */
  #refreshTail(): boolean {
    this.#tail = Atomics.load(this.#words, TAIL_WORD);
    assertPositions(this.#tail, this.#head, this.#capacity);
    return this.#head !== this.#tail;
  }

  /** The footprint of the frame of `bytes` at `position`, if such a frame can lie there. */
  #checkedFootprint(position: number, bytes: number): number {
    assert(
      bytes >= FRAME_HEADER_BYTES && bytes <= this.#capacity,
      'frame length is in bounds',
      bytes,
    );
    const footprint = frameFootprint(bytes);
    assert(
      position + footprint <= this.#capacity && footprint <= ((this.#tail - this.#head) | 0),
      'frame ends before the end of the ring and before its tail',
      bytes,
    );
    return footprint;
  }

  #publish(): void {
    this.#published = this.#head;
    Atomics.store(this.#words, HEAD_WORD, this.#head);
  }
}
