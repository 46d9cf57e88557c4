/** Header fields of answers, from a shard's HEAD frame or the edge's own. Most answers have none. */
import { HEADER_CACHE_CONTROL, HEADER_OTHER, headerName } from '../../shared/header-code.ts';
import { REPLY_EVENT_STREAM } from '../../shared/reply-codec.ts';
import type { ReplyView } from '../../shared/reply-codec.ts';
import { NO_HEADERS } from './fault-reply.ts';

/** By content type code of `reply-codec.ts`. */
export const CONTENT_TYPES: readonly string[] = [
  '',
  'application/json',
  'text/event-stream',
  'text/plain; charset=utf-8',
];

/** Intermediaries must neither store, change nor hold back an event stream. A shard may say so itself. */
const EVENT_STREAM_HEADERS: readonly string[] = [
  'cache-control',
  'no-cache, no-transform',
  'x-accel-buffering',
  'no',
];

/** What a page of another origin may read of an answer beyond the safelisted fields (Fetch §3.3.3). */
const CORS_EXPOSED = 'Mcp-Session-Id, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy';

const encoder = new TextEncoder();

/** The fields of a reply as flat name, value pairs. */
export function replyHeaders(view: ReplyView, corsOrigin: string): readonly string[] {
  const isBare = view.contentType !== REPLY_EVENT_STREAM || view.find(HEADER_CACHE_CONTROL);
  const base = isBare ? NO_HEADERS : EVENT_STREAM_HEADERS;
  if (view.headerCount === 0) return withCors(base, corsOrigin);
  const headers = base.slice();
  for (let at = view.nextHeader(view.headersStart); at >= 0; at = view.nextHeader(at)) {
    const name =
      view.code === HEADER_OTHER
        ? latin1Text(view.bytes, view.nameStart, view.nameEnd)
        : headerName(view.code);
    headers.push(name, latin1Text(view.bytes, view.valueStart, view.valueEnd));
  }
  return withCors(headers, corsOrigin);
}

/** Adds what a browser asks for before it lets a page of another origin read the answer. */
export function withCors(headers: readonly string[], corsOrigin: string): readonly string[] {
  if (corsOrigin === '') return headers;
  return [
    ...headers,
    'access-control-allow-origin',
    corsOrigin,
    'access-control-expose-headers',
    CORS_EXPOSED,
    'vary',
    'origin',
  ];
}

/** Fields a browser may send without asking for each: what MCP clients use. */
const CORS_ALLOWED =
  'Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID';
const PARAM_NAME = /^mcp-param-[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/i;
const ASKED_BYTES_MAX = 4096;

/**
 * The answer to a CORS preflight (Fetch §4.8). `Mcp-Param-*` names are not known before: those that
 * the browser asks for are allowed by name.
 */
export function preflightHeaders(
  askedByBrowser: string,
  askedByPlan: readonly string[],
): readonly string[] {
  const allowed = [CORS_ALLOWED, ...askedByPlan];
  if (askedByBrowser.length <= ASKED_BYTES_MAX) {
    for (const part of askedByBrowser.split(',')) {
      const name = part.trim();
      if (PARAM_NAME.test(name)) allowed.push(name);
    }
  }
  return [
    'access-control-allow-methods',
    'GET, POST, DELETE',
    'access-control-allow-headers',
    allowed.join(', '),
    'access-control-max-age',
    '600',
  ];
}

/** A JSON message as the last event of a stream; see `faultEvents` for the cut one before it. */
export function lastEvent(message: Uint8Array, isBetweenEvents: boolean): Uint8Array {
  const start = encoder.encode(
    `${isBetweenEvents ? '' : '\nevent: cut\n\n'}event: message\ndata: `,
  );
  const event = new Uint8Array(start.length + message.length + 2);
  event.set(start);
  event.set(message, start.length);
  event.fill(0x0a, start.length + message.length);
  return event;
}

/** Field values are short: a loop beats a decoder, which also refuses shared memory. */
function latin1Text(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at += 1) text += String.fromCharCode(bytes[at] ?? 0);
  return text;
}
