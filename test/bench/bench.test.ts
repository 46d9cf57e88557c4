/** `sluice bench` against real servers: what it sends, and what it makes of the answers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { BenchPlan, BenchReport } from '../../src/bench/bench-plan.ts';
import { BenchRun } from '../../src/bench/bench-run.ts';
import { main } from '../../src/cli/main.ts';
import { McpServer, reply, type McpServerOptions } from './mcp-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
const servers: McpServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));
afterAll(() => rmSync(folder, { recursive: true }));

async function serve(options: McpServerOptions): Promise<McpServer> {
  const server = await McpServer.start(options);
  servers.push(server);
  return server;
}

function load(server: McpServer, changes: Partial<BenchPlan> = {}): BenchPlan {
  return {
    url: new URL(server.url),
    era: 'auto',
    rate: null,
    concurrency: 4,
    durationMs: 150,
    warmUpMs: 0,
    timeoutMs: 5000,
    sessions: 1,
    tools: [{ name: 'add', argumentsText: '{"a":1}' }],
    headers: [],
    tokens: [],
    ...changes,
  };
}

const run = (server: McpServer, changes: Partial<BenchPlan> = {}): Promise<BenchReport> =>
  new BenchRun(load(server, changes)).run();

async function command(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const output = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
  };
  return { code: await main(['bench', ...args], output), out, err };
}

describe('a load', () => {
  it('speaks the modern era to a server that knows it, each call with its envelope', async () => {
    const server = await serve({ era: 'modern' });
    const report = await run(server);
    expect(report).toMatchObject({ era: 'modern', failed: 0, sessions: 0, isInterrupted: false });
    expect(report.ok).toBe(server.calls().length);
    expect(server.calls()[0]).toMatchObject({
      headers: {
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': 'add',
      },
      body: {
        params: {
          arguments: { a: 1 },
          _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' },
        },
      },
    });
  });

  it('opens the sessions a legacy server wants, shares the calls, and ends them', async () => {
    const server = await serve({ era: 'legacy' });
    const report = await run(server, { sessions: 3 });
    expect(report).toMatchObject({ era: 'legacy', sessions: 3, failed: 0 });
    const used = new Set(server.calls().map(({ headers }) => headers['mcp-session-id']));
    expect(used.size).toBe(3);
    expect(server.calls()[0]?.headers['mcp-protocol-version']).toBe('2025-06-18');
    expect(server.sessions.size).toBe(0);
  });

  it('never uses an id twice, and takes tools and tokens in turn', async () => {
    const server = await serve({ era: 'modern' });
    const tools = ['one', 'two'].map((name) => ({ name, argumentsText: '{}' }));
    const report = await run(server, { tools, tokens: ['t1', 't2', 't3'] });
    const calls = server.calls();
    expect(new Set(calls.map(({ body }) => body.id)).size).toBe(calls.length);
    expect(report.ok).toBe(calls.length);
    const pairs = new Set(
      calls.map(({ headers, body }) => `${body.params?.name} ${headers.authorization}`),
    );
    expect(pairs.size).toBe(Math.min(6, calls.length));
  });

  it('tells failures apart by kind', async () => {
    let turn = 0;
    const server = await serve({
      era: 'modern',
      onCall: ({ body }, response) => {
        turn += 1;
        const json = { 'content-type': 'application/json' };
        if (turn % 6 === 0) response.writeHead(503).end();
        else if (turn % 6 === 1) reply(response, body.id, '{"content":[],"isError":true}');
        else if (turn % 6 === 2)
          response.writeHead(200, json).end(`{"jsonrpc":"2.0","id":${body.id},"error":{"code":-32602,"message":"m"}}`); // prettier-ignore
        else if (turn % 6 === 3) reply(response, 7, '{}');
        else if (turn % 6 === 4) response.writeHead(200, json).end('not json');
        else response.destroy();
      },
    });
    const report = await run(server, { durationMs: 1000 });
    expect(report.ok).toBe(0);
    const kinds = Object.keys(report.errors);
    for (const kind of [
      'HTTP 503',
      'isError',
      'error -32602',
      'another id',
      'not JSON-RPC',
      'closed',
    ])
      // prettier-ignore
      expect(kinds).toContain(kind);
    expect(Object.values(report.errors).reduce((a, b) => a + b, 0)).toBe(report.failed);
  });

  it('finds the answer in an event stream, behind other messages', async () => {
    const server = await serve({
      era: 'modern',
      onCall: ({ body }, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n');
        response.end(`data: {"jsonrpc":"2.0","id":${body.id},"result":{}}\n\n`);
      },
    });
    const report = await run(server);
    expect(report).toMatchObject({ failed: 0 });
    expect(report.ok).toBeGreaterThan(0);
  });

  it('counts latency from the moment a call was due, so that one stall is seen by all it held up', async () => {
    let isFirst = true;
    const server = await serve({
      era: 'modern',
      onCall: ({ body }, response) => {
        const stallMs = isFirst ? 300 : 0;
        isFirst = false;
        setTimeout(() => reply(response, body.id, '{}'), stallMs);
      },
    });
    // One at a time: the calls that fell due during the stall had to wait for its end.
    const report = await run(server, { rate: 100, concurrency: 1, durationMs: 500 });
    expect(report.failed).toBe(0);
    expect(report.latencyUs.max).toBeGreaterThanOrEqual(290_000);
    expect(report.latencyUs.p75).toBeGreaterThan(50_000);
  });

  it('says how many calls were due but never sent', async () => {
    const server = await serve({ era: 'modern', onCall: () => undefined });
    const report = await run(server, {
      rate: 100,
      concurrency: 2,
      durationMs: 300,
      timeoutMs: 400,
    });
    expect(report.errors).toEqual({ timeout: 2 });
    expect(report.unsent).toBeGreaterThan(10);
  });

  it('does not measure what it sends to warm up', async () => {
    const server = await serve({ era: 'modern' });
    const report = await run(server, { warmUpMs: 200, durationMs: 100 });
    expect(server.calls().length).toBeGreaterThan(report.calls);
    expect(report.calls).toBeGreaterThan(0);
  });

  it('stops at once when it is told to, and reports what there is', async () => {
    let tell: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (tell = resolve));
    const server = await serve({
      era: 'modern',
      onCall: ({ body }, response) => {
        if (body.id !== undefined && server.calls().length > 20) tell();
        reply(response, body.id, '{}');
      },
    });
    const bench = new BenchRun(load(server, { durationMs: 600_000 }));
    const report = bench.run();
    await started;
    bench.stop();
    expect(await report).toMatchObject({ isInterrupted: true, failed: 0 });
    expect((await report).ok).toBeGreaterThan(0);
  });
});

describe('sluice bench', () => {
  it('prints a table and ends with 0; without a tool it only asks for the list', async () => {
    const server = await serve({ era: 'modern' });
    const { code, out } = await command(server.url, '--duration', '1');
    expect(code).toBe(0);
    expect(out).toContain('modern era, 8 at once');
    expect(out).toMatch(/p99\.99 +\d+\.\d{3} ms/);
    expect(new Set(server.seen.map(({ body }) => body.method))).toEqual(
      new Set(['server/discover', 'tools/list']),
    );
  });

  it('prints JSON on demand, and ends with 1 when calls failed', async () => {
    const onCall: McpServerOptions['onCall'] = (_, response) => response.writeHead(500).end();
    const server = await serve({ era: 'modern', onCall });
    const { code, out } = await command(server.url, '--duration', '1', '--json', '--tool', 'add={"a":2}'); // prettier-ignore
    expect(code).toBe(1);
    const report = JSON.parse(out) as BenchReport;
    expect(Object.keys(report.errors)).toEqual(['HTTP 500']);
  });

  it('takes tokens from a file, and shows no token in any message', async () => {
    const server = await serve({ era: 'modern' });
    const file = join(folder, 'tokens');
    writeFileSync(file, 'alpha-secret\nbeta-secret\n');
    const { code, out } = await command(server.url, '--duration', '1', '--token-file', file);
    expect(code).toBe(0);
    expect(new Set(server.seen.map(({ headers }) => headers.authorization))).toEqual(
      new Set(['Bearer alpha-secret', 'Bearer beta-secret']),
    );
    expect(out).not.toContain('secret');
    const refused = await command(server.url, '--token', 'bad\nsecret');
    expect(refused).toMatchObject({ code: 2, err: expect.not.stringContaining('secret') });
  });

  it.each([
    [['ftp://x/'], /must be http or https/],
    [['nonsense'], /is not a URL/],
    [['http://127.0.0.1:1/', '--tool', 'a=[1]'], /must be an object/],
    [['http://127.0.0.1:1/', '--tool', 'a={'], /not JSON/],
    [['http://127.0.0.1:1/', '--header', 'nothing'], /"name: value"/],
    [['http://127.0.0.1:1/', '--header', 'content-length: 3'], /set by the client/],
    [['http://127.0.0.1:1/', '--rate', '0'], /whole number/],
  ])('refuses %j', async (args, message) => {
    const { code, err } = await command(...args);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  it('says what is wrong with an endpoint that is none', async () => {
    const http = createServer((_, response) => response.writeHead(401).end());
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const address = http.address() as { port: number };
    const { code, err } = await command(`http://127.0.0.1:${address.port}/mcp`);
    http.close();
    expect(code).toBe(1);
    expect(err).toContain('the endpoint wants a token: status=401');
    const gone = await command(`http://127.0.0.1:${address.port}/mcp`);
    expect(gone).toMatchObject({ code: 1, err: 'sluice: no answer: connect refused\n' });
  });
});
