/**
 * The writing end of a ring. One thread only. What it writes lies beyond `tail`, where the reader
 * never looks, until `commit` stores `tail`; that store is what makes the payload visible, so the
 * payload itself is plain memory.
 *
 *      head (copy, old at worst)           tail          tail + skip + footprint
 *      |                                   |             |
 *   ---+===================================+-------------+-----------  (positions, modulo capacity)
 *       frames not read yet                 open claim    free
 */
import { assert } from './assert.ts';
import { copyLarge } from './byte-words.ts';
import {
  FRAME_AUX_WORD,
  FRAME_BYTES_WORD,
  FRAME_EXCHANGE_WORD,
  FRAME_HEADER_BYTES,
  FRAME_KIND_WORD,
  frameFootprint,
} from './frame-descriptor.ts';
import { FRAME_PAD } from './frame-kind.ts';
import { kernelOf, type ByteKernel } from './kernel/byte-kernel.ts';
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

export class RingWriter {
  /** The frames area: a claim's payload is written here, at the index that `tryClaim` returned. */
  readonly bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #kernel: ByteKernel | null;
  readonly #tailAddress: number;
  readonly #capacity: number;
  readonly #mask: number;
  #tail: number;
  /** Copy of the reader's head. The reader only moves forward, so an old copy errs to the safe side. */
  #head: number;
  /** Bytes that `commit` will publish, pad included. 0 while no claim is open. */
  #claimed: number;

  /**
   * Goes on where the ring's last writer stopped.
   *
   * @param byteOffset where the ring starts, a multiple of 8
   * @param capacity bytes of the frames area, a power of two
   */
  constructor(region: SharedArrayBuffer, byteOffset: number, capacity: number) {
    assertCapacity(capacity);
    this.bytes = new Uint8Array(region, byteOffset + FRAMES_OFFSET, capacity);
    this.#words = new Int32Array(region, byteOffset, FRAMES_WORD + (capacity >> 2));
    this.#kernel = kernelOf(region);
    this.#tailAddress = byteOffset + TAIL_OFFSET;
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    this.#tail = Atomics.load(this.#words, TAIL_WORD);
    this.#head = Atomics.load(this.#words, HEAD_WORD);
    this.#claimed = 0;
    assertPositions(this.#tail, this.#head, capacity);
  }

  /**
   * Reserves a frame and writes its header. Returns the index in `bytes` where the payload goes, or
   * -1 when there is no room: then nothing changed, except that the reader will ring back
   * (`isStarved`). One claim is open at a time; `commit` or `abandon` ends it. A frame takes at most
   * half the ring, header included.
   */
  tryClaim(
    kind: number,
    flags: number,
    exchange: number,
    aux: number,
    payloadBytes: number,
  ): number {
    const bytes = FRAME_HEADER_BYTES + payloadBytes;
    const footprint = frameFootprint(bytes);
    assert(this.#claimed === 0, 'one claim is open at a time', this.#claimed);
    assert(
      payloadBytes >= 0 && footprint * 2 <= this.#capacity,
      'frame fits twice in the ring',
      bytes,
    );

    // A frame never straddles the end. If it does not fit before it, a pad frame fills the rest.
    const position = this.#tail & this.#mask;
    const toEnd = this.#capacity - position;
    const skip = footprint <= toEnd ? 0 : toEnd;
    if (!this.#hasRoom(skip + footprint)) return -1;

    const words = this.#words;
    let word = FRAMES_WORD + (position >> 2);
    if (skip > 0) {
      words[word + FRAME_BYTES_WORD] = skip;
      words[word + FRAME_KIND_WORD] = FRAME_PAD;
      words[word + FRAME_EXCHANGE_WORD] = 0;
      words[word + FRAME_AUX_WORD] = 0;
      word = FRAMES_WORD;
    }
    words[word + FRAME_BYTES_WORD] = bytes;
    words[word + FRAME_KIND_WORD] = (kind & 0xff) | ((flags & 0xff) << 8);
    words[word + FRAME_EXCHANGE_WORD] = exchange;
    words[word + FRAME_AUX_WORD] = aux;
    this.#claimed = skip + footprint;
    return ((word - FRAMES_WORD) << 2) + FRAME_HEADER_BYTES;
  }

  /** Publishes the claimed frame. */
  commit(): void {
    assert(this.#claimed > 0, 'a claim is open');
    this.#tail = (this.#tail + this.#claimed) | 0;
    this.#claimed = 0;
    // All written above becomes visible.
    if (this.#kernel === null) Atomics.store(this.#words, TAIL_WORD, this.#tail);
    else this.#kernel.publish(this.#tailAddress, this.#tail);
  }

  /** Gives the claimed frame back unpublished. */
  abandon(): void {
    assert(this.#claimed > 0, 'a claim is open');
    this.#claimed = 0;
  }

  /** Writes one frame with `payload[start, end)`. False, and nothing written, while there is no room. */
  tryWrite(
    kind: number,
    flags: number,
    exchange: number,
    aux: number,
    payload: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const at = this.tryClaim(kind, flags, exchange, aux, end - start);
    if (at < 0) return false;
    copyBytes(payload, start, end, this.bytes, at);
    this.commit();
    return true;
  }

  /**
   * Payload bytes that the next claim gets for certain; less than 0 means not even an empty frame.
   * Looks up the reader's head unless the copy promises the largest frame already.
   */
  get freeBytes(): number {
    const most = (this.#capacity >> 1) - FRAME_HEADER_BYTES;
    const known = this.#freeBytes();
    if (known >= most) return most;
    this.#refreshHead();
    return Math.min(this.#freeBytes(), most);
  }

  /**
   * True from a refused claim until the reader made room for it. A thread that holds frames back for
   * this ring looks here before it parks: the reader's doorbell comes after this turned false.
   */
  get isStarved(): boolean {
    return Atomics.load(this.#words, STARVED_WORD) !== 0;
  }

  #freeBytes(): number {
    const free = this.#capacity - ((this.#tail - this.#head) | 0);
    const toEnd = this.#capacity - (this.#tail & this.#mask);
    const unbroken = free <= toEnd ? free : Math.max(toEnd, free - toEnd);
    return unbroken - FRAME_HEADER_BYTES;
  }

  #hasRoom(bytes: number): boolean {
    if (bytes <= this.#capacity - ((this.#tail - this.#head) | 0)) return true;
    this.#refreshHead();
    if (bytes <= this.#capacity - ((this.#tail - this.#head) | 0)) return true;
    // The reader stores head, then looks at `starved`; here it is the other way round. So either it
    // sees the wish, or the second look at head sees the room it made.
    Atomics.store(this.#words, WANTED_WORD, (this.#tail + bytes - this.#capacity) | 0);
    Atomics.store(this.#words, STARVED_WORD, 1);
    this.#refreshHead();
    return bytes <= this.#capacity - ((this.#tail - this.#head) | 0);
  }

  #refreshHead(): void {
    this.#head = Atomics.load(this.#words, HEAD_WORD);
    assertPositions(this.#tail, this.#head, this.#capacity);
  }
}

/** Below this a loop beats a block copy, which needs an object per call. */
const LOOP_BYTES_MAX = 48;

/** Copies `from[start, end)` to `to` at `at`. */
function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  const length = end - start;
  if (length <= LOOP_BYTES_MAX) {
    for (let index = 0; index < length; index += 1) to[at + index] = from[start + index]!;
    return;
  }
  copyLarge(from, start, end, to, at);
}
