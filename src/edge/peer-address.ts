/**
 * Addresses as bytes: who the socket's peer is, whether it is a proxy we trust, and whom that proxy
 * speaks for. Nothing is resolved and nothing allocated per request.
 *
 * An address is a family (4 | 6) and 16 bytes, IPv4 in the first 4 and zeros behind. An IPv4 address
 * mapped into IPv6 (::ffff:0:0/96, RFC 4291 §2.5.5.2) always counts as the IPv4 address it is.
 */
import type { PlanAddressRange } from '../config/plan.ts';

export const ADDRESS_BYTES = 16;

/** Proxies in a row that are looked through. Chains of real ones are short; the field may be long. */
export const FORWARDED_HOPS_MAX = 16;

/** `[` 8 groups of 4 and a port: longer entries are no addresses. */
const ENTRY_CHARS_MAX = 64;

const ZERO = 0x30;
const DOT = 0x2e;
const COLON = 0x3a;

const groups = new Uint16Array(8);

/** 4 or 6 for the 4 or 16 bytes of a socket address. */
export function addressFamily(bytes: Uint8Array): 4 | 6 {
  return bytes.length === ADDRESS_BYTES && !isMapped(bytes, 0) ? 6 : 4;
}

/** Writes the 4 or 16 bytes of a socket address as 16. */
export function writeAddress(bytes: Uint8Array, out: Uint8Array, at: number): void {
  out.fill(0, at, at + ADDRESS_BYTES);
  const start = bytes.length === ADDRESS_BYTES && isMapped(bytes, 0) ? 12 : 0;
  for (let index = start; index < bytes.length; index += 1) out[at + index - start] = bytes[index]!;
}

/**
 * Reads `text[start, end)`: IPv4 as four decimal numbers without leading zeros, IPv6 as RFC 4291 §2.2
 * writes it. No zones, no blanks, no names.
 *
 * @returns 4 or 6 with 16 bytes written at `at`, or 0: not an address
 */
export function parseAddress(
  text: string,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): 0 | 4 | 6 {
  out.fill(0, at, at + ADDRESS_BYTES);
  const family = parseText(text, start, end, out, at);
  if (family !== 6 || !isMapped(out, at)) return family;
  out.copyWithin(at, at + 12, at + 16);
  out.fill(0, at + 4, at + ADDRESS_BYTES);
  return 4;
}

/** Whether an address lies in one of the ranges. */
export function isInRanges(
  ranges: readonly PlanAddressRange[],
  family: 4 | 6,
  bytes: Uint8Array,
  at: number,
): boolean {
  for (const range of ranges) {
    if (range.family === family && isInRange(range, bytes, at)) return true;
  }
  return false;
}

/**
 * The client behind trusted proxies. Starts at the socket's peer and walks X-Forwarded-For from right
 * to left as long as the address at hand is a trusted proxy: what such a proxy appended is true, what
 * stands left of an untrusted address is hearsay. An entry that is no address ends the walk at the
 * proxy that wrote it. With FORWARDED_HOPS_MAX proxies in a row the walk ends as well.
 *
 * `out` holds the peer's 16 bytes at `at` and is overwritten with the client's.
 *
 * @param forwardedFor the field's value, several lines joined by commas; empty for none
 * @returns the family of the address left in `out`
 */
export function resolveClient(
  ranges: readonly PlanAddressRange[],
  forwardedFor: string,
  peerFamily: 4 | 6,
  out: Uint8Array,
  at: number,
): 4 | 6 {
  let family = peerFamily;
  let end = forwardedFor.length;
  if (end === 0 || ranges.length === 0) return family;
  for (let hop = 0; hop < FORWARDED_HOPS_MAX && end >= 0; hop += 1) {
    if (!isInRanges(ranges, family, out, at)) return family;
    const comma = end === 0 ? -1 : forwardedFor.lastIndexOf(',', end - 1);
    const entry = parseEntry(forwardedFor, comma + 1, end);
    if (entry === 0) return family;
    out.set(entryBytes, at);
    family = entry;
    end = comma;
  }
  return family;
}

const entryBytes = new Uint8Array(ADDRESS_BYTES);

/** One entry of X-Forwarded-For: an address, for some proxies with its port: `1.2.3.4:5`, `[::1]:5`. */
function parseEntry(text: string, from: number, to: number): 0 | 4 | 6 {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  if (start === end || end - start > ENTRY_CHARS_MAX) return 0;
  if (text[start] === '[') {
    const close = text.indexOf(']', start);
    if (close < 0 || close >= end || !isPort(text, close + 1, end)) return 0;
    const family = parseAddress(text, start + 1, close, entryBytes, 0);
    return hasColon(text, start + 1, close) ? family : 0;
  }
  const colon = text.indexOf(':', start);
  const isV4WithPort = colon > start && colon < end && text.lastIndexOf(':', end - 1) === colon;
  if (!isV4WithPort) return parseAddress(text, start, end, entryBytes, 0);
  return isPort(text, colon, end) ? parseAddress(text, start, colon, entryBytes, 0) : 0;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function hasColon(text: string, start: number, end: number): boolean {
  const colon = text.indexOf(':', start);
  return colon >= 0 && colon < end;
}

/** Nothing, or a colon and 1 to 5 digits. */
function isPort(text: string, start: number, end: number): boolean {
  if (start === end) return true;
  if (text.charCodeAt(start) !== COLON || end - start < 2 || end - start > 6) return false;
  for (let at = start + 1; at < end; at += 1) {
    if (!isDigit(text.charCodeAt(at))) return false;
  }
  return true;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= 0x39;
}

function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let index = 0; index < 10; index += 1) if (bytes[at + index] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

function isInRange(range: PlanAddressRange, bytes: Uint8Array, at: number): boolean {
  const whole = range.prefixBits >> 3;
  for (let index = 0; index < whole; index += 1) {
    if (bytes[at + index] !== range.bytes[index]) return false;
  }
  const rest = range.prefixBits & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((bytes[at + whole]! ^ range.bytes[whole]!) & mask) === 0;
}

function parseText(
  text: string,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): 0 | 4 | 6 {
  if (end - start < 2 || end - start > ENTRY_CHARS_MAX) return 0;
  if (!hasColon(text, start, end)) return parseV4(text, start, end, out, at) ? 4 : 0;
  return parseV6(text, start, end, out, at) ? 6 : 0;
}

function parseV4(text: string, start: number, end: number, out: Uint8Array, at: number): boolean {
  let position = start;
  for (let index = 0; index < 4; index += 1) {
    if (index > 0) {
      if (position >= end || text.charCodeAt(position) !== DOT) return false;
      position += 1;
    }
    const first = position;
    let value = 0;
    while (position < end && position - first < 3 && isDigit(text.charCodeAt(position))) {
      value = value * 10 + text.charCodeAt(position) - ZERO;
      position += 1;
    }
    const digits = position - first;
    if (digits === 0 || value > 255) return false;
    if (digits > 1 && text.charCodeAt(first) === ZERO) return false; // 010 is 8 to some, 10 to others
    out[at + index] = value;
  }
  return position === end;
}

function parseV6(text: string, start: number, end: number, out: Uint8Array, at: number): boolean {
  let count = 0;
  let gap = -1;
  let position = start;
  if (text.startsWith('::', position)) {
    gap = 0;
    position += 2;
  }
  while (position < end) {
    if (count === 8) return false;
    const next = groupEnd(text, position, end);
    if (next < end && text.charCodeAt(next) === DOT) {
      if (count > 6 || !parseV4(text, position, end, out, at)) return false;
      groups[count] = (out[at]! << 8) | out[at + 1]!;
      groups[count + 1] = (out[at + 2]! << 8) | out[at + 3]!;
      count += 2;
      break;
    }
    if (next === position) return false;
    groups[count] = Number.parseInt(text.slice(position, next), 16);
    count += 1;
    position = next;
    if (position === end) break;
    if (text.charCodeAt(position) !== COLON) return false;
    position += 1;
    if (position === end) return false; // a single colon at the end
    if (text.charCodeAt(position) === COLON) {
      if (gap >= 0) return false;
      gap = count;
      position += 1;
    }
  }
  // `::` stands for at least one group.
  if (gap < 0 ? count !== 8 : count > 7) return false;
  spread(count, gap, out, at);
  return true;
}

/** The end of up to four hexadecimal digits. */
function groupEnd(text: string, start: number, end: number): number {
  let position = start;
  while (position < end && position - start < 4 && isHex(text.charCodeAt(position))) position += 1;
  return position;
}

function isHex(code: number): boolean {
  const lower = code | 0x20;
  return isDigit(code) || (lower >= 0x61 && lower <= 0x66);
}

/** Writes the groups read so far, with zeros where `::` stood. */
function spread(count: number, gap: number, out: Uint8Array, at: number): void {
  out.fill(0, at, at + ADDRESS_BYTES);
  const missing = 8 - count;
  for (let index = 0; index < count; index += 1) {
    const target = at + 2 * (gap >= 0 && index >= gap ? index + missing : index);
    out[target] = groups[index]! >> 8;
    out[target + 1] = groups[index]! & 0xff;
  }
}
