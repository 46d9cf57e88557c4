/**
 * Faults as bytes: JSON-RPC error replies the edge gives in its own name (no id is known before a shard
 * read the body) or for a shard that failed (under the client's id, as the shard told it).
 *
 * Ids are passed on as the bytes the client wrote, never parsed into numbers: a large one would change.
 */
import { FAULTS } from '../../shared/fault.ts';
import type { FaultCode } from '../../shared/fault.ts';
import type { HttpExchange } from './http-server.ts';

export const CONTENT_TYPE_JSON = 'application/json';
export const NO_HEADERS: readonly string[] = [];

const encoder = new TextEncoder();
const BODIES: (Uint8Array | undefined)[] = [];

/** Seconds a refused client should stay away; one shard restart fits in. */
const RETRY_AFTER: readonly string[] = ['retry-after', '1'];
const ALLOW: readonly string[] = ['allow', 'GET, POST, DELETE'];

/** The JSON-RPC error reply without a known id (JSON-RPC 2.0 §5: id null). Built once per fault. */
export function faultBody(code: FaultCode): Uint8Array {
  const index = FAULTS[code].id;
  let body = BODIES[index];
  if (body === undefined) {
    body = encoder.encode(faultText(code, 'null'));
    BODIES[index] = body;
  }
  return body;
}

/** One JSON-RPC error reply under an id that is valid JSON text. */
export function faultText(code: FaultCode, idJson: string): string {
  const row = FAULTS[code];
  return `{"jsonrpc":"2.0","id":${idJson},"error":{"code":${row.rpc},"message":${JSON.stringify(row.message)}}}`;
}

/** Header fields that belong to a fault's plain reply. */
export function faultHeaders(code: FaultCode): readonly string[] {
  if (code === 'METHOD_NOT_ALLOWED') return ALLOW;
  return FAULTS[code].http === 503 ? RETRY_AFTER : NO_HEADERS;
}

/** Answers with a fault without an id. `extra` are further header fields, such as those of CORS. */
export function replyFault(http: HttpExchange, code: FaultCode, extra: readonly string[]): void {
  const body = faultBody(code);
  const own = faultHeaders(code);
  const headers = extra.length === 0 ? own : [...own, ...extra];
  http.reply(FAULTS[code].http, CONTENT_TYPE_JSON, headers, body, 0, body.length);
}

/**
 * What a client is owed whose exchange failed before its answer began.
 *
 * @param ids the ids' JSON texts; none: the message had none, or the shard had not told it
 * @param isBatch answer with an array (JSON-RPC 2.0 §6)
 */
export function faultReplyBody(
  code: FaultCode,
  ids: readonly string[],
  isBatch: boolean,
): Uint8Array {
  if (ids.length === 0) return faultBody(code);
  const texts = ids.map((id) => faultText(code, id));
  return encoder.encode(isBatch ? `[${texts.join(',')}]` : texts.join(''));
}

/**
 * The end of an event stream whose exchange failed. An event that was cut cannot be taken back, so it
 * is given a type no client listens to before it is closed (the last `event` field of an event counts:
 * HTML, server-sent events, §9.2.6); then one error event per id follows.
 */
export function faultEvents(
  code: FaultCode,
  ids: readonly string[],
  isBetweenEvents: boolean,
): Uint8Array {
  let text = isBetweenEvents ? '' : '\nevent: cut\n\n';
  for (const id of ids) text += `event: message\ndata: ${faultText(code, id)}\n\n`;
  return encoder.encode(text);
}

/**
 * The texts of a JSON array of strings and numbers, which is what an IDS frame carries. Splits at the
 * commas outside of strings. Anything after a malformed end is ignored: the shard wrote it.
 */
export function splitIds(array: string): string[] {
  const ids: string[] = [];
  let start = 1;
  let isInString = false;
  for (let at = 1; at < array.length; at += 1) {
    const character = array[at];
    if (isInString) {
      if (character === '\\') at += 1;
      else if (character === '"') isInString = false;
    } else if (character === '"') {
      isInString = true;
    } else if (character === ',' || character === ']') {
      const id = array.slice(start, at).trim();
      if (id !== '') ids.push(id);
      start = at + 1;
    }
  }
  return ids;
}
