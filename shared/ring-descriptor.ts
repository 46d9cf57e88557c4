/**
 * Memory layout of one ring: one writer on one thread, one reader on another.
 *
 *      0             128           256                  384                      384 + capacity
 *      +-------------+-------------+--------------------+------------------------+
 *      |    tail     |    head     |  starved | wanted  |         frames         |
 *      +-------------+-------------+--------------------+------------------------+
 *       writer's      reader's      writer sets,         writer fills, reader empties
 *                                   reader clears
 *
 * Each group has two cache lines to itself: no store by one thread evicts a line the other is
 * reading, and prefetchers fetch lines in pairs. `tail` and `head` count bytes and are never reset
 * while the ring is in use. They wrap at 2^32, so compare them only by difference: `(tail - head) | 0`
 * bytes are in use. Storing `tail` commits a frame, so a writer that dies leaves whole frames only.
 *
 * `starved` is 1 from the moment a writer found no room until the reader has moved `head` to
 * `wanted`, where the refused frame fits.
 */
import { assert } from './assert.ts';
import { FRAME_ALIGN_BYTES } from './frame-descriptor.ts';

/** Two cache lines: the unit in which anything that two threads touch is kept apart. */
export const WORD_SLOT_BYTES = 128;

export const TAIL_OFFSET = 0;
export const HEAD_OFFSET: number = TAIL_OFFSET + WORD_SLOT_BYTES;
export const STARVED_OFFSET: number = HEAD_OFFSET + WORD_SLOT_BYTES;
export const WANTED_OFFSET: number = STARVED_OFFSET + 4;
export const FRAMES_OFFSET: number = STARVED_OFFSET + WORD_SLOT_BYTES;

/** Smaller rings hold no two frames; larger ones would make byte counts leave the 32-bit integers. */
const CAPACITY_BYTES_MIN = 64;
const CAPACITY_BYTES_MAX: number = 1 << 30;

/** Bytes of a whole ring: control words and `capacity` bytes of frames. */
export function ringBytes(capacity: number): number {
  assertCapacity(capacity);
  return FRAMES_OFFSET + capacity;
}

/** Fails unless `capacity` is a power of two within bounds: positions are found by masking. */
export function assertCapacity(capacity: number): void {
  assert(
    capacity >= CAPACITY_BYTES_MIN &&
      capacity <= CAPACITY_BYTES_MAX &&
      (capacity & (capacity - 1)) === 0,
    'ring capacity is a power of two within bounds',
    capacity,
  );
}

/** Fails when a position does not lie on a frame boundary or the two are further apart than the ring. */
export function assertPositions(tail: number, head: number, capacity: number): void {
  const used = (tail - head) | 0;
  assert((tail & (FRAME_ALIGN_BYTES - 1)) === 0, 'ring tail is aligned', tail);
  assert((head & (FRAME_ALIGN_BYTES - 1)) === 0, 'ring head is aligned', head);
  assert(used >= 0 && used <= capacity, 'ring tail is at most one ring ahead of its head', used);
}

/**
 * Empties a ring. Only for the supervisor, and only while neither end exists: an end that lives on
 * remembers positions that are then wrong. A ring of which one end lives on needs no reset: a new
 * writer goes on at the committed tail, a new reader calls `RingReader.discard()`.
 */
export function resetRing(region: SharedArrayBuffer, byteOffset: number): void {
  const words = new Int32Array(region, byteOffset, FRAMES_OFFSET >> 2);
  for (let index = 0; index < words.length; index += 1) Atomics.store(words, index, 0);
}
