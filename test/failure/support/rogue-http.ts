/** An MCP server on a raw socket: orderly in handshakes and lists, and in calls as bad as a test wants. */
import { RawServer, type RawConnection, type RawRequest } from '../../support/raw-server.ts';
import type { ConfigInput } from '../../../src/config/schema.ts';

type Json = Record<string, unknown>;

export interface RogueCall {
  readonly connection: RawConnection;
  readonly request: RawRequest;
  readonly id: unknown;
  readonly args: Json;
  readonly progressToken: unknown;
  /** The complete message of a text result. */
  message(text: string, more?: Json): string;
  /** Answers with 200 and JSON. */
  reply(text: string, more?: Json): void;
}

export type RogueTool = (call: RogueCall) => void;

export interface RogueOptions {
  readonly era: 'legacy' | 'modern';
  readonly tools?: Record<string, RogueTool>;
  /** Looks at every request first; true: it has been answered. */
  readonly intercept?: (request: RawRequest, method: string, id: unknown) => boolean;
}

const CAPABILITIES = { tools: {} };
const running = new Set<RogueHttp>();

export class RogueHttp {
  readonly calls: RogueCall[] = [];
  /** `notifications/cancelled` that came in. */
  readonly cancelled: unknown[] = [];
  sessions = new Set<string>();
  initializeCount = 0;
  #server!: RawServer;
  readonly #options: RogueOptions;

  private constructor(options: RogueOptions) {
    this.#options = options;
  }

  /** @param port of one that was stopped; left out: a free one */
  static async start(options: RogueOptions, port = 0): Promise<RogueHttp> {
    const rogue = new RogueHttp(options);
    rogue.#server = await RawServer.start(
      (request) => rogue.#onRequest(request),
      '127.0.0.1',
      null,
      port,
    );
    running.add(rogue);
    return rogue;
  }

  get server(): RawServer {
    return this.#server;
  }

  get config(): ConfigInput['upstreams'][string] {
    return { http: { url: this.#server.url.href } };
  }

  async stop(): Promise<void> {
    running.delete(this);
    await this.#server.close();
  }

  /** Forgets all sessions, as one that was restarted does. */
  forget(): void {
    this.sessions = new Set();
  }

  /** Resolves with that call, counted from 0, once it has come in. */
  async called(index = 0): Promise<RogueCall> {
    while (this.calls.length <= index) await this.#server.arrived(this.#server.requests.length + 1);
    return this.calls[index]!;
  }

  #onRequest(request: RawRequest): void {
    if (!request.head.startsWith('POST ')) {
      respond(request.connection, 405, '');
      return;
    }
    const {
      method = '',
      id,
      params = {},
    } = JSON.parse(request.body.toString()) as { method?: string; id?: unknown; params?: Json };
    if (this.#options.intercept?.(request, method, id) === true) return;
    const { connection } = request;
    const isLegacy = this.#options.era === 'legacy';
    if (method === 'server/discover' && !isLegacy) {
      answer(connection, id, {
        resultType: 'complete',
        supportedVersions: ['2026-07-28'],
        capabilities: CAPABILITIES,
        ttlMs: 0,
        cacheScope: 'private',
      });
    } else if (method === 'initialize' && isLegacy) this.#initialize(connection, id);
    else if (isLegacy && !this.#isKnown(request)) {
      respond(
        connection,
        method === 'server/discover' ? 400 : 404,
        JSON.stringify({
          jsonrpc: '2.0',
          id: null,
          error: { code: -32001, message: 'Session not found' },
        }),
      );
    } else if (method === 'tools/list') answer(connection, id, this.#list());
    else if (method === 'tools/call') this.#call(request, id, params);
    else if (method === 'notifications/cancelled') {
      this.cancelled.push(params['requestId']);
      respond(connection, 202, '');
    } else if (id === undefined) respond(connection, 202, '');
    else
      respond(
        connection,
        isLegacy ? 200 : 404,
        JSON.stringify({
          jsonrpc: '2.0',
          id,
          error: { code: -32601, message: 'Method not found' },
        }),
      );
  }

  #initialize(connection: RawConnection, id: unknown): void {
    this.initializeCount += 1;
    const session = `session-${this.initializeCount}`;
    this.sessions.add(session);
    const result = {
      protocolVersion: '2025-11-25',
      capabilities: CAPABILITIES,
      serverInfo: { name: 'rogue', version: '1' },
    };
    respond(connection, 200, JSON.stringify({ jsonrpc: '2.0', id, result }), [
      `Mcp-Session-Id: ${session}`,
    ]);
  }

  #isKnown({ head }: RawRequest): boolean {
    return this.sessions.has(/mcp-session-id: *(\S+)/i.exec(head)?.[1] ?? '');
  }

  #list(): Json {
    const names = Object.keys({ echo: 0, ...this.#options.tools });
    const tools = names.map((name) => ({ name, inputSchema: { type: 'object' } }));
    return this.#options.era === 'modern'
      ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private', tools }
      : { tools };
  }

  #call(request: RawRequest, id: unknown, params: Json): void {
    const isModern = this.#options.era === 'modern';
    const { connection } = request;
    const message = (text: string, more: Json = {}): string =>
      JSON.stringify({
        jsonrpc: '2.0',
        id,
        result: {
          ...(isModern ? { resultType: 'complete' } : {}),
          content: [{ type: 'text', text }],
          ...more,
        },
      });
    const call: RogueCall = {
      connection,
      request,
      id,
      args: (params['arguments'] ?? {}) as Json,
      progressToken: (params['_meta'] as Json | undefined)?.['progressToken'],
      message,
      reply: (text, more) => respond(connection, 200, message(text, more)),
    };
    this.calls.push(call);
    const tool = this.#options.tools?.[String(params['name'])];
    if (tool !== undefined) tool(call);
    else call.reply(JSON.stringify(call.args));
  }
}

/** A plain answer with a length. */
export function respond(
  connection: RawConnection,
  status: number,
  body: string,
  fields: readonly string[] = [],
): void {
  connection.write(whole(status, body, fields));
}

export function whole(status: number, body: string, fields: readonly string[] = []): Buffer {
  const head = [
    `HTTP/1.1 ${status} Some Reason`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...fields,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function answer(connection: RawConnection, id: unknown, result: Json): void {
  respond(connection, 200, JSON.stringify({ jsonrpc: '2.0', id, result }));
}

/** Writes a large body as fast as it is read. */
export async function pour(
  connection: RawConnection,
  parts: Iterable<string | Buffer>,
): Promise<void> {
  const { socket } = connection;
  for (const part of parts) {
    if (socket.destroyed) return;
    if (socket.write(part)) continue;
    const drained = new Promise<void>((resolve) => socket.once('drain', () => resolve()));
    await Promise.race([drained, connection.closed]);
  }
}

/** Ends every server that was started here. */
export async function stopRogues(): Promise<void> {
  await Promise.all([...running].map((rogue) => rogue.stop()));
}
