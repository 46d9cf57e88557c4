/** What the edge decides from a request's head, over real sockets, rings and threads. */
import { afterEach, describe, expect, it } from 'vitest';
import { HEADER_BYTES_MAX } from '../../shared/limits.ts';
import { loadUws } from '../../src/edge/uws-server.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { ANY_LIMIT, Harness, planOn, sessionIdFor, testPlan } from './support/edge-harness.ts';
import type { EchoResult } from './support/edge-harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const errorOf = (body: string) =>
  (JSON.parse(body) as { id: unknown; error: { code: number; message: string } }).error;

describe('a request', () => {
  it('reaches a shard with its body and comes back under its own id', async () => {
    harness = await Harness.start();
    const reply = await harness.call('echo', { a: 1 }, { id: 'seven' });
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(JSON.parse(reply.body)).toMatchObject({ id: 'seven', result: { params: { a: 1 } } });
  });

  it('brings the fields a shard needs, and no others', async () => {
    harness = await Harness.start(testPlan({ askedHeaders: ['x-api-key'] }));
    const headers = {
      authorization: 'Bearer t',
      'mcp-method': 'tools/call',
      'mcp-param-city': 'Oslo',
      'x-api-key': 'k',
      'x-other': 'no',
      'content-type': 'application/json',
      'www-authenticate': 'no',
    };
    const { headers: seen } = await harness.result<EchoResult>('echo', {}, { headers });
    expect(new Map(seen)).toEqual(
      new Map([
        ['authorization', 'Bearer t'],
        ['mcp-method', 'tools/call'],
        ['mcp-param-city', 'Oslo'],
        ['x-api-key', 'k'],
        ['content-type', 'application/json'],
        ['host', `127.0.0.1:${harness.port}`],
      ]),
    );
  });

  it('says which endpoint, method and plan it came under, and from where', async () => {
    harness = await Harness.start(testPlan({ rateLimits: [ANY_LIMIT] }));
    const math = await harness.result<EchoResult>('echo', {}, { path: '/mcp/math' });
    expect(math).toMatchObject({ endpoint: 1, method: 1, plan: 1, peer: '127.0.0.1' });
    // Without a body the fake shard echoes under no id.
    const get = await harness.fetch({ method: 'GET' });
    expect(get.body).toContain('"method":2');
    const del = await harness.fetch({ method: 'DELETE' });
    expect(del.body).toContain('"method":3');
  });

  it('is told the client behind a trusted proxy', async () => {
    const range = { family: 4, bytes: [127, 0, 0, 0], prefixBits: 8 } as const;
    harness = await Harness.start(testPlan({ rateLimits: [ANY_LIMIT], trustedProxies: [range] }));
    const headers = { 'x-forwarded-for': '6.6.6.6, 203.0.113.9' };
    const { peer } = await harness.result<EchoResult>('echo', {}, { headers });
    expect(peer).toBe('203.0.113.9');
  });

  it('of a session goes to the shard its id names', async () => {
    harness = await Harness.start();
    for (const shard of [1, 0, 1, 1, 0]) {
      const headers = { 'mcp-session-id': sessionIdFor(shard) };
      const result = await harness.result<EchoResult>('echo', {}, { headers });
      expect(result.shard).toBe(shard);
    }
  });

  it('without a session goes to the shard with fewer open exchanges', async () => {
    harness = await Harness.start();
    const headers = { 'mcp-session-id': sessionIdFor(0) };
    const held = [harness.call('hold', {}, { headers }), harness.call('hold', {}, { headers })];
    while (harness.edge.openExchanges < 2) await harness.edge.status();
    const seen = new Set<number>();
    for (let i = 0; i < 4; i += 1) seen.add((await harness.result<EchoResult>('echo')).shard);
    expect([...seen]).toEqual([1]);
    await harness.call('release', {}, { headers });
    await Promise.all(held);
  });
});

describe('a request is refused', () => {
  it('with 404 where there is no endpoint', async () => {
    harness = await Harness.start();
    const reply = await harness.call('echo', {}, { path: '/mcp/none' });
    expect(reply.status).toBe(404);
    expect(JSON.parse(reply.body)).toMatchObject({ jsonrpc: '2.0', id: null });
    expect(errorOf(reply.body).code).toBe(-32000);
  });

  it('with 405 and Allow for other methods', async () => {
    harness = await Harness.start();
    const reply = await harness.fetch({ method: 'PUT', body: '{}' });
    expect(reply.status).toBe(405);
    expect(reply.headers.allow).toBe('GET, POST, DELETE');
    expect((await harness.fetch({ method: 'OPTIONS' })).status).toBe(405);
  });

  it('with 403 for a foreign Host or Origin, before its body is read', async () => {
    harness = await Harness.start();
    const host = await harness.call('echo', {}, { headers: { host: 'evil.example' } });
    expect([host.status, errorOf(host.body).message]).toEqual([
      403,
      'forbidden: Host is not allowed',
    ]);
    const origin = await harness.call('echo', {}, { headers: { origin: 'http://evil.example' } });
    expect(origin.status).toBe(403);
    expect(origin.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('with 400 for a repeated or unreadable field that a shard needs', async () => {
    harness = await Harness.start();
    const refused: Record<string, string | string[]>[] = [
      { authorization: ['Bearer a', 'Bearer b'] },
      { 'mcp-session-id': ['a', 'b'] },
      { 'mcp-param-city': ['a', 'b'] },
      { 'mcp-name': 'caf\u00e9s' },
    ];
    for (const headers of refused) {
      const reply = await harness.call('echo', {}, { headers });
      expect(reply.status, JSON.stringify(headers)).toBe(400);
    }
    // What nobody needs is nobody's business, and lists may come in several lines.
    const fine = { 'x-name': 'caf\u00e9', baggage: ['a=1', 'b=2'], accept: 'a/b' };
    expect((await harness.call('echo', {}, { headers: fine })).status).toBe(200);
  });

  it('with 413 for a body over the limit', async () => {
    const plan = testPlan();
    harness = await Harness.start({ ...plan, limits: { ...plan.limits, bodyBytesMax: 1000 } });
    const reply = await harness.call('echo', { fill: 'x'.repeat(1000) });
    expect(reply.status).toBe(413);
    expect((await harness.call('echo', { fill: 'x'.repeat(800) })).status).toBe(200);
  });

  it('with 503 when the budget for bodies is spent, and gives what it took back', async () => {
    const plan = testPlan();
    const limits = { ...plan.limits, bodyBudgetBytes: 64 * 1024 };
    harness = await Harness.start({ ...plan, limits });
    const large = await harness.call('echo', { fill: 'x'.repeat(200_000) });
    expect(large.status).toBe(503);
    expect(large.headers['retry-after']).toBe('1');
    expect(harness.edge.stats().bodyBytes).toBe(0);
    expect((await harness.call('echo', { fill: 'x'.repeat(10_000) })).status).toBe(200);
  });
});

describe('a page of an allowed origin', () => {
  const origin = 'http://localhost:3000';

  it('may ask before it sends, also for parameter fields', async () => {
    harness = await Harness.start();
    const headers = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'mcp-param-city, x-evil, content-type',
    };
    const reply = await harness.fetch({ method: 'OPTIONS', headers });
    expect(reply.status).toBe(204);
    expect(reply.headers['access-control-allow-origin']).toBe(origin);
    expect(reply.headers['access-control-allow-headers']).toContain('Mcp-Session-Id');
    expect(reply.headers['access-control-allow-headers']).toContain('mcp-param-city');
    expect(reply.headers['access-control-allow-headers']).not.toContain('x-evil');
  });

  it('may read answers, streams and errors', async () => {
    harness = await Harness.start();
    const headers = { origin };
    const replies = [
      await harness.call('echo', {}, { headers }),
      await harness.call('stream', { events: 1, bytes: 1 }, { headers }),
      await harness.call('abort', { fault: 'UPSTREAM_TIMEOUT' }, { headers }),
    ];
    for (const reply of replies) {
      expect(reply.headers['access-control-allow-origin']).toBe(origin);
      expect(reply.headers['access-control-expose-headers']).toContain('Mcp-Session-Id');
    }
    expect((await harness.call('echo')).headers['access-control-allow-origin']).toBeUndefined();
  });

  it.each(['lean', 'node'] as const)(
    'is not named in other bytes than ASCII (%s)',
    async (server) => {
      harness = await Harness.start({ ...planOn(server), allowedOrigins: ['*'] });
      // CR and LF are the low bytes of U+010D and U+010A.
      const head =
        'Host: localhost\r\nOrigin: http://a\u00c4\u008d\u00c4\u008aX-Evil: 1\r\n' +
        'Access-Control-Request-Method: POST\r\nContent-Length: 0\r\n\r\n';
      for (const [method, status] of [
        ['POST', 400],
        ['OPTIONS', 204],
      ] as const) {
        const socket = await RawSocket.open(harness.port);
        await socket.send(`${method} /mcp HTTP/1.1\r\n${head}`);
        const [answer] = await socket.answers();
        expect(answer!.status).toBe(status);
        expect(answer!.headers.has('x-evil')).toBe(false);
        expect(answer!.headers.has('access-control-allow-origin')).toBe(false);
        socket.destroy();
      }
    },
  );

  it('is named in its own answer, though the body of another comes between head and body', async () => {
    harness = await Harness.start();
    const other = await RawSocket.open(harness.port);
    const page = await RawSocket.open(harness.port);
    const body = '{"jsonrpc":"2.0","id":1,"method":"echo","params":{}}';
    const head = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n`;
    const named = async (socket: RawSocket): Promise<string | undefined> =>
      (await socket.answers())[0]!.headers.get('access-control-allow-origin');
    await other.sendParts([`${head}\r\n${body.slice(0, 9)}`]);
    await page.sendParts([`${head}Origin: ${origin}\r\n\r\n`]);
    await other.sendParts([body.slice(9)]);
    expect(await named(other)).toBeUndefined();
    await page.sendParts([body]);
    expect(await named(page)).toBe(origin);
    other.destroy();
    page.destroy();
  });
});

describe('health', () => {
  it('is told beside the endpoints, to anyone who can connect', async () => {
    harness = await Harness.start();
    const headers = { host: '10.0.0.7:8080' };
    expect((await harness.fetch({ method: 'GET', path: '/healthz', headers })).body).toBe('ok\n');
    const ready = await harness.fetch({ method: 'GET', path: '/readyz', headers });
    expect(ready.status).toBe(200);
    expect(JSON.parse(ready.body)).toMatchObject({
      ready: true,
      shards: [{ phase: 'running', generation: 1 }, { phase: 'running' }],
    });
  });
});

/** Its binary is not there for each platform, and needs a recent C library on some. */
function canLoadUws(): boolean {
  try {
    loadUws(HEADER_BYTES_MAX);
    return true;
  } catch {
    return false;
  }
}

for (const server of ['lean', 'uws', 'node'] as const) {
  it.runIf(server !== 'uws' || canLoadUws())(`works on the ${server} server`, async () => {
    harness = await Harness.start(planOn(server));
    expect((await harness.call('echo')).status).toBe(200);
    const stream = await harness.call('stream', { events: 20, bytes: 1000 });
    expect(stream.headers['content-type']).toBe('text/event-stream');
    expect(stream.headers['cache-control']).toBe('no-cache, no-transform');
    expect(stream.headers['x-accel-buffering']).toBe('no');
    expect(stream.body.match(/event: message/g)).toHaveLength(21);
    expect((await harness.call('accepted')).status).toBe(202);
    const json = await harness.call('json', { bytes: 1_000_000 });
    expect(json.body).toHaveLength(1_000_000 + '{"jsonrpc":"2.0","id":1,"result":""}'.length);
  });
}
