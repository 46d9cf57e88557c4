/**
 * `peek` for messages that look like those before. Clients write the same members in the same order
 * each time, and so do servers: what differs is the id, the name and a few values. The last shapes are
 * kept, and a message that fits one of them (see `message-shape.ts`) is compared rather than parsed.
 *
 * Nothing here grows by what peers send: SHAPES_MAX shapes at most, each of SHAPED_BYTES_MAX at most. A
 * peer that sends ever new ones makes others wait for a parse, as if there were no memory. A message that
 * fits none has been compared with all, but its values were scanned LATE_MAX times at most.
 */
import { ByteRange, ByteRanges } from '../../../shared/byte-words.ts';
import { giveBytes, takeBytes } from '../../../shared/kernel/byte-kernel.ts';
import {
  MessageShape,
  SHAPE_DIFFERS_LATE,
  SHAPE_FITS,
  SHAPE_OVERHEAD_BYTES,
} from './message-shape.ts';
import type { Peek } from './peek-record.ts';
import { peek } from './peek.ts';
import { scan } from './token.ts';
import { PEEK_OK } from './verdict.ts';

const SHAPES_MAX = 8;
const PLACES: number = SHAPES_MAX + 1;
/** Larger messages are mostly one large value, which has to be scanned in any case. */
const SHAPED_BYTES_MAX = 4096;
const PLACE_BYTES: number = SHAPE_OVERHEAD_BYTES + SHAPED_BYTES_MAX;
/** Shapes that turn out not to be a message's only after a value of it was scanned. */
const LATE_MAX = 2;
/** Once there are SHAPES_MAX, only one in so many messages that fit none is learned. */
const LEARNED_OF = 16;
/** The buffer that sockets read into has this size; a view of one that is no larger is kept. */
const VIEWED_BYTES_MAX: number = 64 * 1024;

export class PeekMemo {
  readonly #shapes: MessageShape[] = [];
  readonly #isBusy: boolean;
  /** Of a busy one: a message for each shape to compare others with, and room for one that is looked at. */
  #places: ByteRange | null = null;
  readonly #placeOf: number[] = [];
  #freePlace = 0;
  readonly #ranges = new ByteRanges(VIEWED_BYTES_MAX);
  /** Index of the shape that fitted last. */
  #latest = 0;
  #hand = 0;
  #untilLearned = 0;

  /** @param isBusy it reads most of what its thread reads: then it takes scratch, for the kernel's sake */
  constructor(isBusy = false) {
    this.#isBusy = isBusy;
  }

  /** As `peek`: the same verdict and the same record. */
  peek(bytes: Uint8Array, start: number, end: number, out: Peek): number {
    const isSmall = end - start <= SHAPED_BYTES_MAX;
    if (isSmall && this.#shapes.length > 0 && this.#fill(bytes, start, end, out)) return PEEK_OK;
    const verdict = peek(bytes, start, end, out);
    if (isSmall && verdict === PEEK_OK) this.#learn(bytes, start, end, out);
    return verdict;
  }

  /** Forgets all, and gives its memory back. */
  close(): void {
    this.#shapes.length = 0;
    this.#placeOf.length = 0;
    if (this.#places !== null) giveBytes(this.#places.bytes);
    this.#places = null;
    this.#freePlace = 0;
    this.#latest = 0;
    this.#hand = 0;
  }

  #fill(bytes: Uint8Array, start: number, end: number, out: Peek): boolean {
    const shapes = this.#shapes;
    const count = shapes.length;
    const range = this.#ranges.of(bytes);
    if (range.kernel !== null) scan.range = range;
    let index = this.#latest;
    let late = 0;
    for (let tries = 0; tries < count && late < LATE_MAX; tries += 1) {
      const shape = shapes[index]!;
      const outcome = shape.fill(range, start, end, out);
      if (outcome === SHAPE_FITS) {
        shape.wasUsed = true;
        this.#latest = index;
        return true;
      }
      if (outcome === SHAPE_DIFFERS_LATE) late += 1;
      index = index + 1 === count ? 0 : index + 1;
    }
    return false;
  }

  #learn(bytes: Uint8Array, start: number, end: number, record: Peek): void {
    if (this.#untilLearned > 0) {
      this.#untilLearned -= 1;
      return;
    }
    const place = this.#freePlace;
    const range = this.#isBusy ? this.#scratch() : placeFor(end - start);
    const placeAt = this.#isBusy ? place * PLACE_BYTES : 0;
    const shape = MessageShape.of(bytes, start, end, record, range, placeAt);
    if (this.#shapes.length === SHAPES_MAX || shape === null) this.#untilLearned = LEARNED_OF - 1;
    if (shape === null) return;
    const index = this.#place();
    this.#freePlace = this.#placeOf[index] ?? place + 1;
    this.#placeOf[index] = place;
    this.#latest = index;
    this.#shapes[index] = shape;
  }

  #scratch(): ByteRange {
    return (this.#places ??= new ByteRange(takeBytes(PLACES * PLACE_BYTES)));
  }

  /** Index of a free entry, or that of a shape which was not met since the hand came by last. */
  #place(): number {
    const shapes = this.#shapes;
    if (shapes.length < SHAPES_MAX) return shapes.length;
    while (shapes[this.#hand]!.wasUsed) {
      shapes[this.#hand]!.wasUsed = false;
      this.#hand = (this.#hand + 1) % SHAPES_MAX;
    }
    return this.#hand;
  }
}

function placeFor(messageBytes: number): ByteRange {
  return new ByteRange(new Uint8Array(SHAPE_OVERHEAD_BYTES + messageBytes));
}
