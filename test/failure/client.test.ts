/** Clients that leave in the middle, and more of them than there is room for. */
import { afterEach, describe, expect, it } from 'vitest';

import { Client, closeClients, lastOf } from './support/client.ts';
import { RunningGateway, stopGateways } from './support/gateway.ts';
import { RogueHttp, stopRogues } from './support/rogue-http.ts';
import { rogueStdio } from './support/rogue-stdio.ts';
import { settled } from './support/settled.ts';
import { closeSlowReaders } from './support/slow-reader.ts';

afterEach(async () => {
  closeClients();
  closeSlowReaders();
  await stopGateways();
  await stopRogues();
});

describe('a client that leaves in the middle', () => {
  it('of modern calls has them cancelled upstream', async () => {
    const modern = await RogueHttp.start({ era: 'modern', tools: { hold: () => undefined } });
    const legacy = await RogueHttp.start({ era: 'legacy', tools: { hold: () => undefined } });
    const gateway = await RunningGateway.start({
      upstreams: { modern: modern.config, legacy: legacy.config, io: rogueStdio() },
    });
    const client = new Client(gateway.url);
    const abort = new AbortController();
    const names = ['modern_hold', 'legacy_hold', 'io_hang'];
    const left = [...names, ...names, ...names].map((name) => {
      const [body, send] = client.modern('tools/call', { name, arguments: {} });
      return client.post(body, { ...send, signal: abort.signal }).catch(() => 'left');
    });
    await Promise.all([modern.called(2), legacy.called(2)]);
    await settled(async () => {
      const lines = JSON.parse(await client.text('io_received')) as string[];
      return lines.some((line) => line.includes('"hang"'));
    }, 'the stdio server to have the calls');
    for (let i = 0; i < 4; i += 1) await client.text('io_echo');
    abort.abort();
    expect(new Set(await Promise.all(left))).toEqual(new Set(['left']));
    // Modern: the request's stream ends. Legacy and stdio: a notification names the request.
    await Promise.all(modern.calls.map((call) => call.connection.closed));
    const ids = legacy.calls.map((call) => call.id);
    await settled(() => ids.every((id) => legacy.cancelled.includes(id)), 'cancellations');
    let cancelled = 0;
    await settled(async () => {
      const lines = JSON.parse(await client.text('io_received')) as string[];
      cancelled += lines.filter((line) => line.includes('notifications/cancelled')).length;
      return cancelled === 3;
    }, 'three cancellations on stdio');
    expect(await client.text('modern_echo', { a: 1 })).toBe('{"a":1}');
  });

  it('of legacy calls has them go on', async () => {
    const held: (() => void)[] = [];
    const rogue = await RogueHttp.start({
      era: 'legacy',
      tools: { hold: (call) => void held.push(() => call.reply('held')) },
    });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const client = new Client(gateway.url);
    await client.initialize();
    const abort = new AbortController();
    const body = client.legacy('tools/call', { name: 'up_hold', arguments: {} });
    const left = client.post(body, { signal: abort.signal }).catch(() => 'left');
    const call = await rogue.called();
    abort.abort();
    expect(await left).toBe('left');
    for (let i = 0; i < 4; i += 1) await client.text('up_echo', { i });
    expect(rogue.cancelled).toEqual([]);
    expect(call.connection.socket.destroyed).toBe(false);
    for (const release of held) release();
    expect(await client.text('up_echo', { a: 1 })).toBe('{"a":1}');
  });

  it('of a batch never has its answers given to another', async () => {
    const held: (() => void)[] = [];
    const rogue = await RogueHttp.start({
      era: 'modern',
      tools: {
        secret: (call) => void held.push(() => call.reply('secret')),
        own: (call) => void held.push(() => call.reply(String(call.args['n']))),
      },
    });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const batcher = new Client(gateway.url);
    await batcher.initialize('2025-03-26');
    const abort = new AbortController();
    const secret = (id: number): string =>
      batcher.legacy('tools/call', { name: 'up_secret', arguments: {} }, id);
    const left = batcher
      .post(`[${secret(1)},${secret(2)}]`, { signal: abort.signal })
      .catch(() => 'left');
    await rogue.called(1);
    abort.abort();
    expect(await left).toBe('left');
    // Whoever comes next to that shard gets the objects of the one that left.
    const client = new Client(gateway.url);
    for (let i = 0; i < 4; i += 1) await client.text('up_echo', { i });
    const own = Array.from({ length: 20 }, (_, n) => client.call('up_own', { n }, `own-${n}`));
    await rogue.called(2 + 4 + 19);
    for (const release of held) release();
    (await Promise.all(own)).forEach((answer, n) => {
      expect(answer).toMatchObject({ id: `own-${n}`, result: { content: [{ text: String(n) }] } });
    });
    expect(gateway.err).not.toMatch(/shard is lost/);
  });

  it('hundreds of times leaves nothing behind', async () => {
    const rogue = await RogueHttp.start({ era: 'modern', tools: { hold: () => undefined } });
    const gateway = await RunningGateway.start({
      upstreams: { up: rogue.config, io: rogueStdio() },
    });
    const client = new Client(gateway.url, 100);
    await client.text('up_echo');
    const handles = gateway.handles;
    for (let round = 0; round < 4; round += 1) {
      const abort = new AbortController();
      const calls = Array.from({ length: 80 }, (_, i) => {
        const name = i % 2 === 0 ? 'up_hold' : 'io_hang';
        const [body, send] = client.modern('tools/call', { name, arguments: {} });
        return client.post(body, { ...send, signal: abort.signal }).catch(() => 'left');
      });
      await rogue.called(40 * (round + 1));
      abort.abort();
      await Promise.all(calls);
    }
    await settled(() => gateway.handles <= handles + 8, 'sockets to close');
    expect(await client.text('up_echo', { a: 1 })).toBe('{"a":1}');
    expect(await client.text('io_echo', { a: 1 })).toBe('{"a":1}');
  });
});

describe('a flood', () => {
  it('of large requests is refused in part, answered in full, and over when it ends', async () => {
    const rogue = await RogueHttp.start({ era: 'modern' });
    const gateway = await RunningGateway.start({
      limits: { bodyBudgetBytes: 20 * 1024 * 1024 },
      upstreams: { up: { http: { url: rogue.server.url.href, maxConnections: 4 } } },
    });
    const client = new Client(gateway.url, 400);
    const blob = 'f'.repeat(200_000);
    const answers = await Promise.all(
      Array.from({ length: 400 }, async (_, i) => {
        const [body, send] = client.modern(
          'tools/call',
          { name: 'up_echo', arguments: { blob } },
          i,
        );
        const answer = await client.post(body, send);
        return { answer, message: lastOf(answer) };
      }),
    );
    let served = 0;
    answers.forEach(({ answer, message }, i) => {
      if (answer.status === 200) {
        served += 1;
        expect(message.id).toBe(i);
        expect(message.result?.content?.[0]?.text).toContain(blob);
      } else {
        expect(answer.status).toBe(503);
        expect(answer.headers['retry-after']).toMatch(/^\d+$/);
        expect(message.error?.code).toBe(-31020);
      }
    });
    expect(served).toBeGreaterThan(0);
    expect(rogue.calls).toHaveLength(served);
    for (let i = 0; i < 20; i += 1) expect(await client.text('up_echo', { i })).toBe(`{"i":${i}}`);
  });

  it('beyond upstreamCallsMax is refused at once and costs other upstreams nothing', async () => {
    const held: (() => void)[] = [];
    const rogue = await RogueHttp.start({
      era: 'modern',
      tools: { hold: (call) => void held.push(() => call.reply('held')) },
    });
    const gateway = await RunningGateway.start({
      limits: { upstreamCallsMax: 20 },
      upstreams: { up: rogue.config, io: rogueStdio() },
    });
    const client = new Client(gateway.url, 300);
    let answered = 0;
    const calls = Array.from({ length: 200 }, async (_, i) => {
      const [body, send] = client.modern('tools/call', { name: 'up_hold', arguments: {} }, i);
      const answer = await client.post(body, send);
      answered += 1;
      return { status: answer.status, id: lastOf(answer).id, retry: answer.headers['retry-after'] };
    });
    await rogue.called(19);
    expect(await client.text('io_echo', { a: 1 })).toBe('{"a":1}');
    // Nobody is left waiting but those twenty (two shards may let one more in between look and call).
    await settled(() => held.length >= 20, 'the calls that were let in');
    await settled(() => answered >= 178, 'the refusals');
    for (const release of held) release();
    const answers = await Promise.all(calls);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(held.length);
    for (const { status, id, retry } of answers) {
      if (status === 200) continue;
      expect(status).toBe(503);
      expect(retry).toBe('1');
      expect(typeof id).toBe('number');
    }
    const after = client.text('up_hold');
    await rogue.called(held.length);
    held.at(-1)?.();
    expect(await after).toBe('held');
  });

  it('of a thousand calls at once matches every answer to its question', async () => {
    const rogue = await RogueHttp.start({
      era: 'modern',
      tools: { late: (call) => void setTimeout(() => call.reply(String(call.args['n'])), 100) },
    });
    const gateway = await RunningGateway.start({
      upstreams: { up: rogue.config, io: rogueStdio() },
    });
    const client = new Client(gateway.url, 1000);
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, n) =>
        n % 2 === 0
          ? client.call('up_late', { n }, `q-${n}`)
          : client.call('io_later', { ms: 50, value: String(n) }, `q-${n}`),
      ),
    );
    answers.forEach((answer, n) => {
      expect(answer).toMatchObject({ id: `q-${n}`, result: { content: [{ text: String(n) }] } });
    });
  });
});
