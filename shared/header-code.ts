/**
 * Header fields that both threads know, by number: a known field crosses a ring without its name.
 * Numbers cross threads (and, recorded, processes): never reused. Below 32, so that a set of them is
 * one integer.
 */
import { assert } from './assert.ts';

/** Any other field; its name travels with it. */
export const HEADER_OTHER = 0;

export const HEADER_AUTHORIZATION = 1;
export const HEADER_MCP_PROTOCOL_VERSION = 2;
export const HEADER_MCP_METHOD = 3;
export const HEADER_MCP_NAME = 4;
export const HEADER_MCP_SESSION_ID = 5;
export const HEADER_ACCEPT = 6;
export const HEADER_CONTENT_TYPE = 7;
export const HEADER_LAST_EVENT_ID = 8;
export const HEADER_TRACEPARENT = 9;
export const HEADER_TRACESTATE = 10;
export const HEADER_BAGGAGE = 11;
export const HEADER_ORIGIN = 12;
/** The client's certificate as the edge saw it, in the form of RFC 9440 §2.1. */
export const HEADER_CLIENT_CERT = 13;
/** The Host as the edge checked it; names the gateway in answers where no public URL is configured. */
export const HEADER_HOST = 14;

export const HEADER_WWW_AUTHENTICATE = 20;
export const HEADER_RETRY_AFTER = 21;
export const HEADER_ALLOW = 22;
export const HEADER_RATELIMIT = 23;
export const HEADER_RATELIMIT_POLICY = 24;
export const HEADER_CACHE_CONTROL = 25;
export const HEADER_X_ACCEL_BUFFERING = 26;

export const HEADER_CODES = 32;

const NAMES: readonly (readonly [code: number, name: string])[] = [
  [HEADER_AUTHORIZATION, 'authorization'],
  [HEADER_MCP_PROTOCOL_VERSION, 'mcp-protocol-version'],
  [HEADER_MCP_METHOD, 'mcp-method'],
  [HEADER_MCP_NAME, 'mcp-name'],
  [HEADER_MCP_SESSION_ID, 'mcp-session-id'],
  [HEADER_ACCEPT, 'accept'],
  [HEADER_CONTENT_TYPE, 'content-type'],
  [HEADER_LAST_EVENT_ID, 'last-event-id'],
  [HEADER_TRACEPARENT, 'traceparent'],
  [HEADER_TRACESTATE, 'tracestate'],
  [HEADER_BAGGAGE, 'baggage'],
  [HEADER_ORIGIN, 'origin'],
  [HEADER_CLIENT_CERT, 'client-cert'],
  [HEADER_HOST, 'host'],
  [HEADER_WWW_AUTHENTICATE, 'www-authenticate'],
  [HEADER_RETRY_AFTER, 'retry-after'],
  [HEADER_ALLOW, 'allow'],
  [HEADER_RATELIMIT, 'ratelimit'],
  [HEADER_RATELIMIT_POLICY, 'ratelimit-policy'],
  [HEADER_CACHE_CONTROL, 'cache-control'],
  [HEADER_X_ACCEL_BUFFERING, 'x-accel-buffering'],
];

/**
 * Fields that the edge vouches for: it writes them itself, by code, after its own checks. They are not
 * found by name, so that nothing a client wrote under these names passes for the edge's word.
 */
const VOUCHED: number = (1 << HEADER_CLIENT_CERT) | (1 << HEADER_HOST);

/** Longest known name, and so the end of the table below. */
const NAME_BYTES_MAX = 20;
const LETTERS = 32;

const NAME_BY_CODE: string[] = new Array<string>(HEADER_CODES).fill('');
/**
 * Length and first letter tell all known names apart, so one comparison decides. A `Map` would hash
 * the fresh string of every field of every request.
 */
const CODE_BY_LENGTH_AND_LETTER = new Uint8Array((NAME_BYTES_MAX + 1) * LETTERS);

for (const [code, name] of NAMES) {
  NAME_BY_CODE[code] = name;
  if ((VOUCHED & (1 << code)) !== 0) continue;
  const cell = name.length * LETTERS + (name.charCodeAt(0) & (LETTERS - 1));
  assert(
    CODE_BY_LENGTH_AND_LETTER[cell] === 0,
    'length and first letter tell the names apart',
    name,
  );
  CODE_BY_LENGTH_AND_LETTER[cell] = code;
}

/** The code of a name in lower case; HEADER_OTHER for unknown names and for fields the edge vouches for. */
export function headerCode(name: string): number {
  const length = name.length;
  if (length === 0 || length > NAME_BYTES_MAX) return HEADER_OTHER;
  const code = CODE_BY_LENGTH_AND_LETTER[length * LETTERS + (name.charCodeAt(0) & (LETTERS - 1))]!;
  return code !== 0 && NAME_BY_CODE[code] === name ? code : HEADER_OTHER;
}

/** The name of a code, in lower case; empty for HEADER_OTHER and unknown codes. */
export function headerName(code: number): string {
  return NAME_BY_CODE[code] ?? '';
}
