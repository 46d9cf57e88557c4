/** A small MCP server over node:http that answers as a test wants. Loopback only. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenMessage {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: {
    readonly id?: number;
    readonly method?: string;
    readonly params?: { readonly name?: string; readonly arguments?: unknown };
  };
}

export interface McpServerOptions {
  readonly era: 'legacy' | 'modern';
  /** Answers a tools/call; default: a result. The returned text is the body. */
  readonly onCall?: (seen: SeenMessage, response: ServerResponse) => void;
}

/** Everything that came in, and the sessions that are open. */
export class McpServer {
  readonly seen: SeenMessage[] = [];
  readonly sessions = new Set<string>();
  readonly #http: Server;
  readonly #options: McpServerOptions;

  private constructor(options: McpServerOptions) {
    this.#options = options;
    this.#http = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8');
      request.on('data', (piece: string) => (text += piece));
      request.on('end', () => this.#answer(request, response, text));
    });
  }

  static async start(options: McpServerOptions): Promise<McpServer> {
    const server = new McpServer(options);
    await new Promise<void>((resolve) => server.#http.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/mcp`;
  }

  calls(): SeenMessage[] {
    return this.seen.filter(({ body }) => body.method === 'tools/call');
  }

  close(): Promise<void> {
    this.#http.closeAllConnections();
    return new Promise((resolve) => this.#http.close(() => resolve()));
  }

  #answer(request: IncomingMessage, response: ServerResponse, text: string): void {
    const body = (text === '' ? {} : JSON.parse(text)) as SeenMessage['body'];
    const seen = { method: request.method ?? '', headers: request.headers, body };
    this.seen.push(seen);
    const session = request.headers['mcp-session-id'];
    if (request.method === 'DELETE') {
      this.sessions.delete(String(session));
      response.writeHead(200).end();
    } else if (body.id === undefined) {
      response.writeHead(202).end();
    } else if (body.method === 'initialize') {
      const id = `session-${this.seen.length}`;
      this.sessions.add(id);
      response.setHeader('mcp-session-id', id);
      reply(response, body.id, '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}'); // prettier-ignore
    } else if (body.method === 'server/discover' && this.#options.era === 'modern') {
      reply(response, body.id, '{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"resultType":"complete","ttlMs":0,"cacheScope":"public"}'); // prettier-ignore
    } else if (body.method === 'tools/call' && this.#options.onCall !== undefined) {
      this.#options.onCall(seen, response);
    } else if (body.method === 'tools/call') {
      reply(response, body.id, '{"content":[]}');
    } else if (body.method === 'tools/list') {
      reply(response, body.id, '{"tools":[]}');
    } else {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end(
        `{"jsonrpc":"2.0","id":${body.id},"error":{"code":-32601,"message":"no such method"}}`,
      );
    }
  }
}

export function reply(response: ServerResponse, id: number | undefined, result: string): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
}
