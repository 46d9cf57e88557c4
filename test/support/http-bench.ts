/** Servers and clients of one test of the HTTP client. */
import http from 'node:http';
import https from 'node:https';
import type net from 'node:net';
import { once } from 'node:events';
import {
  HttpClientCounters,
  type HttpClient,
  type HttpClientOptions,
} from '../../src/transport/http/http-client.ts';
import { RawServer, type RawRequest } from './raw-server.ts';
import type { SelfSigned } from './self-signed.ts';

/** Where the clients differ, and may. */
export interface ClientTraits {
  /** Tells an answer of which less than a head came from none at all. */
  readonly seesFirstByte: boolean;
  /** Tested over TLS, with this certificate. */
  readonly secure?: SelfSigned;
}

export type CreateClient = (options: HttpClientOptions) => HttpClient;

export const CLOCK = { nowMs: () => performance.now(), wallMs: () => Date.now() };

/** Usual settings of a test's client. */
export function optionsFor(url: URL, more: Partial<HttpClientOptions> = {}): HttpClientOptions {
  return {
    url,
    maxConnections: 8,
    pipelining: 1,
    connectTimeoutMs: 5000,
    idleTimeoutMs: 4000,
    headerBytesMax: 16 * 1024,
    queueMax: 1000,
    clock: CLOCK,
    counters: new HttpClientCounters(),
    ...more,
  };
}

/** Servers and clients of one test, closed after it. */
export class Bench {
  readonly #create: CreateClient;
  readonly #clients: HttpClient[] = [];
  readonly #servers: { close(): Promise<void> }[] = [];

  readonly #secure: SelfSigned | null;

  /** With a certificate, all servers speak TLS and all clients trust it. */
  constructor(create: CreateClient, secure: SelfSigned | null = null) {
    this.#create = create;
    this.#secure = secure;
  }

  get scheme(): string {
    return this.#secure === null ? 'http' : 'https';
  }

  #trust(): Partial<HttpClientOptions> {
    return this.#secure === null ? {} : { tls: { ca: this.#secure.cert } };
  }

  client(url: URL, more: Partial<HttpClientOptions> = {}): HttpClient {
    const client = this.#create(optionsFor(url, { ...this.#trust(), ...more }));
    this.#clients.push(client);
    return client;
  }

  async raw(onRequest?: (request: RawRequest) => void, host?: string): Promise<RawServer> {
    const server = await RawServer.start(onRequest, host, this.#secure);
    this.#servers.push(server);
    return server;
  }

  /** Answers every request with the same bytes, and closes if they say so. */
  async fixed(response: string | Buffer, closes = false): Promise<RawServer> {
    return this.raw(({ connection }) => {
      connection.write(response);
      if (closes) connection.socket.end();
    });
  }

  async node(listener: http.RequestListener): Promise<URL> {
    const secure = this.#secure;
    const server =
      secure === null
        ? http.createServer(listener)
        : https.createServer({ cert: secure.cert, key: secure.key }, listener);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#servers.push({
      close: async () => {
        const closed = once(server, 'close');
        server.close();
        server.closeAllConnections();
        await closed;
      },
    });
    return new URL(`${this.scheme}://127.0.0.1:${(server.address() as net.AddressInfo).port}/mcp`);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
    await Promise.all(this.#servers.splice(0).map((server) => server.close()));
  }
}

export const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n';
