/** What every implementation of the HTTP server port does. Run by test/edge/{lean,uws,node}-server.test.ts. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ByteRange } from '../../shared/byte-words.ts';
import { createHttpServer } from '../../src/edge/http-server.ts';
import type {
  HttpImplementation,
  HttpServer,
  HttpServerOptions,
} from '../../src/edge/http-server.ts';
import { HttpRecorder, replyText, writeText } from '../support/http-recorder.ts';
import { RawSocket } from '../support/raw-socket.ts';

export const BODY_BYTES_MAX = 100_000;
export const HEADER_BYTES_MAX = 16_384;

/** A running server with everything it said. */
export class ServerBench {
  readonly listener = new HttpRecorder();
  readonly counts = { pipelined: 0, framing: 0, connections: 0 };
  readonly #sockets: RawSocket[] = [];
  #server: HttpServer | null = null;
  port = 0;

  async start(
    implementation: HttpImplementation | 'auto',
    changes: Partial<HttpServerOptions> = {},
  ): Promise<void> {
    this.#server = await createHttpServer({
      host: '127.0.0.1',
      port: 0,
      bodyBytesMax: BODY_BYTES_MAX,
      headerBytesMax: HEADER_BYTES_MAX,
      headersTimeoutMs: 10_000,
      bodyTimeoutMs: 10_000,
      idleTimeoutMs: 10_000,
      listener: this.listener,
      usualPaths: ['/mcp', '/mcp/math', '/a', '/with:colon', '/star/*'],
      implementation,
      onPipelinedDisconnect: () => (this.counts.pipelined += 1),
      onFramingRefused: () => (this.counts.framing += 1),
      onConnection: () => (this.counts.connections += 1),
      ...changes,
    });
    this.port = (await this.#server.listen()).port;
  }

  get server(): HttpServer {
    if (this.#server === null) throw new Error('not started');
    return this.#server;
  }

  async connect(): Promise<RawSocket> {
    const socket = await RawSocket.open(this.port);
    this.#sockets.push(socket);
    return socket;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server?.close();
    this.#server = null;
  }
}

export function post(path: string, body: string, fields = ''): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`;
}

export function get(path: string, fields = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
}

export function describeHttpServer(implementation: HttpImplementation): void {
  let bench: ServerBench;

  beforeEach(async () => {
    bench = new ServerBench();
    await bench.start(implementation);
  });

  afterEach(() => bench.stop());

  describe('a request', () => {
    it('arrives with method, path, query, fields in order and body', async () => {
      const socket = await bench.connect();
      await socket.send(post('/mcp', 'hello', 'X-Two: 1\r\nAccept:  a, b \r\nx-two: 2\r\n'));
      await socket.answers();
      const [request] = bench.listener.requests;
      expect(request).toMatchObject({ method: 'POST', path: '/mcp', query: '' });
      expect(request!.fields).toEqual([
        'host: a',
        'content-length: 5',
        'x-two: 1',
        'accept: a, b',
        'x-two: 2',
      ]);
      expect(request!.body.toString()).toBe('hello');
      expect(bench.counts.connections).toBe(1);
    });

    it('keeps its path as it was sent', async () => {
      const socket = await bench.connect();
      await socket.send(get('//a/%2e%2E/../;x=1?y?z=%20'));
      await socket.answers();
      const [request] = bench.listener.requests;
      expect(request).toMatchObject({ path: '//a/%2e%2E/../;x=1', query: 'y?z=%20' });
    });

    it('keeps a path that is only like a usual one', async () => {
      const socket = await bench.connect();
      const targets = [
        '/mcp',
        '/mcp?a',
        '/mcp/',
        '//mcp',
        '/MCP',
        '/%6dcp',
        '/mcp;a',
        '/mcp/math/x',
      ];
      targets.push('/mcp/./math', '/with:colon', '/with', '/withx', '/star/*', '/star/x', '/');
      for (const [index, target] of targets.entries()) {
        await socket.send(post(target, 'x'));
        await socket.answers(index + 1);
      }
      const heard = bench.listener.requests.map(({ method, path }) => `${method} ${path}`);
      expect(heard).toEqual(targets.map((target) => `POST ${target.split('?')[0]}`));
    });

    it('may use any method', async () => {
      const socket = await bench.connect();
      for (const [index, method] of ['DELETE', 'OPTIONS', 'PUT', 'PATCH'].entries()) {
        await socket.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
        await socket.answers(index + 1);
      }
      expect(bench.listener.requests.map((request) => request.method)).toEqual([
        'DELETE',
        'OPTIONS',
        'PUT',
        'PATCH',
      ]);
    });

    it('without a body ends with one empty chunk', async () => {
      const socket = await bench.connect();
      await socket.send(get('/'));
      await socket.answers();
      expect(bench.listener.requests[0]!.chunks).toEqual([0]);
    });

    it('is put together wherever it was cut', async () => {
      const text = post('/cut', 'a body of some length', 'X-Field: value\r\n');
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 6 }), async (cuts) => {
          const places = [0, ...cuts.sort((a, b) => a - b), text.length];
          const parts = places.slice(1).map((end, index) => text.slice(places[index], end));
          const socket = await bench.connect();
          await socket.sendParts(parts.filter((part) => part !== ''));
          const [answer] = await socket.answers();
          socket.destroy();
          expect(answer!.body).toBe('ok');
          const request = bench.listener.requests.at(-1)!;
          expect(request.body.toString()).toBe('a body of some length');
          expect(request.fields).toContain('x-field: value');
        }),
        { numRuns: 40 },
      );
    });

    it('whose body nobody wants leaves the connection in step', async () => {
      bench.listener.wantsBody = (request) => {
        if (request.path !== '/no') return true;
        replyText(request.exchange, 'no', [], 403);
        return false;
      };
      const socket = await bench.connect();
      await socket.send(post('/no', 'GET /trap HTTP/1.1\r\nHost: a\r\n\r\n'));
      await socket.answers(1);
      await socket.send(post('/yes', 'x'));
      const answers = await socket.answers(2);
      expect(answers.map((answer) => answer.status)).toEqual([403, 200]);
      expect(bench.listener.paths).toEqual(['/no', '/yes']);
    });

    it('that was answered before its body was there leaves the connection in step', async () => {
      bench.listener.onChunk = (request, isLast) => {
        if (!isLast) replyText(request.exchange, 'early');
      };
      const socket = await bench.connect();
      const text = post('/early', 'x'.repeat(50_000));
      await socket.send(text.slice(0, 20_000));
      await socket.answers(1);
      await socket.send(text.slice(20_000) + get('/next'));
      const answers = await socket.answers(2);
      expect(answers.map((answer) => answer.body)).toEqual(['early', 'ok']);
    });

    it('that was answered early gives its late bytes to no other request', async () => {
      const { listener } = bench;
      listener.onChunk = ({ exchange, path }, isLast) => {
        if (path === '/early' && !isLast) replyText(exchange, 'early');
      };
      const early = await bench.connect();
      const text = post('/early', 'x'.repeat(50_000));
      await early.send(text.slice(0, 20_000));
      await early.answers(1);
      const paths = ['/a', '/b', '/c'];
      const others = await Promise.all(
        paths.map(async (path) => {
          const socket = await bench.connect();
          await socket.send(post(path, 'y'.repeat(50)).slice(0, -10));
          await listener.heard(`head ${path}`);
          return socket;
        }),
      );
      await early.send(text.slice(20_000) + get('/next'));
      await early.answers(2);
      for (const socket of others) {
        await socket.send('y'.repeat(10));
        await socket.answers(1);
      }
      const bodies = listener.requests.filter(({ path }) => paths.includes(path));
      expect(bodies.map(({ body }) => String(body))).toEqual(paths.map(() => 'y'.repeat(50)));
    });

    it('that expects 100 Continue gets it', async () => {
      const socket = await bench.connect();
      const text = post('/', 'hello', 'Expect: 100-continue\r\n');
      await socket.send(text.slice(0, -5));
      await socket.until((received) => received.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
      await socket.send('hello');
      const answers = await socket.answers(2);
      expect(answers[1]!.status).toBe(200);
    });

    it('tells the address of its peer', async () => {
      const socket = await bench.connect();
      const bytes = new ByteRange(new Uint8Array(20).fill(7));
      bench.listener.onComplete = ({ exchange }) => {
        expect(exchange.peerFamily()).toBe(4);
        exchange.peerBytes(bytes, 2);
        replyText(exchange, 'ok');
      };
      await socket.send(get('/'));
      await socket.answers();
      expect([...bytes.bytes]).toEqual([
        7, 7, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7,
      ]);
    });
  });

  describe('an answer', () => {
    it('has its fields, a length and a date, names no server, and keeps the connection', async () => {
      bench.listener.onComplete = ({ exchange }) =>
        replyText(exchange, 'abc', ['X-A', '1', 'X-B', '2']);
      const socket = await bench.connect();
      await socket.send(get('/1'));
      await socket.answers(1);
      await socket.send(get('/2'));
      const [answer] = await socket.answers(2);
      expect(answer!.headers.get('content-type')).toBe('text/plain');
      expect(answer!.headers.get('content-length')).toBe('3');
      expect(answer!.headers.get('x-b')).toBe('2');
      expect(Date.parse(answer!.headers.get('date')!)).toBeGreaterThan(0);
      for (const name of ['server', 'x-powered-by', 'uwebsockets']) {
        expect(answer!.headers.has(name)).toBe(false);
      }
      expect(bench.counts.connections).toBe(1);
    });

    it('leaves out a field that would break its head', async () => {
      bench.listener.onComplete = ({ exchange }) => {
        const broken = [
          'X-A',
          'a\r\nX-Evil: 1',
          'X-B\nX-Evil',
          '1',
          'X-D',
          'd\u010d\u010aX-Evil: 1',
        ];
        replyText(exchange, 'x', [...broken, 'X-C', 'c']);
      };
      const socket = await bench.connect();
      await socket.send(get('/'));
      const [answer] = await socket.answers();
      expect([...answer!.headers.keys()].filter((name) => name.startsWith('x-'))).toEqual(['x-c']);
    });

    it('to HEAD, and one with 204, has no body', async () => {
      bench.listener.onComplete = ({ exchange, path }) => {
        if (path === '/204') exchange.reply(204, '', [], new Uint8Array(0), 0, 0);
        else replyText(exchange, 'a body', [], path === '/head' ? 405 : 200);
      };
      const socket = await bench.connect();
      await socket.send('HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n');
      await socket.until((text) => text.endsWith('\r\n\r\n'));
      expect(socket.text).toMatch(/^HTTP\/1.1 405 Method Not Allowed\r\n/);
      await socket.send(get('/204'));
      await socket.until((text) => text.includes('HTTP/1.1 204') && text.endsWith('\r\n\r\n'));
      await socket.send(get('/last'));
      await socket.until((text) => text.endsWith('a body'));
      expect(socket.text.match(/HTTP\/1\.1 /g)).toHaveLength(3);
      expect(socket.text.match(/a body/g)).toHaveLength(1);
    });

    it('with an empty body says so', async () => {
      bench.listener.onComplete = ({ exchange }) => {
        exchange.reply(202, '', [], new Uint8Array(0), 0, 0);
      };
      const socket = await bench.connect();
      await socket.send(post('/', 'x'));
      const [answer] = await socket.answers();
      expect(answer).toMatchObject({ status: 202, body: '' });
      expect(answer!.headers.get('content-length')).toBe('0');
      expect(answer!.headers.has('content-type')).toBe(false);
    });

    it('is taken from shared memory before reply returns', async () => {
      const bytes = 20_000_000; // more than the sockets hold
      const shared = new Uint8Array(new SharedArrayBuffer(bytes + 20));
      bench.listener.onComplete = ({ exchange }) => {
        shared.fill(0x61);
        shared.fill(0x62, 10, 10 + bytes);
        exchange.reply(200, 'text/plain', [], shared, 10, 10 + bytes);
        shared.fill(0x63);
      };
      const socket = await bench.connect();
      await socket.send(get('/'));
      await socket.untilBytes(bytes);
      await socket.until((text) => parsedLength(text) === bytes);
      expect(socket.text.slice(-bytes)).toBe('b'.repeat(bytes));
    });
  });

  describe('a streamed answer', () => {
    it('comes piece by piece', async () => {
      const { listener } = bench;
      listener.onComplete = ({ exchange }) => {
        exchange.begin(200, 'text/event-stream', ['X-A', '1']);
        writeText(exchange, 'data: 1\n\n');
      };
      const socket = await bench.connect();
      await socket.send(get('/'));
      await socket.until((text) => text.includes('data: 1\n\n'));
      const { exchange } = listener.requests[0]!;
      exchange.cork((corked) => {
        writeText(corked, 'data: 2\n\n');
        writeText(corked, '');
        writeText(corked, 'data: 3\n\n');
        corked.end();
      });
      expect(exchange.isOpen).toBe(false);
      const [answer] = await socket.answers();
      expect(answer!.body).toBe('data: 1\n\ndata: 2\n\ndata: 3\n\n');
      expect(answer!.headers.get('content-type')).toBe('text/event-stream');
      await socket.send(get('/2'));
      await socket.until((text) => (text.match(/data: 1/g) ?? []).length === 2);
    });

    it('shows its head at once, even if it has nothing to say yet', async () => {
      bench.listener.onComplete = ({ exchange }) => exchange.begin(200, 'text/event-stream', []);
      const socket = await bench.connect();
      await socket.send(get('/'));
      await socket.until((text) => text.includes('\r\n\r\n'));
      expect(socket.text).toMatch(/^HTTP\/1.1 200 OK\r\n/);
      bench.listener.requests[0]!.exchange.end();
      const [answer] = await socket.answers();
      // A comment says nothing to a client.
      expect(['', ':\n\n']).toContain(answer!.body);
    });

    it('to HEAD is only a head', async () => {
      bench.listener.onComplete = ({ exchange, method }) => {
        exchange.begin(200, 'text/event-stream', []);
        writeText(exchange, `data: ${method}\n\n`);
        exchange.end();
      };
      const socket = await bench.connect();
      await socket.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n');
      await socket.until((text) => text.endsWith('\r\n\r\n'));
      await socket.send(get('/'));
      await socket.until((text) => text.includes('data: GET\n\n'));
      expect(socket.text).not.toContain('HEAD');
    });

    it('waits for a slow reader, and tells when it goes on', async () => {
      const piece = 65_536;
      const shared = new Uint8Array(new SharedArrayBuffer(piece));
      let written = 0;
      const total = 320 * piece;
      const { listener } = bench;
      const pump = (request: (typeof listener.requests)[number]): void => {
        const { exchange } = request;
        for (;;) {
          if (written === total) {
            exchange.end();
            return;
          }
          shared.fill(0x30 + ((written / piece) % 64));
          const isTaken = exchange.write(shared, 0, piece);
          shared.fill(0);
          written += piece;
          if (!isTaken) return;
        }
      };
      listener.onDrained = pump;
      listener.onComplete = (request) => {
        request.exchange.begin(200, 'application/octet-stream', []);
        pump(request);
      };
      const socket = await bench.connect();
      socket.socket.pause();
      await socket.send(get('/slow'));
      await listener.heard('end /slow');
      expect(written).toBeLessThan(total);
      socket.socket.resume();
      await socket.untilBytes(total);
      const [answer] = await socket.answers();
      expect(answer!.body.length).toBe(total);
      for (let at = 0; at < total; at += piece) {
        const expected = 0x30 + ((at / piece) % 64);
        if (
          answer!.body.charCodeAt(at) !== expected ||
          answer!.body.charCodeAt(at + piece - 1) !== expected
        ) {
          throw new Error(`bytes out of place: at=${at}`);
        }
      }
      expect(listener.events).toContain('writable /slow');
    });

    it('drains what the server holds, though nothing more is written', async () => {
      const big = Buffer.alloc(16_000_000, 'x');
      bench.listener.onComplete = ({ exchange }) => {
        exchange.begin(200, 'application/octet-stream', []);
        expect(exchange.write(big, 0, big.length)).toBe(false);
      };
      const socket = await bench.connect();
      socket.socket.pause();
      await socket.send(get('/big'));
      await bench.listener.heard('end /big');
      socket.socket.resume();
      await bench.listener.heard('writable /big');
      await socket.untilBytes(big.length);
      bench.listener.requests[0]!.exchange.end();
      const [answer] = await socket.answers();
      expect(answer!.body.length).toBe(big.length);
    });
  });

  describe('a client that leaves', () => {
    it('is noticed, once, and answering it is no error', async () => {
      bench.listener.onComplete = () => undefined;
      const socket = await bench.connect();
      await socket.send(post('/gone', 'x'));
      await bench.listener.heard('end /gone');
      socket.destroy();
      await bench.listener.heard('aborted /gone');
      const { exchange } = bench.listener.requests[0]!;
      expect(exchange.isOpen).toBe(false);
      replyText(exchange, 'late');
      exchange.begin(200, '', []);
      expect(writeText(exchange, 'late')).toBe(true);
      exchange.cork(() => expect.unreachable());
      exchange.end();
      exchange.abort();
      expect(bench.counts.pipelined).toBe(0);
    });

    it('in the middle of its body is noticed', async () => {
      const socket = await bench.connect();
      await socket.send(post('/half', 'x'.repeat(100)).slice(0, -50));
      await bench.listener.heard('head /half');
      socket.destroy();
      await bench.listener.heard('aborted /half');
      expect(bench.listener.requests[0]!.isComplete).toBe(false);
    });

    it('in the middle of a stream is noticed', async () => {
      bench.listener.onComplete = ({ exchange }) => {
        exchange.begin(200, 'text/event-stream', []);
        writeText(exchange, 'data: 1\n\n');
      };
      const socket = await bench.connect();
      await socket.send(get('/stream'));
      await socket.until((text) => text.includes('data: 1'));
      socket.destroy();
      await bench.listener.heard('aborted /stream');
    });

    it('is dropped by abort, without another byte', async () => {
      for (const path of ['/head', '/chunk', '/end', '/later']) {
        bench.listener.wantsBody = ({ exchange }) => {
          if (path === '/head') exchange.abort();
          return true;
        };
        bench.listener.onChunk = ({ exchange }) => {
          if (path === '/chunk') exchange.abort();
        };
        bench.listener.onComplete = ({ exchange }) => {
          if (path === '/end') exchange.abort();
          else setImmediate(() => exchange.abort());
        };
        const socket = await bench.connect();
        await socket.send(
          `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n`,
        );
        await socket.closed;
        expect(socket.text).toBe('');
      }
      expect(bench.listener.events.filter((event) => event.startsWith('aborted'))).toEqual([]);
    });

    it('is told apart from one that sends a second request behind a running one', async () => {
      bench.listener.onComplete = () => undefined;
      const socket = await bench.connect();
      await socket.send(get('/running') + get('/second'));
      await socket.closed;
      await bench.listener.heard('aborted /running');
      expect(bench.listener.paths).toEqual(['/running']);
      expect(bench.counts.pipelined).toBe(1);
      expect(socket.text).toBe('');
    });

    it('is served both requests of one write if the first is answered at once', async () => {
      bench.listener.onComplete = ({ exchange, path }) => replyText(exchange, path);
      const socket = await bench.connect();
      await socket.send(get('/first') + get('/second'));
      const answers = await socket.answers(2);
      expect(answers.map((answer) => answer.body)).toEqual(['/first', '/second']);
    });
  });

  describe('the server', () => {
    it('says that a port is in use', async () => {
      const other = createServer();
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const { port } = other.address() as AddressInfo;
      const second = new ServerBench();
      await expect(second.start(implementation, { port })).rejects.toMatchObject({
        code: 'EADDRINUSE',
      });
      await new Promise((resolve) => other.close(resolve));
      await expect(
        new ServerBench().start(implementation, { port: bench.port }),
      ).rejects.toMatchObject({
        code: 'EADDRINUSE',
      });
      second.stop();
    });

    it('says what it runs on and where it listens', async () => {
      expect(bench.server.implementation).toBe(implementation);
      const names = { lean: 'node:net', uws: 'uWebSockets', node: 'node:http' };
      expect(bench.server.description).toContain(names[implementation]);
      expect(bench.port).toBeGreaterThan(0);
    });

    it('that stops accepting finishes what runs and closes with the next answer', async () => {
      bench.listener.onComplete = ({ exchange, path }) => {
        if (path === '/idle') replyText(exchange, 'ok');
      };
      const idle = await bench.connect();
      await idle.send(get('/idle'));
      await idle.answers(1);
      const running = await bench.connect();
      await running.send(get('/running'));
      await bench.listener.heard('end /running');
      const streaming = await bench.connect();
      await streaming.send(get('/streaming'));
      await bench.listener.heard('end /streaming');
      const [, run, stream] = bench.listener.requests;

      bench.server.stopAccepting();
      await expect(RawSocket.open(bench.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await idle.send(get('/idle'));
      expect((await idle.answers(2))[1]!.headers.get('connection')).toBe('close');
      await idle.closed;
      replyText(run!.exchange, 'done');
      expect((await running.answers(1))[0]).toMatchObject({ body: 'done' });
      await running.closed;
      stream!.exchange.begin(200, 'text/event-stream', []);
      writeText(stream!.exchange, 'data: 1\n\n');
      stream!.exchange.end();
      const [answer] = await streaming.answers(1);
      expect(answer!.body).toBe('data: 1\n\n');
      expect(answer!.headers.get('connection')).toBe('close');
      await streaming.closed;
    });

    it('that closes drops everything', async () => {
      bench.listener.onComplete = () => undefined;
      const socket = await bench.connect();
      await socket.send(get('/open'));
      await bench.listener.heard('end /open');
      const idle = await bench.connect();
      bench.server.close();
      await socket.closed;
      await idle.closed;
      await bench.listener.heard('aborted /open');
    });
  });
}

/** Body bytes after the first head. */
function parsedLength(text: string): number {
  return text.length - text.indexOf('\r\n\r\n') - 4;
}
