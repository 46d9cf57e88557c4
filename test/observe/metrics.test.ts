/**
 * The built command under calls of every outcome, from two shards: what `/metrics` says must be
 * exactly what was done.
 */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  closeClients,
  connectLegacy,
  connectModern,
  connectOn,
} from '../interop/support/clients.ts';
import { TestGateway } from '../interop/support/gateway.ts';
import { stopServers, v1Json, v1Stdio } from '../interop/support/servers.ts';
import { parsePrometheus, sumOf } from '../support/prometheus-text.ts';
import type { Family } from '../support/prometheus-text.ts';

type Families = Map<string, Family>;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({
    upstreams: { stdio: v1Stdio(), json: await v1Json() },
    auth: {
      required: false,
      methods: [
        { bearer: { tokens: [{ value: 'scoped-caller-000', clientId: 'ci', scopes: [] }] } },
      ],
    },
    routes: [
      { tools: 'json_log', upstream: 'json', requiredScopes: ['admin:*'] },
      { tools: 'json_*', upstream: 'json' },
      { tools: 'stdio_*', upstream: 'stdio' },
    ],
  });
});
afterEach(closeClients);
afterAll(async () => {
  await gateway?.stop();
  await stopServers();
});

async function scrape(): Promise<Families> {
  const response = await fetch(`${gateway.adminUrl}/metrics`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return parsePrometheus(await response.text());
}

/** Calls by outcome, as `upstream/tool outcome`, none that are zero. */
function callsOf(families: Families): Record<string, number> {
  const { samples } = families.get('sluice_calls_total')!;
  return Object.fromEntries(
    samples
      .filter(({ value }) => value > 0)
      .map(({ labels, value }) => [
        `${labels['upstream']}/${labels['tool']} ${labels['outcome']}`,
        value,
      ]),
  );
}

/** Labels come on another way than answers, so the last one may be a moment behind. */
function expectCalls(expected: Record<string, number>): Promise<void> {
  return expect.poll(async () => callsOf(await scrape()), { timeout: 5000 }).toEqual(expected);
}

describe('the metrics of the built command', () => {
  it('count calls of both shards by upstream, tool and outcome', async () => {
    const owner = gateway.ownerOf('stdio');
    for (const shard of [0, 1]) {
      const client = await connectOn(shard, () => connectLegacy(gateway.url));
      for (let call = 0; call < 5; call += 1) await client.call('json_echo', { say: 'a' });
      for (let call = 0; call < 3; call += 1) await client.call('stdio_echo', { say: 'a' });
      expect(await client.call('json_fail')).toMatchObject({ isError: true });
      await expect(client.call('json_log', { level: 'info', data: 'x' })).rejects.toThrow();
      await expect(client.call('nobody_has_this')).rejects.toThrow('unknown tool');
      await client.close();
    }
    await expectCalls({
      'json/echo ok': 10,
      'stdio/echo ok': 6,
      'json/fail is_error': 2,
      'json/log refused': 2,
    });
    const shown = await scrape();
    const json = { upstream: 'json', tool: 'echo' };
    expect(sumOf(shown, 'sluice_call_duration_seconds_count', json)).toBe(10);
    expect(sumOf(shown, 'sluice_refused_total', { fault: 'name_unknown' })).toBe(2);
    expect(sumOf(shown, 'sluice_access_denied_total', { thread: 'shard-0' })).toBe(1);
    expect(sumOf(shown, 'sluice_access_denied_total', { thread: 'shard-1' })).toBe(1);
    // The shard that does not own the process handed its calls over.
    expect(sumOf(shown, 'sluice_relayed_in_total', { thread: `shard-${owner}` })).toBe(
      sumOf(shown, 'sluice_relayed_out_total', { thread: `shard-${1 - owner}` }),
    );
    expect(sumOf(shown, 'sluice_relayed_in_total', { thread: `shard-${owner}` })).toBeGreaterThan(
      2,
    );
    expect(sumOf(shown, 'sluice_child_processes', { upstream: 'stdio' })).toBe(1);
    expect(sumOf(shown, 'sluice_shard_up')).toBe(2);
    expect(sumOf(shown, 'sluice_upstream_calls_in_flight')).toBe(0);
  });

  it('count sessions that are open, and calls that their client gave up', async () => {
    const before = sumOf(await scrape(), 'sluice_sessions');
    const client = await connectLegacy(gateway.url);
    const opened = sumOf(await scrape(), 'sluice_sessions');
    expect(opened).toBe(before + 1);
    const abort = new AbortController();
    const call = client.call('stdio_wait', { tag: 'metrics' }, { signal: abort.signal });
    call.catch(() => undefined);
    await expect.poll(async () => sumOf(await scrape(), 'sluice_upstream_calls_in_flight')).toBe(1);
    abort.abort();
    await expect(call).rejects.toThrow();
    await expect
      .poll(async () => callsOf(await scrape())['stdio/wait cancelled'], { timeout: 5000 })
      .toBe(1);
    await client.transport.terminateSession();
    expect(sumOf(await scrape(), 'sluice_sessions')).toBe(before);
  });

  it('do not let a client make up labels', async () => {
    const client = await connectModern(gateway.url, { pin: '2026-07-28' });
    for (let name = 0; name < 20; name += 1) {
      await client.call(`json_made_up_${name}`).catch(() => undefined);
    }
    await expect
      .poll(async () =>
        Object.keys(callsOf(await scrape())).filter((key) => key.includes('(other)')),
      )
      .toHaveLength(1);
    const shown = callsOf(await scrape());
    expect(Object.keys(shown).filter((key) => key.includes('made_up'))).toEqual([]);
  });

  it('say nothing on the main listener, where health and readiness are', async () => {
    const main = new URL(gateway.url).origin;
    const status = async (url: string) => (await fetch(url)).status;
    expect(await status(`${main}/metrics`)).toBe(404);
    for (const base of [main, gateway.adminUrl]) {
      expect(await status(`${base}/healthz`)).toBe(200);
      const ready = await fetch(`${base}/readyz`);
      expect(ready.status).toBe(200);
      expect(await ready.json()).toMatchObject({
        ready: true,
        shards: [{ phase: 'running' }, { phase: 'running' }],
      });
    }
  });

  it('count probes, and nothing is logged per call or probe', async () => {
    const before = sumOf(await scrape(), 'sluice_admin_requests_total');
    const lines = gateway.log.length;
    await fetch(`${gateway.adminUrl}/healthz`);
    const client = await connectModern(gateway.url, { pin: '2026-07-28' });
    await client.call('json_echo', { say: 'quiet' });
    expect(sumOf(await scrape(), 'sluice_admin_requests_total')).toBe(before + 2);
    expect(gateway.log.slice(lines)).toEqual([]);
  });
});

it('names the address when the port of the admin listener is taken, and ends with 1', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  try {
    const start = TestGateway.start({ upstreams: { stdio: v1Stdio() }, admin: { port } });
    await expect(start).rejects.toThrow(
      new RegExp(`ended with 1[^]*the port is in use: 127\\.0\\.0\\.1:${port}`),
    );
  } finally {
    await new Promise((resolve) => taken.close(resolve));
  }
});
