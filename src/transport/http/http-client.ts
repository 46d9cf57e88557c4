/**
 * The port of an HTTP/1.1 client: what the upstream links ask of a wire, and nothing else.
 *
 * `lean-http-client.ts` fills it, for http:// and https://; `create-http-client.ts` picks. One suite,
 * `test/cases/http-client.ts`, runs against it over TCP and TLS, and against undici in its place.
 *
 * What holds:
 * - A client belongs to one thread and one origin. It never decodes a body and never logs.
 * - No listener method is called before `send` has returned, nor from inside `resume` or `abort`.
 * - Each call ends exactly once: by `onEnd`, by `onFailure`, or by `abort`, after which the listener
 *   hears nothing more and may be used again at once.
 * - A call is sent at most twice, and a second time only where the first certainly did nothing or
 *   doing it twice is harmless (`resendable`).
 */
import type { Clock } from '../../../shared/clock.ts';

export { requestHeadPrefix } from './request-head.ts';

/** No Content-Type field. The numbers are those of the HEAD frame where it has them. */
export const CONTENT_NONE = 0;
export const CONTENT_JSON = 1;
export const CONTENT_EVENT_STREAM = 2;
export const CONTENT_OTHER = 3;
export type HttpContentType =
  typeof CONTENT_NONE | typeof CONTENT_JSON | typeof CONTENT_EVENT_STREAM | typeof CONTENT_OTHER;

/** No byte of the request left this machine: certainly not executed. */
export const NOT_SENT = 0;
/** The request (or part of it) left, no byte of a response came: may have been executed. */
export const MAYBE = 1;
/** The response had begun. */
export const ANSWERED = 2;
export type HttpExecuted = typeof NOT_SENT | typeof MAYBE | typeof ANSWERED;

/** No connection: refused, unreachable, name not found, certificate not trusted. */
export const CONNECT_REFUSED = 1;
/** No connection within `connectTimeoutMs`. */
export const CONNECT_TIMEOUT = 2;
/** The upstream closed or reset the connection before the response was complete. */
export const CLOSED = 3;
/** The response was not complete within the call's `timeoutMs`. */
export const TIMEOUT = 4;
/** What came is not a well-formed HTTP/1.1 response. The connection is gone. */
export const PROTOCOL = 5;
/** Header block, trailers or chunk extensions longer than allowed. The connection is gone. */
export const TOO_LARGE = 6;
/** The client was closed under the call. */
export const ABORTED = 7;
export type HttpFailureKind =
  | typeof CONNECT_REFUSED
  | typeof CONNECT_TIMEOUT
  | typeof CLOSED
  | typeof TIMEOUT
  | typeof PROTOCOL
  | typeof TOO_LARGE
  | typeof ABORTED;

const FAILURE_NAMES = [
  'none',
  'connect refused',
  'connect timeout',
  'closed',
  'timeout',
  'protocol',
  'too large',
  'aborted',
];

/** A piece of a body is at most this long: what one read of a socket takes. */
export const PIECE_BYTES_MAX: number = 64 * 1024;

/** For log lines. */
export function failureName(kind: HttpFailureKind): string {
  return FAILURE_NAMES[kind] ?? 'unknown';
}

/** The head of one response. Valid during `onHead` only: keep strings, not the view. */
export interface HttpHeadView {
  readonly contentType: HttpContentType;
  /** Bytes of the body if the response says so, else -1. */
  readonly contentLength: number;
  /** Value of a field, by its name in lower case; several fields are joined by `, ` (RFC 9110 5.3). */
  find(lowerCaseName: string): string | null;
}

/** Receives one response. Objects are pooled by the caller; one listener per call, no closures. */
export interface HttpResponseListener {
  /** Status line and fields are complete; 1xx responses are never shown. */
  onHead(status: number, head: HttpHeadView): void;
  /**
   * A piece of the body without chunk framing, valid during the call only. False stops reading:
   * then nothing but `onFailure` comes until `resume()`, not even `onEnd`.
   */
  onBody(bytes: Buffer, start: number, end: number): boolean;
  onEnd(): void;
  /** Nothing more comes. */
  onFailure(kind: HttpFailureKind, executed: HttpExecuted): void;
}

/** One call under way. Never reused, so an old handle does no harm. */
export interface HttpCall {
  /** Some of its request may still wait in the socket, in the memory it was given in. */
  readonly isHeld: boolean;
  /**
   * Gives the call up: its connection is closed, which is how a modern server learns of a
   * cancellation. On a pipelined connection with other calls the answer is dropped instead, and the
   * connection closed once it carries given-up calls only. Answers how far the call had come; a call
   * that has ended is left alone and counts as ANSWERED.
   */
  abort(): HttpExecuted;
  /** Reads on after `onBody` answered false. The listener is called again from a later turn. */
  resume(): void;
  /** Sets a new limit, counted from now; 0 lifts it (an event stream that may last). */
  renew(timeoutMs: number): void;
}

/** PEM texts. There is no way to leave a certificate unchecked. */
export interface HttpTlsOptions {
  /** Authorities to trust in place of the system's. */
  readonly ca?: string;
  /** Our certificate and its key, where an upstream asks for one. */
  readonly cert?: string;
  readonly key?: string;
}

export interface HttpClientOptions {
  /** Scheme, host and port count; the path is in the request bytes. */
  readonly url: URL;
  /** Connections open at once, those being opened included. */
  readonly maxConnections: number;
  /** Calls in flight on one connection. More than 1 is for upstreams known to answer fast. */
  readonly pipelining: number;
  readonly connectTimeoutMs: number;
  /** Idle connections are closed after this; sooner if the upstream's Keep-Alive field says less. */
  readonly idleTimeoutMs: number;
  /** Bound of one response's header block, and again of its trailers. */
  readonly headerBytesMax: number;
  /** Calls that may wait for a connection. */
  readonly queueMax: number;
  readonly clock: Clock;
  /** For https://; left out, the system's authorities are trusted and no certificate is shown. */
  readonly tls?: HttpTlsOptions;
  readonly counters?: HttpClientCounters;
}

export interface HttpClient {
  /**
   * Sends, or queues until a connection is free. `request` is head and body complete; from `start`
   * to `end` it belongs to the client until the call has ended (it may be sent a second time).
   *
   * @param timeoutMs for the whole call from now to the end of the response; 0 for none
   * @param resendable repeating the request does no harm (RFC 9110 9.2.2)
   * @param isLasting the answer may have no end, as an event stream: no other call is put behind it
   * @param spent a call of this client that was told `onEnd`, and of which nobody else knows: its object may
   *   serve the new one
   * @returns null, with the listener untouched, if `queueMax` calls wait or the client is closed
   */
  send(
    request: Uint8Array,
    start: number,
    end: number,
    listener: HttpResponseListener,
    timeoutMs: number,
    resendable: boolean,
    isLasting?: boolean,
    spent?: HttpCall | null,
  ): HttpCall | null;
  /** Calls that have not ended, queued ones included. */
  readonly pending: number;
  /** Open connections, and those being opened. */
  readonly connections: number;
  /** Code of the last failure to connect (`ENOTFOUND`, `CERT_HAS_EXPIRED`), for log lines; '' for none. */
  readonly connectError: string;
  /**
   * Refuses new calls, lets those under way finish for `graceMs` (0 if left out), fails the rest as
   * ABORTED. Resolves when every socket is closed.
   */
  close(graceMs?: number): Promise<void>;
}

/** What a client counts, as plain numbers of one thread. Only ever added to. */
export class HttpClientCounters {
  /** Calls written to a socket, second sendings included. */
  requests = 0;
  /** Responses that came to their end. */
  responses = 0;
  connectionsOpened = 0;
  connectionsFailed = 0;
  /** Calls sent a second time. */
  resent = 0;
  /** Calls that ended by `onFailure`. */
  failures = 0;
  /** Connections ended for bytes that are no well-formed answer to a call. */
  protocolErrors = 0;
  /** Times pipelining was switched off for an upstream that closed early. */
  pipeliningStops = 0;
  /** Socket writes; below `requests` where writes were collected. */
  writes = 0;
}
