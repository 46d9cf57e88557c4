/**
 * Revisions of the protocol and the two families they form. *Legacy* revisions open with the
 * `initialize` handshake; in *modern* ones each request carries its envelope in `params._meta`
 * (2026-07-28, versioning).
 *
 * A revision is handled as its index here; `1 << index` is its bit in the method table.
 */
import { ByteWords } from '../../../shared/byte-words.ts';
import { asciiBytes, equalsAt, KeySet } from '../jsonrpc/key-set.ts';

export const ERA_LEGACY = 0;
export const ERA_MODERN = 1;

export const REVISION_UNKNOWN = -1;
export const REVISION_2024_11_05 = 0;
export const REVISION_2025_03_26 = 1;
export const REVISION_2025_06_18 = 2;
export const REVISION_2025_11_25 = 3;
export const REVISION_2026_07_28 = 4;

/** By index, oldest first. */
export const REVISIONS: readonly string[] = [
  '2024-11-05',
  '2025-03-26',
  '2025-06-18',
  '2025-11-25',
  '2026-07-28',
];
export const REVISION_BYTES: readonly Uint8Array[] = REVISIONS.map(asciiBytes);

/** What `initialize` is answered with when it asks for something else. */
export const LATEST_LEGACY = REVISION_2025_11_25;
export const LATEST_MODERN = REVISION_2026_07_28;
/** What a legacy request without `MCP-Protocol-Version` is taken for (2025-06-18, transports). */
export const ASSUMED_LEGACY = REVISION_2025_03_26;

/** What -32022 and `server/discover` name. As the official SDK, modern revisions only. */
export const SUPPORTED_MODERN: readonly string[] = ['2026-07-28'];

const FIRST_MODERN = asciiBytes('2026-07-28');
/** Tried first: most messages name it. */
const NEWEST = REVISION_BYTES[LATEST_MODERN]!;
const NEWEST_WORDS = new ByteWords(NEWEST);
const NAMES = new KeySet(['', ...REVISIONS]);

/** The index of the revision named in `bytes[start, end)`, or REVISION_UNKNOWN. */
export function revisionFromBytes(bytes: Uint8Array, start: number, end: number): number {
  if (end - start === NEWEST.length && equalsAt(bytes, start, NEWEST)) return LATEST_MODERN;
  return NAMES.find(bytes, start, end) - 1;
}

/** Whether `[start, end)` names the newest revision. */
export function isNewestRevision(view: DataView, start: number, end: number): boolean {
  return NEWEST_WORDS.equals(view, start, end);
}

/** The index of the revision named so, or REVISION_UNKNOWN. */
export function revisionFromName(name: string): number {
  return REVISIONS.indexOf(name);
}

export function isLegacyRevision(revision: number): boolean {
  return revision >= 0 && revision <= LATEST_LEGACY;
}

/**
 * Whether a revision's name belongs to the modern era, known or not: it sorts at or after the first
 * modern one, as the official SDK decides it.
 */
export function namesModern(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length === FIRST_MODERN.length && equalsAt(bytes, start, FIRST_MODERN)) return true;
  for (let i = 0; i < FIRST_MODERN.length; i += 1) {
    if (i >= length) return false;
    const byte = bytes[start + i]!;
    if (byte !== FIRST_MODERN[i]) return byte > FIRST_MODERN[i]!;
  }
  return true;
}

/** RFC 5424 severities as MCP spells them, least severe first. */
export const LOG_LEVELS: readonly string[] = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
];
const LEVEL_NAMES = new KeySet(['', ...LOG_LEVELS]);

/** The index of the log level named in `bytes[start, end)`, or -1. */
export function logLevelFromBytes(bytes: Uint8Array, start: number, end: number): number {
  return LEVEL_NAMES.find(bytes, start, end) - 1;
}
