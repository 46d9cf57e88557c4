/** A client on a bare socket that reads when it is told to. */
import { type Socket, connect } from 'node:net';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Send } from './client.ts';

const open = new Set<Socket>();

export class SlowReader {
  readonly socket: Socket;
  #isReading = false;

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Sends one request and reads nothing of the answer. */
  static async start(url: string, [body, { headers = {} }]: [string, Send]): Promise<SlowReader> {
    const { hostname, port, pathname } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    open.add(socket);
    socket.on('error', () => undefined);
    socket.pause();
    await once(socket, 'connect');
    const fields = Object.entries({
      host: `${hostname}:${port}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'content-length': String(Buffer.byteLength(body)),
      ...headers,
    });
    const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(`POST ${pathname} HTTP/1.1\r\n${head}\r\n${body}`);
    return new SlowReader(socket);
  }

  /** Reads until `bytes` have come, a chunked body is over, or the other side ends; their number, their hash and the last of them. */
  async read(bytes: number): Promise<{ bytes: number; hash: string; tail: string }> {
    if (this.#isReading) throw new Error('one read at a time');
    this.#isReading = true;
    const hash = createHash('sha256');
    let read = 0;
    let tail = '';
    for await (const part of this.socket) {
      hash.update(part as Buffer);
      read += (part as Buffer).length;
      tail = (tail + (part as Buffer).toString('latin1')).slice(-4096);
      if (read >= bytes || tail.endsWith('\r\n0\r\n\r\n')) break;
    }
    return { bytes: read, hash: hash.digest('hex'), tail };
  }
}

export function closeSlowReaders(): void {
  for (const socket of open) socket.destroy();
  open.clear();
}
