/** Statuses and codes of both eras, asked for byte by byte (2026-07-28, basic/transports; SEP-2243). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestGateway } from './support/gateway.ts';
import { envelope, legacy, modern, MODERN, openSession, send, type Fields } from './support/raw.ts';
import { stopServers, v1Events, v1Stdio, v2HttpModernOnly } from './support/servers.ts';
import { until } from './support/until.ts';

let gateway: TestGateway;
let url: string;

beforeAll(async () => {
  gateway = await TestGateway.start({
    upstreams: { v1: v1Stdio(), events: await v1Events(), v2: await v2HttpModernOnly() },
  });
  url = gateway.url;
});
afterAll(async () => {
  await gateway?.stop();
  await stopServers();
});

const without = (...keys: string[]): Record<string, unknown> => {
  const all = envelope();
  for (const key of keys) delete all[`io.modelcontextprotocol/${key}`];
  return all;
};

interface Row {
  readonly what: string;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly fields?: Fields;
  readonly meta?: unknown;
  readonly status: number;
  readonly code: number | null;
}

const ECHO = { name: 'v2_echo', arguments: { say: 'x' } };
const LOCATE = { name: 'v2_locate', arguments: { place: 'Zürich' } };
const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`;

// A row a line: a table is read by its columns.
// prettier-ignore
const MODERN_ROWS: Row[] = [
  { what: 'a call', params: ECHO, status: 200, code: null },
  { what: 'no _meta', params: ECHO, meta: null, status: 400, code: -32602 },
  { what: 'an empty _meta', params: ECHO, meta: {}, status: 400, code: -32602 },
  { what: 'no version in _meta', params: ECHO, meta: without('protocolVersion'), status: 400, code: -32602 },
  { what: 'no capabilities in _meta', params: ECHO, meta: without('clientCapabilities'), status: 400, code: -32602 },
  { what: 'no client info', params: ECHO, meta: without('clientInfo'), status: 200, code: null },
  { what: 'capabilities that are no object', params: ECHO, meta: envelope({ clientCapabilities: 1 }), status: 400, code: -32602 },
  { what: 'an unknown log level', params: ECHO, meta: envelope({ logLevel: 'loud' }), status: 400, code: -32602 },
  { what: 'a version of the future', params: ECHO, meta: envelope({ protocolVersion: '2099-01-01' }), fields: { 'mcp-protocol-version': '2099-01-01' }, status: 400, code: -32022 },
  { what: 'a header that names another version', params: ECHO, fields: { 'mcp-protocol-version': '2025-11-25' }, status: 400, code: -32020 },
  { what: 'no version header', params: ECHO, fields: { 'mcp-protocol-version': null }, status: 400, code: -32020 },
  { what: 'no method header', params: ECHO, fields: { 'mcp-method': null }, status: 400, code: -32020 },
  { what: 'a method header in capitals', params: ECHO, fields: { 'mcp-method': 'TOOLS/CALL' }, status: 400, code: -32020 },
  { what: 'no name header', params: ECHO, fields: { 'mcp-name': null }, status: 400, code: -32020 },
  { what: 'another name in the header', params: ECHO, fields: { 'mcp-name': 'v2_fail' }, status: 400, code: -32020 },
  { what: 'header values with spaces around them', params: ECHO, fields: { 'mcp-name': ' v2_echo ', 'mcp-method': ' tools/call ' }, status: 200, code: null },
  { what: 'a name in base64', params: ECHO, fields: { 'mcp-name': base64('v2_echo') }, status: 200, code: null },
  { what: 'a name in broken base64', params: ECHO, fields: { 'mcp-name': '=?base64?dj!?=' }, status: 400, code: -32020 },
  { what: 'a stray session id', params: ECHO, fields: { 'mcp-session-id': 'nonsense' }, status: 200, code: null },
  { what: 'only JSON accepted', params: ECHO, fields: { accept: 'application/json' }, status: 200, code: null },
  { what: 'an unknown tool', params: { name: 'v2_nothing' }, status: 200, code: -32602 },
  { what: 'a tool of nobody', params: { name: 'nothing' }, status: 200, code: -32602 },
  { what: 'a tool without a name', params: {}, fields: { 'mcp-name': 'x' }, status: 200, code: -32602 },
  { what: 'a mirrored argument', params: LOCATE, fields: { 'mcp-param-place': base64('Zürich') }, status: 200, code: null },
  { what: 'a mirrored argument that is not mirrored', params: LOCATE, status: 400, code: -32020 },
  { what: 'a mirrored argument that differs', params: LOCATE, fields: { 'mcp-param-place': base64('Basel') }, status: 400, code: -32020 },
  { what: 'a mirrored argument in broken base64', params: LOCATE, fields: { 'mcp-param-place': '=?base64?%%?=' }, status: 400, code: -32020 },
  { what: 'a mirrored argument that is null', params: { name: 'v2_locate', arguments: { place: null } }, status: 200, code: null },
  { what: 'an unknown parameter header', params: ECHO, fields: { 'mcp-param-other': 'x' }, status: 200, code: null },
  ...['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe', 'roots/list', 'nothing/at-all']
    .map((method) => ({ what: `${method} in an envelope`, method, status: 404, code: -32601 })),
  { what: 'a list', method: 'tools/list', status: 200, code: null },
  { what: 'a bad cursor', method: 'tools/list', params: { cursor: 'nonsense' }, status: 200, code: -32602 },
  { what: 'a cursor that is no string', method: 'tools/list', params: { cursor: 7 }, status: 200, code: -32602 },
  { what: 'discovery', method: 'server/discover', status: 200, code: null },
  { what: 'a resource of nobody', method: 'resources/read', params: { uri: 'none://x' }, status: 200, code: -32602 },
  { what: 'a resource that a legacy server misses', method: 'resources/read', params: { uri: 'note://by/nobody' }, status: 200, code: -32602 },
  { what: 'a filter that is no object', method: 'subscriptions/listen', params: { notifications: [] }, status: 200, code: -32602 },
];

describe('the modern front door', () => {
  it.each(MODERN_ROWS)('answers $what with $status and $code', async (row) => {
    const { method = 'tools/call', params = {}, fields = {}, status, code } = row;
    const meta = 'meta' in row ? row.meta : envelope();
    const answer = await modern(url, method, params, fields, meta, 'an id');
    expect([answer.status, answer.message?.error?.code ?? null]).toEqual([status, code]);
    expect(answer.message?.id).toBe('an id');
    expect(answer.headers['mcp-session-id']).toBeUndefined();
    if (code === null) expect(answer.message?.result?.['resultType']).toBe('complete');
  });

  it('names the revisions it speaks to who asks for another', async () => {
    const answer = await modern(
      url,
      'tools/list',
      {},
      { 'mcp-protocol-version': '2099-01-01' },
      envelope({ protocolVersion: '2099-01-01' }),
    );
    expect(answer.message?.error?.data).toEqual({ supported: [MODERN], requested: '2099-01-01' });
  });

  it('discovers with identity and hints for caches, as lists and reads have', async () => {
    const hints = {
      ttlMs: expect.any(Number) as number,
      cacheScope: expect.stringMatching(/^(public|private)$/) as string,
    };
    const found = (await modern(url, 'server/discover')).message?.result;
    expect(found).toMatchObject({
      ...hints,
      supportedVersions: [MODERN],
      capabilities: { tools: {}, resources: {}, prompts: {} },
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'sluice' } },
    });
    for (const method of [
      'tools/list',
      'prompts/list',
      'resources/list',
      'resources/templates/list',
    ])
      expect((await modern(url, method)).message?.result).toMatchObject(hints);
    const read = await modern(url, 'resources/read', { uri: 'note://one' });
    expect(read.message?.result).toMatchObject(hints);
  });

  it('takes notifications and refuses responses and batches', async () => {
    const fields = { 'mcp-protocol-version': MODERN };
    const cancelled = {
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 1 },
    };
    expect(await send(url, cancelled, fields)).toMatchObject({ status: 202, text: '' });
    const response = { jsonrpc: '2.0', id: 1, result: {} };
    expect((await send(url, response, fields)).status).toBe(400);
    const ping = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: envelope() } };
    const batch = await send(url, [ping], { ...fields, 'mcp-method': 'tools/list' });
    expect([batch.status, batch.message?.error?.code]).toEqual([400, -32600]);
  });

  it('says -32602 to modern clients where a legacy server said -32002', async () => {
    // The legacy server answers -32002 for this one.
    const answer = await modern(`${url}/events`, 'resources/read', { uri: 'note://by/nobody' });
    expect(answer.status).toBe(200);
    expect(answer.message?.error).toMatchObject({ code: -32602 });
    const old = await openSession(`${url}/events`, '2025-11-25');
    const same = await legacy(`${url}/events`, old.fields, 'resources/read', {
      uri: 'note://by/nobody',
    });
    expect(same.message?.error).toMatchObject({ code: -32002 });
  });

  // prettier-ignore
  it.each([
    [-32042, 400, -32021],
    [-32050, 200, -32603],
    [-32021, 200, -32603],
    [-32022, 200, -32603],
    [-32000, 200, -32000],
    [-7, 200, -7],
  ])('turns the code %d of a legacy server into %d with %d for modern clients only', async (said, status, shown) => {
    const params = { uri: `note://by/${said}` };
    const answer = await modern(`${url}/events`, 'resources/read', params);
    expect([answer.status, answer.message?.error?.code]).toEqual([status, shown]);
    const { fields } = await openSession(`${url}/events`, '2025-11-25');
    const same = await legacy(`${url}/events`, fields, 'resources/read', params);
    expect(same.message?.error?.code).toBe(said);
  });

  // prettier-ignore
  it.each([
    ['truncated JSON', '{"jsonrpc":"2.0","id":1', 400, -32700],
    ['no JSON', 'hello', 400, -32700],
    ['an empty body', '', 400, -32700],
    ['a number', '7', 400, -32600],
    ['null', 'null', 400, -32600],
    ['another version of JSON-RPC', '{"jsonrpc":"1.0","id":1,"method":"ping"}', 400, -32600],
    ['a null id', '{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"ping"}', 400, -32600],
    ['a method that is a number', '{"jsonrpc":"2.0","id":1,"method":7}', 400, -32600],
    ['deep nesting', `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${'['.repeat(5000)}${']'.repeat(5000)}}}`, 400, -32600],
    ['invalid UTF-8', Buffer.from('7b226a736f6e727063223a22322e30222c226964223a22ff227d', 'hex'), 400, -32700],
  ])('refuses %s with the protocol\'s own error', async (_what, body, status, code) => {
    const answer = await send(url, body);
    expect([answer.status, answer.message?.error?.code]).toEqual([status, code]);
    expect((await modern(url, 'server/discover')).status).toBe(200);
  });

  // prettier-ignore
  it.each<[string, string, Fields, number]>([
    ['another media type', 'POST', { 'content-type': 'text/plain' }, 415],
    ['an origin from elsewhere', 'POST', { origin: 'https://evil.example' }, 403],
    ['a host from elsewhere', 'POST', { host: 'evil.example' }, 403],
    ['PUT', 'PUT', {}, 405],
  ])('refuses %s', async (_what, method, fields, status) => {
    const body = { jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta: envelope() } };
    const all = { 'mcp-protocol-version': MODERN, 'mcp-method': 'server/discover', ...fields };
    expect((await send(url, body, all, method)).status).toBe(status);
  });

  it('knows no other path', async () => {
    for (const path of ['', '/v1', '/nobody', '/v1/more'])
      expect((await modern(url.replace(/\/mcp$/, `/mcp${path}`), 'server/discover')).status).toBe(
        path === '' || path === '/v1' ? 200 : 404,
      );
  });
});

describe('the legacy front door', () => {
  it.each(['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'])(
    'serves a client of %s in that revision',
    async (revision) => {
      const { fields, answer } = await openSession(url, revision);
      expect(answer.message?.result).toMatchObject({ protocolVersion: revision });
      expect(String(fields['mcp-session-id'])).toMatch(/^[\x21-\x7e]+$/);
      const called = await legacy(url, fields, 'tools/call', {
        name: 'v1_echo',
        arguments: { say: 'x' },
      });
      expect(called.message).toMatchObject({ id: 1, result: { content: [{ text: 'x' }] } });
      // A modern server's result, in the words of an older revision.
      const bridged = await legacy(url, fields, 'tools/call', {
        name: 'v2_echo',
        arguments: { say: 'y' },
      });
      expect(bridged.message?.result).toMatchObject({ content: [{ text: 'y' }] });
      expect(bridged.message?.result).not.toHaveProperty('resultType');
      expect((await send(url, null, fields, 'DELETE')).status).toBe(200);
    },
  );

  it('negotiates an unknown or modern revision down to its latest', async () => {
    for (const asked of ['2026-07-28', '2099-01-01', 'nonsense']) {
      const { answer } = await openSession(url, asked);
      expect(answer.message?.result).toMatchObject({ protocolVersion: '2025-11-25' });
    }
  });

  it('asks for a session id, and knows none that it did not mint or that ended', async () => {
    const list = { jsonrpc: '2.0', id: 5, method: 'tools/list' };
    expect((await send(url, list)).status).toBe(400);
    const { fields } = await openSession(url, '2025-11-25');
    const id = String(fields['mcp-session-id']);
    const forged = id.slice(0, -1) + (id.endsWith('A') ? 'B' : 'A');
    for (const wrong of ['nonsense', forged, id.slice(0, 20)]) {
      const answer = await send(url, list, { ...fields, 'mcp-session-id': wrong });
      expect([answer.status, answer.message?.error?.code]).toEqual([404, -32001]);
    }
    // A session belongs to its endpoint.
    expect((await send(`${url}/v1`, list, fields)).status).toBe(404);
    expect((await send(url, list, fields)).status).toBe(200);
    expect((await send(url, null, fields, 'DELETE')).status).toBe(200);
    expect((await send(url, list, fields)).status).toBe(404);
    expect((await send(url, null, fields, 'DELETE')).status).toBe(404);
    expect((await send(url, null, {}, 'DELETE')).status).toBe(400);
    expect((await send(url, null, {}, 'GET')).status).toBe(400);
  });

  it('holds one stream per session and refuses the second', async () => {
    const { fields } = await openSession(url, '2025-11-25');
    const controller = new AbortController();
    const headers = {
      accept: 'text/event-stream',
      'mcp-session-id': String(fields['mcp-session-id']),
    };
    const first = await fetch(url, { headers, signal: controller.signal });
    expect([first.status, first.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect((await fetch(url, { headers })).status).toBe(409);
    expect((await send(url, null, { ...fields, accept: 'application/json' }, 'GET')).status).toBe(
      406,
    );
    controller.abort();
    await until(async () => {
      const next = new AbortController();
      const answer = await fetch(url, { headers, signal: next.signal });
      next.abort();
      return answer.status === 200;
    });
  });

  it('checks Accept, the version header and a second initialize', async () => {
    const { fields } = await openSession(url, '2025-11-25');
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    expect((await send(url, ping, { ...fields, accept: 'application/json' })).status).toBe(406);
    expect(
      (await send(url, ping, { ...fields, 'mcp-protocol-version': '1999-01-01' })).status,
    ).toBe(400);
    expect((await send(url, ping, { ...fields, 'mcp-protocol-version': null })).status).toBe(200);
    const again = await legacy(url, fields, 'initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'x', version: '1' },
    });
    expect([again.status, again.message?.error?.code]).toEqual([400, -32600]);
    const unknown = await legacy(url, fields, 'nothing/at-all', {}, 'q');
    expect([unknown.status, unknown.message?.error?.code, unknown.message?.id]).toEqual([
      200,
      -32601,
      'q',
    ]);
  });

  it('answers a batch of 2025-03-26 in one piece, and refuses batches of others', async () => {
    const call = (id: number, name: string, say: string): unknown => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name, arguments: { say } },
    });
    const batch = [
      call(1, 'v1_echo', 'one'),
      { jsonrpc: '2.0', method: 'notifications/roots/list_changed' },
      call(2, 'events_echo', 'two'),
      call(3, 'v2_echo', 'three'),
      { jsonrpc: '2.0', id: 4, method: 'nothing/at-all' },
      { jsonrpc: '2.0', id: 5, method: 'ping' },
    ];
    const old = await openSession(url, '2025-03-26');
    const { status, text, headers, events } = await send(url, batch, old.fields);
    expect(status).toBe(200);
    const all =
      headers['content-type']?.startsWith('text/event-stream') === true
        ? events.flat()
        : (JSON.parse(text) as { id: number; result?: unknown; error?: unknown }[]);
    const byId = new Map((all as { id: number }[]).map((message) => [message.id, message]));
    expect([...byId.keys()].sort()).toEqual([1, 2, 3, 4, 5]);
    for (const [id, said] of [
      [1, 'one'],
      [2, 'two'],
      [3, 'three'],
    ] as const)
      expect(byId.get(id)).toMatchObject({ result: { content: [{ text: said }] } });
    expect(byId.get(4)).toMatchObject({ error: { code: -32601 } });
    expect(byId.get(5)).toMatchObject({ result: {} });

    const quiet = [{ jsonrpc: '2.0', method: 'notifications/roots/list_changed' }];
    expect((await send(url, quiet, old.fields)).status).toBe(202);
    expect((await send(url, [], old.fields)).status).toBe(400);
    const newer = await openSession(url, '2025-06-18');
    expect((await send(url, batch, newer.fields)).status).toBe(400);
  });
});
