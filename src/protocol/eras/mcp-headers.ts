/**
 * The header fields that mirror the body (SEP-2243), as spans over the frame's header block, and how
 * their values are written and read (2026-07-28, Streamable HTTP, "Value Encoding").
 */
import { isUtf8 } from 'node:buffer';
import { asciiBytes, equalsAt } from '../jsonrpc/key-set.ts';

/** Field values of one request. -1 = the field is absent. */
export class McpHeaders {
  bytes: Uint8Array = new Uint8Array(0);
  versionStart = -1;
  versionEnd = -1;
  methodStart = -1;
  methodEnd = -1;
  nameStart = -1;
  nameEnd = -1;

  reset(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.versionStart = -1;
    this.versionEnd = -1;
    this.methodStart = -1;
    this.methodEnd = -1;
    this.nameStart = -1;
    this.nameEnd = -1;
  }
}

const SENTINEL_OPEN = asciiBytes('=?base64?');
const SENTINEL_CLOSE = asciiBytes('?=');

const BASE64 = new Int8Array(256).fill(-1);
for (let i = 0; i < 64; i += 1) {
  BASE64['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.charCodeAt(i)] = i;
}

/** First index at or after `start` that is no space or tab (optional white space, RFC 9110 5.6.3). */
export function trimStart(bytes: Uint8Array, start: number, end: number): number {
  while (start < end && (bytes[start] === 0x20 || bytes[start] === 0x09)) start += 1;
  return start;
}

/** Index after the last byte that is no space or tab. */
export function trimEnd(bytes: Uint8Array, start: number, end: number): number {
  while (end > start && (bytes[end - 1] === 0x20 || bytes[end - 1] === 0x09)) end -= 1;
  return end;
}

/** Whether two spans hold the same bytes. Four in a turn: the turn costs as much as comparing one. */
export function sameBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): boolean {
  const length = aEnd - aStart;
  if (length !== bEnd - bStart) return false;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    const difference =
      (a[aStart + i]! ^ b[bStart + i]!) |
      (a[aStart + i + 1]! ^ b[bStart + i + 1]!) |
      (a[aStart + i + 2]! ^ b[bStart + i + 2]!) |
      (a[aStart + i + 3]! ^ b[bStart + i + 3]!);
    if (difference !== 0) return false;
  }
  for (; i < length; i += 1) {
    if (a[aStart + i] !== b[bStart + i]) return false;
  }
  return true;
}

/**
 * Whether the trimmed value is `=?base64?…?=`. The marker's letters count as they are. The first byte
 * alone settles it for nearly all values.
 */
export function isSentinel(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start >= SENTINEL_OPEN.length + SENTINEL_CLOSE.length &&
    bytes[start] === 0x3d &&
    equalsAt(bytes, start, SENTINEL_OPEN) &&
    equalsAt(bytes, end - SENTINEL_CLOSE.length, SENTINEL_CLOSE)
  );
}

/** Whether a trimmed value stands for its own bytes: printable ASCII and tabs, no sentinel. */
export function isPlainField(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i += 1) {
    const byte = bytes[i]!;
    if ((byte < 0x20 && byte !== 0x09) || byte > 0x7e) return false;
  }
  return !isSentinel(bytes, start, end);
}

/**
 * Decodes a trimmed value to the UTF-8 it stands for.
 *
 * @returns null where the value has bytes that a field must not have, or a sentinel around what is not
 *   padded base64 of UTF-8; such requests are refused with -32020.
 */
export function decodeMirrored(bytes: Uint8Array, start: number, end: number): Uint8Array | null {
  if (isPlainField(bytes, start, end)) return bytes.subarray(start, end);
  if (!isSentinel(bytes, start, end)) return null;
  const first = start + SENTINEL_OPEN.length;
  const decoded = decodeBase64(bytes, first, end - SENTINEL_CLOSE.length);
  return decoded !== null && isUtf8(decoded) ? decoded : null;
}

/** Base64 with padding (RFC 4648, section 4), no white space. Null where it is anything else. */
function decodeBase64(bytes: Uint8Array, start: number, end: number): Uint8Array | null {
  const length = end - start;
  if (length % 4 !== 0) return null;
  let padding = 0;
  if (length > 0 && bytes[end - 1] === 0x3d) padding = bytes[end - 2] === 0x3d ? 2 : 1;
  const out = new Uint8Array((length / 4) * 3 - padding);
  const digits = end - padding;
  let at = 0;
  let held = 0;
  let heldBits = 0;
  for (let i = start; i < digits; i += 1) {
    const digit = BASE64[bytes[i]!]!;
    if (digit < 0) return null;
    held = ((held << 6) | digit) & 0xffff;
    heldBits += 6;
    if (heldBits >= 8) {
      heldBits -= 8;
      out[at] = held >> heldBits;
      at += 1;
    }
  }
  return out;
}

/**
 * Writes text as a field value: as it is where it is printable ASCII without outer white space and
 * does not look like a sentinel, else as a sentinel. Empty text becomes one too, as the official SDK
 * sends it.
 */
export function encodeMirrored(text: string): string {
  const isPlain = /^[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?$/.test(text);
  const looksEncoded = text.startsWith('=?base64?') && text.endsWith('?=');
  if (isPlain && !looksEncoded) return text;
  return `=?base64?${Buffer.from(text, 'utf8').toString('base64')}?=`;
}
