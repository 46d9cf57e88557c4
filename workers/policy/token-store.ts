/**
 * The bytes of remembered credentials, flat: 64 KiB chunks cut into places of one size each, so that a
 * few hundred credentials lie in a few pages and the lines of one follow each other, which is what a
 * processor fetches ahead. An object with a typed array for each would be four dependent loads to its
 * first byte, and some 400 bytes beside its own.
 *
 *      chunk of 512  ├ place ┤├ place ┤├ free ──┐├ place ┤├ free ◀┘ …
 *
 * Sizes are powers of two, so a credential takes at most twice its length (64 bytes at least). A place
 * that was given back serves the next credential of its size; chunks go when the whole store does.
 */
import { CREDENTIAL_BYTES_MAX } from './policy-limits.ts';

const CHUNK_BYTES: number = 64 * 1024;
/** Places are counted in lines, so that 31 bits reach as far as a million of the largest. */
const LINE_BITS = 6;
const CHUNK_LINES_BITS = 10;
const CHUNK_LINES_MASK: number = (1 << CHUNK_LINES_BITS) - 1;
const SIZES: number = Math.log2(CREDENTIAL_BYTES_MAX) - LINE_BITS + 1;
/** Ends a list of free places. */
const NONE = -1;

export class TokenStore {
  readonly #chunks: DataView[] = [];
  /** First free place of each size; a free place begins with the next one. */
  readonly #free = new Int32Array(SIZES).fill(NONE);

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.#chunks.length * CHUNK_BYTES;
  }

  /** @returns the place of the copy; `token` has CREDENTIAL_BYTES_MAX at most */
  add(token: Uint8Array): number {
    const size = sizeOf(token.length);
    if (this.#free[size] === NONE) this.#openChunk(size);
    const place = this.#free[size]!;
    const chunk = this.#chunks[place >> CHUNK_LINES_BITS]!;
    const at = offsetOf(place);
    this.#free[size] = chunk.getInt32(at, true);
    new Uint8Array(chunk.buffer).set(token, at);
    return place;
  }

  /** Gives back the place of a credential of that length. */
  remove(place: number, length: number): void {
    const size = sizeOf(length);
    this.#chunks[place >> CHUNK_LINES_BITS]!.setInt32(offsetOf(place), this.#free[size]!, true);
    this.#free[size] = place;
  }

  /**
   * Whether the credential at `place`, `length` bytes long, is equal to the view from `start` on. Always
   * to the end: how much was equal cannot be told by the time.
   */
  equals(place: number, length: number, view: DataView, start: number): boolean {
    const chunk = this.#chunks[place >> CHUNK_LINES_BITS]!;
    let at = offsetOf(place);
    const last = at + length - 4;
    const shift = start - at;
    let difference = 0;
    if (length < 4) {
      for (const end = at + length; at < end; at += 1) {
        difference |= chunk.getUint8(at) ^ view.getUint8(at + shift);
      }
      return difference === 0;
    }
    // Four at a time: the loop itself costs as much as a word.
    for (; at <= last - 12; at += 16) {
      difference |=
        (chunk.getInt32(at, true) ^ view.getInt32(at + shift, true)) |
        (chunk.getInt32(at + 4, true) ^ view.getInt32(at + shift + 4, true)) |
        (chunk.getInt32(at + 8, true) ^ view.getInt32(at + shift + 8, true)) |
        (chunk.getInt32(at + 12, true) ^ view.getInt32(at + shift + 12, true));
    }
    for (; at < last; at += 4) {
      difference |= chunk.getInt32(at, true) ^ view.getInt32(at + shift, true);
    }
    // The last word overlaps the one before it, so that no byte is left over.
    difference |= chunk.getInt32(last, true) ^ view.getInt32(last + shift, true);
    return difference === 0;
  }

  #openChunk(size: number): void {
    const chunk = new DataView(new ArrayBuffer(CHUNK_BYTES));
    const first = this.#chunks.length << CHUNK_LINES_BITS;
    const lines = 1 << size;
    this.#chunks.push(chunk);
    // Backwards, so that the places are taken in the order of their addresses.
    for (let line = CHUNK_LINES_MASK + 1 - lines; line >= 0; line -= lines) {
      chunk.setInt32(line << LINE_BITS, this.#free[size]!, true);
      this.#free[size] = first + line;
    }
  }
}

function offsetOf(place: number): number {
  return (place & CHUNK_LINES_MASK) << LINE_BITS;
}

/** Places of size `n` have 2^n lines. */
function sizeOf(length: number): number {
  return length <= 1 << LINE_BITS ? 0 : 32 - Math.clz32(length - 1) - LINE_BITS;
}
