/**
 * The HTTP server port on node:http, where uWebSockets.js cannot be loaded. It behaves the same, so
 * that nobody comes to rely on the difference: no HTTP/1.0, only targets that start with `/`, and a
 * client that sends a second request behind a running one is disconnected.
 *
 * A *doomed* connection is one whose bytes are in doubt: it was refused, and nothing that its parser
 * still finds on it is served.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { HeadFields } from './framing-rules.ts';
import type { HttpListener, HttpServer, HttpServerOptions } from './http-port.ts';
import { NodeExchange } from './node-exchange.ts';
import type { NodeHost } from './node-exchange.ts';
import { refusalBytes } from './refusal-reply.ts';
import type { RefusalName } from './refusal-reply.ts';

/** How often node looks for requests that take too long. */
const CHECK_MS = 500;
/** A client that takes no byte of its answer for so long is dropped, as uWebSockets.js does. */
const STALL_MS = 10_000;
/** What a client has to read a refusal before its connection is dropped. */
const LINGER_MS = 1000;

/** @param reason why nothing better runs, for people; empty if it was asked for */
export function createNodeServer(options: HttpServerOptions, reason = ''): HttpServer {
  return new NodeServer(options, reason);
}

class NodeServer implements HttpServer, NodeHost {
  readonly implementation = 'node';
  readonly description: string;
  readonly listener: HttpListener;
  readonly bodyBytesMax: number;
  readonly bodyTimeoutMs: number;
  isStopping = false;
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  readonly #head = new HeadFields();
  readonly #running = new WeakMap<Socket, NodeExchange>();
  readonly #doomed = new WeakSet<Socket>();

  constructor(options: HttpServerOptions, reason: string) {
    this.description = reason === '' ? 'node:http' : `node:http (${reason})`;
    this.#options = options;
    this.listener = options.listener;
    this.bodyBytesMax = options.bodyBytesMax;
    this.bodyTimeoutMs = options.bodyTimeoutMs;
    this.#server = createServer(
      {
        maxHeaderSize: options.headerBytesMax,
        headersTimeout: options.headersTimeoutMs,
        requestTimeout: options.headersTimeoutMs + options.bodyTimeoutMs, // for bodies nobody reads
        keepAliveTimeout: options.idleTimeoutMs,
        connectionsCheckingInterval: CHECK_MS,
        insecureHTTPParser: false,
        requireHostHeader: false, // judged with the rest of the head
        noDelay: true,
      },
      this.#onRequest,
    );
    // A limit would drop fields silently; their bytes are bounded, and their number is judged.
    this.#server.maxHeadersCount = 0;
    this.#server.timeout = STALL_MS;
    this.#server.on('timeout', this.#onSilence);
    this.#server.on('clientError', this.#onClientError);
    this.#server.on('connect', (_request, socket) => socket.destroy());
    if (options.onConnection !== undefined) {
      this.#server.on('connection', () => options.onConnection!());
    }
  }

  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options;
    const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: bare, port, exclusive: true }, () => {
        this.#server.off('error', reject);
        const address = this.#server.address() as AddressInfo;
        resolve({ host: address.address, port: address.port });
      });
    });
  }

  stopAccepting(): void {
    this.isStopping = true;
    // Server.close of node:http also drops idle connections, on which a request may be on its way.
    NetServer.prototype.close.call(this.#server);
  }

  close(): void {
    this.isStopping = true;
    this.#server.close();
    this.#server.closeAllConnections();
  }

  onEnded(exchange: NodeExchange): void {
    const { socket } = exchange.request;
    if (this.#running.get(socket) === exchange) this.#running.delete(socket);
  }

  refuseBody(exchange: NodeExchange, name: RefusalName): void {
    this.#refuse(exchange.request.socket, name);
  }

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request;
    if (this.#doomed.has(socket)) return;
    const running = this.#running.get(socket);
    if (running !== undefined) {
      this.#options.onPipelinedDisconnect?.();
      this.#doom(socket);
      socket.destroy();
      return;
    }
    const refusal = this.#judge(request);
    if (refusal !== null) {
      if (refusal === 'FRAMING_REFUSED' || refusal === 'HEADER_REFUSED') {
        this.#options.onFramingRefused?.();
      }
      this.#refuse(socket, refusal);
      return;
    }
    const exchange = new NodeExchange(this, request, response);
    this.#running.set(socket, exchange);
    this.#serve(exchange);
  };

  #judge(request: IncomingMessage): RefusalName | null {
    const head = this.#head;
    const { rawHeaders } = request;
    const target = request.url ?? '';
    head.reset();
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      head.add(rawHeaders[at]!.toLowerCase(), utf8Of(rawHeaders[at + 1]!));
    }
    if (request.httpVersion !== '1.1') return 'VERSION_REFUSED';
    if (!target.startsWith('/')) return 'FRAMING_REFUSED';
    const targetLength = (request.method ?? '').length + target.length;
    return head.refusal(targetLength, this.#options.headerBytesMax);
  }

  #serve(exchange: NodeExchange): void {
    const { listener } = this;
    const head = this.#head;
    const target = exchange.request.url ?? '';
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    const query = mark < 0 ? '' : target.slice(mark + 1);
    listener.onHead(exchange, exchange.request.method ?? '', path, query);
    for (let at = 0; at < head.count; at += 1) {
      listener.onHeader(head.names[at]!, head.values[at]!);
    }
    if (!listener.onHeadEnd(exchange) || !exchange.isOpen) {
      exchange.request.resume();
    } else if (head.isChunked || head.contentLength > 0) {
      exchange.readBody();
    } else {
      exchange.request.resume();
      listener.onBody(exchange, new Uint8Array(0), 0, 0, true);
    }
  }

  /** Nothing moved on a connection for a while. A call or a stream that is silent is none of our business. */
  readonly #onSilence = (socket: Socket): void => {
    if (!this.#running.has(socket) || socket.writableLength > 0) socket.destroy();
  };

  readonly #onClientError = (error: NodeJS.ErrnoException, stream: unknown): void => {
    const socket = stream as Socket;
    if (this.#doomed.has(socket)) return;
    if (error.code === undefined || error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const isInBody = this.#running.has(socket);
    const refusal = refusalOf(error.code, isInBody);
    if (refusal === 'FRAMING_REFUSED') this.#options.onFramingRefused?.();
    this.#refuse(socket, refusal);
  };

  /** Answers past node's idea of a response, unless one has begun, and closes in a moment. */
  #refuse(socket: Socket, name: RefusalName): void {
    const running = this.#running.get(socket);
    this.#doom(socket);
    if (running?.hasBegun === true) {
      socket.destroy();
      return;
    }
    running?.drop();
    socket.write(refusalBytes(name));
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    socket.once('close', () => clearTimeout(timer));
    socket.once('end', () => socket.destroy());
    socket.resume();
  }

  #doom(socket: Socket): void {
    this.#doomed.add(socket);
  }
}

function refusalOf(code: string, isInBody: boolean): RefusalName {
  if (code === 'HPE_HEADER_OVERFLOW') return 'HEADERS_TOO_LARGE';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return isInBody ? 'BODY_TIMEOUT' : 'HEADERS_TIMEOUT';
  if (code === 'HPE_INVALID_VERSION') return 'VERSION_REFUSED';
  return 'FRAMING_REFUSED';
}

/** Field values as uWebSockets.js gives them: their bytes read as UTF-8. */
function utf8Of(latin1: string): string {
  for (let at = 0; at < latin1.length; at += 1) {
    if (latin1.charCodeAt(at) > 0x7f) return Buffer.from(latin1, 'latin1').toString('utf8');
  }
  return latin1;
}
