/** Addresses and ranges of them as bytes (RFC 4632 for IPv4, RFC 4291 §2.3 for IPv6). */
import { isIP } from 'node:net';
import type { PlanAddressRange } from './plan.ts';

const MAPPED_PREFIX_BITS = 96;

/**
 * Reads `ADDRESS` or `ADDRESS/BITS`. Host bits are cleared, and a range within ::ffff:0:0/96 becomes
 * the IPv4 range it stands for. Null: not a range. Zone ids are refused: they mean nothing in a header.
 */
export function parseAddressRange(text: string): PlanAddressRange | null {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const family = address.includes('%') ? 0 : isIP(address);
  if (family !== 4 && family !== 6) return null;
  const bytes = family === 4 ? ipv4Bytes(address) : ipv6Bytes(address);
  const bitsMax = bytes.length * 8;
  const bitsText = slash < 0 ? String(bitsMax) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(bitsText) || Number(bitsText) > bitsMax) return null;
  const prefixBits = Number(bitsText);
  if (family === 6 && prefixBits >= MAPPED_PREFIX_BITS && isMapped(bytes)) {
    return range(4, bytes.slice(12), prefixBits - MAPPED_PREFIX_BITS);
  }
  return range(family, bytes, prefixBits);
}

/** Whether a host to listen on is reached from this machine only. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  if (name === 'localhost') return true;
  const parsed = parseAddressRange(name);
  if (parsed === null || name.includes('/')) return false;
  if (parsed.family === 4) return parsed.bytes[0] === 127;
  return parsed.bytes.every((byte, index) => byte === (index === 15 ? 1 : 0));
}

function range(family: 4 | 6, bytes: readonly number[], prefixBits: number): PlanAddressRange {
  const cleared = bytes.map((byte, index) => {
    const kept = Math.min(8, Math.max(0, prefixBits - index * 8));
    return byte & ((0xff << (8 - kept)) & 0xff);
  });
  return { family, bytes: cleared, prefixBits };
}

function isMapped(bytes: readonly number[]): boolean {
  return bytes.slice(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 0xff));
}

/** `isIP` has checked the text. */
function ipv4Bytes(text: string): number[] {
  return text.split('.').map(Number);
}

/** `isIP` has checked the text: at most one `::`, a dotted quad only at the end. */
function ipv6Bytes(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const before = groupBytes(head);
  if (tail === undefined) return before;
  const after = groupBytes(tail);
  return [...before, ...new Array<number>(16 - before.length - after.length).fill(0), ...after];
}

function groupBytes(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return ipv4Bytes(group);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
