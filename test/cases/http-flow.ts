/** What every HTTP client must do about time and volume: limits, aborts, pauses, large bodies. */
import { describe, expect, it } from 'vitest';
import {
  ANSWERED,
  MAYBE,
  NOT_SENT,
  type HttpExecuted,
} from '../../src/transport/http/http-client.ts';
import { CHUNKED, type Bench } from '../support/http-bench.ts';
import { answer, sendProbe } from '../support/http-probe.ts';

export function describeFlow(name: string, bench: Bench, partOfHead: HttpExecuted): void {
  describe(`${name}: flow`, () => {
    it('gives up a call that gets no answer in time, and closes its connection', async () => {
      const server = await bench.raw();
      const client = bench.client(server.url);
      const { outcome } = sendProbe(client, server.url, { timeoutMs: 30 });
      expect(await outcome).toMatchObject({ failure: 'timeout', executed: MAYBE });
      await server.connections[0]?.closed;
      expect(client.pending).toBe(0);
    });

    it('gives up an answer that drips for too long', async () => {
      const server = await bench.raw(({ connection }) =>
        connection.drip(Buffer.from(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(500_000)}`)),
      );
      const client = bench.client(server.url, { headerBytesMax: 1024 * 1024 });
      const { outcome } = sendProbe(client, server.url, { timeoutMs: 100 });
      expect(await outcome).toMatchObject({ failure: 'timeout', executed: partOfHead });
    });

    it('waits as long as a renewed limit says', async () => {
      const server = await bench.raw();
      const client = bench.client(server.url);
      const first = sendProbe(client, server.url, { timeoutMs: 40 });
      const second = sendProbe(client, server.url, { timeoutMs: 40 });
      second.call.renew(0);
      expect(await first.outcome).toMatchObject({ failure: 'timeout' });
      expect(second.listener.isOver).toBe(false);
      second.call.renew(10);
      expect(await second.outcome).toMatchObject({ failure: 'timeout' });
    });

    it('closes the connection of a call that is aborted, and says no more', async () => {
      const server = await bench.raw(({ connection }) =>
        connection.write(answer('x').slice(0, -1)),
      );
      const client = bench.client(server.url);
      const { call, listener } = sendProbe(client, server.url);
      await server.arrived(1);
      call.abort();
      expect(client.pending).toBe(0);
      await server.connections[0]?.closed;
      expect(listener.isOver).toBe(false);
      expect(call.abort()).toBe(ANSWERED);
    });

    it('never sends a call that is aborted in the turn in which it was made', async () => {
      const server = await bench.fixed(answer('ok'));
      const client = bench.client(server.url, { maxConnections: 1 });
      const { call } = sendProbe(client, server.url);
      expect(call.abort()).toBe(NOT_SENT);
      expect(await sendProbe(client, server.url).outcome).toMatchObject({ body: 'ok' });
      expect(server.requests.length).toBe(1);
    });

    it('stops the upstream while a listener is paused, and loses nothing', async () => {
      const size = 30 * 1024 * 1024;
      const piece = Buffer.alloc(64 * 1024, 0x61);
      let written = 0;
      const server = await bench.raw(({ connection }) => {
        connection.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
        const more = (): void => {
          while (written < size) {
            written += piece.length;
            if (!connection.socket.write(piece)) return;
          }
        };
        connection.socket.on('drain', more);
        more();
      });
      const client = bench.client(server.url);
      const { listener, call, outcome } = sendProbe(client, server.url);
      listener.keepsBody = false;
      let isPaused = true;
      listener.answer = () => !isPaused;
      await listener.received(1);
      const atPause = listener.bodyBytes;
      // Other calls fare as before, and by the time they are done the paused one would have moved.
      const other = await bench.fixed(answer('ok'));
      const side = bench.client(other.url);
      for (let i = 0; i < 50; i += 1) await sendProbe(side, other.url).outcome;
      expect(listener.bodyBytes).toBe(atPause);
      expect(written).toBeLessThan(size);
      isPaused = false;
      call.resume();
      await outcome;
      expect(listener.bodyBytes).toBe(size);
    });

    it('hands a body out piece by piece, as often as it is paused', async () => {
      const text = `${CHUNKED}\r\n${'3\r\nabc\r\n'.repeat(50)}0\r\n\r\n`;
      const server = await bench.fixed(text);
      const client = bench.client(server.url);
      const { listener, call, outcome } = sendProbe(client, server.url);
      listener.answer = () => {
        setImmediate(() => call.resume());
        return false;
      };
      expect(await outcome).toMatchObject({ body: 'abc'.repeat(50) });
      expect(await sendProbe(client, server.url).outcome).toMatchObject({ failure: null });
      expect(server.connections.length).toBe(1);
    });

    it('lets a paused call be aborted', async () => {
      const server = await bench.fixed(answer('x'.repeat(100_000)));
      const client = bench.client(server.url);
      const { listener, call } = sendProbe(client, server.url);
      listener.answer = () => false;
      await listener.received(1);
      expect(call.abort()).toBe(ANSWERED);
      call.resume();
      expect(await sendProbe(client, server.url).outcome).toMatchObject({ failure: null });
      expect(client.pending).toBe(0);
    });

    it('passes 100 MB through in bounded memory', async () => {
      const size = 100 * 1024 * 1024;
      const piece = Buffer.alloc(256 * 1024, 0x61);
      const url = await bench.node((_request, response) => {
        let written = 0;
        const more = (): void => {
          while (written < size) {
            written += piece.length;
            if (!response.write(piece)) {
              response.once('drain', more);
              return;
            }
          }
          response.end();
        };
        more();
      });
      const { listener, outcome } = sendProbe(bench.client(url), url);
      listener.keepsBody = false;
      let peak = 0;
      listener.answer = () => {
        peak = Math.max(peak, process.memoryUsage.rss());
        return true;
      };
      const before = process.memoryUsage.rss();
      await outcome;
      expect(listener.bodyBytes).toBe(size);
      expect(peak - before).toBeLessThan(64 * 1024 * 1024);
    });
  });
}
