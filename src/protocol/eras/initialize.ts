/**
 * The legacy handshake (lifecycle, all legacy revisions), seen from both sides.
 */
import type { Peek } from '../jsonrpc/peek-record.ts';
import {
  clientCapabilitiesFromBytes,
  clientCapabilitiesText,
  serverCapabilities,
  serverCapabilitiesText,
} from './capabilities.ts';
import {
  isLegacyRevision,
  LATEST_LEGACY,
  REVISION_UNKNOWN,
  REVISIONS,
  revisionFromBytes,
  revisionFromName,
} from './era.ts';

/** Longest `clientInfo` or `serverInfo` that is kept, in bytes of JSON. Icons are links, not data. */
export const INFO_BYTES_MAX = 16_384;
/** Longest `instructions` that are kept, in UTF-16 units. */
export const INSTRUCTIONS_LENGTH_MAX = 65_536;

const NAMELESS = '{"name":"unknown","version":"0"}';

type Json = Record<string, unknown>;

export interface InitializeParams {
  /** What we answer with. */
  readonly revision: number;
  /** CLIENT_* bits. */
  readonly capabilities: number;
  /** JSON text of an object. */
  readonly clientInfo: string;
}

export interface InitializeResult {
  readonly revision: number;
  /** SERVER_* bits. */
  readonly capabilities: number;
  /** JSON text of an object. */
  readonly serverInfo: string;
  readonly instructions: string | null;
}

/**
 * The revision that an `initialize` is answered with: the one it asks for if that is a legacy one we
 * speak, else our latest legacy one. A modern one is never echoed: it has no handshake.
 */
export function negotiateRevision(bytes: Uint8Array, peek: Peek): number {
  const { protocolVersionParamStart: start, protocolVersionParamEnd: end } = peek;
  const asked = start < 0 ? REVISION_UNKNOWN : revisionFromBytes(bytes, start, end);
  return isLegacyRevision(asked) ? asked : LATEST_LEGACY;
}

/**
 * What a client says of itself in `initialize`.
 *
 * @returns null where a required member is missing or of the wrong type (-32602)
 */
export function readInitializeParams(bytes: Uint8Array, peek: Peek): InitializeParams | null {
  if (peek.protocolVersionParamStart < 0) return null;
  if (bytes[peek.initCapabilitiesStart] !== 0x7b || bytes[peek.clientInfoStart] !== 0x7b)
    return null;
  if (peek.clientInfoEnd - peek.clientInfoStart > INFO_BYTES_MAX) return null;
  const clientInfo = infoText(parseSpan(bytes, peek.clientInfoStart, peek.clientInfoEnd));
  if (clientInfo === null) return null;
  const { initCapabilitiesStart, initCapabilitiesEnd } = peek;
  return {
    revision: negotiateRevision(bytes, peek),
    capabilities: clientCapabilitiesFromBytes(bytes, initCapabilitiesStart, initCapabilitiesEnd),
    clientInfo,
  };
}

/** The `result` of an `initialize` that we answer. */
export function initializeResult(result: InitializeResult): Buffer {
  const { revision, capabilities, serverInfo, instructions } = result;
  const rest = instructions === null ? '' : `,"instructions":${JSON.stringify(instructions)}`;
  return Buffer.from(
    `{"protocolVersion":"${REVISIONS[revision]!}",` +
      `"capabilities":${serverCapabilitiesText(capabilities, revision)},` +
      `"serverInfo":${serverInfo}${rest}}`,
    'utf8',
  );
}

/** The `params` of an `initialize` that we send. `capabilities` are CLIENT_* bits. */
export function initializeParams(
  revision: number,
  capabilities: number,
  clientInfo: string,
): Buffer {
  return Buffer.from(
    `{"protocolVersion":"${REVISIONS[revision]!}",` +
      `"capabilities":${clientCapabilitiesText(capabilities, revision)},"clientInfo":${clientInfo}}`,
    'utf8',
  );
}

/**
 * What a server says of itself in the `result` at `bytes[start, end)` of our `initialize`.
 *
 * @returns null where it is no such result, or names a revision that we do not speak and so have to
 *   disconnect from (lifecycle, version negotiation)
 */
export function readInitializeResult(
  bytes: Uint8Array,
  start: number,
  end: number,
): InitializeResult | null {
  const result = parseSpan(bytes, start, end);
  if (result === null || typeof result.protocolVersion !== 'string') return null;
  const revision = revisionFromName(result.protocolVersion);
  if (!isLegacyRevision(revision)) return null;
  return {
    revision,
    capabilities: serverCapabilities(result.capabilities, revision),
    serverInfo: infoText(result.serverInfo) ?? NAMELESS,
    instructions: instructionsOf(result.instructions),
  };
}

/** The object in a span that `peek` has found to be valid JSON, or null for any other value. */
export function parseSpan(bytes: Uint8Array, start: number, end: number): Json | null {
  const token = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  const value = JSON.parse(token.toString('utf8')) as unknown;
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : null;
}

/** An `Implementation` as JSON text; null where it lacks its name or version or is too long. */
export function infoText(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  const { name, version } = value as { name?: unknown; version?: unknown };
  if (typeof name !== 'string' || typeof version !== 'string') return null;
  const text = JSON.stringify(value);
  return text.length <= INFO_BYTES_MAX ? text : null;
}

export function instructionsOf(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  return value.length <= INSTRUCTIONS_LENGTH_MAX ? value : value.slice(0, INSTRUCTIONS_LENGTH_MAX);
}
