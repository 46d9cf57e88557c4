/** What an enemy sends: each gets the protocol's own error, and the next request is served as ever. */
import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Client, closeClients, lastOf } from './support/client.ts';
import type { Answer } from './support/client.ts';
import { RunningGateway, stopGateways } from './support/gateway.ts';
import { RogueHttp, stopRogues } from './support/rogue-http.ts';
import { rogueStdio } from './support/rogue-stdio.ts';

let gateway: RunningGateway;
let rogue: RogueHttp;
let client: Client;
let session: Client;
beforeAll(async () => {
  rogue = await RogueHttp.start({ era: 'modern' });
  gateway = await RunningGateway.start({ upstreams: { up: rogue.config, io: rogueStdio() } });
  // One connection: an answer that closes it would be seen.
  client = new Client(gateway.url, 1);
  session = new Client(gateway.url);
  await session.initialize();
});
afterAll(async () => {
  closeClients();
  await stopGateways();
  await stopRogues();
});

const deep = (open: string, close: string, depth = 100_000): string =>
  open.repeat(depth) + close.repeat(depth);
const MODERN = { 'mcp-protocol-version': '2026-07-28' };
const ENVELOPE =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"a","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}';
const call = (id: string, params: string): string =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{${params},${ENVELOPE}}}`;
const CALL_HEADERS = { ...MODERN, 'mcp-method': 'tools/call', 'mcp-name': 'up_echo' };

const REFUSED: [string, string | Buffer, Record<string, string>, number, number][] = [
  ['nothing', '', {}, 400, -32700],
  ['half a message', '{"jsonrpc":"2.0","id":1,"meth', {}, 400, -32700],
  ['two messages', '{"jsonrpc":"2.0","id":1,"method":"ping"}{}', {}, 400, -32700],
  ['text', 'hello', {}, 400, -32700],
  ['a string', '"hello"', {}, 400, -32600],
  ['a number', '7', {}, 400, -32600],
  ['deep arrays', deep('[', ']'), {}, 400, -32600],
  ['deep objects', deep('{"a":', '}').replace(':}', ':1}'), {}, 400, -32600],
  [
    'deep params',
    `{"jsonrpc":"2.0","id":1,"method":"ping","params":${deep('[', ']')}}`,
    {},
    400,
    -32600,
  ],
  ['no end', deep('[', ''), {}, 400, -32600],
  ['a method that is a number', '{"jsonrpc":"2.0","id":1,"method":7}', {}, 400, -32600],
  ['an object as id', '{"jsonrpc":"2.0","id":{},"method":"ping"}', {}, 400, -32600],
  ['null as id', '{"jsonrpc":"2.0","id":null,"method":"ping"}', {}, 400, -32600],
  ['a huge id', `{"jsonrpc":"2.0","id":"${'i'.repeat(100_000)}","method":"ping"}`, {}, 400, -32600],
  ['another version', '{"jsonrpc":"1.0","id":1,"method":"ping"}', {}, 400, -32600],
  ['a batch', '[]', {}, 400, -32000],
  ['a byte order mark', '\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}', {}, 400, -32700],
  [
    'invalid UTF-8',
    Buffer.from('{"jsonrpc":"2.0","id":"\xff\xfe","method":"ping"}', 'latin1'),
    {},
    400,
    -32700,
  ],
  ['UTF-16', Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping"}', 'utf16le'), {}, 400, -32700],
  ['control characters', '{"jsonrpc":"2.0","id":"\u0001","method":"ping"}', {}, 400, -32700],
  ['a name twice', call('1', '"name":"up_echo","name":"io_echo"'), CALL_HEADERS, 400, -32020],
  [
    'a method twice',
    '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}',
    {},
    400,
    -32000,
  ],
  ['a name that is a number', call('1', '"name":7'), CALL_HEADERS, 200, -32602],
  ['another name than the header', call('1', '"name":"io_echo"'), CALL_HEADERS, 400, -32020],
  [
    'an unknown modern method',
    `{"jsonrpc":"2.0","id":1,"method":"x/y","params":{${ENVELOPE}}}`,
    { ...MODERN, 'mcp-method': 'x/y' },
    404,
    -32601,
  ],
  [
    'an unknown tool',
    call('1', '"name":"nothing"'),
    { ...CALL_HEADERS, 'mcp-name': 'nothing' },
    200,
    -32602,
  ],
  [
    'a bad cursor',
    `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"\u00e9!",${ENVELOPE}}}`,
    { ...MODERN, 'mcp-method': 'tools/list' },
    200,
    -32602,
  ],
  ['no session', '{"jsonrpc":"2.0","id":1,"method":"tools/list"}', {}, 400, -32000],
  [
    'an invented session',
    '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    { 'mcp-session-id': 'AQEAAA' },
    404,
    -32001,
  ],
  [
    'another media type',
    '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    { 'content-type': 'text/plain' },
    415,
    -32000,
  ],
];

const codeOf = (answer: Answer): unknown =>
  (JSON.parse(answer.text) as { error?: { code: number } }).error?.code;

describe('bad input', () => {
  it.each(REFUSED)('%s is refused', async (_what, body, headers, status, code) => {
    const answer = await client.post(body, { headers });
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
    expect(await client.text('up_echo', { a: 1 })).toBe('{"a":1}');
  });

  it('a session that accepts nothing we have is told so', async () => {
    const answer = await session.post(session.legacy('tools/list'), {
      headers: { accept: 'text/html' },
    });
    expect([answer.status, codeOf(answer)]).toEqual([406, -32000]);
  });

  it('at random, flipped and cut from good messages, never ends the gateway or hangs a client', async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    let state = seed;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return (state >> 8) % below;
    };
    const good = [
      call('1', '"name":"up_echo","arguments":{"a":[1,2,{"b":"\\u00e9"}]}'),
      call('"x"', '"name":"io_echo","arguments":{"text":"\\"quoted\\""}'),
      '{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{}}',
    ];
    const caller = new Client(gateway.url, 16);
    const statuses = await Promise.all(
      Array.from({ length: 600 }, async () => {
        const body = Buffer.from(good[random(good.length)]!);
        for (let i = 0; i <= random(4); i += 1) body[random(body.length)] = random(256);
        const cut = random(4) === 0 ? body.subarray(0, random(body.length)) : body;
        const headers = random(2) === 0 ? CALL_HEADERS : { 'mcp-session-id': session.sessionId! };
        const answer = await caller.post(cut, { headers });
        if (answer.status !== 202) lastOf(answer);
        return answer.status;
      }),
    );
    for (const status of statuses) expect(status, `seed ${seed}`).toBeLessThan(500);
    expect(await client.text('io_echo', { a: 1 })).toBe('{"a":1}');
  });

  it('left the process, its shards and its log in order', async () => {
    expect(await client.text('up_echo', { a: 2 })).toBe('{"a":2}');
    expect(gateway.err).not.toMatch(/shard is lost|nhandled|"level":"(error|fatal)"/);
  });
});

describe('a message to a stdio server', () => {
  it('is one line, whatever the client wrote between its tokens', async () => {
    const shapes = [
      call('1', '"name":"io_echo","arguments":{"a":1}')
        .replaceAll(',', ',\n')
        .replaceAll(':{', ':\r\n{'),
      call('2', '"name":"io_echo","arguments":{"text":"a\\nb\\r\\n\\u2028\\u0085"}'),
      call('3', '"name":"io_echo","arguments":{"text":"\u2028 \u2029 \u0085"}'),
      call('4', '"name":"io_echo",\n\n\n"arguments":{}\r\r'),
      call('5', '"n\\u0061me":"io_echo","arguments":{"\\n":1}'),
      call('6', '"arguments":{"name":"up_echo","id":9},"name":"io_echo"'),
    ];
    await session.text('io_received');
    const headers = { ...CALL_HEADERS, 'mcp-name': 'io_echo' };
    for (const caller of [client]) {
      for (const body of shapes) {
        const answer = lastOf(await caller.post(body, { headers }));
        const sent = (JSON.parse(body) as { params: { arguments: object } }).params.arguments;
        expect(JSON.parse(answer.result?.content?.[0]?.text ?? 'null')).toEqual(sent);
      }
    }
    const lines = JSON.parse(await session.text('io_received')) as string[];
    const calls = lines.filter((line) => line.includes('"echo"'));
    expect(calls).toHaveLength(shapes.length);
    for (const line of calls) {
      expect(line).not.toMatch(/[\n\r]/);
      const message = JSON.parse(Buffer.from(line, 'latin1').toString()) as {
        params: { name: string };
      };
      expect(message.params.name).toBe('echo');
    }
  });
});

describe('a connection', () => {
  it('that sends half a request and nothing more costs nobody else anything', async () => {
    const agent = new Agent();
    const halves = Array.from({ length: 50 }, () => {
      const half = request(gateway.url, {
        method: 'POST',
        agent,
        headers: { 'content-length': '1000' },
      });
      half.on('error', () => undefined);
      half.write('{"jsonrpc":');
      return half;
    });
    for (let i = 0; i < 20; i += 1) expect(await client.text('up_echo', { i })).toBe(`{"i":${i}}`);
    for (const half of halves) half.destroy();
    agent.destroy();
  });
});
