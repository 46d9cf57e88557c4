/**
 * One small HTTP request with a bounded answer, for what is off the hot path: key sets, issuer
 * metadata, token endpoints. A port, so that tests put a local server or a fake behind it.
 *
 * What always holds: the whole exchange is bounded in time, the answer in size; redirects are not
 * followed (each hop would have to be checked again); only https, or http to a loopback host, is
 * dialled; no error names a header, a body, or a URL's query.
 */
import { Agent as PlainAgent, request as sendPlain } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as sendSecure } from 'node:https';

export interface FetchRequest {
  readonly method: 'GET' | 'POST';
  /** See `isFetchable`. */
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** From the start of the call to the last byte of the answer. */
  readonly timeoutMs: number;
  /** A longer answer fails the call. */
  readonly bodyBytesMax: number;
}

export interface FetchAnswer {
  readonly status: number;
  /** Value of a header by its lower-case name; several are joined by a comma. null: absent. */
  header(name: string): string | null;
  readonly body: Buffer;
}

/** @throws FetchError */
export type HttpFetch = (request: FetchRequest) => Promise<FetchAnswer>;

export type FetchErrorKind = 'refused' | 'timeout' | 'too-large' | 'failed';

/** `message` holds scheme, host and path only, never a secret. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
  readonly kind: FetchErrorKind;
  constructor(kind: FetchErrorKind, detail: string) {
    super(`${kind}: ${detail}`);
    this.kind = kind;
  }
}

/** https, or http where nobody in between can listen: RFC 6749 §3.2, RFC 8414 §2 ask for TLS. */
export function isFetchable(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname, username, password } = new URL(url);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(hostname));
}

/** @param hostname as `URL.hostname` gives it: IPv4 in canonical form, IPv6 in brackets */
function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** What may be said about a URL in a log: no query, which may hold a token. */
export function loggableUrl(url: string): string {
  if (!URL.canParse(url)) return 'unparsable';
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

export interface HttpFetchPort {
  readonly fetch: HttpFetch;
  /** Drops what is under way and all connections. */
  close(): Promise<void>;
}

/** Idle connections are closed after this; some servers drop them after five seconds. */
const IDLE_MS = 4_000;
const HEADER_BYTES_MAX = 16 * 1024;

/**
 * The port on node:http and node:https: few connections, `connectionsMax` per origin, never a redirect.
 * (undici 7 can end the process when a peer closes under a paused answer.)
 */
export function createHttpFetch(options: { readonly connectionsMax: number }): HttpFetchPort {
  const settings = { keepAlive: true, maxSockets: options.connectionsMax, timeout: IDLE_MS };
  const plain = new PlainAgent(settings);
  const secure = new SecureAgent({ ...settings, rejectUnauthorized: true });
  let closed = false;
  return {
    fetch: async (request) => {
      if (closed) throw new FetchError('failed', 'the port is closed');
      if (!isFetchable(request.url)) throw new FetchError('refused', loggableUrl(request.url));
      return exchange(request.url.startsWith('https:') ? secure : plain, request);
    },
    close: () => {
      closed = true;
      plain.destroy();
      secure.destroy();
      return Promise.resolve();
    },
  };
}

function exchange(agent: PlainAgent, request: FetchRequest): Promise<FetchAnswer> {
  const signal = AbortSignal.timeout(request.timeoutMs);
  const send = request.url.startsWith('https:') ? sendSecure : sendPlain;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      if (error instanceof FetchError) reject(error);
      else {
        const kind = signal.aborted ? 'timeout' : 'failed';
        const detail = `${loggableUrl(request.url)} ${errorCode(error)}`.trimEnd();
        reject(new FetchError(kind, detail));
      }
    };
    const outgoing = send(request.url, {
      agent,
      method: request.method,
      // Nothing here decodes a content coding, and a compressed bomb is none then.
      headers: {
        ...request.headers,
        'accept-encoding': 'identity',
        ...(request.body === null ? {} : { 'content-length': Buffer.byteLength(request.body) }),
      },
      maxHeaderSize: HEADER_BYTES_MAX,
      signal,
    });
    outgoing.on('error', fail);
    outgoing.on('response', (answer) => readAnswer(answer, request).then(resolve, fail));
    outgoing.end(request.body ?? undefined);
  });
}

async function readAnswer(answer: IncomingMessage, request: FetchRequest): Promise<FetchAnswer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    bytes += part.length;
    // Leaving the loop destroys the answer, and with it the connection.
    if (bytes > request.bodyBytesMax) throw new FetchError('too-large', loggableUrl(request.url));
    parts.push(part);
  }
  const { headers } = answer;
  return {
    status: answer.statusCode ?? 0,
    header: (name) => {
      const value = headers[name];
      return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value;
    },
    body: Buffer.concat(parts, bytes),
  };
}

/** `ECONNREFUSED` and the like; a message could quote what was sent. */
function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
