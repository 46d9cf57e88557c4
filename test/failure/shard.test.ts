/** A shard that throws, exits or hangs under load: what it carried is answered for, the rest goes on. */
import { afterEach, describe, expect, it } from 'vitest';

import { shardOfSessionId } from '../../src/edge/shard-picker.ts';
import { Client, closeClients, lastOf, messagesOf, textOf } from './support/client.ts';
import { FusedGateway, stopFusedGateways } from './support/fused-gateway.ts';
import { gone } from './support/gateway.ts';
import { RogueHttp, stopRogues } from './support/rogue-http.ts';
import { rogueStdio } from './support/rogue-stdio.ts';

afterEach(async () => {
  closeClients();
  await stopFusedGateways();
  await stopRogues();
});

const SHARD_LOST = -31021;
const CALLS = 40;

/** A session on each shard. */
async function sessionOn(url: string, shard: number): Promise<Client> {
  for (let attempts = 0; attempts < 16; attempts += 1) {
    const client = new Client(url);
    await client.initialize();
    if (shardOfSessionId(client.sessionId!) === shard) return client;
  }
  throw new Error(`no session came to shard ${shard}`);
}

describe('a shard that ends', () => {
  it.each(['throw', 'exit'] as const)(
    'by %s costs its own calls alone, each answered under its id, also within a stream',
    async (way) => {
      const held: (() => void)[] = [];
      const rogue = await RogueHttp.start({
        era: 'modern',
        tools: {
          hold: (call) => void held.push(() => call.reply('held')),
          stream: (call) => {
            const event = (data: string): void => call.connection.write(`data: ${data}\n\n`);
            call.connection.write(
              'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n',
            );
            const params = { progressToken: call.progressToken, progress: 1 };
            event(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params }));
            held.push(() => {
              event(call.message('streamed'));
              call.connection.socket.end();
            });
          },
        },
      });
      const gateway = await FusedGateway.start({ upstreams: { up: rogue.config } });
      const client = new Client(gateway.url, CALLS * 3);
      const plain = Array.from({ length: CALLS }, (_, i) =>
        client.call('up_hold', {}, `plain-${i}`),
      );
      const streams = Array.from({ length: 10 }, async (_, i) => {
        const [body, send] = client.modern(
          'tools/call',
          { name: 'up_stream', arguments: {} },
          `stream-${i}`,
        );
        const message = JSON.parse(body) as { params: { _meta: object } };
        Object.assign(message.params._meta, { progressToken: `token-${i}` });
        const response = await client.send(JSON.stringify(message), send);
        return { response, text: textOf(response) };
      });
      await rogue.called(CALLS + 9);
      const open = await Promise.all(streams); // each has begun
      await gateway.end(0, way);
      for (const release of held) release();

      const answers = await Promise.all(plain);
      expect(answers.map((answer) => answer.id)).toEqual(answers.map((_, i) => `plain-${i}`));
      const lost = answers.filter((answer) => answer.error !== undefined);
      for (const answer of lost) expect(answer.error?.code).toBe(SHARD_LOST);
      expect(lost.length).toBeGreaterThan(0);
      expect(lost.length).toBeLessThan(CALLS);
      const ends = await Promise.all(
        open.map(async ({ response, text }) => {
          expect(response.headers['content-type']).toContain('text/event-stream');
          return messagesOf({ status: 200, headers: response.headers, text: await text });
        }),
      );
      expect(ends.map((messages) => messages.at(-1)?.id)).toEqual(
        ends.map((_, i) => `stream-${i}`),
      );
      const codes = ends.map((messages) => messages.at(-1)?.error?.code);
      expect(new Set(codes)).toEqual(new Set([SHARD_LOST, undefined]));

      await gateway.ready(0, 2);
      const after = await Promise.all(
        Array.from({ length: 16 }, (_, i) => client.text('up_echo', { i })),
      );
      expect(after).toEqual(after.map((_, i) => `{"i":${i}}`));
    },
  );

  it('is running again, and the log says how long that took', async () => {
    const rogue = await RogueHttp.start({ era: 'modern' });
    const gateway = await FusedGateway.start({ upstreams: { up: rogue.config } });
    await gateway.end(1, 'throw');
    await gateway.ready(1, 2);
    const lastMs = (message: string): number =>
      Date.parse(gateway.log.findLast((line) => line.message === message)?.time ?? '');
    const tookMs = lastMs('shard is ready') - lastMs('shard is lost');
    console.info(`a lost shard was running again after ${tookMs} ms`);
    // A second is what it is made for (no wait on a timer: test/edge/shard-supervisor.test.ts). How
    // fast a thread starts is up to the machine, so this only catches waiting.
    expect(tookMs).toBeLessThan(10_000);
  });

  it('takes its stdio process with it, which is one process again, and fails what was handed over', async () => {
    const gateway = await FusedGateway.start({ upstreams: { math: rogueStdio() } });
    const [own, other] = await Promise.all([sessionOn(gateway.url, 0), sessionOn(gateway.url, 1)]);
    const pid = Number(await own.text('math_pid'));
    expect(Number(await other.text('math_pid'))).toBe(pid);
    const handedOver = Array.from({ length: 5 }, (_, i) =>
      other.legacyCall('math_hang', {}, `over-${i}`),
    );
    expect(Number(await other.text('math_pid'))).toBe(pid); // those before it are at the owner
    await gateway.end(0, 'throw');
    const answers = await Promise.all(handedOver);
    expect(answers.map((answer) => answer.id)).toEqual(answers.map((_, i) => `over-${i}`));
    for (const answer of answers) expect(answer.error?.code).toBe(SHARD_LOST);
    await gone(pid);
    await gateway.ready(0, 2);
    const next = Number(await other.text('math_pid'));
    expect(next).not.toBe(pid);

    const lost = await own.post(own.legacy('tools/list'));
    expect(lost.status).toBe(404);
    await own.initialize();
    expect(Number(await own.text('math_pid'))).toBe(next);
    const started = gateway.log.filter((line) => line.message === 'process started');
    expect(started).toHaveLength(2);
  });

  it('leaves the process of another shard alone, and its sessions', async () => {
    const gateway = await FusedGateway.start({ upstreams: { math: rogueStdio() } });
    const [own, other] = await Promise.all([sessionOn(gateway.url, 0), sessionOn(gateway.url, 1)]);
    const pid = await own.text('math_pid');
    const kept = own.text('math_later', { ms: 400, value: 'kept' });
    const lost = other.post(other.legacy('tools/call', { name: 'math_hang', arguments: {} }, 'x'));
    await other.text('math_pid');
    await gateway.end(1, 'exit');
    expect(lastOf(await lost)).toMatchObject({ id: 'x', error: { code: SHARD_LOST } });
    expect(await kept).toBe('kept');
    expect(await own.text('math_pid')).toBe(pid);
    await gateway.ready(1, 2);
    const again = await sessionOn(gateway.url, 1);
    expect(await again.text('math_pid')).toBe(pid);
  });

  it('may do so again and again under load: every call gets one answer', async () => {
    const rogue = await RogueHttp.start({
      era: 'legacy',
      tools: { slow: (call) => void setTimeout(() => call.reply(String(call.args['n'])), 5) },
    });
    const gateway = await FusedGateway.start({
      upstreams: { up: rogue.config, math: rogueStdio() },
    });
    const client = new Client(gateway.url, 32);
    let isOver = false;
    let answered = 0;
    const wrong: unknown[] = [];
    const load = Array.from({ length: 16 }, async (_, lane) => {
      for (let n = 0; !isOver; n += 1) {
        const id = `${lane}/${n}`;
        const answer = await client.call(lane % 2 === 0 ? 'up_slow' : 'math_echo', { n: id }, id);
        answered += 1;
        const text = answer.result?.content?.[0]?.text;
        const isRight = text === id || text === JSON.stringify({ n: id });
        const isTold = [SHARD_LOST, -31002, -31020].includes(answer.error?.code ?? 0);
        if (answer.id !== id || (!isRight && !isTold)) wrong.push(answer);
      }
    });
    for (let round = 0; round < 4; round += 1) {
      await gateway.end(round % 2, round < 2 ? 'throw' : 'exit');
      await gateway.ready(round % 2, 2 + Math.floor(round / 2));
    }
    isOver = true;
    await Promise.all(load);
    expect(wrong).toEqual([]);
    expect(answered).toBeGreaterThan(100);
    const after = await Promise.all(
      Array.from({ length: 16 }, (_, i) => client.text('math_echo', { i })),
    );
    expect(after).toEqual(after.map((_, i) => `{"i":${i}}`));
  });

  it('by hanging is replaced once it has missed its beats', async () => {
    const rogue = await RogueHttp.start({ era: 'modern' });
    const gateway = await FusedGateway.start({ upstreams: { up: rogue.config } });
    const client = new Client(gateway.url);
    await client.text('up_echo', { a: 1 });
    await gateway.end(1, 'hang');
    await gateway.ready(1, 2);
    const after = await Promise.all(
      Array.from({ length: 8 }, (_, i) => client.text('up_echo', { i })),
    );
    expect(after).toEqual(after.map((_, i) => `{"i":${i}}`));
  });
});
