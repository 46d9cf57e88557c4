/**
 * The HTTP server port on uWebSockets.js, its only importer.
 *
 * What cannot be set, as it is compiled into it:
 * - A connection without a request closes after 8 to 12 s; so does one whose header block is not
 *   complete by then and one that takes no byte of an answer. A body below 16 KiB/s gets 408 after 7 s.
 *   `headersTimeoutMs` and `idleTimeoutMs` change nothing here, `bodyTimeoutMs` holds on top of that.
 *   A request under way is never cut for silence, neither before its answer nor within an event stream.
 * - A client that sends a second request, or half-closes, behind a running one is disconnected.
 * - HTTP/1.0 and targets that do not start with `/` are answered with 505.
 * - An empty field name (`: x`) hides the fields behind it, and bytes above 0x7f are cut off the ends
 *   of a value. Both are malformed; a proxy in front that passes them on could be deceived by them.
 */
import { lookup } from 'node:dns/promises';
import { createRequire } from 'node:module';
import { createServer, isIP } from 'node:net';
import { HEADER_BYTES_MAX } from '../../shared/limits.ts';
import { HeadFields } from './framing-rules.ts';
import type { HttpListener, HttpServer, HttpServerOptions } from './http-port.ts';
import type { RefusalName } from './refusal-reply.ts';
import { UwsExchange } from './uws-exchange.ts';
import type { UwsHost } from './uws-exchange.ts';
import type { UwsApp, UwsModule, UwsRequest, UwsResponse } from './uws-module.ts';

const SWEEP_MS = 250;
/** A body is given up with 408 just before uWebSockets.js, after 8 s at the earliest, drops it without. */
const STALL_TICKS = 28;
/** What a client has to read a refusal before its connection is dropped. */
const LINGER_TICKS = 4;
/** Idle exchange objects kept: as many as run at once under load; more are left to the collector. */
const POOL_MAX = 4096;
const EMPTY = new Uint8Array(0);
/** Without characters that mean something in a route of uWebSockets.js (`*`, `:`). */
const PLAIN_PATH = /^(?:\/[\w.~-]+)+$/;

interface LoadedModule {
  readonly uws: UwsModule;
  readonly name: string;
}

let loaded: LoadedModule | null = null;

/**
 * Loads uWebSockets.js: one that the user installed, else the copy for this platform and Node version.
 *
 * @throws Error that says why neither could be loaded
 */
export function loadUws(headerBytesMax: number): LoadedModule {
  if (loaded !== null) return loaded;
  // Read once, when the binary is loaded; it is 4 KiB otherwise, too little for large tokens.
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] = String(Math.max(headerBytesMax, HEADER_BYTES_MAX));
  const require = createRequire(import.meta.url);
  const nodeMajor = process.versions.node.split('.')[0];
  const names = ['uWebSockets.js', `@uwsjs/${process.platform}-${process.arch}-${nodeMajor}`];
  const reasons: string[] = [];
  for (const name of names) {
    try {
      const uws = require(name) as UwsModule;
      uws._cfg?.('999999990007'); // leaves out the field that names the server
      loaded = { uws, name };
      return loaded;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      reasons.push(`${name}: ${message.split('\n')[0]}`);
    }
  }
  throw new Error(`uWebSockets.js cannot be loaded: ${reasons.join('; ')}`);
}

/** @throws Error if uWebSockets.js cannot be loaded */
export function createUwsServer(options: HttpServerOptions): HttpServer {
  return new UwsServer(options, loadUws(options.headerBytesMax));
}

class UwsServer implements HttpServer, UwsHost {
  readonly implementation = 'uws';
  readonly description: string;
  readonly listener: HttpListener;
  readonly bodyBytesMax: number;
  isStopping = false;
  readonly #options: HttpServerOptions;
  readonly #uws: UwsModule;
  readonly #app: UwsApp;
  readonly #head = new HeadFields();
  readonly #pool: UwsExchange[] = [];
  readonly #bodyTicks: number;
  #listenToken: unknown = null;
  #turn = 0;
  #isTurnEndDue = false;
  readonly #unflushed: UwsExchange[] = [];
  readonly #watched = new Set<UwsExchange>();
  /** Oldest first, as all wait equally long. */
  readonly #lingering = new Set<UwsExchange>();
  #tick = 0;
  #sweeper: NodeJS.Timeout | null = null;

  constructor(options: HttpServerOptions, { uws, name }: LoadedModule) {
    this.#options = options;
    this.#uws = uws;
    this.description = `uWebSockets.js (${name})`;
    this.listener = options.listener;
    this.bodyBytesMax = options.bodyBytesMax;
    this.#bodyTicks = Math.ceil(options.bodyTimeoutMs / SWEEP_MS) + 1;
    this.#app = uws.App();
    for (const path of options.usualPaths ?? []) this.#addUsualPath(path);
    this.#app.any('/*', this.#onRequest);
    if (options.onConnection !== undefined) this.#app.filter(this.#onFilter);
  }

  async listen(): Promise<{ host: string; port: number }> {
    const host = await addressOf(this.#options.host);
    const { port } = this.#options;
    // Without the option a second process would share the port, and get half of the connections.
    const exclusive = this.#uws.LIBUS_LISTEN_EXCLUSIVE_PORT;
    let token: unknown = null;
    this.#app.listen(host, port, exclusive, (listening) => {
      token = listening;
    });
    if (!token) throw await listenError(host, port);
    this.#listenToken = token;
    return { host, port: this.#uws.us_socket_local_port(token) };
  }

  stopAccepting(): void {
    this.isStopping = true;
    if (this.#listenToken === null) return;
    this.#uws.us_listen_socket_close(this.#listenToken);
    this.#listenToken = null;
  }

  close(): void {
    this.isStopping = true;
    this.#listenToken = null;
    this.#app.close();
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  markTurn(): number {
    this.#needTurnEnd();
    return this.#turn;
  }

  onDisconnectedInTurn(): void {
    this.#options.onPipelinedDisconnect?.();
  }

  watchBody(exchange: UwsExchange): void {
    exchange.isWatched = true;
    exchange.deadlineTick = this.#tick + this.#bodyTicks;
    exchange.stallTick = this.#tick + STALL_TICKS;
    this.#watched.add(exchange);
    this.#needSweeper();
  }

  onBodyWindow(exchange: UwsExchange): void {
    exchange.stallTick = this.#tick + STALL_TICKS;
  }

  linger(exchange: UwsExchange): void {
    exchange.deadlineTick = this.#tick + LINGER_TICKS;
    this.#lingering.add(exchange);
    this.#needSweeper();
  }

  forget(exchange: UwsExchange): void {
    if (exchange.isWatched) {
      exchange.isWatched = false;
      this.#watched.delete(exchange);
    }
    if (this.#lingering.size > 0) this.#lingering.delete(exchange);
  }

  flushLater(exchange: UwsExchange): void {
    this.#unflushed.push(exchange);
    this.#needTurnEnd();
  }

  release(exchange: UwsExchange): void {
    exchange.state = undefined;
    if (this.#pool.length < POOL_MAX) this.#pool.push(exchange);
  }

  readonly #onFilter = (_res: UwsResponse, change: number): void => {
    if (change > 0) this.#options.onConnection!();
  };

  readonly #onField = (name: string, value: string): void => {
    this.#head.add(name, value);
  };

  /** A POST there comes with method and path known: two calls fewer, and no strings to compare. */
  #addUsualPath(path: string): void {
    if (!PLAIN_PATH.test(path)) return;
    this.#app.post(path, (res, req) => this.#begin(res, req, 'POST', path));
  }

  readonly #onRequest = (res: UwsResponse, req: UwsRequest): void => {
    this.#begin(res, req, req.getCaseSensitiveMethod(), req.getUrl());
  };

  #begin(res: UwsResponse, req: UwsRequest, method: string, path: string): void {
    const head = this.#head;
    head.reset();
    req.forEach(this.#onField);
    const query = req.getQuery() ?? '';
    const targetLength = method.length + path.length + query.length;
    const refusal = head.refusal(targetLength, this.#options.headerBytesMax);
    const exchange = this.#pool.pop() ?? new UwsExchange(this);
    exchange.open(res, method === 'HEAD', head.isChunked);
    if (refusal === null) this.#serve(exchange, head, method, path, query);
    else this.#refuse(exchange, refusal);
    exchange.isCorked = false;
  }

  #serve(
    exchange: UwsExchange,
    head: HeadFields,
    method: string,
    path: string,
    query: string,
  ): void {
    const { listener } = this;
    listener.onHead(exchange, method, path, query);
    for (let at = 0; at < head.count; at += 1) {
      listener.onHeader(head.names[at]!, head.values[at]!);
    }
    // Without a body handler uWebSockets.js discards the body by itself.
    if (!listener.onHeadEnd(exchange) || !exchange.isOpen) return;
    if (head.isChunked) {
      this.watchBody(exchange);
      exchange.readBody();
    } else if (head.contentLength > 0) {
      exchange.readBody();
    } else {
      listener.onBody(exchange, EMPTY, 0, 0, true);
    }
  }

  #refuse(exchange: UwsExchange, name: RefusalName): void {
    if (name === 'FRAMING_REFUSED' || name === 'HEADER_REFUSED') this.#options.onFramingRefused?.();
    exchange.refuse(name);
  }

  #needTurnEnd(): void {
    if (this.#isTurnEndDue) return;
    this.#isTurnEndDue = true;
    setImmediate(this.#onTurnEnd);
  }

  readonly #onTurnEnd = (): void => {
    this.#isTurnEndDue = false;
    this.#turn += 1;
    while (this.#unflushed.length > 0) this.#unflushed.pop()!.flush();
  };

  #needSweeper(): void {
    this.#sweeper ??= setInterval(this.#sweep, SWEEP_MS).unref();
  }

  readonly #sweep = (): void => {
    this.#tick += 1;
    for (const exchange of this.#watched) {
      if (exchange.deadlineTick > this.#tick && exchange.stallTick > this.#tick) continue;
      exchange.refuse('BODY_TIMEOUT');
      this.listener.onAborted(exchange);
    }
    for (const exchange of this.#lingering) {
      if (exchange.deadlineTick > this.#tick) break;
      this.#lingering.delete(exchange);
      exchange.res?.close();
    }
    if (this.#watched.size > 0 || this.#lingering.size > 0) return;
    clearInterval(this.#sweeper!);
    this.#sweeper = null;
  };
}

/** uWebSockets.js would resolve a name on this thread, and IPv6 first. */
async function addressOf(host: string): Promise<string> {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  if (isIP(bare) !== 0) return bare;
  return (await lookup(bare)).address;
}

/** uWebSockets.js does not say why it cannot listen; the system tells whoever asks again. */
async function listenError(host: string, port: number): Promise<Error> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', resolve);
    probe.listen({ host, port, exclusive: true }, () => {
      probe.close(() => resolve(new Error(`cannot listen: host=${host} port=${port}`)));
    });
  });
}
