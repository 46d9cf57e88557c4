/** What an operator sees of reloads and of the end of the built command. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ConfigInput } from '../../src/config/schema.ts';
import { TestProcess } from '../interop/support/process.ts';
import { v1Stdio } from '../interop/support/servers.ts';
import { parsePrometheus, sumOf } from '../support/prometheus-text.ts';

const COMMAND = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));
const CALL = {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'nobody_has_this',
  },
  body: JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: {
      name: 'nobody_has_this',
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  }),
};

let folder: string;
let file: string;
let gateway: TestProcess;
let url: string;
let adminUrl: string;

const settings = (changes: Partial<ConfigInput> = {}): string =>
  JSON.stringify({
    shards: 2,
    listen: { port: 0 },
    admin: { port: 0 },
    upstreams: { stdio: v1Stdio() },
    ...changes,
  });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-reload-'));
  file = join(folder, 'sluice.json');
  writeFileSync(file, settings());
  gateway = new TestProcess([COMMAND, 'serve', file], {}, folder);
  url = (await gateway.said(/endpoint +(http:\S+)/))[1]!;
  adminUrl = (await gateway.said(/admin +(http:\S+)\/metrics/))[1]!;
  await gateway.said(/Try it:/);
});
afterEach(async () => {
  await gateway.stop('SIGKILL');
  rmSync(folder, { recursive: true });
});

async function number(name: string): Promise<number> {
  const response = await fetch(`${adminUrl}/metrics`);
  return sumOf(parsePrometheus(await response.text()), name);
}

it('counts reloads that were taken and refused, and changes how much every thread logs', async () => {
  await (await fetch(url, CALL)).text();
  expect(gateway.err).not.toContain('call refused');

  writeFileSync(file, settings({ log: { level: 'debug' } }));
  gateway.child.kill('SIGHUP');
  await gateway.said(/new settings are in force/, 'err');
  expect(await number('sluice_reloads_total')).toBe(1);
  expect(await number('sluice_plan_number')).toBe(2);
  // The shards are told the level on the same way as the settings, right behind them.
  const deadline = Date.now() + 10_000;
  while (!gateway.err.includes('call refused') && Date.now() < deadline) {
    await (await fetch(url, CALL)).text();
  }
  expect(gateway.err).toContain('"message":"call refused"');

  writeFileSync(file, settings({ admin: { port: 1 } }));
  gateway.child.kill('SIGHUP');
  await gateway.said(/new settings were not taken.*/, 'err');
  expect(gateway.err).toMatch(/"path":"admin","message":"cannot change while/);
  expect(await number('sluice_reloads_failed_total')).toBe(1);
  expect(await number('sluice_reloads_total')).toBe(1);
  expect(await number('sluice_plan_number')).toBe(2);
});

it('is not ready on the admin listener while it drains, then ends with 0', async () => {
  const abort = new AbortController();
  const call = fetch(url, {
    ...CALL,
    headers: { ...CALL.headers, 'mcp-name': 'stdio_wait' },
    body: CALL.body.replace('"nobody_has_this"', '"stdio_wait","arguments":{"tag":"drain"}'),
    signal: abort.signal,
  });
  call.catch(() => undefined);
  await expect.poll(() => number('sluice_upstream_calls_in_flight')).toBe(1);
  gateway.child.kill('SIGTERM');
  await gateway.said(/Stopping/);
  await expect.poll(async () => (await fetch(`${adminUrl}/readyz`)).status).toBe(503);
  expect(await number('sluice_ready')).toBe(0);
  expect((await fetch(`${adminUrl}/healthz`)).status).toBe(200);
  abort.abort();
  expect(await gateway.exited).toBe(0);
});
