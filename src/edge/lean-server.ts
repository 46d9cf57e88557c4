/**
 * The HTTP server port on sockets of node:net, with a parser of our own: no string is made of a head
 * that nobody asks for as text, and an answer is one write. A request costs about half of what it costs
 * on uWebSockets.js, whose bindings make strings, handles and closures of it (docs/decisions/0018).
 *
 * Reads go into one buffer that all connections share: libuv fills it and calls back in one step. node
 * offers that (`onread`) to whoever makes the socket, so an accepted one is made anew from its handle.
 */
import { createServer, Socket } from 'node:net';
import type { AddressInfo, Server, SocketConstructorOpts } from 'node:net';
import type { HttpListener, HttpServer, HttpServerOptions } from './http-port.ts';
import { LeanConnection } from './lean-connection.ts';
import type { LeanHost } from './lean-connection.ts';
import { takeBuffer } from '../transport/kernel-buffer.ts';
import { ReplySlab } from './reply-slab.ts';
import { RequestParser } from './request-parser.ts';

/** Sweeps come a second apart, or ten in the shortest limit. */
const SWEEP_MS_MAX = 1000;
const SWEEP_MS_MIN = 10;
const SWEEPS_IN_LIMIT = 10;
/** What a client has to read a refusal before its connection is dropped. */
const LINGER_MS = 1000;
/** As much as one read takes: larger bodies come in pieces of this size. */
const READ_BYTES = 64 * 1024;
/** Connections that wait to be accepted; the system caps it (net.core.somaxconn). */
const BACKLOG = 4096;
/** Finds a dead peer under a stream that is silent for hours. */
const PROBE_DELAY_MS = 60_000;

/** What node keeps a socket's descriptor in; it is not part of its types. */
interface WithHandle {
  _handle: object | null;
}

/** Whether sockets can be served so here: on Windows a read is posted ahead of its data. */
export function canServeLean(): boolean {
  return process.platform !== 'win32';
}

export function createLeanServer(options: HttpServerOptions): HttpServer {
  return new LeanServer(options);
}

class LeanServer implements HttpServer, LeanHost {
  readonly implementation = 'lean';
  readonly description = 'own HTTP/1.1 server on node:net';
  readonly options: HttpServerOptions;
  readonly listener: HttpListener;
  readonly parser = new RequestParser();
  readonly slab = new ReplySlab();
  readonly headersTicks: number;
  readonly bodyTicks: number;
  readonly idleTicks: number;
  readonly lingerTicks: number;
  isStopping = false;
  tick = 0;
  readonly #server: Server;
  readonly #sweepMs: number;
  readonly #connections = new Set<LeanConnection>();
  readonly #buffer = takeBuffer(READ_BYTES);
  #sweeper: NodeJS.Timeout | null = null;

  constructor(options: HttpServerOptions) {
    this.options = options;
    this.listener = options.listener;
    const { headersTimeoutMs, bodyTimeoutMs, idleTimeoutMs } = options;
    const shortest = Math.min(headersTimeoutMs, bodyTimeoutMs, idleTimeoutMs, LINGER_MS * 10);
    this.#sweepMs = Math.max(SWEEP_MS_MIN, Math.min(SWEEP_MS_MAX, shortest / SWEEPS_IN_LIMIT));
    this.headersTicks = this.#ticks(headersTimeoutMs);
    this.bodyTicks = this.#ticks(bodyTimeoutMs);
    this.idleTicks = this.#ticks(idleTimeoutMs);
    this.lingerTicks = this.#ticks(LINGER_MS);
    this.#server = createServer(
      {
        pauseOnConnect: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: PROBE_DELAY_MS,
      },
      this.#onConnection,
    );
  }

  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.options;
    const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: bare, port, exclusive: true, backlog: BACKLOG }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.options.onAcceptError?.(error));
        const address = this.#server.address() as AddressInfo;
        resolve({ host: address.address, port: address.port });
      });
    });
  }

  stopAccepting(): void {
    this.isStopping = true;
    this.#server.close();
  }

  close(): void {
    this.stopAccepting();
    for (const connection of this.#connections) connection.destroy();
  }

  forget(connection: LeanConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0 || this.#sweeper === null) return;
    clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  readonly #onConnection = (accepted: Socket): void => {
    const shell = accepted as unknown as WithHandle;
    const handle = shell._handle;
    // From here on the handle is the new socket's; the old one is an empty shell for the collector.
    shell._handle = null;
    const buffer = this.#buffer;
    let connection: LeanConnection | null = null;
    const socket = new Socket({
      handle,
      onread: {
        buffer,
        callback: (count: number) => {
          connection!.onRead(buffer, count);
          return true;
        },
      },
    } as SocketConstructorOpts);
    connection = new LeanConnection(this, socket);
    this.#connections.add(connection);
    this.options.onConnection?.();
    socket.resume(); // nothing is ever queued in the stream, but 'end' comes only while it flows
    this.#needSweeper();
  };

  #needSweeper(): void {
    if (this.#sweeper !== null) return;
    this.slab.setDate(Date.now());
    this.#sweeper = setInterval(this.#sweep, this.#sweepMs).unref();
  }

  readonly #sweep = (): void => {
    this.tick += 1;
    this.slab.setDate(Date.now());
    for (const connection of this.#connections) {
      if (connection.deadlineTick <= this.tick) connection.onDeadline();
    }
  };

  /** A limit that starts within a sweep ends no earlier than it says. */
  #ticks(limitMs: number): number {
    return Math.ceil(limitMs / this.#sweepMs) + 1;
  }
}
