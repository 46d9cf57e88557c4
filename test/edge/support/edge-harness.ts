/** A whole edge with fake shards on real threads, and a small client. */
import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Plan, PlanRateLimit, PlanUpstream } from '../../../src/config/plan.ts';
import { Edge } from '../../../src/edge/edge.ts';
import type { EdgeOptions, ShardEvent } from '../../../src/edge/edge.ts';

export const FAKE_SHARD = new URL('./fake-shard.mjs', import.meta.url);

/** A plan whose clients are accepted by this server. */
export function planOn(server: Plan['listen']['server']): Plan {
  const plan = testPlan();
  return { ...plan, listen: { ...plan.listen, server } };
}

export function testPlan(changes: Partial<Plan> = {}): Plan {
  return {
    number: 1,
    listen: { host: '127.0.0.1', port: 0, path: '/mcp', loopback: true, server: 'auto' },
    shards: 2,
    publicUrl: null,
    trustedProxies: [],
    allowedHosts: null,
    allowedOrigins: null,
    admin: null,
    endpoints: [
      { index: 0, path: '/mcp', upstream: null },
      { index: 1, path: '/mcp/math', upstream: 0 },
    ],
    upstreams: [],
    names: { conflict: 'prefix', separator: '_' },
    routes: [],
    defaultRoute: null,
    routed: false,
    timeouts: {
      requestTimeoutMs: 60_000,
      listTimeoutMs: 5000,
      drainTimeoutMs: 5000,
      bodyTimeoutMs: 10_000,
      sessionIdleMs: 60_000,
    },
    limits: {
      bodyBytesMax: 4 * 1024 * 1024,
      bodyBudgetBytes: 64 * 1024 * 1024,
      sessionsMax: 1000,
      listItemsMax: 1000,
      rateLimitKeysMax: 1000,
      upstreamCallsMax: 1000,
    },
    auth: {
      mode: 'none',
      required: false,
      methods: [],
      resource: {
        identifier: null,
        authorizationServers: [],
        scopesSupported: [],
        name: null,
        documentation: null,
      },
      flood: { failures: 10, windowMs: 1000, blockMs: 1000 },
      rememberedMax: 100,
    },
    rateLimits: [],
    askedHeaders: [],
    log: { level: 'silent' },
    reload: { watch: false },
    ...changes,
  };
}

/** A rate limit: with it, the client's address is needed with each request. */
export const ANY_LIMIT: PlanRateLimit = {
  slot: 0,
  per: 'client',
  algorithm: 'fixedWindow',
  requests: 1_000_000,
  windowMs: 1000,
  burst: 1_000_000,
  match: null,
  methods: null,
};

/** An upstream of this name: all the fake shard looks at. */
export function upstreamNamed(name: string): PlanUpstream {
  return {
    kind: 'stdio',
    index: 0,
    slot: 0,
    name,
    era: 'auto',
    requestTimeoutMs: 1000,
    listTimeoutMs: 1000,
    messageBytesMax: 1000,
    prefix: name,
    rename: { tools: [], prompts: [] },
    priority: 0,
    capabilities: { sampling: false, elicitation: false, roots: false },
    configHash: '',
    stdio: { command: 'true', args: [], env: [], cwd: '/', processes: 1, shutdownMs: 100 },
  };
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Call {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
  readonly id?: unknown;
  readonly signal?: AbortSignal;
  /** On a new connection. */
  readonly fresh?: boolean;
}

/** What the fake shard's `echo` answers. */
export interface EchoResult {
  readonly params: object;
  readonly shard: number;
  readonly generation: number;
  readonly bytes: number;
  readonly method: number;
  readonly endpoint: number;
  readonly plan: number;
  readonly peer: string;
  readonly headers: readonly [string, string][];
}

/** What a fake shard says of itself. */
export interface FakeStatus {
  /** Reply body bytes sent, and bytes of credit returned for them. */
  readonly sentBytes: number;
  readonly creditedBytes: number;
  readonly cancels: readonly number[];
  readonly open: number;
  readonly shard: number;
}

/** One edge under test. */
export class Harness {
  readonly edge: Edge;
  readonly lines: { level: string; fields: object; message: string }[] = [];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2000 });
  readonly #events: ShardEvent[] = [];
  readonly #waiters: { matches: (event: ShardEvent) => boolean; resolve: () => void }[] = [];
  port = 0;

  constructor(plan: Plan, options: Partial<EdgeOptions> = {}) {
    const log = (level: string) => (fields: object, message: string) => {
      this.lines.push({ level, fields, message });
    };
    this.edge = new Edge(plan, {
      shardUrl: FAKE_SHARD,
      logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      region: { tables: [{ name: 'test', bytes: 128 }], ...options.region },
      onShardEvent: (event) => this.#onEvent(event),
      ...options,
    });
  }

  static async start(plan = testPlan(), options: Partial<EdgeOptions> = {}): Promise<Harness> {
    const harness = new Harness(plan, options);
    harness.port = (await harness.edge.start()).port;
    return harness;
  }

  /** Ends everything at once. */
  async stop(): Promise<void> {
    this.#agent.destroy();
    await this.edge.drainAndStop(0);
  }

  /** Resolves when that has happened, be it already. */
  event(kind: ShardEvent['kind'], shard: number, generation: number): Promise<void> {
    const matches = (event: ShardEvent): boolean =>
      event.kind === kind && event.shard === shard && event.generation === generation;
    if (this.#events.some(matches)) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ matches, resolve }));
  }

  /** A JSON-RPC call; the whole answer. */
  async call(method: string, params: object = {}, call: Call = {}): Promise<Reply> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: call.id ?? 1, method, params });
    return this.fetch({ body, ...call });
  }

  /** The result of a call that must succeed. */
  async result<T>(method: string, params: object = {}, call: Call = {}): Promise<T> {
    const reply = await this.call(method, params, call);
    const message = JSON.parse(reply.body) as { result?: T };
    if (message.result === undefined) throw new Error(`call failed: ${reply.status} ${reply.body}`);
    return message.result;
  }

  async fetch(call: Call): Promise<Reply> {
    const response = await this.open(call);
    let body = '';
    response.setEncoding('utf8');
    for await (const chunk of response) body += chunk;
    return { status: response.statusCode ?? 0, headers: response.headers, body };
  }

  /** The response with its body still to come. */
  open(call: Call): Promise<IncomingMessage> {
    const { method = 'POST', path = '/mcp', headers = {}, body, signal, fresh } = call;
    const agent = fresh === true ? false : this.#agent;
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: this.port, agent, method, path, headers, signal },
        resolve,
      );
      outgoing.on('error', reject);
      if (body !== undefined) outgoing.setHeader('content-length', Buffer.byteLength(body));
      outgoing.end(body);
    });
  }

  /** Sends a head and half a body; what it returns sends the rest and gives the answer. */
  async slowCall(path: string, method: string): Promise<() => Promise<Reply>> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: {} });
    const socket = connect(this.port, '127.0.0.1');
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`;
    await new Promise<void>((resolve) => socket.write(head + body.slice(0, 10), () => resolve()));
    // The server has it once a later request on the same thread was answered.
    await this.call('echo');
    return async () => {
      socket.write(body.slice(10));
      let text = '';
      for await (const chunk of socket) {
        text += String(chunk);
        const [top = '', reply = ''] = text.split('\r\n\r\n');
        const length = Number(/content-length: (\d+)/i.exec(top)?.[1] ?? -1);
        if (reply.length < length || length < 0) continue;
        return { status: Number(top.split(' ')[1]), headers: {}, body: reply };
      }
      throw new Error(`cut short: ${text}`);
    };
  }

  #onEvent(event: ShardEvent): void {
    this.#events.push(event);
    for (const waiter of this.#waiters) if (waiter.matches(event)) waiter.resolve();
  }
}

/** A legacy session id whose clear text names a shard; the fake shard looks at no more. */
export function sessionIdFor(shard: number): string {
  const bytes = Buffer.alloc(69);
  bytes[0] = 1;
  bytes[1] = 1;
  bytes.writeUInt16BE(shard, 2);
  return bytes.toString('base64url');
}
