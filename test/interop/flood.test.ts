/**
 * A thousand calls at once, of both eras, to stdio and HTTP upstreams of both eras, on two shards:
 * every answer is matched to its question, and the counters say which ways the calls took.
 */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

import {
  closeClients,
  connectLegacy,
  connectModern,
  connectOn,
  textOf,
  type AnyClient,
} from './support/clients.ts';
import { SHARDS, TestGateway } from './support/gateway.ts';
import { envelope, MODERN, send } from './support/raw.ts';
import {
  stopServers,
  v1Events,
  v1Json,
  v1Stdio,
  v2HttpModernOnly,
  v2Stdio,
} from './support/servers.ts';

const CALLS = 1000;
const UPSTREAMS = ['v1-stdio', 'v2-stdio', 'v1-json', 'v1-events', 'v2-http'];

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({
    upstreams: {
      'v1-stdio': v1Stdio(),
      'v2-stdio': v2Stdio(),
      'v1-json': await v1Json(),
      'v1-events': await v1Events(),
      'v2-http': await v2HttpModernOnly(),
    },
  });
});
afterEach(closeClients);
afterAll(async () => {
  await gateway?.stop();
  await stopServers();
});

it('matches a thousand answers to a thousand questions, across shards and eras', async () => {
  const legacyClients = await Promise.all(
    Array.from({ length: 2 * SHARDS }, (_, index) =>
      connectOn<AnyClient>(index % SHARDS, () =>
        index < SHARDS ? connectLegacy(gateway.url) : connectModern(gateway.url, 'legacy'),
      ),
    ),
  );
  const modernClients = await Promise.all(
    Array.from({ length: 4 }, () => connectModern(gateway.url, { pin: MODERN })),
  );
  const clients: AnyClient[] = [...legacyClients, ...modernClients];
  const wrong: string[] = [];
  await Promise.all(
    Array.from({ length: CALLS }, async (_, index) => {
      const client = clients[index % clients.length]!;
      const upstream = UPSTREAMS[Math.floor(index / clients.length) % UPSTREAMS.length]!;
      const say = `${upstream} ${index} ${'x'.repeat((index * 37) % 3000)}`;
      const answer = await client.call(`${upstream}_echo`, { say });
      if (textOf(answer) !== say) wrong.push(`${index}: ${textOf(answer).slice(0, 80)}`);
    }),
  );
  expect(wrong).toEqual([]);
}, 60_000);

it('never parses and writes anew what the official clients send', async () => {
  expect(await gateway.counter('rewritten_total')).toBe(0);
  // It does count what has to be written anew: here a name that is spelled with an escape.
  const params = { name: 'v1-stdio_echo', arguments: { say: 'x' }, _meta: envelope() };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  const fields = {
    'mcp-protocol-version': MODERN,
    'mcp-method': 'tools/call',
    'mcp-name': 'v1-stdio_echo',
  };
  const answer = await send(gateway.url, body.replace('o_echo', '\\u006f_echo'), fields);
  expect(answer.message?.result).toMatchObject({ content: [{ text: 'x' }] });
  expect(await gateway.counter('rewritten_total')).toBe(1);
});

it('hands over calls of a stdio upstream to the shard that owns its process', async () => {
  const owner = gateway.ownerOf('v1-stdio');
  const before = await gateway.counter('relayed_in_total');
  const near = await connectOn(owner, () => connectLegacy(`${gateway.url}/v1-stdio`));
  for (let calls = 0; calls < 5; calls += 1) await near.call('echo', { say: 'near' });
  expect(await gateway.counter('relayed_in_total')).toBe(before);
  const far = await connectOn((owner + 1) % SHARDS, () => connectLegacy(`${gateway.url}/v1-stdio`));
  for (let calls = 0; calls < 5; calls += 1) await far.call('echo', { say: 'far' });
  expect(await gateway.counter('relayed_in_total')).toBe(before + 5);
  expect(await gateway.counter('relayed_out_total')).toBe(before + 5);
});

it('opens no session, process or list for a call', async () => {
  const client = await connectModern(gateway.url, { pin: MODERN });
  for (const upstream of UPSTREAMS) await client.call(`${upstream}_echo`, { say: 'warm' });
  for (const upstream of UPSTREAMS) await client.call(`${upstream}_echo`, { say: 'warm' });
  const names = ['upstream_sessions_opened_total', 'stdio_starts_total', 'upstream_requests_total'];
  const count = (): Promise<number[]> => Promise.all(names.map((name) => gateway.counter(name)));
  const [sessions, starts, requests] = await count();
  for (let calls = 0; calls < 20; calls += 1)
    for (const upstream of UPSTREAMS) await client.call(`${upstream}_echo`, { say: 'warm' });
  expect(await count()).toEqual([sessions, starts, requests! + 20 * UPSTREAMS.length]);
  expect(starts).toBe(2);
});
