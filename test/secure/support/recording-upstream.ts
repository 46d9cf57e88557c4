/**
 * An MCP server built with the official SDK that keeps every byte a client sent to it. `modern` speaks
 * 2026-07-28 and has no sessions; `legacy` has them.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer as LegacyServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod/v4';

type Handle = (request: IncomingMessage, response: ServerResponse) => void;
/** Says whether it answered the request in the server's place. */
type Before = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface SeenCall {
  readonly tool: string;
  readonly args: Record<string, unknown>;
}

const running = new Set<RecordingUpstream>();

export class RecordingUpstream {
  readonly calls: SeenCall[] = [];
  readonly requests: IncomingMessage['headers'][] = [];
  /** Answers in place of the server, where it says so. */
  before: Before = () => false;
  readonly #bytes: Buffer[] = [];
  readonly #server: Server;
  readonly #tools: readonly string[];

  private constructor(era: 'modern' | 'legacy', tools: readonly string[]) {
    this.#tools = tools;
    const handle = era === 'modern' ? this.#modern() : this.#legacy();
    this.#server = createServer((request, response) => {
      this.requests.push(request.headers);
      if (!this.before(request, response)) handle(request, response);
    });
    this.#server.on('connection', (socket) => {
      socket.on('data', (bytes: Buffer) => this.#bytes.push(bytes));
    });
    running.add(this);
  }

  static async start(
    tools: readonly string[],
    era: 'modern' | 'legacy' = 'modern',
  ): Promise<RecordingUpstream> {
    const upstream = new RecordingUpstream(era, tools);
    upstream.#server.listen(0, '127.0.0.1');
    await once(upstream.#server, 'listening');
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/mcp`;
  }

  /** All that came in, on all connections. */
  get bytes(): string {
    return Buffer.concat(this.#bytes).toString('latin1');
  }

  /** Values of a header field over all requests, each once. */
  valuesOf(field: string): string[] {
    const values = this.requests.map((headers) => headers[field]);
    return [...new Set(values.filter((value) => typeof value === 'string'))];
  }

  async stop(): Promise<void> {
    running.delete(this);
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #answer(
    tool: string,
    args: Record<string, unknown>,
  ): { content: [{ type: 'text'; text: string }] } {
    this.calls.push({ tool, args });
    return { content: [{ type: 'text', text: `${tool} done` }] };
  }

  #modern(): Handle {
    const handler = createMcpHandler(
      () => {
        const server = new McpServer({ name: 'recording', version: '2.0.0' });
        for (const tool of this.#tools) {
          server.registerTool(tool, { inputSchema: z.looseObject({}) }, (args) =>
            this.#answer(tool, args),
          );
        }
        return server;
      },
      { legacy: 'reject' },
    );
    const handle = toNodeHandler(handler);
    return (request, response) => void handle(request as Parameters<typeof handle>[0], response);
  }

  #legacy(): Handle {
    const sessions = new Map<string, StreamableHTTPServerTransport>();
    const open = async (): Promise<StreamableHTTPServerTransport> => {
      const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        enableJsonResponse: true,
        onsessioninitialized: (id) => void sessions.set(id, transport),
      });
      const server = new LegacyServer({ name: 'recording', version: '1.0.0' });
      for (const tool of this.#tools) {
        server.registerTool(tool, { inputSchema: z.looseObject({}) }, (args) =>
          this.#answer(tool, args),
        );
      }
      await server.connect(transport as Transport);
      return transport;
    };
    return (request, response) => {
      const id = request.headers['mcp-session-id'];
      const known = typeof id === 'string' ? sessions.get(id) : undefined;
      const serve = async (): Promise<void> =>
        (known ?? (await open())).handleRequest(request, response);
      void serve();
    };
  }
}

/** Ends every server that was started here. */
export async function stopUpstreams(): Promise<void> {
  await Promise.all([...running].map((upstream) => upstream.stop()));
}
