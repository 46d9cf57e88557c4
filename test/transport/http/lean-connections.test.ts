import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  ANSWERED,
  HttpClientCounters,
  MAYBE,
  NOT_SENT,
  type HttpCall,
  type HttpClient,
  type HttpResponseListener,
} from '../../../src/transport/http/http-client.ts';
import { DeadlineTimer } from '../../../src/transport/http/deadline-timer.ts';
import { LeanHttpClient } from '../../../src/transport/http/lean-http-client.ts';
import { turnEnd } from '../../../src/transport/turn-end.ts';
import { Bench, CLOCK, CHUNKED } from '../../support/http-bench.ts';
import { answer, requestBytes, sendProbe, turn } from '../../support/http-probe.ts';
import type { RawRequest, RawServer } from '../../support/raw-server.ts';

const bench = new Bench((options) => new LeanHttpClient(options));
afterEach(() => bench.close());

describe('connections of the lean client', () => {
  /** Uses a client's connection once, moves its clock on, and says how many connections it then takes. */
  async function connectionsAfter(fields: string, idleMs: number): Promise<number> {
    let now = 5000;
    const server = await bench.fixed(answer('ok', 200, fields));
    const clock = { nowMs: () => now, wallMs: () => 0 };
    const client = bench.client(server.url, { clock, idleTimeoutMs: 4000 });
    await sendProbe(client, server.url, { timeoutMs: 0 }).outcome;
    await turn(); // has one time from its beginning to its end
    now += idleMs;
    await sendProbe(client, server.url, { timeoutMs: 0 }).outcome;
    return server.connections.length;
  }

  it('closes an idle connection before the upstream says it would', async () => {
    expect(await connectionsAfter('', 3999)).toBe(1);
    expect(await connectionsAfter('', 4000)).toBe(2);
    expect(await connectionsAfter('keep-alive: timeout=3\r\n', 1999)).toBe(1);
    expect(await connectionsAfter('keep-alive: timeout=3\r\n', 2000)).toBe(2);
    expect(await connectionsAfter('keep-alive: timeout=1\r\n', 499)).toBe(1);
    expect(await connectionsAfter('keep-alive: timeout=1\r\n', 500)).toBe(2);
    expect(await connectionsAfter('keep-alive: timeout=0\r\n', 0)).toBe(2);
    expect(await connectionsAfter('keep-alive: timeout=99\r\n', 3999)).toBe(1);
  });

  it('is written to before the end of a turn only if it was used lately', async () => {
    let now = 5000;
    const server = await bench.fixed(answer('ok'));
    const clock = { nowMs: () => now, wallMs: () => 0 };
    const counters = new HttpClientCounters();
    const client = bench.client(server.url, { clock, counters, idleTimeoutMs: 4000 });
    const writesAfter = async (idleMs: number): Promise<number[]> => {
      await sendProbe(client, server.url, { timeoutMs: 0 }).outcome;
      await turn();
      now += idleMs;
      const before = counters.writes;
      const probe = sendProbe(client, server.url, { timeoutMs: 0 });
      const writes = [counters.writes - before];
      turnEnd.runEarly();
      writes.push(counters.writes - before);
      await turn();
      writes.push(counters.writes - before);
      await probe.outcome;
      await turn();
      return writes;
    };
    expect(await writesAfter(1000)).toEqual([0, 1, 1]);
    expect(await writesAfter(1001)).toEqual([0, 0, 1]);
    expect(server.connections.length).toBe(1);
  });

  it('closes idle connections by itself', async () => {
    const server = await bench.fixed(answer('ok'));
    const client = bench.client(server.url, { idleTimeoutMs: 20 });
    await sendProbe(client, server.url).outcome;
    await server.connections[0]?.closed;
    expect(client.connections).toBe(0);
  });

  it('uses the connection again that was used last', async () => {
    const server = await bench.raw();
    const client = bench.client(server.url);
    const calls = [sendProbe(client, server.url), sendProbe(client, server.url)];
    await server.arrived(2);
    server.connections[0]?.write(answer('a'));
    await Promise.race(calls.map(({ outcome }) => outcome));
    server.connections[1]?.write(answer('b'));
    await Promise.all(calls.map(({ outcome }) => outcome));
    for (let i = 0; i < 3; i += 1) {
      const next = sendProbe(client, server.url);
      await server.arrived(3 + i);
      server.connections[1]?.write(answer('c'));
      await next.outcome;
    }
    expect(server.connections.map(({ requests }) => requests)).toEqual([1, 4]);
  });

  it('moves a call that no byte of was sent, whether or not it may be resent', async () => {
    // Each round resets the idle connection in the turn in which the call is made.
    const server = await bench.raw(({ connection, body }) => connection.write(answer(`${body}`)));
    const client = bench.client(server.url);
    await sendProbe(client, server.url).outcome;
    for (let i = 0; i < 20; i += 1) {
      server.connections.at(-1)?.reset();
      const { outcome } = sendProbe(client, server.url, { body: `${i}` });
      expect(await outcome).toMatchObject({ body: `${i}`, failure: null });
    }
    expect(server.requests.length).toBe(21);
  });

  it('sends nothing of a call that is aborted at once, and keeps its idle connection', async () => {
    const server = await bench.raw(({ connection, body }) => connection.write(answer(`${body}`)));
    const client = bench.client(server.url);
    for (let i = 0; i < 3; i += 1) {
      await sendProbe(client, server.url, { body: 'a' }).outcome;
      const { call } = sendProbe(client, server.url, { body: 'never' });
      expect(call.abort()).toBe(NOT_SENT);
      expect(await sendProbe(client, server.url, { body: 'b' }).outcome).toMatchObject({
        body: 'b',
      });
      sendProbe(client, server.url, { body: 'never' }).call.abort();
      await turn();
    }
    expect(server.requests.map(({ body }) => `${body}`).join('')).toBe('ababab');
    expect(server.connections.length).toBe(1);
  });

  it('does not match bytes that were there before a call was written to that call', async () => {
    const server = await bench.raw(({ connection, body }) => connection.write(answer(`${body}`)));
    const counters = new HttpClientCounters();
    const client = bench.client(server.url, { counters });
    await sendProbe(client, server.url).outcome;
    // In the turn's timers: what comes in is read after this, and calls are written after that.
    await new Promise((resolve) => setTimeout(resolve, 1));
    server.connections[0]?.write(answer('smuggled'));
    const { outcome } = sendProbe(client, server.url, { body: 'mine' });
    expect(await outcome).toMatchObject({ body: 'mine' });
    expect(counters.protocolErrors).toBe(1);
    expect(server.connections.map(({ requests }) => requests)).toEqual([1, 1]);
  });

  it('does not send a call again that closed a connection which had never answered', async () => {
    const server = await bench.raw(({ connection }) => connection.socket.end());
    const { outcome } = sendProbe(bench.client(server.url), server.url, { resendable: true });
    expect(await outcome).toMatchObject({ failure: 'closed', executed: MAYBE });
    expect(server.requests.length).toBe(1);
  });

  it('sends again on a new connection, not on another idle one', async () => {
    for (const maxConnections of [2, 3]) {
      // Answers the first call of a connection and resets it at the second, as a stale balancer does.
      const server = await bench.raw(({ connection }) => {
        if (connection.requests > 1) connection.reset();
        else held.push(() => connection.write(answer('ok')));
      });
      const held: (() => void)[] = [];
      const client = bench.client(server.url, { maxConnections });
      const calls = [1, 2].map(() => sendProbe(client, server.url).outcome);
      await server.arrived(2);
      for (const release of held.splice(0)) release();
      await Promise.all(calls);
      const again = sendProbe(client, server.url, { resendable: true });
      await server.arrived(4);
      for (const release of held.splice(0)) release();
      expect(await again.outcome).toMatchObject({ body: 'ok', failure: null });
      expect(server.connections.length).toBe(3);
      expect(client.connections).toBe(2);
    }
  });

  it('sends a call again once only, also on a connection that has answered', async () => {
    const server = await bench.raw();
    const client = bench.client(server.url, { maxConnections: 2 });
    const first = [1, 2].map(() => sendProbe(client, server.url).outcome);
    await server.arrived(2);
    for (const connection of server.connections) connection.write(answer('first'));
    await Promise.all(first);
    const calls = ['a', 'b'].map((body) =>
      sendProbe(client, server.url, { body, resendable: `${body}` === 'b' }),
    );
    await server.arrived(4);
    server.stopListening();
    const [one, other] = server.requests.slice(2) as [RawRequest, RawRequest];
    const [kept, lost] = `${one.body}` === 'a' ? [one, other] : [other, one];
    lost.connection.reset();
    await lost.connection.closed;
    await turn();
    kept.connection.write(answer('a'));
    await server.arrived(5);
    expect(`${server.requests[4]?.body}`).toBe('b');
    kept.connection.reset();
    expect(await calls[0]?.outcome).toMatchObject({ body: 'a' });
    expect(await calls[1]?.outcome).toMatchObject({ failure: 'closed', executed: MAYBE });
    expect(server.requests.length).toBe(5);
  });

  it('lets a listener that hears of a failure abort the calls that would hear of it next', async () => {
    const server = await bench.raw();
    const { url } = server;
    await server.close();
    const client = bench.client(url);
    const calls: HttpCall[] = [];
    const heard: number[] = [];
    const listen = (name: number): HttpResponseListener => ({
      onHead: () => undefined,
      onBody: () => true,
      onEnd: () => undefined,
      onFailure: () => {
        heard.push(name);
        for (const call of calls) call.abort();
        resolve();
      },
    });
    let resolve: () => void = () => undefined;
    const failed = new Promise<void>((done) => (resolve = done));
    const request = requestBytes(url, 'POST');
    for (let i = 0; i < 3; i += 1) {
      const call = client.send(request, 0, request.length, listen(i), 0, false);
      if (call !== null) calls.push(call);
    }
    await failed;
    expect(heard).toEqual([0]);
    expect(client.pending).toBe(0);
    // And the queue is sound: it takes calls and fails them.
    expect(await sendProbe(client, url).outcome).toMatchObject({ failure: 'connect refused' });
  });

  it('keeps what it has read of a paused answer while other answers are read', async () => {
    const server = await bench.raw(({ connection, body }) => {
      if (`${body}` === 'long') connection.write(`${CHUNKED}\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n`);
      else connection.write(answer('x'.repeat(1000)));
    });
    const client = bench.client(server.url);
    const { listener, call, outcome } = sendProbe(client, server.url, { body: 'long' });
    listener.answer = () => false;
    await listener.received(3);
    await sendProbe(client, server.url).outcome;
    listener.answer = () => true;
    call.resume();
    expect(await outcome).toMatchObject({ body: 'abcdef' });
  });

  it('gives a call up that meets only connections which are reset at once', async () => {
    const server = net.createServer((socket) => socket.resetAndDestroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}/mcp`);
    const counters = new HttpClientCounters();
    const client = bench.client(url, { counters });
    const outcome = await sendProbe(client, url, { timeoutMs: 0 }).outcome;
    expect(outcome.failure).not.toBeNull();
    expect(counters.connectionsOpened + counters.connectionsFailed).toBeLessThanOrEqual(3);
    server.close();
    await once(server, 'close');
  });

  it('serves waiting calls on a new connection when the last one is lost', async () => {
    const server = await bench.raw(({ connection, body }) => {
      if (`${body}` === 'lost') connection.reset();
      else connection.write(answer(`${body}`));
    });
    const client = bench.client(server.url, { maxConnections: 1 });
    const lost = sendProbe(client, server.url, { body: 'lost' });
    const waiting = ['a', 'b'].map((body) => sendProbe(client, server.url, { body }).outcome);
    expect(await lost.outcome).toMatchObject({ failure: 'closed' });
    expect((await Promise.all(waiting)).map(({ body }) => body)).toEqual(['a', 'b']);
  });

  it('keeps calls waiting for a connection in use when no further one can be opened', async () => {
    const server = await bench.raw();
    const counters = new HttpClientCounters();
    const client = bench.client(server.url, { maxConnections: 2, counters });
    const first = sendProbe(client, server.url);
    await server.arrived(1);
    server.stopListening();
    const second = sendProbe(client, server.url);
    while (counters.connectionsFailed === 0) await turn();
    expect(second.listener.isOver).toBe(false);
    server.connections[0]?.write(answer('one'));
    await first.outcome;
    await server.arrived(2);
    server.connections[0]?.write(answer('two'));
    expect(await second.outcome).toMatchObject({ body: 'two' });
    expect(counters.connectionsFailed).toBe(1);
  });

  it('gives up a connection that is not made in time', async () => {
    const full = await fullListener();
    const client = bench.client(full.url, { connectTimeoutMs: 30 });
    const calls = [1, 2].map(() => sendProbe(client, full.url, { timeoutMs: 0 }).outcome);
    for (const outcome of await Promise.all(calls)) {
      expect(outcome).toMatchObject({ failure: 'connect timeout', executed: NOT_SENT });
    }
    await full.close();
  });

  it('sets no timer while there is nothing to wait for', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const server = await bench.fixed(answer('ok'));
      const client = bench.client(server.url);
      expect(vi.getTimerCount()).toBe(0);
      await sendProbe(client, server.url).outcome;
      expect(vi.getTimerCount()).toBe(1);
      await client.close();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

/** A listener whose queue is full and that never accepts: a connection to it stays half open. */
async function fullListener(): Promise<{ url: URL; close(): Promise<void> }> {
  const code = `
    const server = require('node:net').createServer();
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = Number(String((await once(child.stdout, 'data'))[0]));
  const fillers: net.Socket[] = [];
  // The kernel takes one or two more than it was told; the first that is not taken ends the search.
  for (let isFull = false; !isFull && fillers.length < 8;) {
    const socket = net.connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
    fillers.push(socket);
    const connected = once(socket, 'connect').then(() => false);
    isFull = await Promise.race([
      connected,
      new Promise<boolean>((resolve) =>
        setTimeout(() => setImmediate(() => setImmediate(resolve, true)), 200),
      ),
    ]);
  }
  return {
    url: new URL(`http://127.0.0.1:${port}/mcp`),
    close: async () => {
      for (const socket of fillers) socket.destroy();
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

describe('strictness of the lean client', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['a switch of protocols', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'],
    ['interim responses without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)],
    ['an interim response with a length', 'HTTP/1.1 103 X\r\ncontent-length: 0\r\n\r\n'],
    ['an interim response in HTTP/1.0', 'HTTP/1.0 103 X\r\n\r\n'],
    ['an interim response that closes', 'HTTP/1.1 103 X\r\nconnection: close\r\n\r\n'],
    ['a folded field', 'HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n'],
    ['bare line feeds', 'HTTP/1.1 200 OK\ncontent-length: 0\n\n'],
    ['the same length twice', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n'],
    ['a coding it does not know', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n'],
    ['a coding in HTTP/1.0', 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
  ];

  async function failureOf(
    response: string,
    client?: HttpClient,
    on?: RawServer,
  ): Promise<unknown> {
    const server = on ?? (await bench.fixed(response));
    const { outcome } = sendProbe(client ?? bench.client(server.url), server.url);
    const { failure, executed } = await outcome;
    return [failure, executed];
  }

  for (const [what, response] of refused) {
    it(`refuses ${what}`, async () => {
      expect(await failureOf(response)).toEqual(['protocol', ANSWERED]);
    });
  }

  it('takes 100 Continue for what it is, and odd case and blanks', async () => {
    const odd = 'HTTP/1.1 200 OK\r\nCONTENT-Length: \t 2 \t\r\n\r\nok';
    const server = await bench.fixed(`HTTP/1.1 100 Continue\r\n\r\n${odd}`);
    const client = bench.client(server.url);
    for (let i = 0; i < 2; i += 1) {
      expect(await sendProbe(client, server.url).outcome).toMatchObject({ body: 'ok' });
    }
    expect(server.connections.length).toBe(1);
  });

  it('does not trust a connection after a 204 that announces a body', async () => {
    for (const fields of ['content-length: 5', 'transfer-encoding: chunked']) {
      const server = await bench.fixed(`HTTP/1.1 204 No Content\r\n${fields}\r\n\r\n`);
      const client = bench.client(server.url);
      for (let i = 0; i < 2; i += 1) await sendProbe(client, server.url).outcome;
      expect(server.connections.length).toBe(2);
    }
  });

  it('ends an idle connection on which bytes come that nobody asked for', async () => {
    const server = await bench.fixed(answer('ok'));
    const counters = new HttpClientCounters();
    const client = bench.client(server.url, { counters });
    await sendProbe(client, server.url).outcome;
    server.connections[0]?.write(answer('unasked'));
    await server.connections[0]?.closed;
    expect(counters.protocolErrors).toBe(1);
    expect(await sendProbe(client, server.url).outcome).toMatchObject({ body: 'ok' });
  });

  it('drops a connection whose answer came before the request had left', async () => {
    const server = await bench.raw(({ connection, index }) => {
      if (index > 0) connection.write(answer('ok'));
    });
    const client = bench.client(server.url);
    // Announces more than the socket's buffers take, to a server that stops reading at once.
    const call = sendProbe(client, server.url, { body: Buffer.alloc(16 * 1024 * 1024) });
    while (server.connections[0]?.reads === undefined) await turn();
    server.connections[0]?.socket.pause();
    server.connections[0]?.write(answer('too much', 413));
    expect(await call.outcome).toMatchObject({ status: 413, body: 'too much' });
    expect(client.connections).toBe(0);
  });

  it('bounds trailers and chunk extensions', async () => {
    const trailers = `${CHUNKED}\r\n0\r\n${`x: ${'a'.repeat(1000)}\r\n`.repeat(20)}\r\n`;
    const extension = `${CHUNKED}\r\n1;${'a'.repeat(17_000)}\r\na\r\n0\r\n\r\n`;
    expect(await failureOf(trailers)).toEqual(['too large', ANSWERED]);
    expect(await failureOf(extension)).toEqual(['too large', ANSWERED]);
  });

  it('bounds a head that comes in pieces and never ends, and sees early that it is broken', async () => {
    const drip = async (piece: string): Promise<unknown> => {
      const server = await bench.raw(async ({ connection }) => {
        connection.write('HTTP/1.1 200 OK\r\n');
        for (let i = 0; i < 40 && !connection.socket.destroyed; i += 1) {
          connection.write(piece);
          await turn();
          await turn();
        }
      });
      return failureOf('', bench.client(server.url), server);
    };
    expect(await drip(`x: ${'a'.repeat(1000)}\r\n`)).toEqual(['too large', ANSWERED]);
    expect(await drip('\0 no field \r\n')).toEqual(['protocol', ANSWERED]);
  });

  it('reads a head that drips in without going back to its start each time', async () => {
    const field = `x: ${'a'.repeat(900)}\r\n`.repeat(8);
    const bytes = Buffer.from(answer('ok', 200, field));
    const server = await bench.raw(({ connection }) => connection.drip(bytes));
    expect(await sendProbe(bench.client(server.url), server.url).outcome).toMatchObject({
      body: 'ok',
    });
  });
});

describe('the deadline timer', () => {
  it('stands at the earliest deadline, moves only for a clearly earlier one, and stops', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      let fired = 0;
      const timer = new DeadlineTimer(CLOCK, () => (fired += 1));
      const start = performance.now();
      timer.ensure(Infinity);
      expect(vi.getTimerCount()).toBe(0);
      timer.ensure(start + 1000);
      timer.ensure(start + 2000);
      timer.ensure(start + 500);
      expect(vi.getTimerCount()).toBe(1);
      vi.advanceTimersByTime(499);
      expect(fired).toBe(0);
      vi.advanceTimersByTime(1);
      expect(fired).toBe(1);
      expect(vi.getTimerCount()).toBe(0);
      timer.ensure(performance.now() + 100);
      timer.stop();
      vi.advanceTimersByTime(200);
      expect(fired).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });
});
