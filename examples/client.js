#!/usr/bin/env node
/**
 * A client of the 2026-07-28 revision in plain `fetch`: no handshake, every request stands alone.
 *
 *   node examples/client.js [url] [tool] [arguments as JSON]         token: MCP_TOKEN
 */
const [url = 'http://127.0.0.1:8080/mcp', tool = 'math_add', args = '{"a":2,"b":40}'] =
  process.argv.slice(2);
const META = 'io.modelcontextprotocol/';
const REVISION = '2026-07-28';
let id = 0;

async function request(method, params = {}) {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': REVISION,
    'mcp-method': method,
  };
  if (params.name !== undefined) headers['mcp-name'] = params.name;
  if (process.env.MCP_TOKEN) headers.authorization = `Bearer ${process.env.MCP_TOKEN}`;
  const _meta = {
    [`${META}protocolVersion`]: REVISION,
    [`${META}clientInfo`]: { name: 'example-client', version: '1.0.0' },
    [`${META}clientCapabilities`]: {},
  };
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: (id += 1),
    method,
    params: { ...params, _meta },
  });
  const response = await fetch(url, { method: 'POST', headers, body });
  const text = await response.text();
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
  const data = isStream ? text.match(/^data: (.*"(?:result|error)":.*)$/m)?.[1] : text;
  const message = JSON.parse(data || '{}');
  if (message.result === undefined) {
    throw new Error(message.error?.message ?? `HTTP ${response.status}`);
  }
  return message.result;
}

try {
  const { tools } = await request('tools/list');
  console.log('tools:', tools.map(({ name }) => name).join(', '));
  const result = await request('tools/call', { name: tool, arguments: JSON.parse(args) });
  console.log(`${tool}:`, result.structuredContent ?? result.content);
} catch (error) {
  console.error(`failed: ${error.cause?.code ?? error.message}`);
  process.exitCode = 1;
}
