/**
 * A message on one line, for wires that are read by lines: stdio, and the data of an event stream.
 *
 * In valid JSON a CR or LF stands between tokens only, where a space is as good, and U+0085, U+2028
 * and U+2029, at which some line readers split as well, stand inside of strings only, where an escape
 * is as good. So nothing has to be parsed, and nothing changes its meaning.
 */
import { isSeparator, writeUnit } from './write.ts';

/** Room for `toSingleLine`: U+0085 takes two bytes as it is and six escaped. */
export function singleLineBytes(bytes: number): number {
  return bytes * 3;
}

/**
 * Copies the valid JSON in `bytes[start, end)` to `out[at…]` without line breaks.
 *
 * @returns the index after the last byte written
 */
export function toSingleLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  for (let i = start; i < end; i += 1) {
    const byte = bytes[i]!;
    if (byte === 0x0a || byte === 0x0d) {
      out[at] = 0x20;
      at += 1;
    } else if (byte === 0xc2 && i + 1 < end && bytes[i + 1] === 0x85) {
      at = writeUnit(0x85, out, at);
      i += 1;
    } else if (byte === 0xe2 && isSeparator(bytes, i, end)) {
      at = writeUnit(0x2000 | (bytes[i + 2]! - 0x80), out, at);
      i += 2;
    } else {
      out[at] = byte;
      at += 1;
    }
  }
  return at;
}
