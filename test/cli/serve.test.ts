import { EventEmitter } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serve } from '../../src/cli/commands/serve.ts';
import type { ConfigOverrides } from '../../src/config/load.ts';
import { CommandError } from '../../src/cli/command-result.ts';
import { benchSettings, GatewayBench } from '../support/gateway-bench.ts';

/** Signals of a process that is this test. */
class Signals extends EventEmitter {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

let bench: GatewayBench;
let signals: Signals;
let out: string;
let err: string;
beforeEach(() => {
  bench = new GatewayBench();
  signals = new Signals();
  out = '';
  err = '';
});
afterEach(() => bench.close());

function run(file: string, overrides: ConfigOverrides = {}): Promise<number> {
  return serve(file, overrides, {
    version: '1.2.3',
    signals,
    output: { out: (text) => void (out += text), err: (text) => void (err += text) },
    create: (path, over) => bench.gateway(path, over),
  });
}

const said = (text: string | RegExp): Promise<void> =>
  expect.poll(() => out, { timeout: 10_000 }).toMatch(text);

describe('sluice serve', () => {
  it('says where it listens, drains on SIGTERM and ends with 0', async () => {
    const code = run(bench.write(benchSettings()));
    await said(/endpoint {3}http:\/\/127\.0\.0\.1:\d+\/mcp/);
    expect(out).toContain('Sluice 1.2.3');
    signals.emit('SIGTERM');
    expect(await code).toBe(0);
    expect(signals.listenerCount('SIGTERM') + signals.listenerCount('SIGHUP')).toBe(0);
    expect(err).toBe('');
  });

  it('ends at once on a second signal', async () => {
    const code = run(bench.write(benchSettings()));
    await said('endpoint');
    signals.emit('SIGINT');
    signals.emit('SIGTERM');
    expect(signals.exits).toEqual([1]);
    await code;
  });

  it('stops cleanly when told to before it has started', async () => {
    const code = run(bench.write(benchSettings()));
    signals.emit('SIGTERM');
    expect(await code).toBe(0);
    expect(out).toBe('');
  });

  it('reloads on SIGHUP, and goes on if the file is bad', async () => {
    const file = bench.write(benchSettings());
    const code = run(file);
    await said('endpoint');
    bench.write({ ...benchSettings(), names: { conflict: 'none' } });
    signals.emit('SIGHUP');
    await expect
      .poll(() => bench.messages('info'), { timeout: 10_000 })
      .toContain('new settings are in force');
    bench.write('nonsense');
    signals.emit('SIGHUP');
    await expect.poll(() => bench.messages('error'), { timeout: 10_000 }).toHaveLength(1);
    signals.emit('SIGTERM');
    expect(await code).toBe(0);
  });

  it('lists the problems of its settings and fails', async () => {
    const file = bench.write('upstreams: {}\nshard: 1\n');
    expect(await run(file)).toBe(1);
    expect(err).toBe(
      `${file}:1:1: upstreams: must name at least one upstream\n${file}:2:1: shard: unknown key; did you mean "shards"?\n`,
    );
  });

  it('says in one line that the port is in use', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const failure = await run(bench.write(benchSettings()), { port }).catch(
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(CommandError);
    expect((failure as CommandError).message).toBe(
      `cannot listen, the port is in use: 127.0.0.1:${port}`,
    );
    await new Promise((resolve) => taken.close(resolve));
  });
});
