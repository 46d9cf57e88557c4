/** What an exchange may hold back: every server sends it whole and in order, and to nobody else. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HttpExchange, HttpImplementation } from '../../src/edge/http-server.ts';
import { replyText, writeText } from '../support/http-recorder.ts';
import type { RawSocket } from '../support/raw-socket.ts';
import { get, post, ServerBench } from './http-server.ts';

/** Around the sizes at which a server may change how it sends. */
const SIZES = [1, 15, 16, 255, 256, 4095, 4096, 8000, 16_300, 16_384, 20_000, 65_472, 70_000];

export function describeHttpHeld(implementation: HttpImplementation): void {
  let bench: ServerBench;

  beforeEach(async () => {
    bench = new ServerBench();
    await bench.start(implementation);
    bench.listener.onComplete = () => undefined;
  });

  afterEach(() => bench.stop());

  async function ask(path: string): Promise<{ socket: RawSocket; exchange: HttpExchange }> {
    const socket = await bench.connect();
    return { socket, exchange: await askOn(socket, path) };
  }

  async function askOn(socket: RawSocket, path: string): Promise<HttpExchange> {
    await socket.send(post(path, 'x'));
    await bench.listener.heard(`end ${path}`);
    return bench.listener.requests.find((request) => request.path === path)!.exchange;
  }

  describe('what an exchange holds back', () => {
    it('is sent with the end of the answer', async () => {
      const { socket, exchange } = await ask('/end');
      exchange.holdBack();
      exchange.begin(200, 'text/plain', []);
      writeText(exchange, 'one ');
      writeText(exchange, 'two');
      exchange.end();
      expect((await socket.answers())[0]!.body).toBe('one two');
    });

    it('is sent when the holding back ends, though the answer goes on', async () => {
      const { socket, exchange } = await ask('/on');
      exchange.holdBack();
      exchange.begin(200, 'text/plain', []);
      writeText(exchange, 'one ');
      exchange.sendHeld();
      await socket.until((text) => text.includes('one '));
      exchange.holdBack();
      exchange.sendHeld();
      writeText(exchange, 'two ');
      await socket.until((text) => text.includes('two '));
      exchange.holdBack();
      writeText(exchange, 'three');
      exchange.end();
      expect((await socket.answers())[0]!.body).toBe('one two three');
    });

    it('is whole and in order, whatever the size of its pieces', async () => {
      let count = 0;
      const piece = fc.tuple(fc.constantFrom(...SIZES), fc.integer({ min: -9, max: 9 }), fc.nat(3));
      await fc.assert(
        fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
          const { socket, exchange } = await ask(`/${(count += 1)}`);
          exchange.holdBack();
          exchange.begin(200, 'text/plain', []);
          let body = '';
          for (const [size, more, turn] of pieces) {
            const text = String.fromCharCode(97 + (body.length % 26)).repeat(
              Math.max(1, size + more),
            );
            body += text;
            writeText(exchange, text);
            if (turn > 0) continue;
            exchange.sendHeld();
            exchange.holdBack();
          }
          exchange.end();
          expect((await socket.answers())[0]!.body === body).toBe(true);
          socket.destroy();
        }),
        { numRuns: 60 },
      );
    });

    it('does not hold back the next answer of the connection', async () => {
      const { socket, exchange } = await ask('/first');
      exchange.holdBack();
      exchange.begin(200, 'text/plain', []);
      exchange.end();
      const next = await askOn(socket, '/next');
      next.begin(200, 'text/plain', []);
      writeText(next, 'at once');
      await socket.until((text) => text.includes('at once'));
    });

    it('never shows in the answer of another, if its own connection is dropped', async () => {
      const dropped = await ask('/dropped');
      const other = await ask('/other');
      dropped.exchange.holdBack();
      dropped.exchange.begin(200, 'text/plain', []);
      writeText(dropped.exchange, 'secret');
      dropped.exchange.abort();
      dropped.exchange.sendHeld();
      replyText(other.exchange, 'mine');
      expect((await other.socket.answers())[0]!.body).toBe('mine');
      expect(other.socket.text).not.toContain('secret');
      await dropped.socket.closed;
    });

    it('is a head alone where a body is forbidden', async () => {
      const socket = await bench.connect();
      await socket.send(get('/head').replace('GET', 'HEAD'));
      await bench.listener.heard('end /head');
      const { exchange } = bench.listener.requests[0]!;
      exchange.holdBack();
      exchange.begin(200, 'text/plain', []);
      writeText(exchange, 'body');
      exchange.end();
      await socket.until((text) => text.endsWith('\r\n\r\n'));
      expect(socket.text).not.toContain('body');
    });
  });
}
