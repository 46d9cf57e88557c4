/** Stdio servers that die, fall silent, shout and stop listening, behind two shards. */
import { afterEach, describe, expect, it } from 'vitest';

import { Client, closeClients } from './support/client.ts';
import { RunningGateway, gone, reaped, isAlive, stopGateways } from './support/gateway.ts';
import { rogueStdio } from './support/rogue-stdio.ts';

afterEach(async () => {
  closeClients();
  await stopGateways();
});

const CALLS = 24;

async function sessions(url: string, count: number): Promise<Client[]> {
  const clients = Array.from({ length: count }, () => new Client(url));
  for (const client of clients) await client.initialize();
  return clients;
}

describe('a stdio server', () => {
  it.each(['legacy', 'modern', 'exit-on-probe'])(
    'that is killed (%s) fails each call under way once, under its id, and is there again for the next',
    async (mode) => {
      const gateway = await RunningGateway.start({ upstreams: { bad: rogueStdio(mode) } });
      const client = new Client(gateway.url);
      const pid = Number(await client.text('bad_pid'));
      const under = Array.from({ length: CALLS }, (_, i) =>
        client.call('bad_hang', {}, `call-${i}`),
      );
      // Both shards have handed theirs over once calls behind them were answered.
      for (let i = 0; i < 8; i += 1) expect(Number(await client.text('bad_pid'))).toBe(pid);
      process.kill(pid, 'SIGKILL');
      const answers = await Promise.all(under);
      expect(answers.map((answer) => answer.id)).toEqual(under.map((_, i) => `call-${i}`));
      expect(new Set(answers.map((answer) => answer.error?.code))).toEqual(new Set([-31004]));
      const pids = new Set(
        await Promise.all(Array.from({ length: 8 }, () => client.text('bad_pid'))),
      );
      expect(pids.size).toBe(1);
      expect(pids.has(String(pid))).toBe(false);
      expect(isAlive(pid)).toBe(false);
    },
  );

  it('that is killed while idle is there again for the first call, as one process, time after time', async () => {
    const gateway = await RunningGateway.start({ upstreams: { bad: rogueStdio() } });
    const clients = await sessions(gateway.url, 4);
    const seen = new Set<number>();
    for (let round = 0; round < 5; round += 1) {
      const pids = new Set(await Promise.all(clients.map((client) => client.text('bad_pid'))));
      expect(pids.size).toBe(1);
      const pid = Number([...pids][0]);
      expect(seen.has(pid)).toBe(false);
      seen.add(pid);
      const ended = gateway.said(
        new RegExp(`process ended(?=[^\\n]*\\n(?:.*\\n)*$)`),
        'err',
        gateway.err.length,
      );
      process.kill(pid, 'SIGKILL');
      await ended;
    }
    expect(seen.size).toBe(5);
  });

  it('whose pipe outlives it does not take the shard with it', async () => {
    const gateway = await RunningGateway.start({ upstreams: { bad: rogueStdio() } });
    const client = new Client(gateway.url);
    const pid = Number(await client.text('bad_pid'));
    const dying = client.call('bad_die-behind');
    await reaped(pid);
    // Its end is not reported yet: its stdout is still open.
    const answers = await Promise.all(Array.from({ length: 16 }, () => client.call('bad_pid')));
    expect(answers.map((answer) => answer.error)).toEqual(answers.map(() => undefined));
    expect((await dying).error?.code).toBe(-31004);
    expect(gateway.err).not.toMatch(/shard is lost/);
  });

  it('that never answers holds up nobody else, and its calls say so', async () => {
    const gateway = await RunningGateway.start(
      {
        timeouts: { listTimeoutMs: 300 },
        upstreams: { mute: rogueStdio('silent', { requestTimeoutMs: 500 }), good: rogueStdio() },
      },
      false,
    );
    const client = new Client(gateway.url);
    const mute = Array.from({ length: 4 }, (_, i) => client.call('mute_echo', {}, i));
    expect(await client.text('good_echo', { a: 1 })).toBe('{"a":1}');
    const list = await client.post(...client.modern('tools/list'));
    expect(list.text).toContain('good_echo');
    (await Promise.all(mute)).forEach((answer, i) => {
      // No tool of a server that lists none is known, or the call waited as long as calls may.
      expect([-31003, -32602]).toContain(answer.error?.code);
      expect(answer.id).toBe(i);
    });
    expect(gateway.err).not.toMatch(/shard is lost/);
  });

  it('that prints garbage, thousands of lines and megabytes to stderr answers its calls', async () => {
    const gateway = await RunningGateway.start({ upstreams: { bad: rogueStdio() } });
    for (const client of await sessions(gateway.url, 4)) {
      expect(await client.text('bad_garbage')).toBe('after garbage');
      expect(await client.text('bad_many', { count: 20_000 })).toBe('after many');
      expect(await client.text('bad_stderr', { bytes: 3_000_000 })).toBe('after stderr');
      expect((await client.legacyCall('bad_fail')).result?.isError).toBe(true);
    }
  });

  it('that writes a line over messageBytesMax fails that call alone', async () => {
    const gateway = await RunningGateway.start({
      upstreams: { bad: rogueStdio('legacy', { messageBytesMax: 100_000 }) },
    });
    for (const client of await sessions(gateway.url, 4)) {
      const beside = client.text('bad_later', { ms: 100, value: 'fine' });
      const large = await client.legacyCall('bad_size', { bytes: 400_000 }, 'large');
      expect(large).toMatchObject({ id: 'large', error: { code: -31007 } });
      expect(await beside).toBe('fine');
      expect(await client.text('bad_size', { bytes: 90_000 })).toHaveLength(90_000);
    }
  });

  it('that stops reading is refused what it cannot take, and works again once it reads', async () => {
    const gateway = await RunningGateway.start({
      upstreams: { deaf: rogueStdio('legacy', { requestTimeoutMs: 10_000 }), good: rogueStdio() },
    });
    const client = new Client(gateway.url);
    expect(await client.text('deaf_deaf')).toBe('deaf');
    const blob = 'b'.repeat(500_000);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => client.call('deaf_echo', { blob }, i)),
    );
    expect(answers.map((answer) => answer.id)).toEqual(answers.map((_, i) => i));
    const refused = answers.filter((answer) => answer.error !== undefined);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(answers.length);
    expect(await client.text('good_echo', { a: 2 })).toBe('{"a":2}');
    expect(await client.text('deaf_echo', { a: 3 })).toBe('{"a":3}');
  });

  it('with several processes loses the calls of the killed one only', async () => {
    const gateway = await RunningGateway.start({ upstreams: { bad: rogueStdio('legacy', {}, 2) } });
    const clients = await sessions(gateway.url, 8);
    const pids = await Promise.all(clients.map((client) => client.text('bad_pid')));
    expect(new Set(pids).size).toBe(2);
    const slow = clients.map((client) =>
      client.legacyCall('bad_later', { ms: 700, value: 'done' }),
    );
    await Promise.all(clients.map((client) => client.text('bad_echo')));
    process.kill(Number(pids[0]), 'SIGKILL');
    const answers = await Promise.all(slow);
    answers.forEach((answer, i) => {
      if (pids[i] === pids[0]) expect(answer.error?.code).toBe(-31004);
      else expect(answer.result?.content?.[0]?.text).toBe('done');
    });
    const after = await Promise.all(clients.map((client) => client.text('bad_pid')));
    expect(new Set(after).size).toBe(2);
    expect(after).not.toContain(pids[0]);
  });
});

describe('children', () => {
  it('are gone when the gateway was killed', async () => {
    const gateway = await RunningGateway.start({
      upstreams: { one: rogueStdio(), two: rogueStdio('modern', {}, 2) },
    });
    const pids = gateway.log
      .filter((line) => line.message === 'process started')
      .map((line) => line.pid!);
    expect(pids).toHaveLength(3);
    await gateway.stop('SIGKILL');
    await Promise.all(pids.map(gone));
  });
});
