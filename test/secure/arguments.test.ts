/** Rules on arguments, against what a client may write and what the upstream then reads. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { envelope, MODERN } from '../interop/support/raw.ts';
import { RecordingUpstream, stopUpstreams } from './support/recording-upstream.ts';
import { OK, outcome, SecureGateway, stopGateways } from './support/secure-gateway.ts';

const DENIED = [403, -31013];

let upstream: RecordingUpstream;
let gateway: SecureGateway;

const RULES: Record<string, Record<string, object>> = {
  equals: { mode: { equals: 'read' } },
  one_of: { level: { oneOf: [1, 'two', null, true] } },
  starts: { path: { startsWith: '/srv/' } },
  glob: { path: { glob: '/srv/*.txt' } },
  pattern: { id: { pattern: '[a-z]+(-[0-9]{1,3})*' } },
  range: { n: { min: 1, max: 10 } },
  present: { reason: { exists: true } },
  absent: { force: { exists: false } },
  nested: { 'options.path': { startsWith: '/srv/' } },
  several: { path: { startsWith: '/srv/' }, n: { max: 5 } },
};

beforeAll(async () => {
  const tools = Object.keys(RULES);
  upstream = await RecordingUpstream.start(tools);
  gateway = await SecureGateway.start({
    upstreams: { fs: { http: { url: upstream.url } } },
    routes: tools.map((tool) => ({
      tools: `fs_${tool}`,
      upstream: 'fs',
      when: { arguments: RULES[tool]! },
    })),
  });
});
afterAll(async () => {
  await stopGateways();
  await stopUpstreams();
});

const ALLOWED: [string, object][] = [
  ['equals', { mode: 'read', other: 1 }],
  ...[1, 'two', null, true].map((level): [string, object] => ['one_of', { level }]),
  ['starts', { path: '/srv/a' }],
  ['starts', { path: '/srv/a..b/c' }],
  ['glob', { path: '/srv/a.txt' }],
  ['pattern', { id: 'abc-12-3' }],
  ['range', { n: 1 }],
  ['range', { n: 10 }],
  ['present', { reason: '' }],
  ['absent', { other: true }],
  ['nested', { options: { path: '/srv/x' } }],
  ['several', { path: '/srv/x', n: 5 }],
];

const REFUSED: [string, object | undefined][] = [
  ...Object.keys(RULES)
    .filter((tool) => tool !== 'absent')
    .map((tool): [string, object | undefined] => [tool, undefined]),
  ['equals', { mode: 'READ' }],
  ['equals', { mode: ['read'] }],
  ['one_of', { level: '1' }],
  ['starts', { path: '/etc/passwd' }],
  ['starts', { path: '/srv/../etc/passwd' }],
  ['starts', { path: '/srv/a/..' }],
  ['starts', { path: '/srv/%2e%2e/etc/passwd' }],
  ['starts', { path: '/srv/..%2fetc' }],
  ['starts', { path: '/srv/..\\etc' }],
  ['starts', { path: ['/srv/'] }],
  ['starts', { path: ' /srv/a' }],
  ['glob', { path: '/srv/a.txt.exe' }],
  ['glob', { path: '/srv/../a.txt' }],
  ['pattern', { id: 'abc-1234' }],
  ['pattern', { id: `${'a'.repeat(4000)}!` }],
  ['pattern', { id: 'abc\n' }],
  ['range', { n: 0.5 }],
  ['range', { n: 10.1 }],
  ['range', { n: '5' }],
  ['present', { Reason: 1 }],
  ['absent', { force: null }],
  ['nested', { 'options.path': '/srv/x' }],
  ['nested', { options: [{ path: '/srv/x' }] }],
  ['several', { path: '/srv/x', n: 6 }],
  ['several', { path: '/etc/x', n: 5 }],
];

describe('rules on arguments', () => {
  it.each(ALLOWED)('let %s pass with %j, as it was written', async (tool, args) => {
    expect(outcome(await gateway.call(`fs_${tool}`, args))).toEqual(OK);
    expect(upstream.calls.at(-1)).toEqual({ tool, args });
  });

  it.each(REFUSED)('refuse %s with %j before the upstream sees it', async (tool, args) => {
    const before = upstream.calls.length;
    const answer = await gateway.call(`fs_${tool}`, args);
    expect(outcome(answer)).toEqual(DENIED);
    expect(answer.message?.error?.data).toBeUndefined();
    expect(upstream.calls).toHaveLength(before);
  });

  it('are deaf to nothing that a parser could read in another way', async () => {
    const before = upstream.calls.length;
    const rows: [string, string][] = [
      ['starts', '{"path":"/etc/x","path":"/srv/x"}'],
      ['starts', '{"path":"/srv/x","path":"/etc/x"}'],
      ['starts', '{"path":"/srv/x","p\\u0061th":"/etc/x"}'],
      ['starts', '{"path":"/srv/x","Path":"/etc/x","path":"/srv/y"}'],
      ['nested', '{"options":{"path":"/srv/x"},"options":{"path":"/etc/x"}}'],
      ['nested', '{"options":{"path":"/srv/x","path":"/etc/x"}}'],
      ['absent', '{"a":{"b":1,"b":2},"force":1}'],
    ];
    for (const [tool, args] of rows) {
      const meta = JSON.stringify(envelope());
      const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fs_${tool}","arguments":${args},"_meta":${meta}}}`;
      const answer = await gateway.send(body, {
        'mcp-protocol-version': MODERN,
        'mcp-method': 'tools/call',
        'mcp-name': `fs_${tool}`,
      });
      expect([400, 403], args).toContain(answer.status);
    }
    const twice = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fs_starts","arguments":{"path":"/srv/x"},"arguments":{"path":"/etc/x"},"_meta":${JSON.stringify(envelope())}}}`;
    const fields = {
      'mcp-protocol-version': MODERN,
      'mcp-method': 'tools/call',
      'mcp-name': 'fs_starts',
    };
    await gateway.send(twice, fields);
    // Which of two counts is not ours to guess, but what was judged is what arrives.
    for (const { args } of upstream.calls.slice(before)) expect(args).toEqual({ path: '/srv/x' });
  });

  it('hold at the endpoint of the upstream alone, and in legacy sessions', async () => {
    const params = { name: 'starts', arguments: { path: '/etc/x' } };
    expect(outcome(await gateway.modern('tools/call', params, {}, '/fs'))).toEqual(DENIED);
    const init = {
      protocolVersion: '2025-03-26',
      capabilities: {},
      clientInfo: { name: 'raw', version: '1' },
    };
    const opened = await gateway.send({
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: init,
    });
    const session = { 'mcp-session-id': opened.headers['mcp-session-id'] as string };
    await gateway.send({ jsonrpc: '2.0', method: 'notifications/initialized' }, session);
    const request = (id: number, path: string): object => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'fs_starts', arguments: { path } },
    });
    expect(outcome(await gateway.send(request(1, '/etc/x'), session))).toEqual(DENIED);
    const batch = await gateway.send([request(1, '/etc/x'), request(2, '/srv/x')], session);
    expect(batch.text).toContain('-31013');
    expect(batch.text).toContain('starts done');
  });

  it('list the tools that they guard: only a call has arguments', async () => {
    const answer = await gateway.modern('tools/list');
    expect(answer.message?.result?.['tools']).toHaveLength(Object.keys(RULES).length);
  });
});
