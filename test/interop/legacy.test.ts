/**
 * Legacy sessions, complete: what servers say and ask in the course of a call and outside of it, over
 * stdio from the shard that owns the process and from the one that does not, and over HTTP with both
 * kinds of answer.
 */
import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  PromptListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { closeClients, connectLegacy, connectOn, textOf } from './support/clients.ts';
import { SHARDS, TestGateway, shardOf } from './support/gateway.ts';
import { modern } from './support/raw.ts';
import { stopServers, v1Events, v1Json, v1Stdio, v2Stdio } from './support/servers.ts';
import { until } from './support/until.ts';

type Client = Awaited<ReturnType<typeof connectLegacy>>;

let gateway: TestGateway;
let grown = 0;

beforeAll(async () => {
  gateway = await TestGateway.start({
    upstreams: {
      stdio: v1Stdio(),
      json: await v1Json(),
      events: await v1Events(),
      v2: v2Stdio(),
    },
  });
});
afterEach(closeClients);
afterAll(async () => {
  await gateway?.stop();
  await stopServers();
});

/** Where a session may lie as seen from the upstream. */
interface Place {
  readonly name: string;
  readonly upstream: string;
  readonly connect: (path?: string) => Promise<Client>;
}

const onShard = (upstream: string, distance: number) => (path: string) =>
  connectOn((gateway.ownerOf(upstream) + distance) % SHARDS, () =>
    connectLegacy(`${gateway.url}/${path}`),
  );

const PLACES: Place[] = [
  {
    name: 'stdio, own shard',
    upstream: 'stdio',
    connect: (path = 'stdio') => onShard('stdio', 0)(path),
  },
  {
    name: 'stdio, other shard',
    upstream: 'stdio',
    connect: (path = 'stdio') => onShard('stdio', 1)(path),
  },
  {
    name: 'HTTP, events',
    upstream: 'events',
    connect: (path = 'events') => connectLegacy(`${gateway.url}/${path}`),
  },
];

const WITH_JSON: Place[] = [
  ...PLACES,
  {
    name: 'HTTP, JSON',
    upstream: 'json',
    connect: (path = 'json') => connectLegacy(`${gateway.url}/${path}`),
  },
];

/** What the server knows of cancelled and waiting calls. */
async function journal(
  client: Client,
): Promise<{ cancelled: string[]; waits: string[]; roots: number }> {
  return JSON.parse(textOf(await client.call('journal'))) as Awaited<ReturnType<typeof journal>>;
}

describe.each(WITH_JSON)('a legacy session, $name', ({ connect }) => {
  it('says what the server can do and passes its instructions', async () => {
    const client = await connect();
    expect(client.revision).toBe('2025-11-25');
    expect(client.sdk.getInstructions()).toContain('be kind');
    expect(client.sdk.getServerCapabilities()).toMatchObject({
      tools: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      prompts: { listChanged: true },
      completions: {},
      logging: {},
    });
    await client.v1.ping();
  });

  it('tells the server of a cancelled call', async () => {
    const client = await connect();
    const tag = `cancel ${shardOf(client.sessionId)} ${Math.random()}`;
    const controller = new AbortController();
    const call = client.call('wait', { tag }, { signal: controller.signal });
    call.catch(() => undefined);
    await until(async () => (await journal(client)).waits.includes(tag));
    controller.abort('enough');
    await expect(call).rejects.toThrow();
    await until(async () => (await journal(client)).cancelled.includes(tag));
  });

  it('hears that a tool was added, and lists it', async () => {
    const client = await connect();
    const heard = new Promise<void>((resolve) =>
      client.v1.setNotificationHandler(ToolListChangedNotificationSchema, () => resolve()),
    );
    const name = `late_${(grown += 1)}`;
    await client.call('grow', { name });
    await heard;
    expect((await client.sdk.listTools()).tools.map((tool) => tool.name)).toContain(name);
    expect(textOf(await client.call(name))).toBe(`${name} is here`);
  });

  it('hears of a resource it subscribed to, until it unsubscribes', async () => {
    const client = await connect();
    const updates: string[] = [];
    client.v1.setNotificationHandler(
      ResourceUpdatedNotificationSchema,
      ({ params }) => void updates.push(params.uri),
    );
    const uri = 'note://one';
    await client.v1.subscribeResource({ uri });
    await client.call('touch', { uri });
    await until(() => updates.length === 1);
    await client.v1.unsubscribeResource({ uri });
    await client.call('touch', { uri });
    const marker = 'note://by/marker';
    await client.v1.subscribeResource({ uri: marker });
    await client.call('touch', { uri: marker });
    await until(() => updates.includes(marker));
    expect(updates).toEqual([uri, marker]);
  });
});

describe.each(PLACES)('a legacy session, $name', ({ connect }) => {
  it('gets progress in order, under its own token', async () => {
    const client = await connect();
    const seen: string[] = [];
    const counted = client.call(
      'count',
      { steps: 5 },
      { onprogress: ({ progress, message }) => seen.push(`${progress} ${message}`) },
    );
    expect(textOf(await counted)).toBe('5 steps');
    const all = [1, 2, 3, 4, 5].map((step) => `${step} step ${step}`);
    expect(seen).toEqual(all.slice(0, seen.length));
  });

  it('hears the log from the level on that it set', async () => {
    const client = await connect();
    const logged: unknown[] = [];
    client.v1.setNotificationHandler(
      LoggingMessageNotificationSchema,
      ({ params }) => void logged.push(params.data),
    );
    await client.v1.setLoggingLevel('warning');
    await client.call('log', { level: 'info', data: 'quiet' });
    await client.call('log', { level: 'error', data: 'loud' });
    await until(() => logged.includes('loud, of the call'));
    expect(logged.join()).not.toContain('quiet');
  });

  it('is asked for a sample, for input, for roots and whether it is alive', async () => {
    const client = await connect();
    client.v1.setRequestHandler(CreateMessageRequestSchema, ({ params }) => ({
      model: 'm',
      role: 'assistant',
      content: { type: 'text', text: `because of ${JSON.stringify(params.messages[0]?.content)}` },
    }));
    client.v1.setRequestHandler(ElicitRequestSchema, () => ({
      action: 'accept',
      content: { name: 'Ada' },
    }));
    client.v1.setRequestHandler(ListRootsRequestSchema, () => ({
      roots: [{ uri: 'file:///srv' }],
    }));
    expect(textOf(await client.call('ask_model'))).toContain('because of');
    expect(textOf(await client.call('ask_user'))).toBe('accept Ada');
    expect(textOf(await client.call('ask_roots'))).toBe('file:///srv');
    expect(textOf(await client.call('ask_alive'))).toBe('alive');
    // The same through the endpoint of all.
    const { roots } = await journal(client);
    await client.v1.sendRootsListChanged();
    await until(async () => (await journal(client)).roots > roots);
  });

  it('passes a refusal of the client to the server', async () => {
    const client = await connect();
    client.v1.setRequestHandler(ElicitRequestSchema, () => ({ action: 'decline' }));
    client.v1.setRequestHandler(CreateMessageRequestSchema, () => {
      throw Object.assign(new Error('User rejected sampling request'), { code: -1 });
    });
    expect(textOf(await client.call('ask_user'))).toBe('decline undefined');
    expect(textOf(await client.call('ask_model'))).toContain('User rejected sampling request');
  });
});

it('comes back for the rest of a call whose stream the server ended', async () => {
  const client = await connectLegacy(`${gateway.url}/events`);
  expect(textOf(await client.call('pause'))).toBe('after a pause');
  // The same for callers without a session of their own.
  const whole = await modern(`${gateway.url}/events`, 'tools/call', { name: 'pause' });
  expect(whole.message?.result).toMatchObject({ content: [{ text: 'after a pause' }] });
});

it('tells every session of all shards about a changed list, on either endpoint', async () => {
  const clients = await Promise.all([
    ...[0, 1].map((distance) => onShard('stdio', distance)('stdio')),
    ...[0, 1].map((shard) => connectOn(shard, () => connectLegacy(gateway.url))),
  ]);
  const silent = await connectLegacy(`${gateway.url}/json`);
  const wrong = vi.fn();
  silent.v1.setNotificationHandler(ToolListChangedNotificationSchema, wrong);
  const heard = clients.map(
    (client) =>
      new Promise<void>((resolve) =>
        client.v1.setNotificationHandler(ToolListChangedNotificationSchema, () => resolve()),
      ),
  );
  const name = `late_${(grown += 1)}`;
  await clients[0]!.call('grow', { name });
  await Promise.all(heard);
  for (const [index, client] of clients.entries()) {
    const { tools } = await client.sdk.listTools();
    expect(tools.map((tool) => tool.name)).toContain(index < 2 ? name : `stdio_${name}`);
  }
  expect(wrong).not.toHaveBeenCalled();
});

it('lists prompts and resources of all upstreams under their names, in one order on every shard', async () => {
  const lists = await Promise.all(
    [0, 1].map(async (shard) => {
      const client = await connectOn(shard, () => connectLegacy(gateway.url));
      client.v1.setNotificationHandler(PromptListChangedNotificationSchema, () => undefined);
      return {
        prompts: (await client.sdk.listPrompts()).prompts.map(({ name }) => name),
        resources: (await client.sdk.listResources()).resources.map(({ uri }) => uri),
        tools: (await client.sdk.listTools()).tools.map(({ name }) => name),
      };
    }),
  );
  expect(lists[0]).toEqual(lists[1]);
  expect(lists[0]!.prompts).toEqual(['stdio_greet', 'json_greet', 'events_greet', 'v2_greet']);
  expect(lists[0]!.resources).toEqual(['note://one']);
  expect(new Set(lists[0]!.tools).size).toBe(lists[0]!.tools.length);
});
