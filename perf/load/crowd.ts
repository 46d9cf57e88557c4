/**
 * Many idle clients, in a process of its own: `node crowd.js sessions|streams URL COUNT`. Opens legacy
 * sessions (which need no connection) or modern listen streams (one connection each), prints
 * `N open, M failed`, and holds them until it is ended.
 */
import { Agent, request, type IncomingMessage } from 'node:http';

const AT_ONCE = 64;
const REVISION = '2026-07-28';

const [kind = '', address = '', countText = '0'] = process.argv.slice(2);
const tokens = (process.env['PERF_TOKENS'] ?? '').split(' ');
const isStreams = kind === 'streams';
const agent = new Agent({ keepAlive: true, maxSockets: isStreams ? Infinity : AT_ONCE });

let failed = 0;
let next = 0;
const count = Number(countText);
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < count) {
      const index = next;
      next += 1;
      if (!(await open(index).catch(() => false))) failed += 1;
    }
  }),
);
process.stdout.write(`${count - failed} open, ${failed} failed\n`);
setInterval(() => undefined, 60_000);

/** Resolves when the answer to an initialize is complete, or a stream's first event is there. */
function open(index: number): Promise<boolean> {
  const body = isStreams ? listenBody(index) : initializeBody(index);
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    authorization: `Bearer ${tokens[index % tokens.length] as string}`,
    'content-length': Buffer.byteLength(body),
    ...(isStreams
      ? { 'mcp-protocol-version': REVISION, 'mcp-method': 'subscriptions/listen' }
      : {}),
  };
  return new Promise((resolve, reject) => {
    const sent = request(address, { agent, method: 'POST', headers }, (response) =>
      resolve(isOpen(response)),
    );
    sent.once('error', reject);
    sent.end(body);
  });
}

function isOpen(response: IncomingMessage): Promise<boolean> {
  const isSuccess = response.statusCode === 200;
  return new Promise((resolve, reject) => {
    response.once('error', reject);
    if (isStreams) response.once('data', () => resolve(isSuccess));
    response.once('end', () =>
      resolve(isSuccess && !isStreams && response.headers['mcp-session-id'] !== undefined),
    );
    response.resume();
  });
}

function initializeBody(index: number): string {
  return `{"jsonrpc":"2.0","id":${index},"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"crowd-${index}","version":"1"}}}`;
}

function listenBody(index: number): string {
  return `{"jsonrpc":"2.0","id":${index},"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"${REVISION}","io.modelcontextprotocol/clientInfo":{"name":"crowd","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`;
}
