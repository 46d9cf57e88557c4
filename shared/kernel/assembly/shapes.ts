/**
 * Whether a message has the shape of an earlier one: literals are compared, slots scanned, and the record
 * of what lies where filled in, in one call.
 * The rules are those of `src/protocol/jsonrpc/message-shape.ts` and `token.ts`, which stay the only
 * judges: what this file is not sure of, for better or worse, it gives back as ASKS, and they read the
 * message from its beginning. So it knows only what is common, and says no to nothing but literals.
 *
 * The shape comes as an outline, words of four bytes (`src/protocol/jsonrpc/shape-outline.ts`):
 *
 *      0        4       8        12             16      84
 *      ├ origin ┼ slots ┼ fields ┼ record bytes ┼ moved ┼ segments: start │ length │ kind │ bytes at most ┤
 *                                                 × 17    × (slots + 1)
 *      340                                    484
 *      ├ entries: place in the record │ segment ┼ template …
 *        × fields
 *
 * A segment is a literal and the slot after it; the last one has no slot. `origin` is the address from
 * which its message counted `start`. `moved` is written: by how much each literal stands elsewhere. The
 * record of a message that fits is the template with each place of an entry moved as its segment is.
 */
import { copy, equal, plainEnd } from './bytes';

const ORIGIN: usize = 0;
const SLOTS: usize = 4;
const FIELDS: usize = 8;
const RECORD_BYTES: usize = 12;
const MOVED: usize = 16;
const SEGMENTS: usize = 84;
const SEGMENT_BYTES: usize = 16;
const START: usize = 0;
const LENGTH: usize = 4;
const KIND: usize = 8;
const BYTES_MAX: usize = 12;
const ENTRIES: usize = 340;
const TEMPLATE: usize = 484;

const FITS: i32 = 1;
const DIFFERS: i32 = 0;
const DIFFERS_LATE: i32 = -1;
const ASKS: i32 = -2;

/** A string or an integer. */
const SLOT_TOKEN: i32 = 1;
/** String content that is plain ASCII. */
const SLOT_PLAIN: i32 = 2;
/** Any string content. Scans of this kind and the next one are counted as late. */
const SLOT_TEXT: i32 = 3;

const QUOTE: u8 = 0x22;
const BACKSLASH: u8 = 0x5c;
const COMMA: u8 = 0x2c;
const COLON: u8 = 0x3a;
const MINUS: u8 = 0x2d;
const POINT: u8 = 0x2e;
const BRACE_OPEN: u8 = 0x7b;
const BRACE_CLOSE: u8 = 0x7d;
const BRACKET_OPEN: u8 = 0x5b;
const BRACKET_CLOSE: u8 = 0x5d;

/** The largest safe integer, and its digits: our own ids have as many. */
const SAFE_MAX: u64 = 9_007_199_254_740_991;
const SAFE_DIGITS: usize = 16;
/** Containers within each other in a slot; far below JSON_DEPTH_MAX wherever the slot stands. */
const DEPTH_MAX: i32 = 32;

/** What the scans below give back for ASKS: nothing ends at address 0. */
const UNSURE: usize = 0;

/**
 * @param origin address from which the message counts its places; `start` and `end` are addresses
 * @param record written if the message fits, and only then
 */
export function fitMessage(
  outline: usize,
  origin: usize,
  start: usize,
  end: usize,
  record: usize,
): i32 {
  const learned = load<usize>(outline, ORIGIN);
  const count = load<i32>(outline, SLOTS);
  const last = outline + SEGMENTS + usize(count) * SEGMENT_BYTES;
  const tailLength = load<i32>(last, LENGTH);
  if (i32(end - start) < tailLength) return DIFFERS;
  const tail = end - tailLength;
  if (equal(tail, learned + load<i32>(last, START), tailLength) == 0) return DIFFERS;
  let at = start;
  let miss = DIFFERS;
  let moved = outline + MOVED;
  for (let segment = outline + SEGMENTS; segment < last; segment += SEGMENT_BYTES) {
    const stood = load<i32>(segment, START);
    const length = load<i32>(segment, LENGTH);
    const slot = at + length;
    if (slot > tail) return miss;
    if (equal(at, learned + stood, length) == 0) return miss;
    store<i32>(moved, i32(at - origin) - stood);
    moved += 4;
    const kind = load<i32>(segment, KIND);
    at = slotEnd(kind, slot, end, load<i32>(segment, BYTES_MAX));
    if (at == UNSURE) return ASKS;
    if (kind >= SLOT_TEXT) miss = DIFFERS_LATE;
  }
  if (at != tail) return miss;
  store<i32>(moved, i32(at - origin) - load<i32>(last, START));
  fillRecord(outline, record);
  return FITS;
}

function fillRecord(outline: usize, record: usize): void {
  copy(outline + TEMPLATE, record, load<i32>(outline, RECORD_BYTES));
  const moved = outline + MOVED;
  let entry = outline + ENTRIES;
  const end = entry + (load<usize>(outline, FIELDS) << 2);
  for (; entry < end; entry += 4) {
    const place = record + load<u16>(entry);
    store<i32>(place, load<i32>(place) + load<i32>(moved + load<u16>(entry, 2)));
  }
}

function slotEnd(kind: i32, at: usize, end: usize, bytesMax: usize): usize {
  if (kind == SLOT_TOKEN) return tokenEnd(at, end, bytesMax);
  if (kind == SLOT_PLAIN) {
    const after = plainEnd(at, end);
    if (after >= end || load<u8>(after) != QUOTE) return UNSURE;
    return after - at <= bytesMax ? after : UNSURE;
  }
  return kind == SLOT_TEXT ? stringEnd(at, end) : valueEnd(at, end);
}

/** An id or a progress token: see `isIdToken`. */
function tokenEnd(at: usize, end: usize, bytesMax: usize): usize {
  if (at >= end) return UNSURE;
  const byte = load<u8>(at);
  if (byte == QUOTE) {
    const quote = plainEnd(at + 1, end);
    if (quote >= end || load<u8>(quote) != QUOTE) return UNSURE;
    return quote + 1 - at <= bytesMax ? quote + 1 : UNSURE;
  }
  const first = byte == MINUS ? at + 1 : at;
  const after = digitsEnd(first, end);
  const digits = after - first;
  if (digits == 0 || digits > SAFE_DIGITS) return UNSURE;
  if (digits > 1 && load<u8>(first) == 0x30) return UNSURE;
  if (digits == SAFE_DIGITS && integerAt(first, after) > SAFE_MAX) return UNSURE;
  return after < end && isNumberPart(load<u8>(after)) ? UNSURE : after;
}

function integerAt(at: usize, end: usize): u64 {
  let value: u64 = 0;
  for (; at < end; at += 1) value = value * 10 + u64(load<u8>(at) - 0x30);
  return value;
}

/** Whether the byte makes a longer number of an integer: a point, `e` or `E`. */
function isNumberPart(byte: u8): bool {
  return byte == POINT || (byte | 0x20) == 0x65;
}

/** Any value, as `skipValue` has it, without line breaks between its tokens. */
function valueEnd(at: usize, end: usize): usize {
  // A bit for each container that is open around `at`, the innermost one last: 1 for an object.
  let open: u32 = 0;
  let depth = 0;
  while (true) {
    if (at >= end) return UNSURE;
    const byte = load<u8>(at);
    if (byte == QUOTE) {
      at = stringEnd(at + 1, end);
      if (at == UNSURE) return UNSURE;
      at += 1;
    } else if (byte == BRACE_OPEN || byte == BRACKET_OPEN) {
      at = blanksEnd(at + 1, end);
      if (at >= end) return UNSURE;
      if (load<u8>(at) == byte + 2) {
        at += 1;
      } else {
        if (depth == DEPTH_MAX) return UNSURE;
        depth += 1;
        open = (open << 1) | u32(byte == BRACE_OPEN);
        if (byte == BRACE_OPEN) at = keyEnd(at, end);
        if (at == UNSURE) return UNSURE;
        continue;
      }
    } else {
      at = scalarEnd(at, end);
      if (at == UNSURE) return UNSURE;
    }
    while (true) {
      if (depth == 0) return at;
      at = blanksEnd(at, end);
      if (at >= end) return UNSURE;
      const next = load<u8>(at);
      const isObject = (open & 1) != 0;
      at += 1;
      if (next == COMMA) {
        at = blanksEnd(at, end);
        if (isObject) at = keyEnd(at, end);
        if (at == UNSURE) return UNSURE;
        break;
      }
      if (next != (isObject ? BRACE_CLOSE : BRACKET_CLOSE)) return UNSURE;
      open >>= 1;
      depth -= 1;
    }
  }
}

/** A key and its colon; the answer is where its value begins. */
function keyEnd(at: usize, end: usize): usize {
  if (at >= end || load<u8>(at) != QUOTE) return UNSURE;
  at = stringEnd(at + 1, end);
  if (at == UNSURE) return UNSURE;
  at = blanksEnd(at + 1, end);
  if (at >= end || load<u8>(at) != COLON) return UNSURE;
  return blanksEnd(at + 1, end);
}

/** Blanks and tabs; a line break is noted by JavaScript. */
function blanksEnd(at: usize, end: usize): usize {
  while (at < end && (load<u8>(at) == 0x20 || load<u8>(at) == 0x09)) at += 1;
  return at;
}

/** `at` is after the opening quote; the answer is the closing one. */
function stringEnd(at: usize, end: usize): usize {
  while (true) {
    at = plainEnd(at, end);
    if (at >= end) return UNSURE;
    const byte = load<u8>(at);
    if (byte == QUOTE) return at;
    if (byte == BACKSLASH) at = escapeEnd(at, end);
    else at = byte < 0x80 ? UNSURE : wideEnd(at, end);
    if (at == UNSURE) return UNSURE;
  }
}

/** `at` is the backslash. */
function escapeEnd(at: usize, end: usize): usize {
  if (at + 1 >= end) return UNSURE;
  switch (load<u8>(at + 1)) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // slash
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 2;
    case 0x75: // u
      if (at + 6 > end) return UNSURE;
      for (let digit = at + 2; digit < at + 6; digit += 1) {
        if (!isHexDigit(load<u8>(digit))) return UNSURE;
      }
      return at + 6;
    default:
      return UNSURE;
  }
}

function isHexDigit(byte: u8): bool {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66);
}

/**
 * Where the characters outside of ASCII that begin at `at` end, each well formed (Unicode 15, table 3-7).
 * UNSURE for C1 controls and the line separators too, which JavaScript notes.
 */
function wideEnd(at: usize, end: usize): usize {
  while (at < end && load<u8>(at) >= 0x80) {
    const lead = load<u8>(at);
    if (at + 1 >= end) return UNSURE;
    const second = load<u8>(at + 1);
    if (lead < 0xe0) {
      if (lead < 0xc2 || !isTail(second) || (lead == 0xc2 && second < 0xa0)) return UNSURE;
      at += 2;
    } else if (lead < 0xf0) {
      const least: u8 = lead == 0xe0 ? 0xa0 : 0x80;
      const most: u8 = lead == 0xed ? 0x9f : 0xbf;
      if (at + 2 >= end || second < least || second > most) return UNSURE;
      const third = load<u8>(at + 2);
      if (!isTail(third)) return UNSURE;
      if (lead == 0xe2 && second == 0x80 && (third & 0xfe) == 0xa8) return UNSURE;
      at += 3;
    } else {
      const least: u8 = lead == 0xf0 ? 0x90 : 0x80;
      const most: u8 = lead == 0xf4 ? 0x8f : 0xbf;
      if (lead > 0xf4 || at + 3 >= end || second < least || second > most) return UNSURE;
      if (!isTail(load<u8>(at + 2)) || !isTail(load<u8>(at + 3))) return UNSURE;
      at += 4;
    }
  }
  return at;
}

function isTail(byte: u8): bool {
  return (byte & 0xc0) == 0x80;
}

/** A number, `true`, `false` or `null`. */
function scalarEnd(at: usize, end: usize): usize {
  const byte = load<u8>(at);
  if (byte == MINUS || isDigit(byte)) return numberEnd(at, end);
  if (at + 4 > end) return UNSURE;
  const word = load<u32>(at);
  if (word == 0x6575_7274 || word == 0x6c6c_756e) return at + 4; // `true`, `null`
  if (word != 0x736c_6166 || at + 4 >= end || load<u8>(at + 4) != 0x65) return UNSURE;
  return at + 5;
}

/** `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?` */
function numberEnd(at: usize, end: usize): usize {
  if (load<u8>(at) == MINUS) at += 1;
  const first = at;
  at = digitsEnd(at, end);
  if (at == first) return UNSURE;
  if (load<u8>(first) == 0x30 && at > first + 1) return UNSURE;
  if (at < end && load<u8>(at) == POINT) {
    const fraction = at + 1;
    at = digitsEnd(fraction, end);
    if (at == fraction) return UNSURE;
  }
  if (at < end && (load<u8>(at) | 0x20) == 0x65) {
    at += 1;
    if (at < end && (load<u8>(at) == 0x2b || load<u8>(at) == MINUS)) at += 1;
    const exponent = at;
    at = digitsEnd(exponent, end);
    if (at == exponent) return UNSURE;
  }
  return at;
}

function digitsEnd(at: usize, end: usize): usize {
  while (at < end && isDigit(load<u8>(at))) at += 1;
  return at;
}

function isDigit(byte: u8): bool {
  return byte >= 0x30 && byte <= 0x39;
}
