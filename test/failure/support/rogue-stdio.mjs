/**
 * A stdio MCP server that misbehaves on demand. `node rogue-stdio.mjs MODE`:
 * legacy | exit-on-probe (legacy, ends on the modern probe) | silent (never answers) | modern.
 */
import { writeSync } from 'node:fs';
import { spawn } from 'node:child_process';

const mode = process.argv[2] ?? 'legacy';
const send = (message) => void process.stdout.write(`${JSON.stringify(message)}\n`);
const text = (value, more = {}) => ({
  ...(mode === 'modern' ? { resultType: 'complete' } : {}),
  content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }],
  ...more,
});

let lines = [];
const tools = {
  echo: (id, args) => send({ jsonrpc: '2.0', id, result: text(args) }),
  pid: (id) => send({ jsonrpc: '2.0', id, result: text(String(process.pid)) }),
  hang: () => undefined,
  later: (id, { ms, value }) =>
    void setTimeout(() => send({ jsonrpc: '2.0', id, result: text(value ?? '') }), ms),
  die: (_id, { code }) => process.exit(code ?? 3),
  fail: (id) => send({ jsonrpc: '2.0', id, result: text('no', { isError: true }) }),
  size: (id, { bytes }) => send({ jsonrpc: '2.0', id, result: text('x'.repeat(bytes)) }),
  garbage: (id) => {
    process.stdout.write('hello\n{"jsonrpc":\n[1,2\n\u0000\u0001\n"text"\n\n\r\n{}\n{"id":7}\n');
    process.stdout.write(Buffer.from([0xff, 0xfe, 0x0a]));
    process.stdout.write('{"jsonrpc":"2.0","id":123456,"result":{}}\n');
    send({ jsonrpc: '2.0', id, result: text('after garbage') });
  },
  many: (id, { count }) => {
    let noise = '';
    for (let i = 0; i < count; i += 1) noise += `noise ${i}\n`;
    process.stdout.write(noise);
    send({ jsonrpc: '2.0', id, result: text('after many') });
  },
  stderr: (id, { bytes }) => {
    const block = `${'e'.repeat(99)}\n`.repeat(600);
    for (let left = bytes; left > 0; left -= block.length) writeSync(2, block);
    send({ jsonrpc: '2.0', id, result: text('after stderr') });
  },
  // Tells of its progress at length, and only then answers.
  chatter: (id, { count, bytes }, { _meta }) => {
    const message = 'c'.repeat(bytes);
    for (let progress = 1; progress <= count; progress += 1) {
      const params = { progressToken: _meta?.progressToken, progress, message };
      send({ jsonrpc: '2.0', method: 'notifications/progress', params });
    }
    send({ jsonrpc: '2.0', id, result: text('said all') });
  },
  // Reads nothing any more; what was read before is still answered.
  deaf: (id) => {
    process.stdin.pause();
    send({ jsonrpc: '2.0', id, result: text('deaf') });
    setTimeout(() => process.stdin.resume(), 3000);
  },
  // Ends, but somebody else keeps its stdout open.
  'die-behind': () => {
    spawn(process.execPath, ['-e', 'setTimeout(() => {}, 3000)'], {
      stdio: ['ignore', 'inherit', 'ignore'],
      detached: true,
    });
    process.exit(0);
  },
  // The raw bytes of what came in since the last time, one string a line.
  received: (id) => {
    const all = lines;
    lines = [];
    send({ jsonrpc: '2.0', id, result: text(all.map((line) => line.toString('latin1'))) });
  },
};

function onMessage(message) {
  const { id, method, params } = message;
  if (mode === 'silent') return;
  if (method === 'server/discover') {
    if (mode === 'exit-on-probe') process.exit(1);
    if (mode === 'modern') {
      const result = {
        resultType: 'complete',
        supportedVersions: ['2026-07-28'],
        capabilities: { tools: {} },
        ttlMs: 0,
        cacheScope: 'private',
      };
      send({ jsonrpc: '2.0', id, result });
    } else send({ jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } });
  } else if (method === 'initialize') {
    const serverInfo = { name: 'rogue', version: '1' };
    const result = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo };
    send({ jsonrpc: '2.0', id, result });
  } else if (method === 'tools/list') {
    const list = Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } }));
    const more =
      mode === 'modern' ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } : {};
    send({ jsonrpc: '2.0', id, result: { ...more, tools: list } });
  } else if (method === 'tools/call' && Object.hasOwn(tools, params.name)) {
    tools[params.name](id, params.arguments ?? {}, params);
  } else if (id !== undefined && method !== undefined) {
    send({ jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } });
  }
}

let rest = Buffer.alloc(0);
process.stdin.on('data', (bytes) => {
  rest = Buffer.concat([rest, bytes]);
  for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10)) {
    const line = rest.subarray(0, at);
    rest = rest.subarray(at + 1);
    lines.push(line);
    if (lines.length > 100) lines.shift();
    onMessage(JSON.parse(line.toString()));
  }
});
process.stdin.on('end', () => process.exit(0));
