/** The built package as a program uses it: new settings from code while calls are under way. */
import { createGateway, type ConfigInput } from 'mcp-sluice';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Client, closeClients } from './support/client.ts';
import { Load } from './support/load.ts';
import { RogueHttp, stopRogues } from './support/rogue-http.ts';
import { rogueStdio } from './support/rogue-stdio.ts';

type Gateway = ReturnType<typeof createGateway>;
type Upstreams = ConfigInput['upstreams'];

const UNKNOWN_TOOL = -32602;

const running: Gateway[] = [];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-code-'));
});
afterEach(async () => {
  closeClients();
  await Promise.all(running.splice(0).map((gateway) => gateway.close(0)));
  await stopRogues();
  rmSync(folder, { recursive: true });
});

const settings = (upstreams: Upstreams, more: Partial<ConfigInput> = {}): ConfigInput => ({
  shards: 2,
  listen: { host: '127.0.0.1', port: 0 },
  auth: 'none',
  log: { level: 'silent' },
  upstreams,
  ...more,
});

async function start(config: string | ConfigInput): Promise<{ gateway: Gateway; url: string }> {
  const gateway = createGateway(config);
  running.push(gateway);
  return { gateway, url: (await gateway.start()).url };
}

/** Load of both eras on upstreams that stay; ten calls of each were answered. */
async function loads(url: string): Promise<{ more(): Promise<void>; end(): Promise<void> }> {
  const modern = new Client(url, 8);
  const legacy = new Client(url, 8);
  await legacy.initialize();
  const all = [modern, legacy].map((client) => new Load(client, 8, ['kept_echo', 'io_echo']));
  const more = async (): Promise<void> => {
    await Promise.all(all.map((load) => load.more(40)));
  };
  await more();
  return {
    more,
    end: async () => {
      await Promise.all(all.map((load) => load.end()));
      expect(all.flatMap((load) => load.wrong)).toEqual([]);
    },
  };
}

describe('reload() under load', () => {
  it('swaps the settings of an object without failing a call', async () => {
    const kept = await RogueHttp.start({ era: 'modern' });
    const other = await RogueHttp.start({ era: 'legacy' });
    const base: Upstreams = { kept: kept.config, io: rogueStdio() };
    const { gateway, url } = await start(settings(base));
    const load = await loads(url);
    const client = new Client(url);

    const added = await gateway.reload(settings({ ...base, other: other.config }));
    expect(added.diff).toMatchObject({ added: ['other'], unchanged: ['kept', 'io'] });
    expect(await client.text('other_echo', { a: 1 })).toBe('{"a":1}');
    await load.more();

    // Another time limit makes it another upstream, with connections of its own.
    const limited = { ...base, kept: { ...kept.config, requestTimeoutMs: 30_000 } };
    const changed = await gateway.reload(settings(limited));
    expect(changed.diff).toMatchObject({ changed: ['kept'], removed: ['other'] });
    expect((await client.call('other_echo')).error?.code).toBe(UNKNOWN_TOOL);
    await load.more();

    // Many at once: each is taken, one after the other, and the last one counts.
    const routes = [{ tools: 'kept_*', upstream: 'kept' }, { tools: 'io_*', upstream: 'io' }]; // prettier-ignore
    const outcomes = await Promise.all(
      [limited, base, limited, base].map((upstreams, index) =>
        gateway.reload(settings(upstreams, index % 2 === 0 ? { routes } : {})),
      ),
    );
    expect(outcomes.map(({ plan }) => plan.number)).toEqual([4, 5, 6, 7]);
    expect(gateway.plan.number).toBe(7);
    expect(gateway.plan.routes).toEqual([]);
    await load.more();
    await load.end();
    expect(gateway.stats().planNumber).toBe(7);
  });

  it('reads the file again, and keeps what it had while that is bad', async () => {
    const kept = await RogueHttp.start({ era: 'modern' });
    const other = await RogueHttp.start({ era: 'modern' });
    const base: Upstreams = { kept: kept.config, io: rogueStdio() };
    const file = join(folder, 'sluice.json');
    const write = (config: ConfigInput): void => writeFileSync(file, JSON.stringify(config));
    write(settings(base));
    const { gateway, url } = await start(file);
    const load = await loads(url);
    const client = new Client(url);

    for (const bad of [settings({}), settings(base, { shards: 1 })]) {
      write(bad);
      await expect(gateway.reload()).rejects.toThrow(/upstreams|shards/);
      await load.more();
    }
    expect(gateway.plan.number).toBe(1);
    write(settings({ ...base, other: other.config }));
    expect((await gateway.reload()).diff.added).toEqual(['other']);
    expect(await client.text('other_echo', { a: 1 })).toBe('{"a":1}');
    await load.more();
    await load.end();
  });
});
