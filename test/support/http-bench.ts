/** Servers and clients of one test of the HTTP client. */
import http from 'node:http';
import type net from 'node:net';
import { once } from 'node:events';
import {
  HttpClientCounters,
  type HttpClient,
  type HttpClientOptions,
} from '../../src/transport/http/http-client.ts';
import { RawServer, type RawRequest } from './raw-server.ts';

/** Where the clients differ, and may. */
export interface ClientTraits {
  /** Tells an answer of which less than a head came from none at all. */
  readonly seesFirstByte: boolean;
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

  constructor(create: CreateClient) {
    this.#create = create;
  }

  client(url: URL, more: Partial<HttpClientOptions> = {}): HttpClient {
    const client = this.#create(optionsFor(url, more));
    this.#clients.push(client);
    return client;
  }

  async raw(onRequest?: (request: RawRequest) => void, host?: string): Promise<RawServer> {
    const server = await RawServer.start(onRequest, host);
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
    const server = http.createServer(listener);
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
    return new URL(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}/mcp`);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()));
    await Promise.all(this.#servers.splice(0).map((server) => server.close()));
  }
}

export const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n';
