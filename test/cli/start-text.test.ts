import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { addressText, curlText, upstreamsText } from '../../src/cli/start-text.ts';
import type { UpstreamStatus } from '../../src/observe/gateway-status.ts';

const status = (changes: Partial<UpstreamStatus>): UpstreamStatus => ({
  name: 'math',
  kind: 'stdio',
  state: 'up',
  era: 'modern',
  tools: ['math_add'],
  reason: '',
  shardsUp: 1,
  ...changes,
});

describe('the start text', () => {
  it('names endpoint, admin address and file', () => {
    const address = {
      host: '::',
      port: 1,
      url: 'http://[::1]:1/mcp',
      admin: { host: 'a', port: 2, url: 'http://a:2' },
    };
    expect(addressText('1.0.0', address, 'sluice.yaml')).toMatchInlineSnapshot(`
      "Sluice 1.0.0

        endpoint   http://[::1]:1/mcp
        admin      http://a:2/metrics
        settings   sluice.yaml

      "
    `);
  });

  it.each<[Partial<UpstreamStatus>, RegExp]>([
    [{}, /math {7}stdio {3}math_add$/m],
    [{ tools: [] }, /no tools$/m],
    [{ tools: null }, /not listed yet$/m],
    [{ tools: Array.from({ length: 11 }, (_, index) => `t${index}`) }, /t7 and 3 more$/m],
    [{ state: 'down', reason: 'no such program' }, /down: no such program/],
    [{ state: 'connecting', tools: null }, /connecting$/m],
  ])('says how an upstream is: %j', (changes, expected) => {
    expect(upstreamsText([status(changes)])).toMatch(expected);
  });

  it('lets no name steer the terminal', () => {
    const text = upstreamsText([status({ tools: ['a\u001b[2Jb', '\u202ex'] })]);
    expect(text).toContain('a?[2Jb ?x');
  });

  it('has a curl line that a shell runs as it is meant', async () => {
    const seen: { headers: Record<string, unknown>; body: string }[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        seen.push({ headers: request.headers, body });
        response.end('done');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const line = curlText(`http://127.0.0.1:${port}/mcp`, true).split('\n')[2] ?? '';
    const env = { PATH: process.env['PATH'], MCP_TOKEN: 'abc' };
    const result = await new Promise<string>((resolve) =>
      execFile('sh', ['-c', line], { env }, (_, stdout) => resolve(stdout)),
    );
    await new Promise((resolve) => server.close(resolve));
    expect(result).toBe('done');
    expect(seen[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/list',
      authorization: 'Bearer abc',
    });
    expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ jsonrpc: '2.0', method: 'tools/list' });
  });
});
