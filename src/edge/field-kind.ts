/**
 * Request fields by number, found from the bytes of their name: those that travel to a shard keep their
 * code of `header-code.ts`, and those that the edge reads for itself come behind them.
 */
import { assert } from '../../shared/assert.ts';
import {
  HEADER_ACCEPT,
  HEADER_CLIENT_CERT,
  HEADER_CODES,
  HEADER_CONTENT_TYPE,
  HEADER_MCP_METHOD,
  HEADER_MCP_NAME,
  HEADER_MCP_PROTOCOL_VERSION,
  HEADER_ORIGIN,
  headerName,
} from '../../shared/header-code.ts';

export const FIELD_OTHER = 0;
export const FIELD_HOST = 32;
export const FIELD_CONTENT_LENGTH = 33;
export const FIELD_TRANSFER_ENCODING = 34;
export const FIELD_CONNECTION = 35;
export const FIELD_EXPECT = 36;
export const FIELD_FORWARDED_FOR = 37;
export const FIELD_CORS_METHOD = 38;
export const FIELD_CORS_HEADERS = 39;
/** `mcp-param-*`: travels with its name. */
export const FIELD_PARAM = 40;
/** Nobody reads it, most clients send it, and it says the same every time. */
export const FIELD_PLAIN = 41;

const KINDS = 42;

const OWN_NAMES: readonly (readonly [kind: number, name: string])[] = [
  [FIELD_HOST, 'host'],
  [FIELD_CONTENT_LENGTH, 'content-length'],
  [FIELD_TRANSFER_ENCODING, 'transfer-encoding'],
  [FIELD_CONNECTION, 'connection'],
  [FIELD_EXPECT, 'expect'],
  [FIELD_FORWARDED_FOR, 'x-forwarded-for'],
  [FIELD_CORS_METHOD, 'access-control-request-method'],
  [FIELD_CORS_HEADERS, 'access-control-request-headers'],
  [FIELD_PLAIN, 'user-agent'],
  [FIELD_PLAIN, 'accept-encoding'],
];

/**
 * Fields whose lines may be remembered for other connections (`line-memo.ts`): those that say the same
 * again and again, and have no secret in them. A key, a cookie or a session id would take time by how
 * much of it was guessed.
 */
const REMEMBERED = new Uint8Array(KINDS);
for (const kind of [
  ...[HEADER_ACCEPT, HEADER_CONTENT_TYPE, HEADER_MCP_PROTOCOL_VERSION, HEADER_MCP_METHOD],
  ...[HEADER_MCP_NAME, HEADER_ORIGIN, FIELD_HOST, FIELD_CONNECTION, FIELD_PLAIN],
]) {
  REMEMBERED[kind] = 1;
}

interface Name {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** Longest known name. */
const NAME_BYTES_MAX = 30;
const LETTERS = 32;
/** The letters of a name in two cases differ in this bit, and so do no two other bytes of a token. */
const LOWER_CASE = 0x20;
const PARAM_PREFIX = bytesOf('mcp-param-');

/** The first is none: 0 in the table means that there is no such name. */
const NAMES: Name[] = [{ kind: FIELD_OTHER, bytes: new Uint8Array(0) }];
/** Length and first letter tell all known names apart, so one comparison decides. */
const NAME_BY_LENGTH_AND_LETTER = new Uint8Array((NAME_BYTES_MAX + 1) * LETTERS);

for (let code = 1; code < HEADER_CLIENT_CERT; code += 1) enter(code, headerName(code));
for (const [kind, name] of OWN_NAMES) enter(kind, name);

function enter(kind: number, name: string): void {
  const cell = name.length * LETTERS + (name.charCodeAt(0) & (LETTERS - 1));
  assert(NAME_BY_LENGTH_AND_LETTER[cell] === 0, 'length and first letter tell the names apart');
  assert(kind >= HEADER_CODES || kind < HEADER_CLIENT_CERT, 'a field of requests', kind);
  NAME_BY_LENGTH_AND_LETTER[cell] = NAMES.length;
  NAMES.push({ kind, bytes: bytesOf(name) });
}

/** Whether a line of this kind may be remembered. */
export function isRememberedKind(kind: number): boolean {
  return REMEMBERED[kind] === 1;
}

/** The kind of the field whose name, a token in any case, is `bytes[start, end)`. */
export function fieldKind(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length <= NAME_BYTES_MAX) {
    const letter = bytes[start]! & (LETTERS - 1);
    const index = NAME_BY_LENGTH_AND_LETTER[length * LETTERS + letter]!;
    const name = NAMES[index]!;
    if (index !== 0 && isName(bytes, start, name.bytes)) return name.kind;
  }
  if (length <= PARAM_PREFIX.length) return FIELD_OTHER;
  return isName(bytes, start, PARAM_PREFIX) ? FIELD_PARAM : FIELD_OTHER;
}

/** `name` is in lower case and made of letters and hyphens. */
function isName(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let index = 0; index < name.length; index += 1) {
    if ((bytes[start + index]! | LOWER_CASE) !== name[index]) return false;
  }
  return true;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
