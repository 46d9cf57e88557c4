/**
 * Small builders: JSON-RPC messages into a buffer that the caller owns. Each `writeX` has an `xBytes`
 * that says how much room it needs at most; with that much room it never fails and never overflows.
 * An id is always a token, the bytes as they were received.
 */
import { asciiBytes } from './key-set.ts';

/** Up to so many bytes a loop, eight in a turn, is faster than setting up a block copy. */
const LOOP_BYTES_MAX = 192;

const HEX = asciiBytes('0123456789abcdef');

const HEAD = asciiBytes('{"jsonrpc":"2.0","id":');
const RESULT = asciiBytes(',"result":');
const ERROR_CODE = asciiBytes(',"error":{"code":');
const ERROR_MESSAGE = asciiBytes(',"message":');
const ERROR_DATA = asciiBytes(',"data":');
const METHOD = asciiBytes(',"method":"');
const NOTIFICATION_HEAD = asciiBytes('{"jsonrpc":"2.0","method":"');
const PARAMS = asciiBytes('","params":');
const NULL = asciiBytes('null');
const BRACE_CLOSE = 0x7d;
const QUOTE = 0x22;

/** Longest decimal integer a double holds exactly, with its sign. */
const INTEGER_BYTES_MAX = 17;

/** Copies `source[start, end)` to `out[at…]` and gives back the index after it. */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  const length = end - start;
  if (length > LOOP_BYTES_MAX) {
    out.set(source.subarray(start, end), at);
  } else {
    let i = 0;
    for (; i + 8 <= length; i += 8) {
      out[at + i] = source[start + i]!;
      out[at + i + 1] = source[start + i + 1]!;
      out[at + i + 2] = source[start + i + 2]!;
      out[at + i + 3] = source[start + i + 3]!;
      out[at + i + 4] = source[start + i + 4]!;
      out[at + i + 5] = source[start + i + 5]!;
      out[at + i + 6] = source[start + i + 6]!;
      out[at + i + 7] = source[start + i + 7]!;
    }
    for (; i < length; i += 1) out[at + i] = source[start + i]!;
  }
  return at + length;
}

/** Copies a whole constant. */
export function copyAll(source: Uint8Array, out: Uint8Array, at: number): number {
  return copyBytes(source, 0, source.length, out, at);
}

/** Writes a safe integer in decimal. */
export function writeInteger(value: number, out: Uint8Array, at: number): number {
  if (value < 0) {
    out[at] = 0x2d;
    return writeInteger(-value, out, at + 1);
  }
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i -= 1) {
    const next = Math.floor(rest / 10);
    out[i] = 0x30 + (rest - next * 10);
    rest = next;
  }
  return at + digits;
}

/**
 * Most bytes that UTF-8 text takes as string content. Controls grow six times over, U+0085 three
 * times, the rest at most twice.
 */
export function escapedBytesMax(bytes: number): number {
  return bytes * 6;
}

/**
 * Writes UTF-8 text as the content of a JSON string, without its quotes. Escaped are: quote, backslash,
 * controls, and U+0085, U+2028, U+2029, at which some line readers split.
 */
export function writeEscaped(
  text: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  for (let i = start; i < end; i += 1) {
    const byte = text[i]!;
    if (byte === QUOTE || byte === 0x5c) {
      out[at] = 0x5c;
      out[at + 1] = byte;
      at += 2;
    } else if (byte < 0x20) {
      at = writeUnit(byte, out, at);
    } else if (byte === 0xc2 && text[i + 1] === 0x85 && i + 1 < end) {
      at = writeUnit(0x85, out, at);
      i += 1;
    } else if (isSeparator(text, i, end)) {
      at = writeUnit(0x2000 | (text[i + 2]! - 0x80), out, at);
      i += 2;
    } else {
      out[at] = byte;
      at += 1;
    }
  }
  return at;
}

/** Whether U+2028 or U+2029 stands at `at`, as UTF-8. */
export function isSeparator(bytes: Uint8Array, at: number, end: number): boolean {
  return (
    bytes[at] === 0xe2 && at + 2 < end && bytes[at + 1] === 0x80 && (bytes[at + 2]! & 0xfe) === 0xa8
  );
}

/** Writes `\uXXXX`. */
export function writeUnit(unit: number, out: Uint8Array, at: number): number {
  out[at] = 0x5c;
  out[at + 1] = 0x75;
  for (let i = 0; i < 4; i += 1) out[at + 2 + i] = HEX[(unit >> (12 - 4 * i)) & 15]!;
  return at + 6;
}

/** Text as a JSON string token, as `writeEscaped` escapes. Lone surrogates become U+FFFD. */
export function stringToken(text: string): Buffer {
  const raw = Buffer.from(text, 'utf8');
  const out = Buffer.allocUnsafe(escapedBytesMax(raw.length) + 2);
  out[0] = QUOTE;
  const at = writeEscaped(raw, 0, raw.length, out, 1);
  out[at] = QUOTE;
  return Buffer.from(out.subarray(0, at + 1));
}

/** A JSON-RPC id, which may lie inside a larger buffer. `null` stands for an id nobody could read. */
function writeId(id: Uint8Array | null, start: number, end: number, out: Uint8Array, at: number) {
  if (id === null || start < 0) return copyAll(NULL, out, at);
  return copyBytes(id, start, end, out, at);
}

/** Room for `writeResult`. */
export function resultBytes(idBytes: number, resultLength: number): number {
  return HEAD.length + Math.max(idBytes, NULL.length) + RESULT.length + resultLength + 1;
}

/** `{"jsonrpc":"2.0","id":ID,"result":RESULT}`. `result` is a JSON value. */
export function writeResult(
  out: Uint8Array,
  at: number,
  id: Uint8Array,
  idStart: number,
  idEnd: number,
  result: Uint8Array,
): number {
  at = copyAll(HEAD, out, at);
  at = writeId(id, idStart, idEnd, out, at);
  at = copyAll(RESULT, out, at);
  at = copyAll(result, out, at);
  out[at] = BRACE_CLOSE;
  return at + 1;
}

/** Room for `writeError`. */
export function errorBytes(idBytes: number, messageLength: number, dataLength: number): number {
  return (
    HEAD.length +
    Math.max(idBytes, NULL.length) +
    ERROR_CODE.length +
    INTEGER_BYTES_MAX +
    ERROR_MESSAGE.length +
    messageLength +
    ERROR_DATA.length +
    dataLength +
    2
  );
}

/**
 * `{"jsonrpc":"2.0","id":ID,"error":{"code":CODE,"message":MESSAGE,"data":DATA}}`. `message` is a
 * string token, `data` a JSON value or null for none; an `idStart` below 0 writes `null`, as JSON-RPC
 * 2.0 (section 5) asks where the id could not be read.
 */
export function writeError(
  out: Uint8Array,
  at: number,
  id: Uint8Array | null,
  idStart: number,
  idEnd: number,
  code: number,
  message: Uint8Array,
  data: Uint8Array | null,
): number {
  at = copyAll(HEAD, out, at);
  at = writeId(id, idStart, idEnd, out, at);
  at = copyAll(ERROR_CODE, out, at);
  at = writeInteger(code, out, at);
  at = copyAll(ERROR_MESSAGE, out, at);
  at = copyAll(message, out, at);
  if (data !== null) {
    at = copyAll(ERROR_DATA, out, at);
    at = copyAll(data, out, at);
  }
  out[at] = BRACE_CLOSE;
  out[at + 1] = BRACE_CLOSE;
  return at + 2;
}

/** Room for `writeRequest` and `writeNotification`. */
export function callBytes(idBytes: number, methodLength: number, paramsLength: number): number {
  return HEAD.length + idBytes + METHOD.length + methodLength + PARAMS.length + paramsLength + 2;
}

/** `{"jsonrpc":"2.0","id":ID,"method":"METHOD","params":PARAMS}`; without `params` where null. */
export function writeRequest(
  out: Uint8Array,
  at: number,
  id: Uint8Array,
  idStart: number,
  idEnd: number,
  method: Uint8Array,
  params: Uint8Array | null,
): number {
  at = copyAll(HEAD, out, at);
  at = copyBytes(id, idStart, idEnd, out, at);
  at = copyAll(METHOD, out, at);
  return writeCallRest(out, at, method, params);
}

/** `{"jsonrpc":"2.0","method":"METHOD","params":PARAMS}`; without `params` where null. */
export function writeNotification(
  out: Uint8Array,
  at: number,
  method: Uint8Array,
  params: Uint8Array | null,
): number {
  return writeCallRest(out, copyAll(NOTIFICATION_HEAD, out, at), method, params);
}

function writeCallRest(
  out: Uint8Array,
  at: number,
  method: Uint8Array,
  params: Uint8Array | null,
): number {
  at = copyAll(method, out, at);
  if (params === null) {
    out[at] = QUOTE;
    at += 1;
  } else {
    at = copyAll(PARAMS, out, at);
    at = copyAll(params, out, at);
  }
  out[at] = BRACE_CLOSE;
  return at + 1;
}
