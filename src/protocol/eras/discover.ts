/**
 * `server/discover` (2026-07-28), seen from both sides, and what its answer says of a server's era.
 */
import { KIND_ERROR, KIND_RESPONSE, type Peek } from '../jsonrpc/peek-record.ts';
import { serverCapabilities, serverCapabilitiesText } from './capabilities.ts';
import { infoText, instructionsOf, parseSpan } from './initialize.ts';
import {
  isLegacyRevision,
  LATEST_MODERN,
  REVISION_UNKNOWN,
  revisionFromName,
  SUPPORTED_MODERN,
} from './era.ts';

/** Longest time a result may be kept, as the official client has it. */
export const TTL_MS_MAX = 86_400_000;
/** Names in `supportedVersions` that are looked at. */
const VERSIONS_MAX = 64;

const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';

type Json = Record<string, unknown>;

export interface DiscoverResult {
  /** The newest modern revision that both sides speak. */
  readonly revision: number;
  /** SERVER_* bits. */
  readonly capabilities: number;
  /** JSON text of an object, or null. */
  readonly serverInfo: string | null;
  readonly instructions: string | null;
  readonly ttlMs: number;
  readonly isPublic: boolean;
}

/** The `result` of a `server/discover` that we answer. */
export function discoverResult(result: DiscoverResult): Buffer {
  const { capabilities, serverInfo, instructions, ttlMs, isPublic } = result;
  const more = instructions === null ? '' : `,"instructions":${JSON.stringify(instructions)}`;
  const meta = serverInfo === null ? '' : `,"_meta":{"${SERVER_INFO}":${serverInfo}}`;
  return Buffer.from(
    `{"resultType":"complete","supportedVersions":${JSON.stringify(SUPPORTED_MODERN)},` +
      `"capabilities":${serverCapabilitiesText(capabilities, LATEST_MODERN)}${more},` +
      `"ttlMs":${String(ttlMs)},"cacheScope":"${isPublic ? 'public' : 'private'}"${meta}}`,
    'utf8',
  );
}

/**
 * Reads the `result` at `bytes[start, end)`.
 *
 * @returns null where it is no DiscoverResult, or names no modern revision that we speak
 */
export function readDiscoverResult(
  bytes: Uint8Array,
  start: number,
  end: number,
): DiscoverResult | null {
  const result = parseSpan(bytes, start, end);
  if (result === null) return null;
  // Absent means complete (2026-07-28, results); any other type is not what we asked for.
  if (result.resultType !== undefined && result.resultType !== 'complete') return null;
  const revision = newestModern(result.supportedVersions);
  if (revision === REVISION_UNKNOWN) return null;
  if (typeof result.capabilities !== 'object' || result.capabilities === null) return null;
  const meta = result._meta;
  const hasMeta = typeof meta === 'object' && meta !== null;
  return {
    revision,
    capabilities: serverCapabilities(result.capabilities, revision),
    serverInfo: hasMeta ? infoText((meta as Json)[SERVER_INFO]) : null,
    instructions: instructionsOf(result.instructions),
    ttlMs: ttlOf(result.ttlMs),
    isPublic: result.cacheScope === 'public',
  };
}

/** `ttlMs` of a result: absent, negative or no number means 0 (SEP-2549). */
export function ttlOf(value: unknown): number {
  if (typeof value !== 'number' || !(value > 0)) return 0;
  return Math.min(Math.floor(value), TTL_MS_MAX);
}

function newestModern(value: unknown): number {
  if (!Array.isArray(value)) return REVISION_UNKNOWN;
  let newest = REVISION_UNKNOWN;
  for (const name of value.slice(0, VERSIONS_MAX)) {
    const revision = typeof name === 'string' ? revisionFromName(name) : REVISION_UNKNOWN;
    if (!isLegacyRevision(revision)) newest = Math.max(newest, revision);
  }
  return newest;
}

/** A server that speaks a modern revision of ours. */
export const PROBE_MODERN = 0;
/** A modern server with no revision of ours: nothing to fall back to. */
export const PROBE_UNSUPPORTED = 1;
/** Anything else answered: try `initialize`. */
export const PROBE_LEGACY = 2;

export interface Probe {
  readonly verdict: number;
  /** With PROBE_MODERN by a DiscoverResult. */
  readonly discovered: DiscoverResult | null;
  /** With PROBE_MODERN: the revision to use from now on. */
  readonly revision: number;
}

/**
 * What the answer to a `server/discover` probe says of a server's era (2026-07-28, versioning). As the
 * official SDK, only a DiscoverResult and -32022 with `data.supported` are evidence of a modern
 * server; no other error is, for legacy servers answer with all sorts of codes.
 */
export function readProbe(bytes: Uint8Array, peek: Peek): Probe {
  if (peek.kind === KIND_RESPONSE) {
    const discovered = readDiscoverResult(bytes, peek.resultStart, peek.resultEnd);
    if (discovered !== null) {
      return { verdict: PROBE_MODERN, discovered, revision: discovered.revision };
    }
  } else if (peek.kind === KIND_ERROR && peek.errorDataStart >= 0) {
    const code = parseNumber(bytes, peek.errorCodeStart, peek.errorCodeEnd);
    const data = code === -32022 ? parseSpan(bytes, peek.errorDataStart, peek.errorDataEnd) : null;
    if (data !== null && Array.isArray(data.supported)) {
      const revision = newestModern(data.supported);
      const verdict = revision === REVISION_UNKNOWN ? PROBE_UNSUPPORTED : PROBE_MODERN;
      return { verdict, discovered: null, revision };
    }
  }
  return { verdict: PROBE_LEGACY, discovered: null, revision: REVISION_UNKNOWN };
}

function parseNumber(bytes: Uint8Array, start: number, end: number): number {
  let text = '';
  for (let i = start; i < end; i += 1) text += String.fromCharCode(bytes[i]!);
  return Number(text);
}
