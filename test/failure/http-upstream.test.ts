/** HTTP servers that answer in every odd way, lie, hang, vanish and come back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Client, closeClients, messagesOf } from './support/client.ts';
import { RunningGateway, stopGateways } from './support/gateway.ts';
import { RogueHttp, pour, respond, stopRogues, whole } from './support/rogue-http.ts';
import type { RogueCall, RogueTool } from './support/rogue-http.ts';

afterEach(async () => {
  closeClients();
  await stopGateways();
  await stopRogues();
});

const event = (data: string): string => `event: message\r\ndata: ${data}\r\n\r\n`;
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const JSON_HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
const EVENT_HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n';
const progress = (call: RogueCall, value: number): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    method: 'notifications/progress',
    params: { progressToken: call.progressToken, progress: value },
  });

/** Every way to say the same, that a server may legally choose. */
const LEGAL: Record<string, RogueTool> = {
  plain: (call) => call.reply('ok'),
  drip: (call) => void call.connection.drip(whole(200, call.message('ok'))),
  chunked: ({ connection, message }) => {
    const text = message('ok');
    connection.write(`${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    for (const letter of text) connection.write(chunk(letter));
    connection.write('0\r\nTrailer: x\r\n\r\n');
  },
  close: ({ connection, message }) => {
    connection.write(`${JSON_HEAD}Connection: close\r\n\r\n${message('ok')}`);
    connection.socket.end();
  },
  'close-with-length': ({ connection, message }) => {
    connection.write(whole(200, message('ok'), ['Connection: close']));
    connection.socket.end();
  },
  old: ({ connection, message }) => {
    connection.write(`HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n${message('ok')}`);
    connection.socket.end();
  },
  events: ({ connection, message }) => {
    connection.write(`${EVENT_HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    connection.write(chunk(`: hello\r\nretry: 100\r\n\r\nid: 7\r\ndata:\r\n\r\n`));
    for (const letter of event(message('ok'))) connection.write(chunk(letter));
    connection.write('0\r\n\r\n');
  },
  'events-to-end': ({ connection, message }) => {
    connection.write(`${EVENT_HEAD}Connection: close\r\n\r\n${event(message('ok'))}`);
    connection.socket.end();
  },
  continue: ({ connection, message }) =>
    connection.write(
      Buffer.concat([Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'), whole(200, message('ok'))]),
    ),
  'is-error': (call) => call.reply('ok', { isError: true }),
};

/** What no server may do, and the code that the client reads. */
const ILLEGAL: Record<string, [number, RogueTool]> = {
  reset: [-31004, ({ connection }) => connection.reset()],
  'half-a-body': [
    -31004,
    ({ connection, message }) => {
      connection.write(whole(200, message('cut')).subarray(0, 150));
      setTimeout(() => connection.reset(), 20);
    },
  ],
  'end-without-event': [
    -31004,
    ({ connection }) => {
      connection.write(`${EVENT_HEAD}Connection: close\r\n\r\n: nothing\n\n`);
      connection.socket.end();
    },
  ],
  'wrong-id': [
    -31004,
    ({ connection }) => respond(connection, 200, '{"jsonrpc":"2.0","id":"x","result":{}}'),
  ],
  'wrong-type': [
    -31005,
    ({ connection }) =>
      connection.write(
        'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<ok>',
      ),
  ],
  'no-json': [-31005, ({ connection }) => respond(connection, 200, '{"jsonrpc":')],
  'no-http': [-31005, ({ connection }) => connection.write('SSH-2.0-OpenSSH_9.2\r\n\r\n')],
  accepted: [-31005, ({ connection }) => respond(connection, 202, '')],
  unauthorized: [
    -31008,
    ({ connection }) => respond(connection, 401, '', ['WWW-Authenticate: Bearer']),
  ],
  forbidden: [-31008, ({ connection }) => respond(connection, 403, '')],
  'too-many': [
    -31006,
    ({ connection }) => respond(connection, 429, 'slow down', ['Retry-After: 9']),
  ],
  broken: [-31006, ({ connection }) => respond(connection, 500, '<html>')],
  redirect: [
    -31006,
    ({ connection }) => respond(connection, 302, '', ['Location: http://169.254.169.254/']),
  ],
};

describe.each(['modern', 'legacy'] as const)('an HTTP upstream (%s)', (era) => {
  let rogue: RogueHttp;
  let gateway: RunningGateway;
  let client: Client;
  beforeEach(async () => {
    const tools: Record<string, RogueTool> = { ...LEGAL };
    for (const [name, [, tool]] of Object.entries(ILLEGAL)) tools[name] = tool;
    rogue = await RogueHttp.start({ era, tools });
    gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    client = new Client(gateway.url);
  });

  it('may answer in any legal way, in any order', async () => {
    const names = Object.keys(LEGAL);
    for (let round = 0; round < 6; round += 1) {
      const answers = await Promise.all(names.map((name) => client.call(`up_${name}`, { round })));
      answers.forEach((answer, i) => {
        expect(answer, names[i]!).toMatchObject({ result: { content: [{ text: 'ok' }] } });
      });
    }
    const is = await client.call('up_is-error');
    expect(is.result?.isError).toBe(true);
    expect(gateway.err).not.toMatch(/shard is lost/);
  });

  it('that breaks the rules costs that call alone, with a code of its own', async () => {
    for (let round = 0; round < 2; round += 1) {
      for (const [name, [code]] of Object.entries(ILLEGAL)) {
        const [bad, good] = await Promise.all([
          client.call(`up_${name}`, {}, name),
          client.text('up_plain'),
        ]);
        expect(bad, name).toMatchObject({ id: name, error: { code } });
        expect(good).toBe('ok');
      }
    }
    expect(gateway.err).not.toMatch(/shard is lost/);
  });
});

describe('an HTTP upstream', () => {
  it('that was restarted and forgot its sessions gets the call again, once, in a new one', async () => {
    const rogue = await RogueHttp.start({ era: 'legacy' });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const modern = new Client(gateway.url);
    const legacy = new Client(gateway.url);
    await legacy.initialize();
    for (const client of [modern, legacy]) {
      for (let round = 0; round < 3; round += 1) {
        expect(await client.text('up_echo', { round })).toBe(`{"round":${round}}`);
        rogue.forget();
        const before = rogue.calls.length;
        const answers = await Promise.all(
          Array.from({ length: 6 }, (_, i) => client.text('up_echo', { i })),
        );
        expect(answers).toEqual(answers.map((_, i) => `{"i":${i}}`));
        expect(rogue.calls.length - before).toBe(6); // executed once each
      }
    }
  });

  it('that closes idle connections loses no call, whenever it does', async () => {
    const rogue = await RogueHttp.start({ era: 'modern' });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const client = new Client(gateway.url);
    for (let round = 0; round < 20; round += 1) {
      expect(await client.text('up_echo', { round })).toBe(`{"round":${round}}`);
      for (const connection of rogue.server.connections) {
        if (round % 2 === 0) connection.socket.end();
        else connection.socket.destroy();
      }
      await Promise.all(rogue.server.connections.map((connection) => connection.closed));
    }
    expect(rogue.calls).toHaveLength(20);
  });

  it('that closes connections at random executes no call twice', async () => {
    const rogue = await RogueHttp.start({
      era: 'modern',
      tools: {
        random(call) {
          call.reply('ok');
          setTimeout(() => call.connection.socket.end(), (call.request.index * 7) % 30);
        },
      },
    });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const client = new Client(gateway.url);
    const seen = new Map<unknown, number>();
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 16 }, (_, i) => client.call('up_random', { n: `${round}/${i}` })),
      );
      // A close that crosses a request on its way leaves it in doubt, which is told, not hidden.
      for (const answer of answers) {
        if (answer.error !== undefined) expect(answer.error.code).toBe(-31004);
      }
    }
    for (const { args } of rogue.calls) seen.set(args['n'], (seen.get(args['n']) ?? 0) + 1);
    expect([...seen.values()].filter((count) => count > 1)).toEqual([]);
    expect(seen.size).toBeGreaterThan(200);
  });

  it('that says 400 for a lost session is taken at its word', async () => {
    let isLost = false;
    const rogue = await RogueHttp.start({
      era: 'legacy',
      intercept({ connection }, method) {
        if (!isLost || method !== 'tools/call') return false;
        isLost = false;
        const error = { code: -32000, message: 'Bad Request: No valid session ID provided' };
        respond(connection, 400, JSON.stringify({ jsonrpc: '2.0', id: null, error }));
        return true;
      },
    });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const client = new Client(gateway.url);
    expect(await client.text('up_echo', { a: 1 })).toBe('{"a":1}');
    isLost = true;
    expect(await client.text('up_echo', { a: 2 })).toBe('{"a":2}');
  });

  it('that hangs is given up at the request timeout; progress extends it, up to a cap', async () => {
    const rogue = await RogueHttp.start({
      era: 'modern',
      tools: {
        hang: () => undefined,
        slow: (call) => {
          call.connection.write(`${EVENT_HEAD}Connection: close\r\n\r\n`);
          let at = 0;
          const timer = setInterval(() => {
            at += 1;
            call.connection.write(event(progress(call, at)));
            if (at === 5) {
              clearInterval(timer);
              call.connection.write(event(call.message('slow but sure')));
              call.connection.socket.end();
            }
          }, 250);
        },
        forever: (call) => {
          call.connection.write(`${EVENT_HEAD}Connection: close\r\n\r\n`);
          let at = 0;
          const timer = setInterval(
            () => call.connection.write(event(progress(call, (at += 1)))),
            100,
          );
          void call.connection.closed.then(() => clearInterval(timer));
        },
      },
    });
    const up = { ...rogue.config, requestTimeoutMs: 400 };
    const gateway = await RunningGateway.start({ upstreams: { up } });
    const client = new Client(gateway.url);
    const withProgress = async (name: string): Promise<unknown> => {
      const params = { name, arguments: {}, _meta: { progressToken: 'token' } };
      const [body, send] = client.modern('tools/call', params, name);
      const parsed = JSON.parse(body) as { params: { _meta: object } };
      Object.assign(parsed.params._meta, { progressToken: 'token' });
      const answer = await client.post(JSON.stringify(parsed), send);
      return messagesOf(answer);
    };
    const started = performance.now();
    const forever = withProgress('up_forever').then(
      (messages) => [messages, performance.now() - started] as const,
    );
    expect(await client.call('up_hang', {}, 'hang')).toMatchObject({
      id: 'hang',
      error: { code: -31003 },
    });
    const slow = (await withProgress('up_slow')) as {
      params?: { progressToken: string };
      result?: object;
    }[];
    expect(slow).toHaveLength(6);
    expect(slow[0]?.params?.progressToken).toBe('token');
    expect(slow[5]).toMatchObject({
      id: 'up_slow',
      result: { content: [{ text: 'slow but sure' }] },
    });
    const [messages, tookMs] = await forever;
    expect((messages as object[]).at(-1)).toMatchObject({
      id: 'up_forever',
      error: { code: -31003 },
    });
    expect(tookMs).toBeGreaterThan(3900); // ten times the timeout
  });

  it('that is gone is refused, and works by itself when it is back', async () => {
    const first = await RogueHttp.start({ era: 'legacy' });
    const other = await RogueHttp.start({ era: 'modern' });
    const gateway = await RunningGateway.start({
      upstreams: { up: first.config, other: other.config },
    });
    const client = new Client(gateway.url);
    const legacy = new Client(gateway.url);
    await legacy.initialize();
    for (const caller of [client, legacy])
      expect(await caller.text('up_echo', { a: 1 })).toBe('{"a":1}');
    const { port } = first.server;
    await first.stop();
    for (let i = 0; i < 6; i += 1) {
      const answer = await client.call('up_echo', {}, i);
      expect(answer.id).toBe(i);
      expect([-31002, -31004]).toContain(answer.error?.code);
    }
    expect(await client.text('other_echo', { a: 2 })).toBe('{"a":2}');
    const second = await RogueHttp.start({ era: 'legacy' }, port);
    for (const caller of [client, legacy]) {
      await expect
        .poll(async () => caller.text('up_echo', { a: 3 }).catch(() => 'not yet'), {
          timeout: 8000,
        })
        .toBe('{"a":3}');
    }
    expect(second.calls.length).toBeGreaterThan(0);
  });

  it('that does not answer while it is being reached keeps no call longer than its timeout', async () => {
    const mute = await RogueHttp.start({ era: 'modern', intercept: () => true });
    const good = await RogueHttp.start({ era: 'modern' });
    const gateway = await RunningGateway.start(
      {
        timeouts: { listTimeoutMs: 300 },
        upstreams: { mute: { ...mute.config, requestTimeoutMs: 600 }, good: good.config },
        routes: [
          { tools: 'mute_*', upstream: 'mute' },
          { default: true, upstream: 'good' },
        ],
      },
      false,
    );
    const client = new Client(gateway.url);
    const calls = Array.from({ length: 8 }, (_, i) => client.call('mute_echo', {}, i));
    const started = performance.now();
    const [body, send] = client.modern('tools/list');
    expect((await client.post(body, send)).text).toContain('good_echo');
    expect(await client.text('good_echo', { a: 1 })).toBe('{"a":1}');
    const answers = await Promise.all(calls);
    for (const answer of answers) expect(answer.error?.code).toBe(-31003);
    // Far below the handshake's own 15 seconds.
    expect(performance.now() - started).toBeLessThan(8000);
  });

  it('gets no call twice because a client left while it waited for the upstream', async () => {
    let isOpen = false;
    const waiting: (() => void)[] = [];
    const rogue = await RogueHttp.start({
      era: 'modern',
      tools: { slow: (call) => void setTimeout(() => call.reply(String(call.args['n'])), 300) },
      intercept: ({ connection }, method, id) => {
        if (method !== 'server/discover' || isOpen) return false;
        const result = {
          resultType: 'complete',
          supportedVersions: ['2026-07-28'],
          capabilities: { tools: {} },
          ttlMs: 0,
          cacheScope: 'private',
        };
        waiting.push(() =>
          respond(connection, 200, JSON.stringify({ jsonrpc: '2.0', id, result })),
        );
        return true;
      },
    });
    const good = await RogueHttp.start({
      era: 'modern',
      tools: { slow: (call) => void setTimeout(() => call.reply(String(call.args['n'])), 1500) },
    });
    const gateway = await RunningGateway.start(
      {
        upstreams: { up: rogue.config, good: good.config },
        routes: [
          { tools: 'up_*', upstream: 'up' },
          { default: true, upstream: 'good' },
        ],
      },
      false,
    );
    const client = new Client(gateway.url);
    const abort = new AbortController();
    const left = Array.from({ length: 10 }, () => {
      const [body, send] = client.modern('tools/call', { name: 'up_slow', arguments: {} });
      return client.post(body, { ...send, signal: abort.signal }).catch(() => 'gone');
    });
    await client.text('good_echo'); // behind them on one shard or the other
    await client.text('good_echo');
    abort.abort();
    expect(new Set(await Promise.all(left))).toEqual(new Set(['gone']));
    await client.text('good_echo');
    await client.text('good_echo');
    // These take the exchange objects of those that left.
    const others = Array.from({ length: 20 }, (_, n) => client.text('good_slow', { n }));
    await good.called(4 + 19);
    isOpen = true;
    for (const open of waiting) open();
    expect(await Promise.all(others)).toEqual(others.map((_, n) => String(n)));
    expect(good.calls.filter((call) => call.args['n'] !== undefined)).toHaveLength(20);
    expect(await client.text('up_slow', { n: 5 })).toBe('5');
    expect(rogue.calls).toHaveLength(1);
  });
});

describe('a large body', () => {
  it('that an upstream pours in is complete at the client, whatever it ends with', async () => {
    const rogue = await RogueHttp.start({
      era: 'modern',
      tools: {
        cut: ({ connection, message }) => {
          const body = whole(200, message('z'.repeat(600_000)));
          void pour(connection, [body.subarray(0, 500_000)]).then(() => connection.reset());
        },
      },
    });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const client = new Client(gateway.url);
    // A body that broke off after it had begun must not look complete.
    // A reset may also overtake all of it: then nothing had begun, and the error can be told.
    const outcome = await client.call('up_cut').catch(() => null);
    if (outcome !== null) expect(outcome.error?.code).toBe(-31004);
    expect(await client.text('up_echo', { a: 1 })).toBe('{"a":1}');
  });
});
