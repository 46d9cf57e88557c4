/**
 * The port between a HTTP/1.1 server and whoever answers its requests. `lean-server.ts`, `uws-server.ts`
 * and `node-server.ts` fill it; `http-server.ts` picks one and hands these types on, so that callers
 * import that file alone.
 *
 * Always holds, whichever implementation runs:
 * - One listener serves every request. Per request the server calls onHead, onHeader for each field
 *   and onHeadEnd in one turn (or onRawHead in their place), then onBody (if it was asked for) until
 *   `isLast`.
 * - An exchange belongs to the listener from onHead until it has called `reply`, `end` or `abort`, or
 *   was told `onAborted`: exactly one of the four ends it. The object is then lent to another
 *   request, so keep no reference to it.
 * - A request whose framing, Host field or size another parser might read differently never gets as
 *   far as onHead; the server answers it, closes, and serves nothing that follows on that connection.
 */

import type { ByteRange } from '../../shared/byte-words.ts';
import type { RequestParser } from './request-parser.ts';

/** Which HTTP implementation runs under the port. */
export type HttpImplementation = 'lean' | 'uws' | 'node';

export interface HttpServerOptions {
  /** An address or a name to listen on: `127.0.0.1`, `::1`, `localhost`. */
  readonly host: string;
  /** 0 picks a free one; `listen` says which. */
  readonly port: number;
  /** Largest body that is taken, in bytes, declared or not. */
  readonly bodyBytesMax: number;
  /** Largest header block, in bytes, request line included. More is answered with 431. */
  readonly headerBytesMax: number;
  /**
   * From the first byte of a request (or the connection's start) to the end of its header block.
   * This and `idleTimeoutMs` are fixed on uWebSockets.js, at 8 to 12 s.
   */
  readonly headersTimeoutMs: number;
  /** From the end of the header block to the end of the body. Then 408 and close. */
  readonly bodyTimeoutMs: number;
  /** How long a connection without a request may stay. A request under way never counts as idle. */
  readonly idleTimeoutMs: number;
  /** A full socket that takes no byte for so long is dropped; default 60 s. Fixed but on lean. */
  readonly stallTimeoutMs?: number;
  readonly listener: HttpListener;
  /** Paths that most requests name. Only a hint: every path is served alike. */
  readonly usualPaths?: readonly string[];
  /** `auto` (the default) takes the cheapest that runs here: lean, uws, node. */
  readonly implementation?: HttpImplementation | 'auto';
  /**
   * A client sent a second request behind one that still runs and was disconnected for it.
   * uWebSockets.js does not say why a client is gone: there it is noticed if the second request came
   * in the same turn of the event loop; so is a client that ended its side right behind the request.
   */
  onPipelinedDisconnect?(): void;
  /**
   * A request was refused because of its framing or its Host field. What uWebSockets.js refuses by
   * itself (no HTTP/1.1 at all, no Host, length and encoding at once) is not told.
   */
  onFramingRefused?(): void;
  /** A client could not be accepted: too many open files, and the like. */
  onAcceptError?(error: Error): void;
  /** A client connected. */
  onConnection?(): void;
}

/** Answers all requests of one server. One object for all of them, so that none costs a closure. */
export interface HttpListener {
  /**
   * A request begins.
   *
   * @param method upper case: `POST`; any token may come, not only known ones
   * @param path as sent, from the first `/`, nothing decoded or normalised (`//`, `%2e`, `;` stay)
   * @param query what follows the first `?`, without it; empty if there is none
   */
  onHead(exchange: HttpExchange, method: string, path: string, query: string): void;
  /** One field: lower-case name, value without surrounding blanks. In order, duplicates kept. */
  onHeader(name: string, value: string): void;
  /**
   * All fields were given. True asks for the body through `onBody`. False says that the listener has
   * replied or soon will; the server discards the body.
   */
  onHeadEnd(exchange: HttpExchange): boolean;
  /**
   * The whole head as it was read, for a listener that reads bytes: in place of onHead, onHeader and
   * onHeadEnd, and with the same answer. Only a server that has no strings of it calls this.
   *
   * @param head valid only during the call
   */
  onRawHead?(exchange: HttpExchange, head: RequestParser): boolean;
  /** What recognises heads, for a listener that can. */
  readonly known?: KnownHeads;
  /**
   * Part of the body, `bytes[start, end)`, valid only during the call. A request without a body gets one
   * call with an empty last part, in the same turn as onHeadEnd or later.
   */
  onBody(
    exchange: HttpExchange,
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
  ): void;
  /** The socket drained after `write` had returned false. */
  onWritable(exchange: HttpExchange): void;
  /** The client is gone, or the server gave up on it (slow body). Nothing follows. */
  onAborted(exchange: HttpExchange): void;
}

/** Heads that a listener recognises by earlier ones, so that the server need not read them (`head-shape.ts`). */
export interface KnownHeads {
  /** Bytes of the body to come, of the head that was recognised last. */
  readonly knownLength: number;
  /** The shape that was recognised or learned last, as a hint for the connection's next; ANY_SHAPE for none. */
  readonly lastShape: number;
  /**
   * Whether the head that begins at `start` is known: then it begins a POST on a connection that lives on,
   * with a body by length.
   *
   * @param all whether to look further if it is not like the hint; only then it may be learned
   * @returns the offset behind the head; 0: it must be read. After an offset comes `beginKnown`, with
   *   nothing in between
   */
  matchHead(bytes: Buffer, start: number, end: number, hint: number, all: boolean): number;
  /** In place of `onRawHead`, for the head that was just recognised. It asks for the body. */
  beginKnown(exchange: HttpExchange): void;
}

/** One request and its answer. */
export interface HttpExchange {
  /** For the listener's use; -1 when a request begins. */
  slot: number;
  /** For the listener's use; undefined when a request begins. */
  state: unknown;
  /** The socket's peer, not what a proxy says. An IPv4 address mapped into IPv6 counts as 4. */
  peerFamily(): 4 | 6;
  /** Writes 16 bytes at `at`: the address (IPv4 in the first 4), then zeros. */
  peerBytes(out: ByteRange, at: number): void;
  /**
   * The whole answer at once, with Content-Length. Ends the exchange.
   *
   * @param contentType empty for none
   * @param headers flat name, value pairs; the server adds Content-Length, Date and Connection
   * @param body sent or copied before this returns; may lie over a SharedArrayBuffer. Only the bytes
   *   from `start` to `end` are sent
   */
  reply(
    status: number,
    contentType: string,
    headers: readonly string[],
    body: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** Begins an answer of unknown length (chunked). */
  begin(status: number, contentType: string, headers: readonly string[]): void;
  /**
   * Part of the answer's body, sent or copied before this returns.
   *
   * @returns false if the socket is full: the bytes are taken, send no more until onWritable
   */
  write(bytes: Uint8Array, start: number, end: number): boolean;
  /** The answer is complete. Ends the exchange. */
  end(): void;
  /** Drops the connection without another byte. Ends the exchange. */
  abort(): void;
  /**
   * Runs `fn` so that what it sends leaves in as few system calls as possible. `fn` is one
   * long-lived function, called before `cork` returns.
   */
  cork(fn: (exchange: HttpExchange) => void): void;
  /**
   * What is sent from here on may be held back until `sendHeld`, which comes in the same turn and before
   * any other exchange of this server is written to. `end` and `abort` lift it as well.
   */
  holdBack(): void;
  /**
   * Sends what was held back.
   *
   * @returns false if the socket is full, as `write`
   */
  sendHeld(): boolean;
  /** False once the exchange has ended. */
  readonly isOpen: boolean;
}

export interface HttpServer {
  readonly implementation: HttpImplementation;
  /** What it runs on, for people: `uWebSockets.js (@uwsjs/linux-x64-20)`. */
  readonly description: string;
  /**
   * Starts to accept.
   *
   * @returns the address taken, with the true port
   * @throws Error with `code` EADDRINUSE, EACCES or EADDRNOTAVAIL where the system says so
   */
  listen(): Promise<{ host: string; port: number }>;
  /**
   * Accepts no more connections and frees the port. Connections live on until their exchange ends;
   * kept-alive ones are told to close with their next answer.
   */
  stopAccepting(): void;
  /** Drops every connection. Running exchanges are told onAborted. */
  close(): void;
}
