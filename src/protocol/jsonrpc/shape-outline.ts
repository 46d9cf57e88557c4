/**
 * A shape in words, as the byte kernel reads it (`shared/kernel/assembly/shapes.ts` has a picture). The
 * words stand before the message that was learned from, in scratch.
 */
import type { ByteRange } from '../../../shared/byte-words.ts';
import { PEEK_WORDS, type Peek } from './peek-record.ts';
import { FILLED_MAX, SEGMENTS_MAX, type FilledFields } from './shape-fields.ts';

/** What `fits` answers besides SHAPE_FITS and the like: JavaScript has to look. */
export const OUTLINE_ASKS = -2;

/** Kinds of slots, of which the kernel knows no more than this. */
export const OUTLINE_TOKEN = 1;
export const OUTLINE_PLAIN = 2;
export const OUTLINE_TEXT = 3;
export const OUTLINE_VALUE = 4;

const ORIGIN = 0;
const SLOTS = 1;
const FIELDS = 2;
const RECORD_BYTES = 3;
const MOVED = 4;
const SEGMENTS: number = MOVED + SEGMENTS_MAX + 1;
const SEGMENT_WORDS = 4;
const ENTRIES: number = SEGMENTS + SEGMENTS_MAX * SEGMENT_WORDS;
const TEMPLATE: number = ENTRIES + FILLED_MAX;
const WORDS: number = TEMPLATE + PEEK_WORDS;

/** Room for the words, and so much more that what follows is aligned as they are. */
export const OUTLINE_BYTES: number = Math.ceil((WORDS * 4) / 64) * 64;

export interface OutlineSlot {
  readonly kind: number;
  /** Of what it may hold; more is for JavaScript. */
  readonly bytesMax: number;
}

export interface OutlinedShape {
  /** Where in its place the message would stand had it begun at 0. */
  readonly origin: number;
  /** Of the literals. */
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  readonly slots: readonly OutlineSlot[];
  readonly fields: FilledFields;
}

export class ShapeOutline {
  readonly #place: ByteRange;
  readonly #address: number;

  private constructor(place: ByteRange, words: Int32Array) {
    this.#place = place;
    this.#address = words.byteOffset;
  }

  /**
   * Null where no kernel works on the place.
   *
   * @param at where in it the words go
   */
  static of(place: ByteRange, at: number, shape: OutlinedShape): ShapeOutline | null {
    if (place.kernel === null) return null;
    const { starts, lengths, slots, fields } = shape;
    const words = new Int32Array(place.bytes.buffer, place.address + at, WORDS);
    words.fill(0);
    words[ORIGIN] = place.address + shape.origin;
    words[SLOTS] = slots.length;
    starts.forEach((start, index) => {
      const slot = slots[index];
      const segment = [start, lengths[index]!, slot?.kind ?? 0, slot?.bytesMax ?? 0];
      words.set(segment, SEGMENTS + index * SEGMENT_WORDS);
    });
    words[FIELDS] = fields.words.length;
    words[RECORD_BYTES] = PEEK_WORDS * 4;
    fields.words.forEach((word, index) => {
      words[ENTRIES + index] = (word * 4) | ((fields.segments[index]! * 4) << 16);
    });
    words.set(fields.template, TEMPLATE);
    return new ShapeOutline(place, words);
  }

  /** As `MessageShape.fill`, or OUTLINE_ASKS. */
  fill(range: ByteRange, start: number, end: number, out: Peek): number {
    const { kernel, address } = range;
    // The kernel checks nothing by itself.
    if (kernel === null || kernel !== this.#place.kernel || kernel !== out.kernel)
      return OUTLINE_ASKS;
    if (start < 0 || end > range.bytes.length) return OUTLINE_ASKS;
    return kernel.fitMessage(this.#address, address, address + start, address + end, out.address);
  }
}
