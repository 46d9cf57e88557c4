/**
 * Clients of one era in front of servers of the other: what already crosses besides plain calls, lists,
 * reads and prompts (those are in the matrix).
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import {
  closeClients,
  connectLegacy,
  connectModern,
  textOf,
  type AnyClient,
} from './support/clients.ts';
import { TestGateway } from './support/gateway.ts';
import { legacy, modern, MODERN, openSession } from './support/raw.ts';
import {
  stopServers,
  v1Events,
  v1Json,
  v1Stdio,
  v2HttpModernOnly,
  v2StdioModernOnly,
} from './support/servers.ts';
import { until } from './support/until.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({
    upstreams: {
      'v1-stdio': v1Stdio(),
      'v1-events': await v1Events(),
      'v1-json': await v1Json(),
      'v2-stdio': v2StdioModernOnly(),
      'v2-http': await v2HttpModernOnly(),
    },
  });
});
afterEach(closeClients);
afterAll(async () => {
  await gateway?.stop();
  await stopServers();
});

const PAIRS: [string, string, (url: string) => Promise<AnyClient>][] = [
  ...['v1-stdio', 'v1-events', 'v1-json'].map((name): (typeof PAIRS)[number] => [
    'modern',
    name,
    (url) => connectModern(url, { pin: MODERN }),
  ]),
  ...['v2-stdio', 'v2-http'].map((name): (typeof PAIRS)[number] => ['legacy', name, connectLegacy]),
];

describe.each(PAIRS)('a %s client and %s', (era, name, connect) => {
  const asJournal = async (client: AnyClient): Promise<{ cancelled: string[]; waits: string[] }> =>
    JSON.parse(textOf(await client.call('journal'))) as Awaited<ReturnType<typeof asJournal>>;

  it('tells the server of a cancelled call, in the way of its era', async () => {
    const client = await connect(`${gateway.url}/${name}`);
    const controller = new AbortController();
    const call = client.call('wait', { tag: era + name }, { signal: controller.signal });
    call.catch(() => undefined);
    await until(async () => (await asJournal(client)).waits.includes(era + name));
    controller.abort();
    await expect(call).rejects.toThrow();
    await until(async () => (await asJournal(client)).cancelled.includes(era + name));
  });

  it('hears that a tool was added', async () => {
    const client = await connect(`${gateway.url}/${name}`);
    const heard = vi.fn();
    if (era === 'modern') {
      const modernClient = client as Awaited<ReturnType<typeof connectModern>>;
      modernClient.sdk.setNotificationHandler('notifications/tools/list_changed', heard);
      await modernClient.sdk.listen({ toolsListChanged: true });
    } else {
      const { ToolListChangedNotificationSchema } =
        await import('@modelcontextprotocol/sdk/types.js');
      const legacyClient = client as Awaited<ReturnType<typeof connectLegacy>>;
      legacyClient.v1.setNotificationHandler(ToolListChangedNotificationSchema, heard);
    }
    await client.call('grow', { name: `late_${era}` });
    await until(() => heard.mock.calls.length > 0);
    const names = (await client.sdk.listTools()).tools.map((tool) => tool.name);
    expect(names).toContain(`late_${era}`);
  });
});

it.each(['v1-stdio', 'v1-events'])(
  'a modern client gets no question that it cannot answer from %s, but an end',
  async (name) => {
    const answer = await modern(`${gateway.url}/${name}`, 'tools/call', {
      name: 'ask_user',
      arguments: {},
    });
    expect(answer.status).toBe(200);
    expect(answer.events).toHaveLength(1);
    expect(answer.message?.result).toMatchObject({ isError: true, resultType: 'complete' });
  },
);

it.each(['v2-stdio', 'v2-http'])(
  'a legacy client gets an error of its era from %s where input is required',
  async (name) => {
    const url = `${gateway.url}/${name}`;
    const { fields } = await openSession(url, '2025-11-25', { elicitation: {} });
    const answer = await legacy(url, fields, 'tools/call', { name: 'ask_user', arguments: {} });
    expect(answer.status).toBe(200);
    expect(answer.message?.id).toBe(1);
    expect(answer.message?.result ?? {}).not.toHaveProperty('resultType');
    expect(answer.message?.result ?? {}).not.toHaveProperty('inputRequests');
    expect(answer.message?.error?.code ?? 0).toBeLessThan(0);
  },
);
