import { createServer, type AddressInfo, type Server } from 'node:net';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../src/config/problem.ts';
import { benchSettings, GatewayBench } from './support/gateway-bench.ts';

let bench: GatewayBench;
beforeEach(() => {
  bench = new GatewayBench();
});
afterEach(() => bench.close());

const post = async (url: string): Promise<number> => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'echo', params: {} }),
  });
  await response.text();
  return response.status;
};

describe('a gateway', () => {
  it('says where it listens, takes calls, and is gone after close', async () => {
    const gateway = bench.gateway(benchSettings());
    expect(() => gateway.address()).toThrow('not started');
    const address = await gateway.start();
    expect(address).toEqual(gateway.address());
    expect(address.url).toBe(`http://127.0.0.1:${address.port}/mcp`);
    expect(await post(address.url)).toBe(200);
    expect(gateway.stats().planNumber).toBe(1);
    await gateway.close();
    await expect(post(address.url)).rejects.toThrow();
    await gateway.close();
  });

  it('starts once, and not after it was closed', async () => {
    const gateway = bench.gateway(benchSettings());
    await gateway.start();
    await expect(gateway.start()).rejects.toThrow('it is running');
    await gateway.close();
    await expect(gateway.start()).rejects.toThrow('it is closed');
    await expect(gateway.reload()).rejects.toThrow('it is closed');
  });

  it('says once that it is open, unless that was written out', async () => {
    await bench.gateway(benchSettings()).start();
    expect(bench.messages('warn').filter((message) => message.includes('no auth'))).toHaveLength(1);
    bench.log.length = 0;
    await bench.gateway(benchSettings({ auth: 'none' })).start();
    expect(bench.messages('warn')).toEqual([]);
  });

  it('names all problems of its settings before anything runs', () => {
    const start = (): unknown =>
      bench.gateway({ ...benchSettings(), listen: { port: -1 }, shards: 99 });
    expect(start).toThrow(ConfigError);
    expect(start).toThrow(/listen\.port[\s\S]*shards/);
  });

  it('fails to start where the port is taken, and leaves nothing behind', async () => {
    const taken: Server = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const gateway = bench.gateway(benchSettings({ listen: { port } }));
    await expect(gateway.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(gateway.start()).rejects.toThrow('it is closed');
    await new Promise((resolve) => taken.close(resolve));
  });

  it('takes new settings from its file, and keeps the old ones if the file is bad', async () => {
    const file = bench.write(benchSettings());
    const gateway = bench.gateway(file);
    const { url, port } = await gateway.start();
    bench.write({ ...benchSettings(), listen: { port: 0, path: '/other' } });
    const { diff, plan } = await gateway.reload();
    expect(plan.number).toBe(2);
    expect(diff.unchanged).toEqual(['math']);
    expect(await post(url)).toBe(404);
    expect(gateway.address().url).toBe(`http://127.0.0.1:${port}/other`);
    expect(await post(gateway.address().url)).toBe(200);

    writeFileSync(file, 'upstreams: {');
    await expect(gateway.reload()).rejects.toThrow(ConfigError);
    expect(bench.messages('error')).toEqual(['new settings were not taken, the old ones stay']);
    expect(await post(gateway.address().url)).toBe(200);
  });

  it('puts flags in place of the file, also when it reloads', async () => {
    const file = bench.write(benchSettings({ listen: { port: 1 } }));
    const gateway = bench.gateway(file, { port: 0 });
    const { url } = await gateway.start();
    await gateway.reload();
    expect(await post(url)).toBe(200);
  });

  it('takes new settings from code, and those again when asked without any', async () => {
    const gateway = bench.gateway(benchSettings());
    await gateway.start();
    const next = { ...benchSettings(), upstreams: { data: { stdio: { command: 'node' } } } };
    expect((await gateway.reload(next)).diff).toMatchObject({ added: ['data'], removed: ['math'] });
    expect((await gateway.reload()).diff).toMatchObject({ unchanged: ['data'] });
    await expect(gateway.reload({ ...next, shards: 2 })).rejects.toThrow('shards: cannot change');
  });

  it('reloads when its file changes, if it was told to', async () => {
    const file = bench.write(benchSettings({ reload: { watch: true } }));
    const gateway = bench.gateway(file);
    await gateway.start();
    bench.write({
      ...benchSettings({ reload: { watch: true } }),
      listen: { port: 0, path: '/watched' },
    });
    await expect.poll(() => gateway.address().url, { timeout: 10_000 }).toMatch(/\/watched$/);
    writeFileSync(file, 'nonsense');
    await expect.poll(() => bench.messages('error'), { timeout: 10_000 }).toHaveLength(1);
  });

  it('starts and stops its admin listener with itself, and stops it if the rest fails', async () => {
    const events: string[] = [];
    const admin = {
      start: () => {
        events.push('start');
        return Promise.resolve({ host: '127.0.0.1', port: 4321 });
      },
      stop: () => {
        events.push('stop');
        return Promise.resolve();
      },
    };
    const gateway = bench.gateway(benchSettings({ admin: { port: 0 } }), {}, () => admin);
    expect((await gateway.start()).admin?.url).toBe('http://127.0.0.1:4321');
    await gateway.close();
    expect(events).toEqual(['start', 'stop']);
  });

  it('shows its settings without secrets', () => {
    const settings = benchSettings({
      upstreams: { a: { stdio: { command: 'x', env: { TOKEN: 'hidden-value' } } } },
    });
    expect(JSON.stringify(bench.gateway(settings).plan)).not.toContain('hidden-value');
  });

  it('says how its upstreams are', async () => {
    const gateway = bench.gateway(benchSettings());
    await gateway.start();
    expect(await gateway.status()).toMatchObject({
      ready: true,
      plan: 1,
      shards: 1,
      upstreams: [{ name: 'math', kind: 'stdio' }],
    });
  });
});
