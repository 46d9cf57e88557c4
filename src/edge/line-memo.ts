/**
 * Header lines as they were read before: a client sends most of its lines unchanged with every request.
 * A line that is equal to a remembered one in every byte, its line end included, says the same, so that
 * it is compared in long steps and not read byte by byte.
 *
 * - Lines of all connections share one table. What a line means depends on nothing but its bytes, so
 *   nobody is answered by what another one sent, and whoever fills the table with lines of his own costs
 *   the others time alone: theirs are read anew. Lines with secrets stay out of it (`field-kind.ts`).
 * - A place follows from eight bytes of the line; two lines at one place take turns.
 */
import { ByteRange, copyRange, equalRanges } from '../../shared/byte-words.ts';
import { takeBytes } from '../../shared/kernel/byte-kernel.ts';

const PLACES_BITS = 9;
const PLACES = 1 << PLACES_BITS;
/** Longer lines are read each time. */
const LINE_BYTES_MAX = 124;
const LINE_BYTES_MIN = 8;
const STRIDE = 128;
/** The second word that a place is made of: mostly the first letters of the value. */
const SECOND_WORD = 16;

export class LineMemo {
  /** Of the line that `match` found, relative to its start. */
  kind = 0;
  nameEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  readonly #lines = new ByteRange(takeBytes(PLACES * STRIDE));
  readonly #lengths = new Uint8Array(PLACES);
  readonly #kinds = new Uint8Array(PLACES);
  readonly #nameEnds = new Uint8Array(PLACES);
  readonly #valueStarts = new Uint8Array(PLACES);
  readonly #valueEnds = new Uint8Array(PLACES);

  /**
   * @param range in which the line starts at `at`
   * @param end where those bytes end that may be read as the line
   * @returns the line's length with its line end, or 0: not known
   */
  match(range: ByteRange, at: number, end: number): number {
    if (at + SECOND_WORD + 4 > end) return 0;
    const place = placeOf(range.view, at);
    const length = this.#lengths[place]!;
    if (length === 0 || length > end - at) return 0;
    if (!equalRanges(range, at, this.#lines, place * STRIDE, length)) return 0;
    this.kind = this.#kinds[place]!;
    this.nameEnd = this.#nameEnds[place]!;
    this.valueStart = this.#valueStarts[place]!;
    this.valueEnd = this.#valueEnds[place]!;
    return length;
  }

  /** Remembers a well-formed line, `range[at, at + length)`; the offsets are relative to its start. */
  note(
    range: ByteRange,
    at: number,
    length: number,
    kind: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    if (length < LINE_BYTES_MIN || length > LINE_BYTES_MAX) return;
    if (at + SECOND_WORD + 4 > range.bytes.length) return;
    const place = placeOf(range.view, at);
    copyRange(range, at, at + length, this.#lines, place * STRIDE);
    this.#lengths[place] = length;
    this.#kinds[place] = kind;
    this.#nameEnds[place] = nameEnd;
    this.#valueStarts[place] = valueStart;
    this.#valueEnds[place] = valueEnd;
  }
}

function placeOf(view: DataView, at: number): number {
  const mixed =
    view.getInt32(at, true) ^ Math.imul(view.getInt32(at + SECOND_WORD, true), 0x9e37_79b1);
  return Math.imul(mixed, 0x85eb_ca6b) >>> (32 - PLACES_BITS);
}
