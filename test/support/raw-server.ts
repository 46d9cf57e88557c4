/** A TCP server that speaks HTTP as badly as a test wants. Loopback only. */
import net from 'node:net';
import { once } from 'node:events';

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

  constructor(socket: net.Socket, onRequest: (head: string, body: Buffer) => void) {
    this.socket = socket;
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
    this.socket.resetAndDestroy();
  }
}

export class RawServer {
  readonly connections: RawConnection[] = [];
  readonly requests: RawRequest[] = [];
  /** Known from the start, and still after it stopped listening. */
  port = 0;
  readonly #server: net.Server;
  readonly #waiting: { count: number; resolve: () => void }[] = [];

  private constructor(onRequest: (request: RawRequest) => void) {
    // The tests close connections themselves, and read what a half-closed one still gets.
    this.#server = net.createServer({ allowHalfOpen: false }, (socket) => {
      const connection: RawConnection = new RawConnection(socket, (head, body) => {
        const request = { connection, head, body, index: this.requests.length };
        this.requests.push(request);
        onRequest(request);
        this.#wake();
      });
      this.connections.push(connection);
    });
  }

  static async start(
    onRequest: (request: RawRequest) => void = () => undefined,
    host = '127.0.0.1',
  ): Promise<RawServer> {
    const server = new RawServer(onRequest);
    server.#server.listen(0, host);
    await once(server.#server, 'listening');
    server.port = (server.#server.address() as net.AddressInfo).port;
    return server;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.port}/mcp`);
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
