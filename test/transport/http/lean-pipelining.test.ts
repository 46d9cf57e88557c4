import { afterEach, describe, expect, it } from 'vitest';
import { ANSWERED, HttpClientCounters, MAYBE } from '../../../src/transport/http/http-client.ts';
import { LeanHttpClient } from '../../../src/transport/http/lean-http-client.ts';
import { Bench } from '../../support/http-bench.ts';
import {
  answer,
  sendProbe,
  turn,
  type Probe,
  type ProbeOptions,
} from '../../support/http-probe.ts';
import type { RawServer } from '../../support/raw-server.ts';

describe('pipelining', () => {
  const bench = new Bench((options) => new LeanHttpClient(options));
  const counters: HttpClientCounters[] = [];
  afterEach(() => bench.close());

  function open(server: RawServer, maxConnections = 1, nowMs?: () => number): LeanHttpClient {
    counters.unshift(new HttpClientCounters());
    return bench.client(server.url, {
      maxConnections,
      pipelining: 4,
      counters: counters[0] as HttpClientCounters,
      ...(nowMs === undefined ? {} : { clock: { nowMs, wallMs: () => 0 } }),
    }) as LeanHttpClient;
  }

  /** Calls named a, b, c … in flight on one connection, which has answered before. */
  async function inFlight(
    server: RawServer,
    options: readonly ProbeOptions[],
    client = open(server),
  ): Promise<Probe[]> {
    const first = sendProbe(client, server.url, { body: 'first' });
    await server.arrived(1);
    server.connections[0]?.write(answer('first'));
    await first.outcome;
    const probes = options.map((option, i) =>
      sendProbe(client, server.url, { body: 'abcdef'.charAt(i), ...option }),
    );
    await server.arrived(1 + options.length);
    return probes;
  }

  const outcomes = (probes: readonly Probe[]): Promise<unknown[]> =>
    Promise.all(
      probes.map(async ({ outcome }) => {
        const { body, failure, executed } = await outcome;
        return failure === null ? body : [failure, executed];
      }),
    );

  it('writes the calls of one turn at once and matches the answers in order', async () => {
    const server = await bench.raw(({ connection, body, index }) => {
      if (index > 0) connection.write(answer(`${body}`));
    });
    const probes = await inFlight(server, [{}, {}, {}, {}]);
    expect(await outcomes(probes)).toEqual(['a', 'b', 'c', 'd']);
    expect(server.connections.length).toBe(1);
    expect(counters[0]).toMatchObject({ requests: 5, writes: 2, responses: 5 });
  });

  it('takes answers that come in one read, cut anywhere', async () => {
    const server = await bench.raw();
    const all = ['a', 'b', 'c'].map((body) => answer(body)).join('');
    for (const cut of [1, 20, answer('a').length, answer('a').length + 1, all.length]) {
      const before = server.requests.length;
      const client = open(server);
      const probes = ['a', 'b', 'c'].map((body) => sendProbe(client, server.url, { body }));
      await server.arrived(before + 3);
      const connection = server.connections.at(-1);
      connection?.write(all.slice(0, cut));
      await turn();
      connection?.write(all.slice(cut));
      expect(await outcomes(probes)).toEqual(['a', 'b', 'c']);
    }
  });

  it('does not join a connection whose call is no longer young while another may be opened', async () => {
    let now = 1000;
    const server = await bench.raw();
    const client = open(server, 2, () => now);
    await inFlight(server, [{}, {}], client);
    expect(server.connections.length).toBe(1);
    now += 50;
    sendProbe(client, server.url);
    await server.arrived(4);
    expect(server.connections.length).toBe(2);
    now += 50;
    sendProbe(client, server.url); // both are old and no more may be opened: the emptier one
    await server.arrived(5);
    expect(server.connections.map(({ requests }) => requests)).toEqual([3, 2]);
  });

  it('writes the calls of one turn at once though other connections are idle', async () => {
    const server = await bench.raw();
    const client = open(server, 3);
    const first = sendProbe(client, server.url);
    const second = sendProbe(client, server.url, { isLasting: true }); // has its own connection
    await server.arrived(2);
    for (const { connection } of server.requests) connection.write(answer('ok'));
    await outcomes([first, second]);
    const before = { ...counters[0] };

    const probes = ['a', 'b', 'c'].map((body) => sendProbe(client, server.url, { body }));
    await server.arrived(5);
    const joined = server.requests.slice(2).map(({ connection }) => connection);
    expect(new Set(joined).size).toBe(1);
    expect((counters[0]?.writes ?? 0) - (before.writes ?? 0)).toBe(1);
    joined[0]?.write(answer('a') + answer('b') + answer('c'));
    expect(await outcomes(probes)).toEqual(['a', 'b', 'c']);
  });

  it('gives each call a connection of its own while answers are slow, and joins them again later', async () => {
    let now = 1000;
    let delayMs = 100;
    const server = await bench.raw(({ connection }) => {
      now += delayMs;
      connection.write(answer('ok'));
    });
    const client = open(server, 8, () => now);
    const inOneTurn = async (): Promise<number> => {
      const before = server.requests.length;
      const probes = [0, 1, 2, 3].map(() => sendProbe(client, server.url));
      await outcomes(probes);
      return new Set(server.requests.slice(before).map(({ connection }) => connection)).size;
    };
    expect(await inOneTurn()).toBe(1);
    for (let i = 0; i < 2; i += 1) await inOneTurn();
    expect(await inOneTurn()).toBe(4);
    delayMs = 0;
    for (let i = 0; i < 4; i += 1) {
      await turn(); // has one time from its beginning to its end
      now += 51;
      await outcomes([sendProbe(client, server.url)]);
    }
    expect(await inOneTurn()).toBe(1);
  });

  it('puts nothing behind a call that may last, before it is answered or after', async () => {
    const server = await bench.raw(({ connection, body }) => {
      if (`${body}` !== 'stream') connection.write(answer('ok'));
    });
    const client = open(server, 2);
    const probes = [
      sendProbe(client, server.url, { body: 'stream', isLasting: true }),
      sendProbe(client, server.url),
      sendProbe(client, server.url),
    ];
    expect(await outcomes(probes.slice(1))).toEqual(['ok', 'ok']);
    expect(server.connections.length).toBe(2);
    const stream = server.requests.find(({ body }) => `${body}` === 'stream');
    expect(stream?.connection.requests).toBe(1);
    stream?.connection.write(answer('over'));
    expect(await outcomes(probes.slice(0, 1))).toEqual(['over']);
    expect(counters[0]).toMatchObject({ pipeliningStops: 0, failures: 0 });
  });

  it('queues nothing behind an event stream, nor behind a paused answer', async () => {
    const stream = 'transfer-encoding: chunked\r\ncontent-type: text/event-stream';
    for (const head of [stream, 'content-length: 5']) {
      const server = await bench.raw(({ connection, index }) => {
        if (index > 0) connection.write(answer('ok'));
        else connection.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n3\r\n`);
      });
      const client = open(server, 2, () => 1000); // every call is young
      const first = sendProbe(client, server.url, { method: 'GET' });
      first.listener.answer = () => false;
      while (first.listener.status === 0) await turn();
      if (head !== stream) await first.listener.received(1);
      const probes = [sendProbe(client, server.url), sendProbe(client, server.url)];
      expect(await outcomes(probes)).toEqual(['ok', 'ok']);
      expect(server.connections.map(({ requests }) => requests)).toEqual([1, 2]);
    }
  });

  it('queues nothing behind an answer that announces the end of its connection', async () => {
    const server = await bench.raw(({ connection, index }) => {
      if (index > 0) connection.write(answer('ok'));
      else connection.write(answer('12345', 200, 'connection: close\r\n').slice(0, -1));
    });
    const client = open(server, 2, () => 1000);
    const last = sendProbe(client, server.url);
    await last.listener.received(4);
    const next = sendProbe(client, server.url);
    expect(await outcomes([next])).toEqual(['ok']);
    expect(server.connections.map(({ requests }) => requests)).toEqual([1, 1]);
  });

  it('keeps joined requests whole when the upstream reads slowly', async () => {
    const server = await bench.raw(({ connection, index }) => {
      if (index === 0) connection.socket.pause();
      else connection.write(answer(''));
    });
    const client = bench.client(server.url, { maxConnections: 1, pipelining: 2000 });
    const first = sendProbe(client, server.url);
    await server.arrived(1);
    const bodies = Array.from({ length: 600 }, (_, i) => `${i}`.padStart(15_000, String(i % 10)));
    const probes: Probe[] = [];
    for (const body of bodies) {
      probes.push(sendProbe(client, server.url, { body }));
      if (probes.length % 4 === 0) await turn();
    }
    server.connections[0]?.socket.resume();
    server.connections[0]?.write(answer(''));
    await Promise.all([first, ...probes].map(({ outcome }) => outcome));
    expect(server.requests.slice(1).every(({ body }, i) => `${body}` === bodies[i])).toBe(true);
    expect(server.connections.length).toBe(1);
  });

  it('resends what may be resent behind an early close, and stops pipelining to that upstream', async () => {
    const server = await bench.raw(({ connection, index, body }) => {
      if (index > 4) connection.write(answer(`again ${body}`));
    });
    const client = open(server);
    const resendable = { resendable: true };
    const probes = await inFlight(server, [resendable, resendable, {}, resendable], client);
    server.connections[0]?.write(answer('a', 200, 'connection: close\r\n'));
    server.connections[0]?.socket.end();
    expect(await outcomes(probes)).toEqual(['a', 'again b', ['closed', MAYBE], 'again d']);
    expect(counters[0]).toMatchObject({ resent: 2, pipeliningStops: 1, failures: 1 });

    const { writes } = counters[0] as HttpClientCounters;
    const later = [sendProbe(client, server.url), sendProbe(client, server.url)];
    await outcomes(later);
    expect(counters[0]?.writes).toBe(writes + 2);
  });

  it('ends a broken answer alone as broken, and treats those behind it as closed', async () => {
    const server = await bench.raw(({ connection, index, body }) => {
      if (index > 3) connection.write(answer(`again ${body}`));
    });
    const probes = await inFlight(server, [{}, { resendable: true }, {}]);
    server.connections[0]?.write('HTTP/1.1 garbage\r\n\r\n');
    expect(await outcomes(probes)).toEqual([['protocol', ANSWERED], 'again b', ['closed', MAYBE]]);
  });

  it('resends only once', async () => {
    const server = await bench.raw(({ connection, index }) => {
      if (index > 2) connection.socket.end();
    });
    const probes = await inFlight(server, [{ resendable: true }, { resendable: true }]);
    server.connections[0]?.socket.end();
    expect(await outcomes(probes)).toEqual([
      ['closed', MAYBE],
      ['closed', MAYBE],
    ]);
    expect(server.requests.length).toBe(5);
  });

  it('drops the answer of an aborted call, keeps its neighbours and then closes the connection', async () => {
    const server = await bench.raw();
    const [a, b, c] = (await inFlight(server, [{}, {}, {}])) as [Probe, Probe, Probe];
    expect(b.call.abort()).toBe(MAYBE);
    server.connections[0]?.write(['a', 'b', 'c'].map((body) => answer(body)).join(''));
    expect(await outcomes([a, c])).toEqual(['a', 'c']);
    await server.connections[0]?.closed;
    expect(b.listener.status).toBe(0);
    expect(counters[0]).toMatchObject({ responses: 3, failures: 0, pipeliningStops: 0 });
  });

  it('closes the connection at once when every call on it is aborted', async () => {
    const server = await bench.raw();
    const probes = await inFlight(server, [{}, {}]);
    for (const { call } of probes) call.abort();
    await server.connections[0]?.closed;
    expect(counters[0]).toMatchObject({ failures: 0, pipeliningStops: 0 });
  });

  it('lets a call that is about to join an aborted one go elsewhere', async () => {
    const server = await bench.raw(({ connection, body }) => {
      if (`${body}` === 'next') connection.write(answer('moved'));
    });
    const client = open(server);
    const [a] = (await inFlight(server, [{}], client)) as [Probe];
    const next = sendProbe(client, server.url, { body: 'next' });
    a.call.abort();
    expect(await next.outcome).toMatchObject({ body: 'moved' });
    expect(server.requests.map(({ body }) => `${body}`)).toEqual(['first', 'a', 'next']);
  });

  it('ends a call that is out of time, and leaves its neighbours theirs', async () => {
    const server = await bench.raw();
    const probes = await inFlight(server, [{ timeoutMs: 20 }, {}]);
    expect(await outcomes(probes.slice(0, 1))).toEqual([['timeout', MAYBE]]);
    server.connections[0]?.write(answer('a') + answer('b'));
    expect(await outcomes(probes.slice(1))).toEqual(['b']);
    await server.connections[0]?.closed;
  });

  it('makes those behind a paused answer wait, and then serves them', async () => {
    const server = await bench.raw();
    const [a, b] = (await inFlight(server, [{}, {}])) as [Probe, Probe];
    a.listener.answer = () => false;
    server.connections[0]?.write(answer('one') + answer('two'));
    await a.listener.received(3);
    for (let i = 0; i < 5; i += 1) await turn();
    expect([a.listener.isOver, b.listener.status]).toEqual([false, 0]);
    a.call.resume();
    expect(await outcomes([a, b])).toEqual(['one', 'two']);
  });

  it('drops a connection whose answer came before its request had left, also with calls behind it', async () => {
    const server = await bench.raw();
    const client = open(server);
    const first = sendProbe(client, server.url, { body: 'first' });
    await server.arrived(1);
    server.connections[0]?.write(answer('first'));
    await first.outcome;
    const reads = server.connections[0]?.reads ?? 0;
    const large = sendProbe(client, server.url, { body: Buffer.alloc(16 * 1024 * 1024) });
    const behind = sendProbe(client, server.url, { body: 'behind' });
    while ((server.connections[0]?.reads ?? 0) === reads) await turn();
    server.connections[0]?.socket.pause();
    server.connections[0]?.write(answer('too much', 413));
    expect(await large.outcome).toMatchObject({ status: 413, body: 'too much' });
    expect(await outcomes([behind])).toEqual([['closed', MAYBE]]);
  });

  it('serves those behind a paused answer when it is aborted', async () => {
    const server = await bench.raw();
    const [a, b] = (await inFlight(server, [{}, {}])) as [Probe, Probe];
    a.listener.answer = () => false;
    server.connections[0]?.write(answer('one') + answer('two'));
    await a.listener.received(3);
    expect(a.call.abort()).toBe(ANSWERED);
    expect(await outcomes([b])).toEqual(['two']);
    expect(a.listener.isOver).toBe(false);
  });
});
