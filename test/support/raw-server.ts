/** A TCP or TLS server that speaks HTTP as badly as a test wants. Loopback only. */
import net from 'node:net';
import tls from 'node:tls';
import { once } from 'node:events';
import type { SelfSigned } from './self-signed.ts';

/** One complete request as it came in. */
export interface RawRequest {
  readonly connection: RawConnection;
  readonly head: string;
  readonly body: Buffer;
  /** Over all connections, from 0. */
  readonly index: number;
}

export class RawConnection {
  readonly socket: net.Socket;
  requests = 0;
  /** Reads of the socket; fewer than requests where several came in one. */
  reads = 0;
  readonly closed: Promise<void>;
  #buffer: Buffer = Buffer.alloc(0);

  readonly #carrier: net.Socket;

  /** `carrier` is the TCP socket, under TLS another than `socket`. */
  constructor(
    socket: net.Socket,
    carrier: net.Socket,
    onRequest: (head: string, body: Buffer) => void,
  ) {
    this.socket = socket;
    this.#carrier = carrier;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    socket.on('data', (bytes: Buffer) => {
      this.reads += 1;
      this.#buffer = Buffer.concat([this.#buffer, bytes]);
      for (;;) {
        const headEnd = this.#buffer.indexOf('\r\n\r\n');
        if (headEnd < 0) return;
        const head = this.#buffer.toString('latin1', 0, headEnd + 4);
        const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        if (this.#buffer.length < headEnd + 4 + length) return;
        const body = this.#buffer.subarray(headEnd + 4, headEnd + 4 + length);
        this.#buffer = this.#buffer.subarray(headEnd + 4 + length);
        this.requests += 1;
        onRequest(head, body);
      }
    });
  }

  write(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** Writes one byte after the other, each in a packet of its own as far as that can be had. */
  async drip(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length && !this.socket.destroyed; at += 1) {
      this.socket.write(bytes.subarray(at, at + 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  reset(): void {
    this.#carrier.resetAndDestroy();
    this.socket.destroy();
  }
}

export class RawServer {
  readonly connections: RawConnection[] = [];
  readonly requests: RawRequest[] = [];
  /** Known from the start, and still after it stopped listening. */
  port = 0;
  readonly #server: net.Server;
  readonly #waiting: { count: number; resolve: () => void }[] = [];

  readonly #isSecure: boolean;

  private constructor(onRequest: (request: RawRequest) => void, secure: SelfSigned | null) {
    this.#isSecure = secure !== null;
    const carriers = new Map<number | undefined, net.Socket>();
    const onSocket = (socket: net.Socket): void => {
      const carrier = carriers.get(socket.remotePort) ?? socket;
      carriers.delete(socket.remotePort);
      const connection: RawConnection = new RawConnection(socket, carrier, (head, body) => {
        const request = { connection, head, body, index: this.requests.length };
        this.requests.push(request);
        onRequest(request);
        this.#wake();
      });
      this.connections.push(connection);
    };
    if (secure === null) {
      this.#server = net.createServer(onSocket);
    } else {
      this.#server = tls.createServer({ cert: secure.cert, key: secure.key }, onSocket);
      this.#server.on('connection', (socket: net.Socket) =>
        carriers.set(socket.remotePort, socket),
      );
      this.#server.on('tlsClientError', () => undefined);
    }
  }

  static async start(
    onRequest: (request: RawRequest) => void = () => undefined,
    host = '127.0.0.1',
    secure: SelfSigned | null = null,
    port = 0,
  ): Promise<RawServer> {
    const server = new RawServer(onRequest, secure);
    server.#server.listen(port, host);
    await once(server.#server, 'listening');
    server.port = (server.#server.address() as net.AddressInfo).port;
    return server;
  }

  get url(): URL {
    return new URL(`http${this.#isSecure ? 's' : ''}://127.0.0.1:${this.port}/mcp`);
  }

  /** Resolves when so many requests have come in. */
  async arrived(count: number): Promise<void> {
    if (this.requests.length >= count) return;
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
  }

  /** Stops listening, as an upstream that is going down does; connections stay. */
  stopListening(): void {
    this.#server.close();
  }

  async close(): Promise<void> {
    const isListening = this.#server.listening;
    const closed = isListening ? once(this.#server, 'close') : Promise.resolve();
    this.#server.close();
    for (const connection of this.connections) connection.socket.destroy();
    await closed;
  }

  #wake(): void {
    for (const waiter of this.#waiting.splice(0)) {
      if (this.requests.length >= waiter.count) waiter.resolve();
      else this.#waiting.push(waiter);
    }
  }
}
