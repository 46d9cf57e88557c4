/**
 * A message made from another one: what changes is a short list of edits, the bytes between are copied.
 *
 * The list is kept in the order of the source. Edits never overlap; insertions at one place appear in
 * the order they were added. Nothing is copied before `write`, so the size is known exactly and `out`
 * is never overrun.
 */
import { assert } from '../../../shared/assert.ts';
import { ByteRanges, copyText, type ByteRange } from '../../../shared/byte-words.ts';
import { copyBytes } from './write.ts';

/** Edits in one message: six tokens, six cuts and three insertions are the most that is asked for. */
const EDITS_MAX = 24;

/** The buffer that sockets read into, the usual source of an answer, has this size. */
const KEPT_BYTES_MAX: number = 64 * 1024;

const COMMA = 0x2c;
const EMPTY = new Uint8Array(0);

export class Splice {
  readonly #starts = new Int32Array(EDITS_MAX);
  readonly #ends = new Int32Array(EDITS_MAX);
  readonly #texts: Uint8Array[] = new Array<Uint8Array>(EDITS_MAX).fill(EMPTY);
  /** The same, where it was given as a range; null: `#texts` has it. */
  readonly #ranges: (ByteRange | null)[] = new Array<ByteRange | null>(EDITS_MAX).fill(null);
  readonly #textStarts = new Int32Array(EDITS_MAX);
  readonly #textEnds = new Int32Array(EDITS_MAX);
  readonly #sources = new ByteRanges(KEPT_BYTES_MAX);
  readonly #targets = new ByteRanges();
  #count = 0;
  #grown = 0;

  /** Forgets all edits. */
  reset(): void {
    this.#count = 0;
    this.#grown = 0;
  }

  /** Bytes that `write` will write for `[start, end)` of the source. */
  size(start: number, end: number): number {
    return end - start + this.#grown;
  }

  /** Puts `text[textStart, textEnd)` in the place of `[start, end)`. */
  replace(start: number, end: number, text: Uint8Array, textStart: number, textEnd: number): void {
    const slot = this.#slotFor(start, end, textStart, textEnd);
    this.#texts[slot] = text;
    this.#ranges[slot] = null;
  }

  /** The same for a text that serves many messages, which is copied faster. */
  replaceByRange(
    start: number,
    end: number,
    text: ByteRange,
    textStart: number,
    textEnd: number,
  ): void {
    this.#ranges[this.#slotFor(start, end, textStart, textEnd)] = text;
  }

  #slotFor(start: number, end: number, textStart: number, textEnd: number): number {
    assert(this.#count < EDITS_MAX, 'an edit fits the list', this.#count);
    let slot = this.#count;
    while (slot > 0 && this.#starts[slot - 1]! > start) {
      this.#starts[slot] = this.#starts[slot - 1]!;
      this.#ends[slot] = this.#ends[slot - 1]!;
      this.#texts[slot] = this.#texts[slot - 1]!;
      this.#ranges[slot] = this.#ranges[slot - 1]!;
      this.#textStarts[slot] = this.#textStarts[slot - 1]!;
      this.#textEnds[slot] = this.#textEnds[slot - 1]!;
      slot -= 1;
    }
    this.#starts[slot] = start;
    this.#ends[slot] = end;
    this.#textStarts[slot] = textStart;
    this.#textEnds[slot] = textEnd;
    this.#count += 1;
    this.#grown += textEnd - textStart - (end - start);
    return slot;
  }

  insert(at: number, text: Uint8Array): void {
    this.replace(at, at, text, 0, text.length);
  }

  /**
   * Cuts one member out of an object together with one comma. Cut the members of one object from left
   * to right.
   *
   * @param key the opening quote of the member's key
   * @param valueEnd the index after its value
   */
  cutMember(bytes: Uint8Array, key: number, valueEnd: number): void {
    let before = key - 1;
    while (isSpace(bytes[before]!)) before -= 1;
    // A comma that an earlier cut took already leaves this member the first one again.
    if (bytes[before] === COMMA && !this.#isCut(before)) {
      this.replace(before, valueEnd, EMPTY, 0, 0);
      return;
    }
    let after = valueEnd;
    while (isSpace(bytes[after]!)) after += 1;
    this.replace(key, bytes[after] === COMMA ? after + 1 : valueEnd, EMPTY, 0, 0);
  }

  #isCut(at: number): boolean {
    for (let i = 0; i < this.#count; i += 1) {
      if (this.#starts[i]! <= at && at < this.#ends[i]!) return true;
    }
    return false;
  }

  /**
   * Writes `bytes[start, end)` with all edits to `out[at…]`, which has room for `size(start, end)`.
   *
   * @param to the range of all of `out`, where the caller has one
   * @returns the index after the last byte written
   */
  write(
    bytes: Uint8Array,
    start: number,
    end: number,
    out: Uint8Array,
    at: number,
    to: ByteRange = this.#targets.of(out),
  ): number {
    const source = this.#sources.of(bytes);
    let from = start;
    for (let i = 0; i < this.#count; i += 1) {
      at = copyText(source, from, this.#starts[i]!, to, at);
      const text = this.#ranges[i]!;
      const textStart = this.#textStarts[i]!;
      const textEnd = this.#textEnds[i]!;
      at =
        text === null
          ? copyBytes(this.#texts[i]!, textStart, textEnd, out, at)
          : copyText(text, textStart, textEnd, to, at);
      from = this.#ends[i]!;
    }
    return copyText(source, from, end, to, at);
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
