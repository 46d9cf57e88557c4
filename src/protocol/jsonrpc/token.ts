/**
 * Strict JSON tokens (RFC 8259) over bytes, without building anything.
 *
 * Every function takes the index of the token's first byte and gives back the index after it, or a
 * negative number: `FAIL_PARSE` (not JSON, not UTF-8, cut off) or `FAIL_DEPTH`. Bytes at `end` and
 * after it belong to somebody else and are never read.
 *
 * What one string held, and whether the message needs care before it becomes one line, is left in
 * `scan`: one object per thread, overwritten by the next token.
 */
import { ByteRange, plainEnd } from '../../../shared/byte-words.ts';
import { JSON_DEPTH_MAX } from '../../../shared/limits.ts';

export const FAIL_PARSE = -1;
export const FAIL_DEPTH = -2;

/** The string has at least one backslash escape. */
export const STRING_ESCAPE = 1;
/** The string has characters outside ASCII. */
export const STRING_WIDE = 2;
/** The string has U+0085, U+2028 or U+2029 raw: some line readers split there. */
export const STRING_BREAK = 4;
/** The string has DEL, a C1 control or one of the line separators raw. */
export const STRING_CONTROL = 8;

const NO_RANGE = new ByteRange(new Uint8Array(0));

class Scan {
  /** STRING_* bits of the string scanned last. */
  string = 0;
  /** Where the kernel may look for the end of a plain run, if these are the bytes at hand. */
  range: ByteRange = NO_RANGE;
  /** 1 once a line break was met: CR or LF between tokens, or a STRING_BREAK inside of one. */
  lineBreak = 0;
}

export const scan: Scan = new Scan();

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const BRACKET_OPEN = 0x5b;

/** Classes of bytes inside of a string; 0 is what needs no look. */
const IN_PLAIN = 0;
const IN_QUOTE = 1;
const IN_BACKSLASH = 2;
const IN_DELETE = 3;
const IN_WIDE = 4;
const IN_BAD = 5;

const STRING_CLASS = new Uint8Array(256);
STRING_CLASS.fill(IN_BAD, 0, 0x20);
STRING_CLASS[QUOTE] = IN_QUOTE;
STRING_CLASS[BACKSLASH] = IN_BACKSLASH;
STRING_CLASS[0x7f] = IN_DELETE;
STRING_CLASS.fill(IN_BAD, 0x80, 0xc2);
STRING_CLASS.fill(IN_WIDE, 0xc2, 0xf5);
STRING_CLASS.fill(IN_BAD, 0xf5);

/** Strings are mostly shorter than this; longer ones are worth a set-up. */
const SHORT_BYTES_MAX = 24;

/** Closing bracket of each open container; as deep as a message may be. */
const CLOSERS = new Uint8Array(JSON_DEPTH_MAX + 1);

/** Index of the first byte that is not JSON white space. CR and LF are noted in `scan`. */
export function skipSpace(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at]!;
    if (byte > 0x20) return at;
    if (byte === 0x0a || byte === 0x0d) scan.lineBreak = 1;
    else if (byte !== 0x20 && byte !== 0x09) return at;
    at += 1;
  }
  return at;
}

/** `at` is the index after the opening quote; the answer is the index after the closing one. */
export function skipString(bytes: Uint8Array, at: number, end: number): number {
  const near = end - at > SHORT_BYTES_MAX ? at + SHORT_BYTES_MAX : end;
  while (at < near) {
    const kind = STRING_CLASS[bytes[at]!]!;
    if (kind === IN_PLAIN) {
      at += 1;
    } else if (kind === IN_QUOTE) {
      scan.string = 0;
      return at + 1;
    } else {
      return skipOddString(bytes, at, end);
    }
  }
  return at < end ? skipLongString(bytes, at, end) : FAIL_PARSE;
}

/** The rest of a string that has been plain so far, in longer steps. */
function skipLongString(bytes: Uint8Array, at: number, end: number): number {
  at = skipPlain(bytes, at, end);
  if (at < end && bytes[at] === QUOTE) {
    scan.string = 0;
    return at + 1;
  }
  return skipOddString(bytes, at, end);
}

/** Index of the first byte that needs a look. Eight at a time cost half of what one by one does. */
function skipPlain(bytes: Uint8Array, at: number, end: number): number {
  const { range } = scan;
  if (range.bytes === bytes && range.kernel !== null) return plainEnd(range, at, end);
  const last = end - 8;
  while (at <= last) {
    const kinds =
      STRING_CLASS[bytes[at]!]! |
      STRING_CLASS[bytes[at + 1]!]! |
      STRING_CLASS[bytes[at + 2]!]! |
      STRING_CLASS[bytes[at + 3]!]! |
      STRING_CLASS[bytes[at + 4]!]! |
      STRING_CLASS[bytes[at + 5]!]! |
      STRING_CLASS[bytes[at + 6]!]! |
      STRING_CLASS[bytes[at + 7]!]!;
    if (kinds !== IN_PLAIN) break;
    at += 8;
  }
  while (at < end && STRING_CLASS[bytes[at]!] === IN_PLAIN) at += 1;
  return at;
}

/** The rest of a string from its first byte that is not plain ASCII. */
function skipOddString(bytes: Uint8Array, at: number, end: number): number {
  let flags = 0;
  while (at < end) {
    const kind = STRING_CLASS[bytes[at]!]!;
    if (kind === IN_PLAIN) {
      at = skipPlain(bytes, at + 1, end);
    } else if (kind === IN_QUOTE) {
      scan.string = flags;
      if ((flags & STRING_BREAK) !== 0) scan.lineBreak = 1;
      return at + 1;
    } else if (kind === IN_BACKSLASH) {
      flags |= STRING_ESCAPE;
      at = skipEscape(bytes, at, end);
      if (at < 0) return FAIL_PARSE;
    } else if (kind === IN_WIDE) {
      const length = wideLength(bytes, at, end);
      if (length === 0) return FAIL_PARSE;
      flags |= STRING_WIDE | wideFlags(bytes, at, length);
      at += length;
    } else if (kind === IN_DELETE) {
      flags |= STRING_CONTROL;
      at += 1;
    } else {
      return FAIL_PARSE;
    }
  }
  return FAIL_PARSE;
}

/** STRING_* bits of one well-formed character outside of ASCII. */
function wideFlags(bytes: Uint8Array, at: number, length: number): number {
  const lead = bytes[at]!;
  const second = bytes[at + 1]!;
  if (lead === 0xc2) {
    if (second === 0x85) return STRING_BREAK | STRING_CONTROL;
    return second < 0xa0 ? STRING_CONTROL : 0;
  }
  if (length === 3 && lead === 0xe2 && second === 0x80 && (bytes[at + 2]! & 0xfe) === 0xa8) {
    return STRING_BREAK | STRING_CONTROL;
  }
  return 0;
}

/**
 * Bytes of the UTF-8 character at `at`, or 0 where it is malformed: cut off, longer than need be, a
 * surrogate, past U+10FFFF (Unicode 15, table 3-7).
 */
export function wideLength(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!;
  if (lead < 0xe0) return at + 1 < end && isTail(bytes[at + 1]!) ? 2 : 0;
  if (lead < 0xf0) {
    if (at + 2 >= end) return 0;
    const second = bytes[at + 1]!;
    const least = lead === 0xe0 ? 0xa0 : 0x80;
    const most = lead === 0xed ? 0x9f : 0xbf;
    return second >= least && second <= most && isTail(bytes[at + 2]!) ? 3 : 0;
  }
  if (at + 3 >= end) return 0;
  const second = bytes[at + 1]!;
  const least = lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  return isTail(bytes[at + 2]!) && isTail(bytes[at + 3]!) ? 4 : 0;
}

function isTail(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** `at` is the backslash. */
function skipEscape(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return FAIL_PARSE;
  switch (bytes[at + 1]!) {
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
      return at + 5 < end && hexUnit(bytes, at + 2) >= 0 ? at + 6 : FAIL_PARSE;
    default:
      return FAIL_PARSE;
  }
}

/** The UTF-16 unit that four hex digits name, or -1. The caller knows that four bytes are there. */
export function hexUnit(bytes: Uint8Array, at: number): number {
  let unit = 0;
  for (let i = at; i < at + 4; i += 1) {
    const digit = hexDigit(bytes[i]!);
    if (digit < 0) return -1;
    unit = (unit << 4) | digit;
  }
  return unit;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** A number: `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?` */
export function skipNumber(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === 0x2d) at += 1;
  const first = at;
  at = skipDigits(bytes, at, end);
  if (at === first) return FAIL_PARSE;
  if (bytes[first] === 0x30 && at > first + 1) return FAIL_PARSE;
  if (at < end && bytes[at] === 0x2e) {
    const fraction = at + 1;
    at = skipDigits(bytes, fraction, end);
    if (at === fraction) return FAIL_PARSE;
  }
  if (at < end && (bytes[at]! | 0x20) === 0x65) {
    at += 1;
    if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at += 1;
    const exponent = at;
    at = skipDigits(bytes, exponent, end);
    if (at === exponent) return FAIL_PARSE;
  }
  return at;
}

function skipDigits(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at += 1;
  return at;
}

function skipLiteral(bytes: Uint8Array, at: number, end: number, rest: number): number {
  // `rest` holds the three letters that follow the first one, of which all literals are made.
  if (at + 3 >= end) return FAIL_PARSE;
  const found = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  return found === rest ? at + 4 : FAIL_PARSE;
}

/** A string, number, `true`, `false` or `null`. */
function skipScalar(bytes: Uint8Array, at: number, end: number): number {
  const byte = bytes[at]!;
  if (byte === QUOTE) return skipString(bytes, at + 1, end);
  if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) return skipNumber(bytes, at, end);
  if (byte === 0x74) return skipLiteral(bytes, at, end, 0x727565);
  if (byte === 0x6e) return skipLiteral(bytes, at, end, 0x756c6c);
  if (byte !== 0x66) return FAIL_PARSE;
  const next = skipLiteral(bytes, at, end, 0x616c73);
  return next > 0 && next < end && bytes[next] === 0x65 ? next + 1 : FAIL_PARSE;
}

/** Any value. `depth` is how many containers are open around it. */
export function skipValue(bytes: Uint8Array, at: number, end: number, depth: number): number {
  if (at >= end) return FAIL_PARSE;
  const byte = bytes[at]!;
  if (byte === BRACE_OPEN || byte === BRACKET_OPEN) return skipContainer(bytes, at, end, depth);
  return skipScalar(bytes, at, end);
}

/**
 * An array or object, by a loop: a stack of our own costs nothing and cannot overflow. White space is
 * looked for before `skipSpace` is called, because most messages have none.
 */
function skipContainer(bytes: Uint8Array, at: number, end: number, depth: number): number {
  const floor = depth + 1;
  if (floor > JSON_DEPTH_MAX) return FAIL_DEPTH;
  let level = floor;
  let close = bytes[at]! + 2; // in ASCII a closing bracket stands two after the opening one
  CLOSERS[level] = close;
  at = skipSpace(bytes, at + 1, end);
  if (at < end && bytes[at] === close) return at + 1;
  for (;;) {
    if (close === BRACE_CLOSE) {
      at = skipKey(bytes, at, end);
      if (at < 0) return FAIL_PARSE;
    }
    if (at >= end) return FAIL_PARSE;
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      at = skipString(bytes, at + 1, end);
      if (at < 0) return FAIL_PARSE;
    } else if (byte === BRACE_OPEN || byte === BRACKET_OPEN) {
      if (level === JSON_DEPTH_MAX) return FAIL_DEPTH;
      at += 1;
      if (at < end && bytes[at]! <= SPACE) at = skipSpace(bytes, at, end);
      if (at >= end || bytes[at] !== byte + 2) {
        close = byte + 2;
        level += 1;
        CLOSERS[level] = close;
        continue;
      }
      at += 1;
    } else {
      at = skipScalar(bytes, at, end);
      if (at < 0) return FAIL_PARSE;
    }
    for (;;) {
      if (at < end && bytes[at]! <= SPACE) at = skipSpace(bytes, at, end);
      if (at >= end) return FAIL_PARSE;
      const next = bytes[at]!;
      at += 1;
      if (next === COMMA) break;
      if (next !== close) return FAIL_PARSE;
      level -= 1;
      if (level < floor) return at;
      close = CLOSERS[level]!;
    }
    if (at < end && bytes[at]! <= SPACE) at = skipSpace(bytes, at, end);
  }
}

/** A member's key and colon; the answer is the index of its value. */
function skipKey(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end || bytes[at] !== QUOTE) return FAIL_PARSE;
  at = skipString(bytes, at + 1, end);
  if (at < 0) return FAIL_PARSE;
  return skipColon(bytes, at, end);
}

/** The colon between a key and its value, with the space around it; the answer is the value's index. */
export function skipColon(bytes: Uint8Array, at: number, end: number): number {
  if (at < end && bytes[at]! <= SPACE) at = skipSpace(bytes, at, end);
  if (at >= end || bytes[at] !== COLON) return FAIL_PARSE;
  at += 1;
  return at < end && bytes[at]! <= SPACE ? skipSpace(bytes, at, end) : at;
}
