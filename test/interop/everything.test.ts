/**
 * The everything server of the protocol's own repository, which nobody here wrote and nothing here can
 * change, in front of which stands the gateway: what it asks and tells its clients.
 */
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { closeClients, connectLegacy, connectOn, textOf } from './support/clients.ts';
import { SHARDS, TestGateway } from './support/gateway.ts';
import { everythingHttp, everythingStdio, stopServers } from './support/servers.ts';
import { until } from './support/until.ts';

type Client = Awaited<ReturnType<typeof connectLegacy>>;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({
    upstreams: { stdio: everythingStdio(), http: await everythingHttp() },
  });
});
afterEach(closeClients);
afterAll(async () => {
  await gateway?.stop();
  await stopServers();
});

/** A client that answers whatever it is asked. */
function answering(client: Client): Client {
  client.v1.setRequestHandler(CreateMessageRequestSchema, () => ({
    model: 'm',
    role: 'assistant',
    content: { type: 'text', text: 'a sample' },
  }));
  client.v1.setRequestHandler(ElicitRequestSchema, () => ({
    action: 'accept',
    content: { name: 'Ada', check: true },
  }));
  client.v1.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///srv' }] }));
  return client;
}

const far = async (): Promise<Client> =>
  answering(
    await connectOn((gateway.ownerOf('stdio') + 1) % SHARDS, () =>
      connectLegacy(`${gateway.url}/stdio`),
    ),
  );

const PLACES: [string, () => Promise<Client>][] = [
  ['over stdio from the other shard', far],
  ['over HTTP', async () => answering(await connectLegacy(`${gateway.url}/http`))],
];

describe.each(PLACES)('the everything server %s', (_name, connect) => {
  it('lists the tools that need a client which can be asked, and asks it', async () => {
    const client = await connect();
    const tools = (await client.sdk.listTools()).tools.map(({ name }) => name);
    expect(tools).toEqual(
      expect.arrayContaining(['trigger-sampling-request', 'trigger-elicitation-request']),
    );
    const sampled = await client.call('trigger-sampling-request', { prompt: 'p', maxTokens: 9 });
    expect(textOf(sampled)).toContain('a sample');
    const elicited = await client.call('trigger-elicitation-request');
    expect(JSON.stringify(elicited)).toContain('Ada');
  });

  it('reports progress of a long operation', async () => {
    const client = await connect();
    const steps: number[] = [];
    const done = await client.call(
      'trigger-long-running-operation',
      { duration: 0.2, steps: 4 },
      { onprogress: ({ progress }) => steps.push(progress) },
    );
    expect(textOf(done)).toContain('Long running operation completed');
    expect(steps).toEqual([1, 2, 3, 4].slice(0, steps.length));
    expect(steps.length).toBeGreaterThan(0);
  });

  it('returns images, links, embedded resources and structured content as they are', async () => {
    const client = await connect();
    const types = async (name: string, args = {}): Promise<string[]> =>
      (await client.call(name, args)).content.map(({ type }) => type);
    expect(await types('get-tiny-image')).toContain('image');
    expect(await types('get-resource-links', { count: 2 })).toContain('resource_link');
    expect(
      await types('get-resource-reference', { resourceType: 'Text', resourceId: 1 }),
    ).toContain('resource');
    const weather = await client.call('get-structured-content', { location: 'Chicago' });
    expect(weather.structuredContent).toMatchObject({ conditions: expect.any(String) as string });
  });

  it('completes arguments of prompts and templates', async () => {
    const client = await connect();
    const { prompts } = await client.sdk.listPrompts();
    expect(prompts.map(({ name }) => name)).toContain('completable-prompt');
    const ref = { type: 'ref/prompt', name: 'completable-prompt' } as const;
    const found = await client.sdk.complete({ ref, argument: { name: 'department', value: 'E' } });
    expect(found.completion.values).toEqual(['Engineering']);
    const { resourceTemplates } = await client.sdk.listResourceTemplates();
    expect(resourceTemplates.length).toBeGreaterThan(0);
  });

  it('tells of resources that a session subscribed to', async () => {
    const client = await connect();
    const updates: string[] = [];
    const logged: unknown[] = [];
    client.v1.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => {
      updates.push(params.uri);
    });
    client.v1.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
      logged.push(params.data);
    });
    const uri = 'demo://resource/dynamic/text/1';
    await client.v1.subscribeResource({ uri });
    await client.call('toggle-subscriber-updates');
    await until(() => updates.includes(uri));
    await client.call('toggle-subscriber-updates');
  });
});
