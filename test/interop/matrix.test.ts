/**
 * Every official client against a server of every official package, on both wires, through the
 * aggregated endpoint and through each server's own. One gateway has all of them behind it.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { CLIENTS, closeClients, textOf, type AnyClient } from './support/clients.ts';
import { TestGateway } from './support/gateway.ts';
import {
  everythingHttp,
  everythingStdio,
  stopServers,
  v1Events,
  v1Json,
  v1Stdio,
  v2Http,
  v2HttpModernOnly,
  v2Stdio,
  v2StdioModernOnly,
} from './support/servers.ts';

const OFFERED = ['echo', 'count', 'wait', 'journal', 'log', 'fail'];
const KITS = [
  'v1-stdio',
  'v1-json',
  'v1-events',
  'v2-stdio',
  'v2-http',
  'v2-only',
  'v2-only-stdio',
];

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({
    upstreams: {
      'v1-stdio': v1Stdio(),
      'v1-json': await v1Json(),
      'v1-events': await v1Events(),
      'v2-stdio': v2Stdio(),
      'v2-http': await v2Http(),
      'v2-only': await v2HttpModernOnly(),
      'v2-only-stdio': v2StdioModernOnly(),
      'all-stdio': everythingStdio(),
      'all-http': await everythingHttp(),
    },
    // Both have the same resources: the first that lists one serves it.
  });
});
afterEach(closeClients);
afterAll(async () => {
  await gateway?.stop();
  await stopServers();
});

/** All that a server of ours offers, under the names that an endpoint gives it. */
async function useAll(client: AnyClient, prefix: string, isV1: boolean): Promise<void> {
  const { sdk } = client;
  const tools = (await sdk.listTools()).tools.map(({ name }) => name);
  expect(tools).toEqual(expect.arrayContaining(OFFERED.map((name) => prefix + name)));

  expect(textOf(await client.call(`${prefix}echo`, { say: 'é "quoted"\n' }))).toBe('é "quoted"\n');
  expect(await client.call(`${prefix}fail`)).toMatchObject({ isError: true });
  // An unknown tool is a protocol error; what stands behind 1.x makes it a tool error.
  const refusal = await client.call(`${prefix}nothing`).catch((error: unknown) => error);
  expect(refusal).toMatchObject(isV1 ? { isError: true } : { code: -32602 });

  const { prompts } = await sdk.listPrompts();
  expect(prompts.map(({ name }) => name)).toContain(`${prefix}greet`);
  const greeting = await sdk.getPrompt({ name: `${prefix}greet`, arguments: { name: 'ada' } });
  expect(JSON.stringify(greeting.messages)).toContain('Greet ada.');

  const ref = { type: 'ref/prompt', name: `${prefix}greet` } as const;
  const found = await sdk.complete({ ref, argument: { name: 'name', value: 'a' } });
  expect(found.completion.values).toEqual(['ada', 'alan']);

  const steps: number[] = [];
  const counted = await client.call(
    `${prefix}count`,
    { steps: 3 },
    { onprogress: ({ progress }) => steps.push(progress) },
  );
  expect(textOf(counted)).toBe('3 steps');
  // The clients forget whom to tell once a result arrives in the same read as the progress.
  expect(steps).toEqual([1, 2, 3].slice(0, steps.length));

  const { resources } = await sdk.listResources();
  expect(resources.map(({ uri }) => uri)).toContain('note://one');
  const { resourceTemplates } = await sdk.listResourceTemplates();
  expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toContain('note://by/{name}');
  for (const [uri, text] of [
    ['note://one', 'a note on one'],
    ['note://by/ada', 'a note on ada'],
  ] as const) {
    const { contents } = await sdk.readResource({ uri });
    expect(contents).toEqual([expect.objectContaining({ uri, text })]);
  }
  const template = { type: 'ref/resource', uri: 'note://by/{name}' } as const;
  const names = await sdk.complete({ ref: template, argument: { name: 'name', value: 'g' } });
  expect(names.completion.values).toEqual(['grace']);

  for (const uri of ['note://none', 'note://by/nobody']) {
    const missing = await sdk.readResource({ uri }).catch((error: unknown) => error);
    const { code } = missing as { code: number };
    // -32002 is what it was before 2026-07-28, where it must not be sent any more.
    expect(client.revision === '2026-07-28' ? [-32602] : [-32602, -32002]).toContain(code);
  }
}

describe.each(CLIENTS)('$name', ({ connect, era }) => {
  it.each(KITS)('uses all that %s has, under its own names', async (name) => {
    const client = await connect(`${gateway.url}/${name}`);
    expect(client.revision).toBe(era === 'modern' ? '2026-07-28' : '2025-11-25');
    await useAll(client, '', name.startsWith('v1'));
  });

  it.each(KITS)('uses all that %s has, on the endpoint of all', async (name) => {
    const client = await connect(gateway.url);
    await useAll(client, `${name}_`, name.startsWith('v1'));
  });

  it.each(['all-stdio', 'all-http'])('uses the everything server as %s', async (name) => {
    const alone = await connect(`${gateway.url}/${name}`);
    const { tools } = await alone.sdk.listTools();
    expect(tools.map((tool) => tool.name)).toEqual(expect.arrayContaining(['echo', 'get-sum']));
    expect(textOf(await alone.call('echo', { message: 'hi' }))).toBe('Echo: hi');

    const whole = await connect(gateway.url);
    expect(textOf(await whole.call(`${name}_get-sum`, { a: 2, b: 40 }))).toContain('42');
    const prompt = await whole.sdk.getPrompt({
      name: `${name}_args-prompt`,
      arguments: { city: 'Bern' },
    });
    expect(JSON.stringify(prompt.messages)).toContain('Bern');
    const { resources } = await alone.sdk.listResources();
    const first = resources[0]!;
    const { contents } = await alone.sdk.readResource({ uri: first.uri });
    expect(contents[0]).toMatchObject({ uri: first.uri });
  });
});
