/**
 * Modern traffic, complete: over stdio, where one process serves both shards, and over HTTP. What a
 * request's own stream carries, what a listen stream carries, and what closing a stream means.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { closeClients, connectModern, textOf } from './support/clients.ts';
import { TestGateway } from './support/gateway.ts';
import { envelope, modern, MODERN, type RpcMessage } from './support/raw.ts';
import { stopServers, v2HttpModernOnly, v2StdioModernOnly } from './support/servers.ts';
import { until } from './support/until.ts';

const UPSTREAMS = ['stdio', 'http'];
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

let gateway: TestGateway;
let count = 0;

beforeAll(async () => {
  gateway = await TestGateway.start({
    upstreams: { stdio: v2StdioModernOnly(), http: await v2HttpModernOnly() },
  });
});
afterEach(async () => {
  for (const listen of listens.splice(0)) await listen.close();
  await closeClients();
});
afterAll(async () => {
  await gateway?.stop();
  await stopServers();
});

const connect = (path = ''): ReturnType<typeof connectModern> =>
  connectModern(gateway.url + path, { pin: MODERN });

type Client = Awaited<ReturnType<typeof connect>>;

interface Journal {
  readonly cancelled: string[];
  readonly waits: string[];
}

const journal = async (client: Client): Promise<Journal> =>
  JSON.parse(textOf(await client.call('journal'))) as Journal;

/** A `subscriptions/listen` stream, message by message. */
class Listen {
  readonly messages: RpcMessage[] = [];
  readonly status: number;
  readonly #controller: AbortController;
  readonly #read: Promise<void>;

  constructor(response: Response, controller: AbortController) {
    this.status = response.status;
    this.#controller = controller;
    this.#read = this.#readAll(response).catch(() => undefined); // closed
  }

  static async open(url: string, id: string | number, notifications: unknown): Promise<Listen> {
    const controller = new AbortController();
    const method = 'subscriptions/listen';
    const response = await fetch(url, {
      method: 'POST',
      signal: controller.signal,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': MODERN,
        'mcp-method': method,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id,
        method,
        params: { notifications, _meta: envelope() },
      }),
    });
    const listen = new Listen(response, controller);
    listens.push(listen);
    await listen.has((message) => message.method === 'notifications/subscriptions/acknowledged');
    return listen;
  }

  async has(test: (message: RpcMessage) => boolean): Promise<RpcMessage> {
    return until(() => this.messages.find(test));
  }

  async close(): Promise<void> {
    this.#controller.abort();
    await this.#read;
  }

  async #readAll(response: Response): Promise<void> {
    let text = '';
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const events = text.split('\n\n');
      text = events.pop()!;
      for (const event of events) {
        const data = /^data: (.+)$/m.exec(event);
        if (data !== null) this.messages.push(JSON.parse(data[1]!) as RpcMessage);
      }
    }
  }
}

const listens: Listen[] = [];

describe.each(UPSTREAMS)('modern, %s', (upstream) => {
  // Calls are dealt out in turn, so two of a kind go to both shards.
  it('passes progress in order, under its own token', async () => {
    const url = `${gateway.url}/${upstream}`;
    for (const token of ['p-1', 7]) {
      const { events } = await modern(
        url,
        'tools/call',
        { name: 'count', arguments: { steps: 4 } },
        {},
        envelope({ ':progressToken': token }),
        'c',
      );
      expect(
        events.map(({ method, params }) => [
          method,
          params?.['progressToken'],
          params?.['progress'],
        ]),
      ).toEqual([
        ...[1, 2, 3, 4].map((step) => ['notifications/progress', token, step]),
        [undefined, undefined, undefined],
      ]);
      expect(events.at(-1)).toMatchObject({ id: 'c', result: { resultType: 'complete' } });
    }
    // Nobody asked for progress: one plain answer.
    const quiet = await modern(url, 'tools/call', { name: 'count', arguments: { steps: 4 } });
    expect(quiet.events).toHaveLength(1);
  });

  it('passes log messages to the request that asked for that level', async () => {
    const url = `${gateway.url}/${upstream}`;
    const log = (level: string, meta: Record<string, unknown>): ReturnType<typeof modern> =>
      modern(
        url,
        'tools/call',
        { name: 'log', arguments: { level, data: 'x' } },
        {},
        envelope(meta),
      );
    for (const [level, meta, lines] of [
      ['error', { logLevel: 'warning' }, 1],
      ['info', { logLevel: 'warning' }, 0],
      ['error', {}, 0],
    ] as const) {
      const { events } = await log(level, meta);
      expect(events.filter(({ method }) => method === 'notifications/message')).toHaveLength(lines);
    }
  });

  it('takes the end of a stream for a cancellation and tells the server', async () => {
    const clients = await Promise.all([connect(`/${upstream}`), connect(`/${upstream}`)]);
    const tags = clients.map(() => `wait ${(count += 1)} ${upstream}`);
    const controllers = clients.map(() => new AbortController());
    const calls = clients.map((client, i) =>
      client.call('wait', { tag: tags[i]! }, { signal: controllers[i]!.signal }),
    );
    for (const call of calls) call.catch(() => undefined);
    await until(async () => {
      const { waits } = await journal(clients[0]!);
      return tags.every((tag) => waits.includes(tag));
    });
    for (const controller of controllers) controller.abort();
    await Promise.all(calls.map((call) => expect(call).rejects.toThrow()));
    await until(async () => {
      const { cancelled } = await journal(clients[0]!);
      return tags.every((tag) => cancelled.includes(tag));
    });
  });

  it('asks the client through results that require input, with the state as it was given', async () => {
    const client = await connect(`/${upstream}`);
    const asked: unknown[] = [];
    client.sdk.setRequestHandler('elicitation/create', ({ params }) => {
      asked.push(params.message);
      return { action: 'accept', content: { name: 'Ada' } };
    });
    for (let round = 0; round < 2; round += 1)
      expect(textOf(await client.call('ask_user'))).toBe('hello Ada, round one');
    expect(asked).toEqual(['your name?', 'your name?']);
  });

  it('says 400 and -32021 where a capability that the server needs was not declared', async () => {
    const params = { name: 'ask_user', arguments: {} };
    const { status, message } = await modern(`${gateway.url}/${upstream}`, 'tools/call', params);
    expect(status).toBe(400);
    expect(message?.error).toMatchObject({
      code: -32021,
      data: { requiredCapabilities: { elicitation: {} } },
    });
  });

  it('tells every listen stream of both shards about a new tool, under its own id', async () => {
    const client = await connect(`/${upstream}`);
    const wanted = { toolsListChanged: true };
    const streams = [
      await Listen.open(`${gateway.url}/${upstream}`, 'sub-1', wanted),
      await Listen.open(`${gateway.url}/${upstream}`, 2, wanted),
      await Listen.open(gateway.url, 'sub-3', wanted),
      await Listen.open(gateway.url, 4, { ...wanted, promptsListChanged: true, nonsense: true }),
    ];
    const deaf = await Listen.open(gateway.url, 'deaf', { promptsListChanged: true });
    const name = `late_${(count += 1)}`;
    await client.call('grow', { name });
    for (const [index, id] of ['sub-1', 2, 'sub-3', 4].entries()) {
      const listen = streams[index]!;
      const news = await listen.has(({ method }) => method === 'notifications/tools/list_changed');
      expect(news.params?.['_meta']).toEqual({ [SUBSCRIPTION]: id });
      expect(listen.messages[0]).toMatchObject({
        method: 'notifications/subscriptions/acknowledged',
        params: { _meta: { [SUBSCRIPTION]: id } },
      });
    }
    expect(streams[0]!.messages[0]?.params?.['notifications']).toEqual(wanted);
    expect(streams[3]!.messages[0]?.params?.['notifications']).toEqual({
      ...wanted,
      promptsListChanged: true,
    });
    expect(deaf.messages).toHaveLength(1);
    // Both shards have the new list by the time they said so.
    for (let calls = 0; calls < 4; calls += 1) {
      const { message } = await modern(gateway.url, 'tools/list');
      const names = (message?.result?.['tools'] as { name: string }[]).map((tool) => tool.name);
      expect(names).toContain(`${upstream}_${name}`);
    }
  });

  it('passes on that a list changed even if it turns out the same', async () => {
    const client = await connect(`/${upstream}`);
    const wanted = { toolsListChanged: true };
    const streams = [
      await Listen.open(gateway.url, 's-1', wanted),
      await Listen.open(gateway.url, 's-2', wanted),
    ];
    await client.call('announce');
    for (const listen of streams)
      await listen.has(({ method }) => method === 'notifications/tools/list_changed');
  });

  it('tells of resources that a listen stream asked for, and of no others', async () => {
    const client = await connect(`/${upstream}`);
    const url = `${gateway.url}/${upstream}`;
    const streams = [
      await Listen.open(url, 'r-1', { resourceSubscriptions: ['note://one', 'note://by/ada'] }),
      await Listen.open(url, 'r-2', { resourceSubscriptions: ['note://one'] }),
    ];
    expect(streams[0]!.messages[0]?.params?.['notifications']).toEqual({
      resourceSubscriptions: ['note://one', 'note://by/ada'],
    });
    await until(async () => {
      await client.call('touch', { uri: 'note://one' });
      return streams.every((listen) => listen.messages.length > 1);
    });
    await client.call('touch', { uri: 'note://by/ada' });
    await streams[0]!.has(({ params }) => params?.['uri'] === 'note://by/ada');
    for (const [index, id] of ['r-1', 'r-2'].entries()) {
      expect(streams[index]!.messages[1]).toMatchObject({
        method: 'notifications/resources/updated',
        params: { uri: 'note://one', _meta: { [SUBSCRIPTION]: id } },
      });
    }
    const heard = streams[1]!.messages.map(({ params }) => params?.['uri']);
    expect(heard).not.toContain('note://by/ada');
  });
});

it('is heard by the official client that listens on its own', async () => {
  const heard: string[] = [];
  const clients = await Promise.all(
    ['', '', '/stdio', '/stdio'].map(async (path, index) => {
      const client = await connect(path);
      client.sdk.setNotificationHandler('notifications/tools/list_changed', () => {
        heard.push(String(index));
      });
      await client.sdk.listen({ toolsListChanged: true });
      return client;
    }),
  );
  await clients[2]!.call('grow', { name: `late_${(count += 1)}` });
  await until(() => new Set(heard).size === clients.length);
});

it('ends a listen stream in good order when the gateway stops', async () => {
  const own = await TestGateway.start({ upstreams: { http: await v2HttpModernOnly() } });
  try {
    const listen = await Listen.open(own.url, 'last', { toolsListChanged: true });
    const stopped = own.stop();
    const end = await listen.has(({ id }) => id === 'last');
    expect(end.result).toEqual({ resultType: 'complete', _meta: { [SUBSCRIPTION]: 'last' } });
    expect(await stopped).toBe(0);
  } finally {
    await own.stop();
  }
});
