/**
 * What the messages of one sender have in common, byte for byte, and where they differ.
 *
 *     {"jsonrpc":"2.0","id": 17 ,"method":"tools/call","params":{"name":" add ","arguments": {…} ,…}}
 *     └──── literal ───────┘slot└──────────────── literal ───────────────┘slot└── literal ──┘slot└──┘
 *
 * A shape is learned from a message that `peek` has read and found OK. `peek` reads from left to right
 * and is a function of the bytes: over equal literals it does the same again, key for key. Slots are
 * whole values, or all that stands in a string, scanned by the functions that `peek` scans them with,
 * under the rules by which it stores them; whatever would make it store something else, or refuse, does
 * not fit. So a message that fits is OK, and its record is that of the learned one with every position
 * moved by the slots before.
 *
 * Where message and shape lie in the kernel's memory, the kernel looks first (`shape-outline.ts`). It knows
 * less: what is beyond it comes back, and is read here from the beginning.
 */
import { ByteRange, copyRange, equalRanges } from '../../../shared/byte-words.ts';
import { ID_BYTES_MAX, MESSAGE_BYTES_MAX } from '../../../shared/limits.ts';
import { isIdToken } from './id.ts';
import { asciiBytes, equalsAt } from './key-set.ts';
import { LEVEL_DEPTH, LEVEL_PARAMS, LEVEL_RESULT, MEMBERS } from './member.ts';
import { MemberCursor } from './member-cursor.ts';
import { NAME_BYTES_MAX, URI_BYTES_MAX } from './peek-params.ts';
import { KIND_REQUEST, KIND_RESPONSE, Peek, PEEK_FIELDS } from './peek-record.ts';
import { FilledFields, SEGMENTS_MAX } from './shape-fields.ts';
import {
  OUTLINE_ASKS,
  OUTLINE_BYTES,
  OUTLINE_PLAIN,
  OUTLINE_TEXT,
  OUTLINE_TOKEN,
  OUTLINE_VALUE,
  ShapeOutline,
  type OutlineSlot,
} from './shape-outline.ts';
import { scan, skipNumber, skipString, skipValue, STRING_CONTROL, STRING_ESCAPE } from './token.ts';

const QUOTE = 0x22;

/** A token: an id or a progress token. */
const SLOT_ID = 1;
/** String content, without its quotes. */
const SLOT_NAME = 2;
const SLOT_URI = 3;
const SLOT_TRACE = 4;
/** Tokens: any value, of any size. */
const SLOT_ARGUMENTS = 5;
const SLOT_RESULT = 6;
/** String content, of any size and kind: the text of a result's only content. */
const SLOT_TEXT = 7;

/** Around the text of most results. */
const TEXT_OPEN = asciiBytes('[{"type":"text","text":"');
const TEXT_CLOSE = asciiBytes('"}]');

/** Bytes that a place needs beside the message. */
export const SHAPE_OVERHEAD_BYTES: number = OUTLINE_BYTES;

/** What `fill` answers. The kernel gives the same numbers. */
export const SHAPE_FITS = 1;
export const SHAPE_DIFFERS = 0;
/** As SHAPE_DIFFERS, which was found out only after a value had been scanned. */
export const SHAPE_DIFFERS_LATE = -1;

const ARGUMENTS_DEPTH: number = LEVEL_DEPTH[LEVEL_PARAMS]!;
const RESULT_DEPTH: number = LEVEL_DEPTH[LEVEL_RESULT]!;

interface Slot {
  readonly kind: number;
  readonly start: number;
  readonly end: number;
}

export class MessageShape {
  /** It was met since somebody last looked for one to forget. */
  wasUsed = true;
  /** The message that was learned from, at `#placeAt`. */
  readonly #place: ByteRange;
  readonly #placeAt: number;
  readonly #slots: Uint8Array;
  /** Where each literal stood in the message that was learned from, and its length. */
  readonly #starts: Int32Array;
  readonly #lengths: Int32Array;
  readonly #fields: FilledFields;
  /** Null where the kernel cannot be asked first. */
  readonly #outline: ShapeOutline | null;

  private constructor(
    place: ByteRange,
    placeAt: number,
    slots: Uint8Array,
    starts: Int32Array,
    lengths: Int32Array,
    fields: FilledFields,
    outline: ShapeOutline | null,
  ) {
    this.#place = place;
    this.#placeAt = placeAt;
    this.#slots = slots;
    this.#starts = starts;
    this.#lengths = lengths;
    this.#fields = fields;
    this.#outline = outline;
  }

  /**
   * The shape of a message that `peek` found OK; null where messages of its kind have none.
   *
   * @param place has room for the message and SHAPE_OVERHEAD_BYTES at `placeAt`, a multiple of four, for
   *   as long as the shape is used
   */
  static of(
    bytes: Uint8Array,
    start: number,
    end: number,
    record: Peek,
    place: ByteRange,
    placeAt: number,
  ): MessageShape | null {
    const isRequest = record.kind === KIND_REQUEST;
    if (!isRequest && record.kind !== KIND_RESPONSE) return null;
    // A line break in a literal would have to be remembered; nobody sends any in small messages.
    if (record.hasLineBreak !== 0) return null;
    const slots = isRequest ? requestSlots(record) : responseSlots(bytes, record);
    slots.sort((one, other) => one.start - other.start);
    // Positions before and after an empty slot could not be told apart.
    if (slots.length >= SEGMENTS_MAX || slots.some((slot) => slot.start >= slot.end)) return null;
    const starts = Int32Array.from([start, ...slots.map((slot) => slot.end)]);
    const ends = [...slots.map((slot) => slot.start), end];
    const lengths = Int32Array.from(ends, (literalEnd, index) => literalEnd - starts[index]!);
    const source = new ByteRange(bytes);
    const textAt = placeAt + OUTLINE_BYTES;
    copyRange(source, start, end, place, textAt);
    const fields = new FilledFields(record, starts, ends);
    if (!fields.isWhole) return null;
    const kinds = Uint8Array.from(slots, (slot) => slot.kind);
    const origin = textAt - start;
    const outline = ShapeOutline.of(place, placeAt, {
      origin,
      starts,
      lengths,
      slots: slots.map(outlined),
      fields,
    });
    const shape = new MessageShape(place, origin, kinds, starts, lengths, fields, outline);
    return shape.#describes(source, start, end, record) ? shape : null;
  }

  /**
   * Fills `out` as `peek` would, if the message in `bytes[start, end)` fits. SHAPE_DIFFERS…: `out` is as
   * it was.
   *
   * @param range of the bytes
   */
  fill(range: ByteRange, start: number, end: number, out: Peek): number {
    const outline = this.#outline;
    const outcome = outline === null ? OUTLINE_ASKS : outline.fill(range, start, end, out);
    return outcome === OUTLINE_ASKS ? this.#scan(range, start, end, out) : outcome;
  }

  /** All of it in JavaScript. */
  #scan(range: ByteRange, start: number, end: number, out: Peek): number {
    const { bytes } = range;
    const place = this.#place;
    const placeAt = this.#placeAt;
    const slots = this.#slots;
    const starts = this.#starts;
    const lengths = this.#lengths;
    const count = slots.length;
    // The last literal first: it is long where senders put an envelope there, and differ in it.
    const tailStart = end - lengths[count]!;
    if (tailStart < start) return SHAPE_DIFFERS;
    if (!equalRanges(range, tailStart, place, placeAt + starts[count]!, lengths[count]!)) {
      return SHAPE_DIFFERS;
    }
    let at = start;
    let miss = SHAPE_DIFFERS;
    scan.lineBreak = 0;
    for (let index = 0; index < count; index += 1) {
      const slotStart = at + lengths[index]!;
      if (slotStart > tailStart) return miss;
      if (!equalRanges(range, at, place, placeAt + starts[index]!, lengths[index]!)) return miss;
      moved[index] = at - starts[index]!;
      at = skipSlot(slots[index]!, bytes, slotStart, end);
      if (slots[index]! >= SLOT_ARGUMENTS) miss = SHAPE_DIFFERS_LATE;
      if (at < 0) return miss;
    }
    if (at !== tailStart) return miss;
    moved[count] = at - starts[count]!;
    this.#fields.fill(out, moved);
    out.hasLineBreak = scan.lineBreak;
    return SHAPE_FITS;
  }

  /** Whether it gives back, member by member, what it was learned from. */
  #describes(range: ByteRange, start: number, end: number, record: Peek): boolean {
    const filled = new Peek();
    const isSame = (): boolean => PEEK_FIELDS.every((field) => filled[field] === record[field]);
    if (this.#scan(range, start, end, filled) !== SHAPE_FITS || !isSame()) return false;
    filled.reset();
    return this.fill(range, start, end, filled) === SHAPE_FITS && isSame();
  }
}

/** By how much each literal of the message at hand stands elsewhere. */
const moved = new Int32Array(SEGMENTS_MAX);

/** What the kernel is told of a slot. It takes on no string that would be refused for its characters. */
function outlined({ kind }: Slot): OutlineSlot {
  switch (kind) {
    case SLOT_ID:
      return { kind: OUTLINE_TOKEN, bytesMax: ID_BYTES_MAX };
    case SLOT_NAME:
      return { kind: OUTLINE_PLAIN, bytesMax: NAME_BYTES_MAX };
    case SLOT_URI:
      return { kind: OUTLINE_PLAIN, bytesMax: URI_BYTES_MAX };
    case SLOT_TRACE:
      return { kind: OUTLINE_PLAIN, bytesMax: MESSAGE_BYTES_MAX };
    case SLOT_TEXT:
      return { kind: OUTLINE_TEXT, bytesMax: MESSAGE_BYTES_MAX };
    default:
      return { kind: OUTLINE_VALUE, bytesMax: MESSAGE_BYTES_MAX };
  }
}

function requestSlots(record: Peek): Slot[] {
  const slots: Slot[] = [];
  const add = (kind: number, start: number, end: number): void => {
    if (start >= 0) slots.push({ kind, start, end });
  };
  add(SLOT_ID, record.idStart, record.idEnd);
  add(SLOT_NAME, record.nameStart, record.nameEnd);
  add(SLOT_URI, record.uriStart, record.uriEnd);
  add(SLOT_ARGUMENTS, record.argumentsStart, record.argumentsEnd);
  add(SLOT_ID, record.metaProgressTokenStart, record.metaProgressTokenEnd);
  add(SLOT_TRACE, record.traceparentStart, record.traceparentEnd);
  add(SLOT_TRACE, record.tracestateStart, record.tracestateEnd);
  add(SLOT_TRACE, record.baggageStart, record.baggageEnd);
  return slots;
}

/** The id, and those members of the result that the gateway does not read: its content. */
function responseSlots(bytes: Uint8Array, record: Peek): Slot[] {
  const { idStart, idEnd, resultStart, resultEnd } = record;
  const slots: Slot[] = [{ kind: SLOT_ID, start: idStart, end: idEnd }];
  const cursor = new MemberCursor();
  cursor.open(bytes, resultStart, resultEnd);
  while (cursor.next()) {
    if (MEMBERS[LEVEL_RESULT]!.find(bytes, cursor.keyStart, cursor.keyEnd) !== 0) continue;
    slots.push(resultSlot(bytes, cursor.valueStart, cursor.valueEnd));
  }
  return slots;
}

function resultSlot(bytes: Uint8Array, start: number, end: number): Slot {
  const textStart = start + TEXT_OPEN.length;
  const textEnd = end - TEXT_CLOSE.length;
  const isText =
    textStart < textEnd &&
    equalsAt(bytes, start, TEXT_OPEN) &&
    skipString(bytes, textStart, end) === textEnd + 1 &&
    equalsAt(bytes, textEnd, TEXT_CLOSE);
  if (isText) return { kind: SLOT_TEXT, start: textStart, end: textEnd };
  return { kind: SLOT_RESULT, start, end };
}

/** The index after the slot at `at`; negative where `peek` would not store such a value. */
function skipSlot(kind: number, bytes: Uint8Array, at: number, end: number): number {
  switch (kind) {
    case SLOT_ID:
      return skipId(bytes, at, end);
    case SLOT_ARGUMENTS:
      return skipValue(bytes, at, end, ARGUMENTS_DEPTH);
    case SLOT_RESULT:
      return skipValue(bytes, at, end, RESULT_DEPTH);
    case SLOT_TEXT:
      return skipContent(bytes, at, end, end, 0);
    case SLOT_NAME:
      return skipContent(bytes, at, end, NAME_BYTES_MAX, STRING_ESCAPE | STRING_CONTROL);
    case SLOT_URI:
      return skipContent(bytes, at, end, URI_BYTES_MAX, STRING_ESCAPE | STRING_CONTROL);
    default:
      return skipContent(bytes, at, end, end, STRING_ESCAPE);
  }
}

function skipId(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] !== QUOTE) {
    const after = skipNumber(bytes, at, end);
    return after >= 0 && isIdToken(bytes, at, after) ? after : -1;
  }
  const after = skipString(bytes, at + 1, end);
  if (after < 0) return -1;
  // Without escapes there is nothing to look for in it.
  const isPlain = (scan.string & STRING_ESCAPE) === 0 && after - at <= ID_BYTES_MAX;
  return isPlain || isIdToken(bytes, at, after) ? after : -1;
}

function skipContent(
  bytes: Uint8Array,
  at: number,
  end: number,
  bytesMax: number,
  refused: number,
): number {
  const after = skipString(bytes, at, end);
  if (after < 0 || (scan.string & refused) !== 0) return -1;
  return after - 1 - at <= bytesMax ? after - 1 : -1;
}
