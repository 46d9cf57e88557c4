/** What the example servers answer to bytes that no well-behaved client sends. */
import { request } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { ExampleProcess, startData } from './example-process.ts';

const ENVELOPE = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

let data: { url: string; server: ExampleProcess };
let example: ExampleProcess | null = null;
beforeAll(async () => {
  data = await startData();
});
afterAll(() => data.server.stop());
afterEach(async () => {
  await example?.stop();
  example = null;
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
}

function post(
  body: string | object,
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request(
      data.url,
      { method, headers: { 'content-type': 'application/json', ...headers } },
      (reply) => {
        const parts: Buffer[] = [];
        reply.on('data', (part: Buffer) => parts.push(part));
        reply.on('end', () =>
          resolve({
            status: reply.statusCode ?? 0,
            headers: reply.headers,
            text: Buffer.concat(parts).toString(),
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(text);
  });
}

const code = (answer: Answer): unknown =>
  (JSON.parse(answer.text) as { error?: { code: number } }).error?.code;

const modern = (method: string, params: object = {}): object => ({
  jsonrpc: '2.0',
  id: 1,
  method,
  params: { ...params, _meta: ENVELOPE },
});

const MODERN_HEADERS = { 'mcp-protocol-version': '2026-07-28' };

describe('an example over HTTP', () => {
  it.each([
    ['bad JSON', '{"jsonrpc":', {}, 400, -32700],
    ['no message', '"text"', {}, 400, -32600],
    ['null as id', { jsonrpc: '2.0', id: null, method: 'ping' }, {}, 400, -32600],
    ['a foreign Origin', {}, { origin: 'https://evil.example' }, 403, -32000],
    ['a foreign Host', {}, { host: 'evil.example' }, 403, -32000],
    ['another media type', {}, { 'content-type': 'text/plain' }, 415, -32000],
    ['a batch of today', '[]', { 'mcp-protocol-version': '2025-11-25' }, 400, -32600],
    [
      'an unknown revision',
      { jsonrpc: '2.0', id: 1, method: 'ping' },
      { 'mcp-protocol-version': '2001-01-01' },
      400,
      -32000,
    ],
    ['an unknown legacy method', { jsonrpc: '2.0', id: 1, method: 'x/y' }, {}, 200, -32601],
    [
      'an unknown modern method',
      modern('x/y'),
      { ...MODERN_HEADERS, 'mcp-method': 'x/y' },
      404,
      -32601,
    ],
    [
      'a legacy method of the modern era',
      modern('ping'),
      { ...MODERN_HEADERS, 'mcp-method': 'ping' },
      404,
      -32601,
    ],
    ['no revision header', modern('tools/list'), { 'mcp-method': 'tools/list' }, 400, -32020],
    [
      'a wrong method header',
      modern('tools/list'),
      { ...MODERN_HEADERS, 'mcp-method': 'ping' },
      400,
      -32020,
    ],
    [
      'no name header',
      modern('tools/call', { name: 'query' }),
      { ...MODERN_HEADERS, 'mcp-method': 'tools/call' },
      400,
      -32020,
    ],
    ['no envelope', { jsonrpc: '2.0', id: 1, method: 'tools/list' }, MODERN_HEADERS, 400, -32602],
    [
      'a bad cursor',
      modern('tools/list', { cursor: '' }),
      { ...MODERN_HEADERS, 'mcp-method': 'tools/list' },
      200,
      -32602,
    ],
  ])('refuses %s', async (_, body, headers, status, error) => {
    const answer = await post(body, headers as Record<string, string>);
    expect([answer.status, code(answer)]).toEqual([status, error]);
  });

  it('names the revisions it speaks to a client of the future', async () => {
    const meta = { ...ENVELOPE, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' };
    const body = { jsonrpc: '2.0', id: 7, method: 'tools/list', params: { _meta: meta } };
    const answer = await post(body, {
      'mcp-protocol-version': '2099-01-01',
      'mcp-method': 'tools/list',
    });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({
      id: 7,
      error: { code: -32022, data: { supported: ['2026-07-28'], requested: '2099-01-01' } },
    });
  });

  it('reads a name that does not fit a header field', async () => {
    const uri = 'data://users/ü';
    const answer = await post(modern('resources/read', { uri }), {
      ...MODERN_HEADERS,
      'mcp-method': 'resources/read',
      'mcp-name': `=?base64?${Buffer.from(uri).toString('base64')}?=`,
    });
    expect([answer.status, code(answer)]).toEqual([200, -32602]);
  });

  it('answers a batch of 2025-03-26, and notifications with 202', async () => {
    const ping = (id: number): object => ({ jsonrpc: '2.0', id, method: 'ping' });
    const note = { jsonrpc: '2.0', method: 'notifications/initialized' };
    const batch = await post([ping(1), note, ping(2)]);
    expect(JSON.parse(batch.text)).toMatchObject([{ id: 1 }, { id: 2 }]);
    expect((await post([note])).status).toBe(202);
    expect((await post(note)).status).toBe(202);
    expect((await post([ping(1), { jsonrpc: '2.0', id: 2, method: 'initialize' }])).status).toBe(
      400,
    );
  });

  it.each([
    ['with a declared length', {}],
    ['in chunks', { 'transfer-encoding': 'chunked' }],
  ])('refuses a body of more than 4 MiB %s', async (_, headers) => {
    const answer = await post('x'.repeat(4 * 1024 * 1024 + 1), headers).catch(
      (error: NodeJS.ErrnoException) => error,
    );
    // The refusal may overtake the body, and a client may then find the connection closed.
    if (answer instanceof Error) expect(['EPIPE', 'ECONNRESET']).toContain(answer.code);
    else expect(answer.status).toBe(413);
    expect((await post({ jsonrpc: '2.0', id: 1, method: 'ping' })).status).toBe(200);
  });

  it('allows POST alone', async () => {
    for (const method of ['GET', 'DELETE']) {
      const answer = await post('', {}, method);
      expect([answer.status, answer.headers['allow']]).toEqual([405, 'POST']);
    }
  });

  it('says why it cannot listen', async () => {
    example = new ExampleProcess('data.js', ['--port', new URL(data.url).port]);
    expect((await example.exited)[0]).toBe(1);
    expect(example.errors.join('')).toMatch(/cannot listen on port \d+: EADDRINUSE/);
  });

  it('ends with its stdin when asked to', async () => {
    example = new ExampleProcess('data.js', ['--port', '0', '--until-stdin-ends']);
    await example.line();
    example.process.stdin.end();
    expect(await example.exited).toEqual([0, null]);
  });
});

describe('an example over stdio', () => {
  it('answers bad lines and goes on', async () => {
    example = new ExampleProcess('math.js');
    example.send('{"jsonrpc":');
    example.send('');
    example.send({ jsonrpc: '2.0', id: null, method: 'ping' });
    example.send(`"${'x'.repeat(5 * 1024 * 1024)}"`);
    example.send({ jsonrpc: '2.0', id: 'α', method: 'ping' });
    const codes = [await example.message(), await example.message(), await example.message()];
    expect(codes.map((answer) => (answer['error'] as { code: number }).code)).toEqual([
      -32700, -32600, -32600,
    ]);
    expect(await example.message()).toEqual({ jsonrpc: '2.0', id: 'α', result: {} });
  });

  it('ends with its stdin, after it has answered', async () => {
    example = new ExampleProcess('math.js');
    for (let id = 1; id <= 100; id += 1) example.send({ jsonrpc: '2.0', id, method: 'ping' });
    example.process.stdin.end();
    for (let id = 1; id <= 100; id += 1) expect((await example.message())['id']).toBe(id);
    expect(await example.line()).toBe(null);
    expect(await example.exited).toEqual([0, null]);
  });

  it.each([
    ['legacy', {}],
    ['modern', { ...ENVELOPE, 'io.modelcontextprotocol/logLevel': 'info' }],
    ['modern, quiet', ENVELOPE],
  ])(
    'reports progress under the token it was given, and logs as far as asked (%s)',
    async (name, envelope) => {
      example = new ExampleProcess('admin.js');
      const params = {
        name: 'run_check',
        arguments: { steps: 2 },
        _meta: { ...envelope, progressToken: 'p' },
      };
      example.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
      const heard: unknown[] = [];
      for (;;) {
        const message = await example.message();
        if (message['id'] === 1) break;
        const {
          progressToken,
          progress,
          data: logged,
        } = message['params'] as Record<string, unknown>;
        heard.push(logged ?? [progressToken, progress]);
      }
      const progress = [['p', 1], ['p', 2]]; // prettier-ignore
      expect(heard).toEqual(
        name === 'modern, quiet' ? progress : ['check begins: steps=2', ...progress, 'check ends'],
      );
    },
  );

  it('stops a tool that its client cancelled', async () => {
    example = new ExampleProcess('admin.js');
    example.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'run_check', arguments: { steps: 1000 } } }); // prettier-ignore
    example.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    const started = await example.message();
    expect(started['method']).toBe('notifications/message');
    expect(await example.message()).toMatchObject({ id: 1, result: { isError: true } });
  });
});

describe('the example client', () => {
  it('lists and calls tools, and says what failed', async () => {
    example = new ExampleProcess('client.js', [data.url, 'query', '{"field":"id","contains":"1"}']);
    expect(await example.line()).toBe('tools: query');
    const rest: string[] = [];
    for (let line = await example.line(); line !== null; line = await example.line()) {
      rest.push(line);
    }
    expect(rest.join('\n')).toContain("name: 'Ada Lovelace'");
    expect(await example.exited).toEqual([0, null]);

    example = new ExampleProcess('client.js', [data.url, 'nope', '{}']);
    expect((await example.exited)[0]).toBe(1);
    expect(example.errors.join('')).toContain('failed: invalid params: unknown tool');
  });
});
