/** Reload, drain and the passing of many calls: under load, nothing is lost and nothing is left. */
import { afterEach, describe, expect, it } from 'vitest';

import type { ConfigInput } from '../../src/config/schema.ts';
import { Client, closeClients } from './support/client.ts';
import { RunningGateway, gone, stopGateways } from './support/gateway.ts';
import { Load } from './support/load.ts';
import { RogueHttp, stopRogues } from './support/rogue-http.ts';
import { rogueStdio } from './support/rogue-stdio.ts';
import { settled } from './support/settled.ts';

afterEach(async () => {
  closeClients();
  await stopGateways();
  await stopRogues();
});

describe('a reload under load', () => {
  it('adds, changes and removes upstreams and routes without failing a call', async () => {
    const kept = await RogueHttp.start({ era: 'modern' });
    const other = await RogueHttp.start({ era: 'legacy' });
    const upstreams: ConfigInput['upstreams'] = { kept: kept.config, io: rogueStdio() };
    const gateway = await RunningGateway.start({ upstreams });
    const client = new Client(gateway.url, 32);
    const load = new Load(client, 12, ['kept_echo', 'io_echo']);
    await load.more(50);

    const more = { ...upstreams, other: other.config };
    expect(await gateway.reload({ upstreams: more })).toContain('"level":"info"');
    await load.more(50);
    await settled(
      async () => (await client.call('other_echo', { a: 1 })).error === undefined,
      'the new upstream',
    );
    // Changed: another limit for the same process, which is another upstream to all purposes.
    const changed = { ...more, kept: { ...kept.config, requestTimeoutMs: 30_000 } };
    await gateway.reload({ upstreams: changed });
    await load.more(50);
    await gateway.reload({
      upstreams: changed,
      routes: [
        { tools: 'kept_*', upstream: 'kept', priority: 5 },
        { default: true, upstream: 'io' },
      ],
    });
    await load.more(50);
    await gateway.reload({ upstreams });
    await load.more(50);
    expect((await client.call('other_echo', {})).error?.code).toBe(-32602);
    await load.end();
    expect(load.wrong).toEqual([]);
    expect(gateway.err).not.toMatch(/shard is lost/);
  });

  it('of a bad file, and of what needs a restart, keeps the old settings and says why', async () => {
    const rogue = await RogueHttp.start({ era: 'modern' });
    const upstreams = { up: rogue.config };
    const gateway = await RunningGateway.start({ upstreams });
    const client = new Client(gateway.url);
    const load = new Load(client, 4, ['up_echo']);
    for (const [bad, why] of [
      ['{ not json or yaml: [', /settings/],
      [{ upstreams, shards: 3 }, /shards/],
      [{ upstreams, listen: { host: '127.0.0.1', port: 1 } }, /listen/],
      [{ upstreams: {} }, /upstreams/],
      [{ upstreams: { up: { http: { url: 'nonsense' } } } }, /url/],
    ] as const) {
      const line = await gateway.reload(bad as ConfigInput | string);
      expect(line).toContain('"level":"error"');
      expect(line).toMatch(why);
      await load.more(10);
    }
    await load.end();
    expect(load.wrong).toEqual([]);
  });

  it('that removes an upstream lets its calls finish', async () => {
    const held: (() => void)[] = [];
    const rogue = await RogueHttp.start({
      era: 'modern',
      tools: { hold: (call) => void held.push(() => call.reply('held')) },
    });
    const kept = await RogueHttp.start({ era: 'modern' });
    const gateway = await RunningGateway.start({
      upstreams: { up: rogue.config, io: rogueStdio(), kept: kept.config },
    });
    const client = new Client(gateway.url);
    const under = Array.from({ length: 8 }, (_, i) => client.text('up_hold', { i }));
    const slow = Array.from({ length: 8 }, () =>
      client.text('io_later', { ms: 500, value: 'late' }),
    );
    await rogue.called(7);
    await client.text('io_echo');
    await gateway.reload({ upstreams: { kept: kept.config } });
    expect(await client.text('kept_echo', { a: 1 })).toBe('{"a":1}');
    for (const release of held) release();
    expect(await Promise.all(under)).toEqual(under.map(() => 'held'));
    expect(await Promise.all(slow)).toEqual(slow.map(() => 'late'));
  });
});

describe('SIGTERM under load', () => {
  it('finishes what was accepted, exits with 0 and leaves no child', async () => {
    const rogue = await RogueHttp.start({
      era: 'modern',
      tools: { slow: (call) => void setTimeout(() => call.reply('slow'), 400) },
    });
    const gateway = await RunningGateway.start({
      upstreams: { up: rogue.config, io: rogueStdio() },
    });
    const client = new Client(gateway.url);
    const pid = Number(await client.text('io_pid'));
    const under = [
      ...Array.from({ length: 20 }, () => client.text('up_slow')),
      ...Array.from({ length: 20 }, () => client.text('io_later', { ms: 400, value: 'slow' })),
    ];
    await rogue.called(19);
    await client.text('io_echo');
    const exit = gateway.stop('SIGTERM');
    expect(await Promise.all(under)).toEqual(under.map(() => 'slow'));
    expect(await exit).toBe(0);
    await gone(pid);
    expect(gateway.err).not.toMatch(/shard is lost|"level":"error"/);
  });
});

describe('ten thousand calls', { timeout: 60_000 }, () => {
  it('leave no handle and no memory behind, and then the gateway rests', async () => {
    const rogue = await RogueHttp.start({ era: 'modern' });
    const gateway = await RunningGateway.start({
      upstreams: { up: rogue.config, io: rogueStdio() },
    });
    const client = new Client(gateway.url, 16);
    const run = async (calls: number): Promise<void> => {
      const load = new Load(client, 16, ['up_echo', 'io_echo']);
      await load.more(calls);
      await load.end();
      expect(load.wrong).toEqual([]);
    };
    await run(5000);
    const handles = gateway.handles;
    const rss = gateway.rssMib;
    await run(10_000);
    expect(gateway.handles).toBeLessThanOrEqual(handles + 8);
    expect(gateway.rssMib - rss).toBeLessThan(60);

    client.close();
    await settled(() => gateway.handles < handles, 'connections to close');
    // Compilers and collectors of V8 may still work a while after the load; what spins never rests.
    // 0.1 % of a core is 2 ms here, and the clock ticks every 10.
    const rests = async (): Promise<boolean> => {
      const usedMs = gateway.cpuMs;
      await new Promise((resolve) => setTimeout(resolve, 2000)); // the time is what is measured
      return gateway.cpuMs - usedMs <= 40;
    };
    await settled(rests, 'the gateway to rest', 30_000);
  });
});
