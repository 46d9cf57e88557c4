/**
 * A proxy as one writes it with the official SDK in an afternoon: Streamable HTTP in front, one stdio
 * server behind that all sessions share. `node sdk-proxy.js COMMAND ARGS…` prints `listening on PORT`.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const INFO = { name: 'sdk-proxy', version: '1.0.0' };

const [command = '', ...args] = process.argv.slice(2);
const upstream = new Client(INFO);
await upstream.connect(new StdioClientTransport({ command, args }));

const transports = new Map<string, StreamableHTTPServerTransport>();

const http = createServer((request, response) => {
  serve(request, response).catch(() => response.destroy());
});
http.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on ${(http.address() as AddressInfo).port}\n`);
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = request.headers['mcp-session-id'];
  const known = typeof id === 'string' ? transports.get(id) : undefined;
  await (known ?? (await openSession())).handleRequest(request, response);
}

async function openSession(): Promise<StreamableHTTPServerTransport> {
  const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    enableJsonResponse: true,
    onsessioninitialized: (id) => void transports.set(id, transport),
    onsessionclosed: (id) => void transports.delete(id),
  });
  const server = new Server(INFO, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => upstream.listTools());
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => upstream.callTool(params));
  // The class and the interface differ in how they write members that may be left out.
  await server.connect(transport as Parameters<Server['connect']>[0]);
  return transport;
}
