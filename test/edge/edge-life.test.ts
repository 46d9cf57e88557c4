/** How an edge starts, changes its plan and ends, with real threads and sockets. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { RawSocket } from '../support/raw-socket.ts';
import { Harness, planOn, sessionIdFor, testPlan, upstreamNamed } from './support/edge-harness.ts';
import type { EchoResult, FakeStatus } from './support/edge-harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const on = (shard: number) => ({ headers: { 'mcp-session-id': sessionIdFor(shard) } });

async function untilOpen(count: number): Promise<void> {
  while (harness.edge.openExchanges < count) await new Promise((resolve) => setImmediate(resolve));
}

describe('a start', () => {
  it('fails with the reason if a shard does not come up, and leaves nothing running', async () => {
    harness = new Harness(testPlan({ upstreams: [upstreamNamed('broken')] }));
    const error = await harness.edge.start().catch((reason: unknown) => reason as Error);
    expect(error).toMatchObject({
      message: expect.stringMatching(/^shard \d did not start$/) as string,
      cause: { message: 'told to fail at start' },
    });
    expect(harness.edge.readiness()).toMatchObject({
      ready: false,
      shards: [{ phase: 'stopped' }, { phase: 'stopped' }],
    });
  });

  it('fails if its file cannot be loaded', async () => {
    const shardUrl = new URL('./support/missing-shard.mjs', import.meta.url);
    harness = new Harness(testPlan(), { shardUrl });
    await expect(harness.edge.start()).rejects.toThrow(/shard \d did not start/);
  });

  it('fails if the port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    harness = new Harness(testPlan({ listen: { ...testPlan().listen, port } }));
    await expect(harness.edge.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(harness.edge.readiness().shards.map((shard) => shard.phase)).toEqual([
      'stopped',
      'stopped',
    ]);
    other.close();
  });

  it('that is stopped meanwhile fails', async () => {
    harness = new Harness(testPlan());
    const start = harness.edge.start();
    const failed = expect(start).rejects.toThrow(/stopped/);
    await harness.edge.drainAndStop(0);
    await failed;
  });
});

describe('a new plan', () => {
  const second = testPlan({
    number: 2,
    endpoints: [
      { index: 0, path: '/mcp', upstream: null },
      { index: 1, path: '/mcp/data', upstream: 0 },
    ],
  });

  it('takes over under load without a failed call', async () => {
    harness = await Harness.start();
    const plans: number[] = [];
    let isOver = false;
    const client = async (): Promise<void> => {
      while (!isOver) {
        const reply = await harness.call('echo');
        expect(reply.status).toBe(200);
        plans.push((JSON.parse(reply.body) as { result: EchoResult }).result.plan);
      }
    };
    const clients = Array.from({ length: 20 }, client);
    while (plans.length < 100) await harness.edge.status();
    for (let number = 2; number <= 10; number += 1) {
      await harness.edge.applyPlan({ ...second, number });
      expect((await harness.result<EchoResult>('echo')).plan).toBe(number);
    }
    isOver = true;
    await Promise.all(clients);
    expect(Math.max(...plans)).toBe(10);
  });

  it('changes what is an endpoint', async () => {
    harness = await Harness.start();
    expect((await harness.call('echo', {}, { path: '/mcp/math' })).status).toBe(200);
    await harness.edge.applyPlan(second);
    expect((await harness.call('echo', {}, { path: '/mcp/math' })).status).toBe(404);
    const result = await harness.result<EchoResult>('echo', {}, { path: '/mcp/data' });
    expect(result).toMatchObject({ endpoint: 1, plan: 2 });
  });

  it('holds for a request whose head came before it and whose body after', async () => {
    harness = await Harness.start();
    const before = await harness.slowCall('/mcp/math', 'size');
    const stays = await harness.slowCall('/mcp', 'echo');
    await harness.edge.applyPlan(second);
    expect((await before()).status).toBe(404);
    const { result } = JSON.parse((await stays()).body) as { result: EchoResult };
    expect(result).toMatchObject({ plan: 2, endpoint: 0 });
  });

  it('judges such a request by its own path, though the body of another came last', async () => {
    harness = await Harness.start();
    const other = await harness.slowCall('/mcp', 'echo');
    const socket = await RawSocket.open(harness.port);
    const body = '{"jsonrpc":"2.0","id":1,"method":"echo","params":{}}';
    const head = `POST /mcp/math HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`;
    await socket.sendParts([head]);
    expect((await other()).status).toBe(200);
    await harness.edge.applyPlan(second);
    await socket.send(body);
    expect((await socket.answers())[0]!.status).toBe(404);
    socket.destroy();
  });

  it('that a shard refuses is not taken, and the old one goes on', async () => {
    harness = await Harness.start();
    const refused = { ...second, upstreams: [upstreamNamed('refused')] };
    await expect(harness.edge.applyPlan(refused)).rejects.toThrow(
      /plan refused by shard \d: told to refuse/,
    );
    expect((await harness.result<EchoResult>('echo')).plan).toBe(1);
    await harness.edge.applyPlan({ ...second, number: 3 });
    expect((await harness.result<EchoResult>('echo')).plan).toBe(3);
  });

  it('reaches a shard that dies while it is published', async () => {
    harness = await Harness.start();
    const dying = harness.call('throw', {}, on(1));
    await harness.edge.applyPlan(second);
    await dying;
    await harness.event('ready', 1, 2);
    expect(await harness.result('echo', {}, on(1))).toMatchObject({ plan: 2, generation: 2 });
    expect(await harness.result('plans', {}, on(1))).toContain(2);
  });

  it('with another number of shards is refused', async () => {
    harness = await Harness.start();
    await expect(harness.edge.applyPlan({ ...second, shards: 3 })).rejects.toThrow(/shards/);
  });
});

describe('an end', () => {
  it('lets what runs finish, serves living connections, takes no new ones, then stops', async () => {
    harness = await Harness.start();
    const held = [harness.call('hold', {}, on(0)), harness.call('hold', {}, on(1))];
    await Promise.all([harness.call('echo'), harness.call('echo')]); // leave connections behind
    await untilOpen(2);
    const end = harness.edge.drainAndStop(20_000);
    expect(harness.edge.readiness().ready).toBe(false);
    await harness.call('release', {}, on(0));
    expect((await held[0]!).status).toBe(200);
    await expect(harness.call('release', {}, { ...on(1), fresh: true })).rejects.toThrow();
    await harness.call('release', {}, on(1));
    const last = await held[1]!;
    expect([last.status, last.headers.connection]).toEqual([200, 'close']);
    await end;
    expect(harness.edge.openExchanges).toBe(0);
    await expect(harness.call('echo')).rejects.toThrow();
  });

  it('that takes too long cuts what is still open, with an error that may be sent again', async () => {
    harness = await Harness.start();
    const held = harness.call('hold', {}, { id: 'h', ...on(0) });
    await untilOpen(1);
    await harness.edge.drainAndStop(1);
    const reply = await held;
    expect(reply.status).toBe(503);
    expect(JSON.parse(reply.body)).toMatchObject({ id: 'h', error: { code: -31022 } });
  });

  it('leaves no timer, thread or port behind', async () => {
    const before = resources();
    harness = await Harness.start();
    await harness.call('echo');
    await harness.call('throw', {}, on(1));
    await harness.stop();
    // The HTTP server and threads close in their own time.
    while (resources().some((count, i) => count > before[i]!))
      await new Promise((resolve) => setImmediate(resolve));
  });
});

/** Counts of what keeps a process alive; vitest has timers of its own, which come and go. */
function resources(): number[] {
  const kinds = process.getActiveResourcesInfo();
  const count = (kind: string) => kinds.filter((other) => other === kind).length;
  return ['Timeout', 'MessagePort', 'Worker', 'TCPServerWrap'].map(count);
}

it('the status is what each shard says of itself', async () => {
  harness = await Harness.start();
  const statuses = (await harness.edge.status()) as FakeStatus[];
  expect(statuses.map((status) => status.shard)).toEqual([0, 1]);
  const dying = harness.event('lost', 1, 1);
  await harness.call('throw', {}, on(1));
  await dying;
  const [first] = (await harness.edge.status()) as FakeStatus[];
  expect(first!.shard).toBe(0);
});

it('a line that a shard logs is written by the edge, with the shard named', async () => {
  harness = await Harness.start();
  await harness.call('log', { level: 'warn', message: 'hello' }, on(1));
  while (harness.lines.every((line) => line.message !== 'hello')) await harness.edge.status();
  const line = harness.lines.find((candidate) => candidate.message === 'hello');
  expect(line).toEqual({ level: 'warn', message: 'hello', fields: { a: 1, shard: 1 } });
});

it.each(['auto', 'node'] as const)('the log says what accepts clients: %s', async (which) => {
  harness = await Harness.start(planOn(which));
  const line = harness.lines.find(({ message }) => message === 'accepts clients');
  const server = which === 'node' ? /^node:http$/ : /^own HTTP\/1\.1 server on node:net$/;
  expect(line).toMatchObject({ level: 'info', fields: { server: expect.stringMatching(server) } });
});

it('an end under load fails no call that was sent', async () => {
  harness = await Harness.start();
  let answered = 0;
  const clients = Array.from({ length: 20 }, async () => {
    for (;;) {
      const reply = await harness.call('echo').catch((error: unknown) => error as Error);
      // A connection that was told to close is not used again, and a new one is refused.
      if (reply instanceof Error) return expect(reply).toMatchObject({ code: 'ECONNREFUSED' });
      expect(reply.status).toBe(200);
      answered += 1;
    }
  });
  while (answered < 200) await harness.edge.status();
  await harness.edge.drainAndStop(20_000);
  await Promise.all(clients);
});
