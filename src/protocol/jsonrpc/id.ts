/**
 * JSON-RPC ids and progress tokens: a string or an integer (MCP, all revisions, basic protocol), here
 * as a token, the bytes as they were written. Integers lie within ±(2^53 - 1) and have neither
 * fraction nor exponent, so that every parser reads and writes the same one. Strings may have escapes,
 * for a token is sent back byte for byte, but no lone surrogate: parsers turn that into different
 * characters, and an answer could not be matched.
 */
import { ID_BYTES_MAX } from '../../../shared/limits.ts';
import { asciiBytes } from './key-set.ts';
import { hexUnit } from './token.ts';

/** The digits of 2^53 - 1. */
const INTEGER_MAX = asciiBytes(String(Number.MAX_SAFE_INTEGER));
const INTEGER_DIGITS_MAX: number = INTEGER_MAX.length;

/** Whether the valid JSON value `bytes[start, end)` can be an id. */
export function isIdToken(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > ID_BYTES_MAX) return false;
  if (bytes[start] === 0x22) return !hasLoneSurrogate(bytes, start, end);
  return isSafeInteger(bytes, start, end);
}

/** Whether the token is an integer that a double holds exactly. */
export function isSafeInteger(bytes: Uint8Array, start: number, end: number): boolean {
  const first = bytes[start] === 0x2d ? start + 1 : start;
  const digits = end - first;
  if (digits <= 0 || digits > INTEGER_DIGITS_MAX) return false;
  for (let i = first; i < end; i += 1) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return false;
  }
  // Fewer digits are less in any case, and as many are in the order of their first difference.
  if (digits < INTEGER_DIGITS_MAX) return true;
  for (let i = 0; i < INTEGER_DIGITS_MAX; i += 1) {
    if (bytes[first + i] !== INTEGER_MAX[i]) return bytes[first + i]! < INTEGER_MAX[i]!;
  }
  return true;
}

/** Whether a valid string has an escaped surrogate without its other half. */
export function hasLoneSurrogate(bytes: Uint8Array, start: number, end: number): boolean {
  let isHighOpen = false;
  for (let at = start; at < end;) {
    let unit = bytes[at]!;
    if (unit !== 0x5c) {
      at += 1;
    } else if (bytes[at + 1] === 0x75) {
      unit = hexUnit(bytes, at + 2);
      at += 6;
    } else {
      unit = 0;
      at += 2;
    }
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (isLow !== isHighOpen) return true;
    isHighOpen = unit >= 0xd800 && unit <= 0xdbff;
  }
  return isHighOpen;
}
