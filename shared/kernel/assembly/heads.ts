/**
 * A request head held against the head of an earlier request (`src/edge/head-shape.ts` has the layout of
 * a shape, and what may be a hole in it). All of it in one call: literals are compared, holes copied.
 */
import { copy, equal, visibleEnd } from './bytes';

const TEMPLATE_BYTES: usize = 4;
const CONTENT_LENGTH: usize = 8;
const PAYLOAD_BYTES: usize = 12;
const LITERAL_LENGTHS: usize = 16;
const HOLE_KINDS: usize = 68;
const SESSION_START: usize = 116;
const SESSION_END: usize = 120;
const LITERALS: usize = 128;
const TEMPLATE: usize = 768;

/** Other kinds are header codes: the value travels under that code. */
const HOLE_UNREAD: i32 = 0;
const HOLE_SESSION: i32 = 5;
const HOLE_LENGTH: i32 = 32;

const BLANK: u8 = 0x20;
const ZERO: u8 = 0x30;
/** More digits are read elsewhere: a number of nine fits an i32. */
const DIGITS_MAX: usize = 9;

/** In an OPEN payload. */
const OPEN_HEAD_BYTES: usize = 40;
const ARRIVAL: usize = 12;
const BLOCK_BYTES: usize = 20;
const FIELD_BYTES: usize = 4;
const VALUE_BYTES_MAX: usize = 65_535;

/**
 * Fits the bytes from `start` on to the shape; nothing at or behind `end` is read. If they do, the OPEN
 * payload of that request lies at `payload`, and the shape has its size and the Content-Length.
 *
 * @returns where the head ends, 0 if it does not fit; then the payload may have been written to
 */
export function fitHead(
  shape: usize,
  start: usize,
  end: usize,
  payload: usize,
  payloadEnd: usize,
  arrivalUs: i32,
): usize {
  const holes = load<i32>(shape);
  let literal = shape + LITERALS;
  let at = start;
  let out = payload + load<u32>(shape, TEMPLATE_BYTES);
  for (let index = 0; ; index += 1) {
    const length = load<u32>(shape + (index << 2), LITERAL_LENGTHS);
    if (length > end - at || equal(at, literal, length) == 0) return 0;
    literal += length;
    at += length;
    if (index == holes) break;
    const kind = load<i32>(shape + (index << 2), HOLE_KINDS);
    if (kind == HOLE_LENGTH) {
      at = readLength(shape, at, end);
      if (at == 0) return 0;
      continue;
    }
    const valueEnd = visibleEnd(at, end);
    // Blanks around a value are none of it, and an empty one is rare: both are left to the parser.
    if (valueEnd == at || load<u8>(at) == BLANK || load<u8>(valueEnd - 1) == BLANK) return 0;
    if (kind != HOLE_UNREAD) {
      const bytes = valueEnd - at;
      if (bytes > VALUE_BYTES_MAX || out + FIELD_BYTES + bytes > payloadEnd) return 0;
      store<u32>(out, ((<u32>bytes) << 16) | kind);
      out += FIELD_BYTES;
      copy(at, out, <i32>bytes);
      if (kind == HOLE_SESSION) {
        store<u32>(shape, out - payload, SESSION_START);
        store<u32>(shape, out - payload + bytes, SESSION_END);
      }
      out += bytes;
    }
    at = valueEnd;
  }
  copy(shape + TEMPLATE, payload, load<i32>(shape, TEMPLATE_BYTES));
  store<i32>(payload, arrivalUs, ARRIVAL);
  store<u32>(payload, out - payload - OPEN_HEAD_BYTES, BLOCK_BYTES);
  store<u32>(shape, out - payload, PAYLOAD_BYTES);
  return at;
}

/** @returns where the digits end, 0 if there are none or too many, or no body is to come: that is answered elsewhere */
function readLength(shape: usize, start: usize, end: usize): usize {
  let value: i32 = 0;
  let at = start;
  for (; at < end; at += 1) {
    const digit = load<u8>(at) - ZERO;
    if (digit > 9) break;
    if (at - start == DIGITS_MAX) return 0;
    value = value * 10 + <i32>digit;
  }
  store<i32>(shape, value, CONTENT_LENGTH);
  return value == 0 ? 0 : at;
}
