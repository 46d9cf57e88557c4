/** A client that shows every byte of an answer, in both eras, and can behave badly. */
import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface RpcMessage {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: { readonly content?: readonly { text?: string }[]; readonly isError?: boolean };
  readonly error?: { readonly code: number; readonly message: string };
}

export interface Send {
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
  readonly method?: string;
}

const ENVELOPE = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'failure', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

export class Client {
  readonly url: string;
  readonly #agent: Agent;
  #next = 1;
  sessionId: string | null = null;

  constructor(url: string, sockets = 64) {
    this.url = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: sockets });
    open.add(this);
  }

  /** The response, its body still to come. */
  send(
    body: string | Buffer,
    { headers = {}, signal, method = 'POST' }: Send = {},
  ): Promise<IncomingMessage> {
    if (signal !== undefined) setMaxListeners(0, signal); // one for many requests
    return new Promise((resolve, reject) => {
      const sent = request(
        this.url,
        {
          method,
          agent: this.#agent,
          ...(signal === undefined ? {} : { signal }),
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            ...(this.sessionId === null ? {} : { 'mcp-session-id': this.sessionId }),
            ...headers,
          },
        },
        resolve,
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async post(body: string | Buffer, send: Send = {}): Promise<Answer> {
    const response = await this.send(body, send);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: await textOf(response),
    };
  }

  /** Body and header fields of a modern request. */
  modern(method: string, params: object = {}, id: unknown = this.#next++): [string, Send] {
    const { name } = params as { name?: string };
    const headers = {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(name === undefined ? {} : { 'mcp-name': name }),
    };
    return [
      JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: ENVELOPE } }),
      { headers },
    ];
  }

  /** A modern `tools/call`; the last message of what comes back. */
  async call(name: string, args: object = {}, id: unknown = this.#next++): Promise<RpcMessage> {
    const [body, send] = this.modern('tools/call', { name, arguments: args }, id);
    return lastOf(await this.post(body, send));
  }

  /** The text of a call that must succeed. */
  async text(name: string, args: object = {}): Promise<string> {
    const message =
      this.sessionId === null ? await this.call(name, args) : await this.legacyCall(name, args);
    const text = message.result?.content?.[0]?.text;
    if (text === undefined) throw new Error(`call of ${name} failed: ${JSON.stringify(message)}`);
    return text;
  }

  async initialize(protocolVersion = '2025-11-25'): Promise<void> {
    const body = {
      jsonrpc: '2.0',
      id: 'init',
      method: 'initialize',
      params: {
        protocolVersion,
        capabilities: {},
        clientInfo: { name: 'failure', version: '1.0.0' },
      },
    };
    this.sessionId = null;
    const answer = await this.post(JSON.stringify(body));
    const id = answer.headers['mcp-session-id'];
    if (typeof id !== 'string') throw new Error(`no session: ${answer.status} ${answer.text}`);
    this.sessionId = id;
    await this.post('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  }

  legacy(method: string, params: object = {}, id: unknown = this.#next++): string {
    return JSON.stringify({ jsonrpc: '2.0', id, method, params });
  }

  async legacyCall(
    name: string,
    args: object = {},
    id: unknown = this.#next++,
  ): Promise<RpcMessage> {
    return lastOf(await this.post(this.legacy('tools/call', { name, arguments: args }, id)));
  }

  close(): void {
    this.#agent.destroy();
    open.delete(this);
  }
}

const open = new Set<Client>();

export function closeClients(): void {
  for (const client of [...open]) client.close();
}

export async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** All messages of an answer, be it JSON or an event stream. */
export function messagesOf(answer: Answer): RpcMessage[] {
  const type = String(answer.headers['content-type'] ?? '');
  if (!type.startsWith('text/event-stream')) {
    if (answer.text === '') throw new Error(`empty answer with status ${answer.status}`);
    return [JSON.parse(answer.text) as RpcMessage];
  }
  return answer.text
    .split('\n\n')
    .map((block) =>
      block
        .split('\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice(6))
        .join('\n'),
    )
    .filter((data) => data !== '')
    .map((data) => JSON.parse(data) as RpcMessage);
}

export function lastOf(answer: Answer): RpcMessage {
  const message = messagesOf(answer).at(-1);
  if (message === undefined) throw new Error(`no message: ${answer.status} ${answer.text}`);
  return message;
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
