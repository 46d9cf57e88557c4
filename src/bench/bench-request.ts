/**
 * Requests as bytes. A template is made once for each kind of call and caller; a call copies it and
 * writes its id over the place that is kept for it, so every id has the same number of digits.
 */
import { encodeMirrored } from '../protocol/eras/mcp-headers.ts';
import { requestHeadPrefix } from '../transport/http/http-client.ts';
import type { BenchTool } from './bench-plan.ts';

export const MODERN_REVISION = '2026-07-28';
export const LEGACY_REVISION = '2025-11-25';

const ID_FIRST = 1_000_000_000;
const ID_LAST = 9_999_999_999;
const ID_PLACE = String(ID_FIRST);

export type HeaderPairs = readonly (readonly [string, string])[];

export interface RequestTemplate {
  readonly bytes: Buffer;
  /** Where the ten digits of the id go; -1 for a message without one. */
  readonly idOffset: number;
}

/** Ids of ten digits, one after the other. */
export class BenchIds {
  #next = ID_FIRST;

  next(): string {
    const id = String(this.#next);
    this.#next = this.#next === ID_LAST ? ID_FIRST : this.#next + 1;
    return id;
  }
}

/** @throws TypeError for header fields that HTTP does not allow; the value is not in the message */
export function postTemplate(url: URL, headers: HeaderPairs, body: string): RequestTemplate {
  const fields: HeaderPairs = [
    ['content-type', 'application/json'],
    ['accept', 'application/json, text/event-stream'],
    ...headers,
  ];
  const prefix = requestHeadPrefix(url, 'POST', fields);
  const bodyBytes = Buffer.from(body);
  const end = Buffer.from(`content-length: ${bodyBytes.length}\r\n\r\n`, 'latin1');
  const at = bodyBytes.indexOf(`"id":${ID_PLACE}`);
  const idOffset = at === -1 ? -1 : prefix.length + end.length + at + '"id":'.length;
  return { bytes: Buffer.concat([prefix, end, bodyBytes]), idOffset };
}

export function deleteTemplate(url: URL, headers: HeaderPairs): RequestTemplate {
  const prefix = requestHeadPrefix(url, 'DELETE', headers);
  return { bytes: Buffer.concat([prefix, Buffer.from('\r\n')]), idOffset: -1 };
}

/** Headers and body of one request of the modern era, which carries its envelope. */
export function modernTemplate(
  url: URL,
  headers: HeaderPairs,
  method: string,
  tool: BenchTool | null,
): RequestTemplate {
  const envelope = `"_meta":{"io.modelcontextprotocol/protocolVersion":"${MODERN_REVISION}","io.modelcontextprotocol/clientInfo":{"name":"sluice-bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`;
  const own: [string, string][] = [
    ['mcp-protocol-version', MODERN_REVISION],
    ['mcp-method', method],
  ];
  if (tool !== null) own.push(['mcp-name', encodeMirrored(tool.name)]);
  return postTemplate(url, [...headers, ...own], message(method, tool, envelope));
}

/** One request of the legacy era. */
export function legacyTemplate(
  url: URL,
  headers: HeaderPairs,
  method: string,
  tool: BenchTool | null,
): RequestTemplate {
  return postTemplate(url, headers, message(method, tool, null));
}

export function initializeTemplate(url: URL, headers: HeaderPairs): RequestTemplate {
  const body = `{"jsonrpc":"2.0","id":${ID_PLACE},"method":"initialize","params":{"protocolVersion":"${LEGACY_REVISION}","capabilities":{},"clientInfo":{"name":"sluice-bench","version":"1"}}}`;
  return postTemplate(url, headers, body);
}

export function initializedTemplate(url: URL, headers: HeaderPairs): RequestTemplate {
  return postTemplate(url, headers, '{"jsonrpc":"2.0","method":"notifications/initialized"}');
}

function message(method: string, tool: BenchTool | null, envelope: string | null): string {
  const members = [
    ...(tool === null
      ? []
      : [`"name":${JSON.stringify(tool.name)}`, `"arguments":${tool.argumentsText}`]),
    ...(envelope === null ? [] : [envelope]),
  ];
  return `{"jsonrpc":"2.0","id":${ID_PLACE},"method":"${method}","params":{${members.join(',')}}}`;
}
