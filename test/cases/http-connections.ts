/** What every HTTP client must do with its connections: reuse, limits, loss, closing. */
import { describe, expect, it } from 'vitest';
import {
  ANSWERED,
  MAYBE,
  NOT_SENT,
  type HttpExecuted,
} from '../../src/transport/http/http-client.ts';
import { CHUNKED, type Bench } from '../support/http-bench.ts';
import { answer, ProbeListener, requestBytes, sendProbe } from '../support/http-probe.ts';
import type { RawRequest } from '../support/raw-server.ts';

export function describeConnections(name: string, bench: Bench, partOfHead: HttpExecuted): void {
  describe(`${name}: connections`, () => {
    it('uses one connection for calls one after the other', async () => {
      const server = await bench.fixed(answer('ok'));
      const client = bench.client(server.url);
      for (let i = 0; i < 5; i += 1) await sendProbe(client, server.url).outcome;
      expect(server.connections.length).toBe(1);
      expect(client.connections).toBe(1);
    });

    it('opens no more connections than allowed, and the rest waits its turn', async () => {
      const held: RawRequest[] = [];
      const server = await bench.raw((request) => held.push(request));
      const client = bench.client(server.url, { maxConnections: 3 });
      const calls = Array.from({ length: 9 }, () => sendProbe(client, server.url).outcome);
      for (let served = 0; served < 9; served += 3) {
        await server.arrived(served + 3);
        expect(server.requests.length).toBe(served + 3);
        for (const { connection } of held.splice(0)) connection.write(answer('ok'));
      }
      await Promise.all(calls);
      expect(server.connections.length).toBe(3);
    });

    it('finds a server that listens on one address family of localhost only', async () => {
      const server = await bench.raw(
        ({ connection }) => connection.write(answer('ok')),
        '127.0.0.1',
      );
      const url = new URL(`${bench.scheme}://localhost:${server.port}/mcp`);
      expect(await sendProbe(bench.client(url), url).outcome).toMatchObject({ body: 'ok' });
    });

    it('fails every waiting call at once as not sent when the upstream refuses connections', async () => {
      const server = await bench.raw();
      const { url } = server;
      await server.close();
      const client = bench.client(url, { maxConnections: 2 });
      const calls = Array.from({ length: 6 }, () => sendProbe(client, url).outcome);
      for (const outcome of await Promise.all(calls)) {
        expect(outcome).toMatchObject({ failure: 'connect refused', executed: NOT_SENT });
      }
      expect(client.pending).toBe(0);
    });

    it('leaves a call in doubt when a new connection closes before any answer', async () => {
      const server = await bench.raw(({ connection }) => connection.socket.end());
      const { outcome } = sendProbe(bench.client(server.url), server.url);
      expect(await outcome).toMatchObject({ failure: 'closed', executed: MAYBE });
      expect(server.requests.length).toBe(1);
    });

    it('fails a response that breaks off in its head, its length or its chunks', async () => {
      const parts = [
        ['HTTP/1.1 200 OK\r\nx: ', partOfHead],
        [answer('hello').slice(0, -1), ANSWERED],
        [`${CHUNKED}\r\n5\r\nhel`, ANSWERED],
      ] as const;
      for (const [part, executed] of parts) {
        const server = await bench.fixed(part, true);
        const { outcome } = sendProbe(bench.client(server.url), server.url);
        expect(await outcome).toMatchObject({ failure: 'closed', executed });
      }
    });

    it('sends a resendable call again when a used connection closes under it, no other call', async () => {
      const server = await bench.raw(({ connection, index }) => {
        if (index === 1 || index === 3) connection.reset();
        else connection.write(answer(`answer ${index}`));
      });
      const client = bench.client(server.url, { maxConnections: 1 });
      await sendProbe(client, server.url).outcome;
      const again = await sendProbe(client, server.url, { resendable: true }).outcome;
      expect(again).toMatchObject({ body: 'answer 2' });
      const once = await sendProbe(client, server.url).outcome;
      expect(once).toMatchObject({ failure: 'closed', executed: MAYBE });
      expect(server.requests.length).toBe(4);
    });

    it('takes a new connection after the upstream closed the idle one', async () => {
      const server = await bench.fixed(answer('ok'));
      const client = bench.client(server.url);
      await sendProbe(client, server.url).outcome;
      server.connections[0]?.socket.end();
      await server.connections[0]?.closed;
      expect(await sendProbe(client, server.url).outcome).toMatchObject({ body: 'ok' });
      expect(server.connections.length).toBe(2);
    });

    it('ends with answered calls and closed sockets when it is closed with grace', async () => {
      const server = await bench.raw();
      const client = bench.client(server.url);
      const call = sendProbe(client, server.url);
      await server.arrived(1);
      const closed = client.close(10_000);
      const request = requestBytes(server.url, 'POST');
      expect(client.send(request, 0, request.length, new ProbeListener(), 0, false)).toBeNull();
      server.connections[0]?.write(answer('late'));
      expect(await call.outcome).toMatchObject({ body: 'late' });
      await closed;
      expect(client.connections).toBe(0);
    });

    it('fails what is under way as aborted when it is closed without', async () => {
      const server = await bench.raw();
      const client = bench.client(server.url, { maxConnections: 1 });
      const sent = sendProbe(client, server.url);
      const queued = sendProbe(client, server.url);
      await server.arrived(1);
      await client.close();
      expect(await sent.outcome).toMatchObject({ failure: 'aborted', executed: MAYBE });
      expect(await queued.outcome).toMatchObject({ failure: 'aborted', executed: NOT_SENT });
      expect(client.pending).toBe(0);
    });
  });
}
