/** Requests as a client of no package would write them: every header and byte as the test says. */
import { type IncomingHttpHeaders, request } from 'node:http';

export const MODERN = '2026-07-28';
const META = 'io.modelcontextprotocol/';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body, or the last message of an event stream; null where there is none. */
  readonly message: RpcMessage | null;
  /** All messages of an event stream. */
  readonly events: readonly RpcMessage[];
}

export interface RpcMessage {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

export type Fields = Record<string, string | null>;

/** What every client sends; a null takes a field away. */
const FIELDS: Fields = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
};

/** Sends one request and reads its answer to the end. */
export function send(
  url: string,
  body: unknown,
  fields: Fields = {},
  method = 'POST',
): Promise<RawAnswer> {
  const bytes =
    body === null
      ? ''
      : typeof body === 'string' || Buffer.isBuffer(body)
        ? body
        : JSON.stringify(body);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...FIELDS, ...fields }))
    if (value !== null) headers[name] = value;
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('error', reject).on('end', () => {
        const events = messagesOf(text, response.headers['content-type'] ?? '');
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          message: events.at(-1) ?? null,
          events,
        });
      });
    });
    call.on('error', reject);
    call.end(bytes);
  });
}

function messagesOf(text: string, type: string): RpcMessage[] {
  if (type.startsWith('application/json')) return [JSON.parse(text) as RpcMessage];
  if (!type.startsWith('text/event-stream')) return [];
  return [...text.matchAll(/^data: (.+)$/gm)].map(([, data]) => JSON.parse(data!) as RpcMessage);
}

/** The envelope of a modern request. */
export function envelope(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    [`${META}protocolVersion`]: MODERN,
    [`${META}clientInfo`]: { name: 'raw', version: '1' },
    [`${META}clientCapabilities`]: {},
    ...Object.fromEntries(
      Object.entries(more).map(([key, value]) => [
        key.includes(':') ? key.slice(1) : META + key,
        value,
      ]),
    ),
  };
}

/** A modern request with all its headers; `fields` and `meta` change them. */
export function modern(
  url: string,
  method: string,
  params: Record<string, unknown> = {},
  fields: Fields = {},
  meta: unknown = envelope(),
  id: string | number = 1,
): Promise<RawAnswer> {
  const name = params['name'] ?? params['uri'];
  return send(
    url,
    {
      jsonrpc: '2.0',
      id,
      method,
      params: { ...params, ...(meta === null ? {} : { _meta: meta }) },
    },
    {
      'mcp-protocol-version': MODERN,
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
      ...fields,
    },
  );
}

/** Opens a legacy session; answers what later requests of it have to send. */
export async function openSession(
  url: string,
  protocolVersion: string,
  capabilities: Record<string, unknown> = {},
): Promise<{ readonly fields: Fields; readonly answer: RawAnswer }> {
  const params = { protocolVersion, capabilities, clientInfo: { name: 'raw', version: '1' } };
  const answer = await send(url, { jsonrpc: '2.0', id: 0, method: 'initialize', params });
  const id = answer.headers['mcp-session-id'];
  const hasHeader = protocolVersion >= '2025-06-18';
  const fields: Fields = {
    'mcp-session-id': typeof id === 'string' ? id : null,
    ...(hasHeader ? { 'mcp-protocol-version': protocolVersion } : {}),
  };
  await send(url, { jsonrpc: '2.0', method: 'notifications/initialized' }, fields);
  return { fields, answer };
}

/** A request of a legacy session. */
export function legacy(
  url: string,
  fields: Fields,
  method: string,
  params: Record<string, unknown> = {},
  id: string | number = 1,
): Promise<RawAnswer> {
  return send(url, { jsonrpc: '2.0', id, method, params }, fields);
}
