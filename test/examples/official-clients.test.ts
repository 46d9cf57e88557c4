/** The example servers as the official clients see them: both packages, both eras, both transports. */
import {
  Client as ModernClient,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as LegacyStdioTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as LegacyHttpTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { type ExampleProcess, examplePath, startData } from './example-process.ts';

const INFO = { name: 'test-client', version: '1.2.3' };

/** What both packages' clients can do, as far as it is used here. */
type AnyClient = Pick<
  ModernClient,
  | 'listTools'
  | 'callTool'
  | 'listResources'
  | 'readResource'
  | 'listPrompts'
  | 'getPrompt'
  | 'complete'
  | 'close'
>;

interface Kind {
  readonly name: string;
  readonly revision: string;
  connect(target: { example: string } | { url: string }): Promise<AnyClient>;
}

/** A minor release of either package changes types that are of no concern here. */
const asAny = (client: unknown): AnyClient => client as AnyClient;

const modern = (mode: 'legacy' | 'auto' | { pin: string }, revision: string): Kind => ({
  name: `client 2.x, ${typeof mode === 'string' ? mode : 'pinned'}`,
  revision,
  async connect(target) {
    const client = new ModernClient(INFO, { versionNegotiation: { mode } });
    await client.connect(
      'url' in target
        ? new StreamableHTTPClientTransport(new URL(target.url))
        : new StdioClientTransport({
            command: process.execPath,
            args: [examplePath(target.example)],
          }),
    );
    expect(client.getNegotiatedProtocolVersion()).toBe(revision);
    return asAny(client);
  },
});

const KINDS: Kind[] = [
  modern('auto', '2026-07-28'),
  modern({ pin: '2026-07-28' }, '2026-07-28'),
  modern('legacy', '2025-11-25'),
  {
    name: 'sdk 1.x',
    revision: '2025-11-25',
    async connect(target) {
      const client = new LegacyClient(INFO);
      await client.connect(
        // The package was not written for exactOptionalPropertyTypes.
        ('url' in target
          ? new LegacyHttpTransport(new URL(target.url))
          : new LegacyStdioTransport({
              command: process.execPath,
              args: [examplePath(target.example)],
            })) as Parameters<LegacyClient['connect']>[0],
      );
      // Its second parameter is a schema for the result; the default does.
      const callTool: AnyClient['callTool'] = (params, options) =>
        client.callTool(params, undefined, options as object) as ReturnType<AnyClient['callTool']>;
      return Object.assign(asAny(Object.create(client)), { callTool });
    },
  },
];

let data: { url: string; server: ExampleProcess };
let client: AnyClient | null = null;
beforeAll(async () => {
  data = await startData();
});
afterAll(() => data.server.stop());
afterEach(async () => {
  await client?.close();
  client = null;
});

describe.each(KINDS)('examples with $name', ({ connect, revision }) => {
  it('math computes, with structured results and tool errors', async () => {
    client = await connect({ example: 'math.js' });
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['add', 'subtract', 'multiply', 'divide']);

    const call = async (name: string, a: unknown, b: unknown): Promise<unknown> =>
      (await client?.callTool({ name, arguments: { a, b } }))?.structuredContent;
    expect(await call('add', 2, 40)).toEqual({ result: 42 });
    expect(await call('subtract', 2, 40)).toEqual({ result: -38 });
    expect(await call('multiply', 6, 7)).toEqual({ result: 42 });
    expect(await call('divide', 1, 8)).toEqual({ result: 0.125 });

    const broken = await client.callTool({ name: 'divide', arguments: { a: 1, b: 0 } });
    expect(broken).toMatchObject({ isError: true, content: [{ text: 'division by zero' }] });
    const wrong = await client.callTool({ name: 'add', arguments: { a: 1, b: 'two' } });
    expect(wrong).toMatchObject({
      isError: true,
      content: [{ text: 'argument must be of type number: b' }],
    });
    await expect(client.callTool({ name: 'power', arguments: {} })).rejects.toMatchObject({
      code: -32602,
    });
  });

  it('data lists, reads, asks, queries and completes', async () => {
    client = await connect({ url: data.url });
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toEqual([
      'data://users',
    ]);
    const { contents } = await client.readResource({ uri: 'data://users/3' });
    expect(JSON.parse((contents[0] as { text: string }).text)).toMatchObject({
      name: 'Alan Turing',
    });
    await expect(client.readResource({ uri: 'data://users/99' })).rejects.toMatchObject({
      data: { uri: 'data://users/99' },
    });

    expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual([
      'introduce_user',
      'summarize_users',
    ]);
    const prompt = await client.getPrompt({ name: 'introduce_user', arguments: { id: '5' } });
    expect(JSON.stringify(prompt.messages)).toContain('Emmy Noether');
    await expect(client.getPrompt({ name: 'introduce_user' })).rejects.toMatchObject({
      code: -32602,
    });

    const found = await client.callTool({
      name: 'query',
      arguments: { field: 'city', contains: 'GÖT' },
    });
    expect(found.structuredContent).toMatchObject({ total: 1, users: [{ name: 'Emmy Noether' }] });

    const byTemplate = { type: 'ref/resource', uri: 'data://users/{id}' } as const;
    const ids = await client.complete({ ref: byTemplate, argument: { name: 'id', value: '' } });
    expect(ids.completion.values).toEqual(['1', '2', '3', '4', '5']);
    const byPrompt = { type: 'ref/prompt', name: 'summarize_users' } as const;
    const styles = await client.complete({
      ref: byPrompt,
      argument: { name: 'style', value: 'r' },
    });
    expect(styles.completion.values).toEqual(['rhyming']);
  });

  it('admin reports progress and knows who asks', async () => {
    client = await connect({ example: 'admin.js' });
    const steps: number[] = [];
    const check = await client.callTool(
      { name: 'run_check', arguments: { steps: 4 } },
      { onprogress: ({ progress }) => steps.push(progress) },
    );
    expect(check.structuredContent).toEqual({ steps: 4, healthy: true });
    // The clients forget whom to tell once a result arrives in the same read as the progress.
    expect(steps).toEqual([1, 2, 3, 4].slice(0, steps.length));

    const who = await client.callTool({ name: 'whoami', arguments: {} });
    expect(who.structuredContent).toMatchObject({ client: INFO, revision });
    const status = await client.callTool({ name: 'server_status', arguments: {} });
    expect(status.structuredContent).toMatchObject({ node: process.version });
  });
});

it('admin logs from the level on that a legacy client set', async () => {
  const legacy = new LegacyClient(INFO);
  const logged: unknown[] = [];
  legacy.setNotificationHandler(
    LoggingMessageNotificationSchema,
    ({ params }) => void logged.push(params.data),
  );
  await legacy.connect(
    new LegacyStdioTransport({ command: process.execPath, args: [examplePath('admin.js')] }),
  );
  await legacy.callTool({ name: 'run_check', arguments: { steps: 1 } });
  await legacy.setLoggingLevel('error');
  await legacy.callTool({ name: 'run_check', arguments: { steps: 1 } });
  await legacy.close();
  expect(logged).toEqual(['check begins: steps=1', 'check ends']);
});
