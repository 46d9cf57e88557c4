/**
 * The admin listener: numbers and probes on an address of their own, for those who run the gateway.
 *
 *   GET /metrics   Prometheus text        GET /healthz   the process answers
 *   GET /readyz    every shard runs; 503 while one does not, or while the gateway stops
 *
 * It only reads, and what it reads is in shared memory, so no call waits for it. It outlives the main
 * listener: a probe sees the gateway drain. It has no authentication: bind it where only operators
 * reach it.
 *
 * `Host` is checked against DNS rebinding, as on the main listener: on loopback the loopback names; on
 * other addresses any IP address, which is what probes and scrapers use. Beside them `allowedHosts`.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isLoopbackHost } from '../config/address-range.ts';
import type { Plan, PlanAdmin } from '../config/plan.ts';
import type { EdgeLogger } from '../edge/edge-logger.ts';
import { healthDocument } from '../edge/health.ts';
import { OriginRules } from '../edge/origin-rules.ts';

import { METRICS_CONTENT_TYPE } from '../observe/prometheus.ts';

/** A scraper and some probes; more are turned away at once. */
const CONNECTIONS_MAX = 64;
const HEADER_BYTES_MAX = 8 * 1024;
const HEADERS_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Longer than the usual 15 s between scrapes would hold connections for nothing. */
const IDLE_TIMEOUT_MS = 5000;
/** How late the first two timeouts above may strike. Each look wakes an idle gateway. */
const CHECK_MS = 5000;

/** What the listener shows. */
export interface AdminSource {
  /** The settings in force: whose `allowedHosts` count. */
  plan(): Pick<Plan, 'allowedHosts'>;
  readiness(): { readonly ready: boolean };
  metrics(): Promise<string>;
  /** Called per request. */
  onRequest(): void;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

export class AdminServer {
  readonly #listen: PlanAdmin;
  readonly #source: AdminSource;
  readonly #logger: EdgeLogger;
  readonly #server: Server;
  #rules: { readonly for: readonly string[] | null; readonly sets: readonly OriginRules[] } | null =
    null;

  constructor(listen: PlanAdmin, source: AdminSource, logger: EdgeLogger) {
    this.#listen = listen;
    this.#source = source;
    this.#logger = logger;
    this.#server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: IDLE_TIMEOUT_MS,
        connectionsCheckingInterval: CHECK_MS,
        requireHostHeader: false, // judged below
        insecureHTTPParser: false,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
    // A client that takes no byte of its answer is dropped, and so is one that falls silent.
    this.#server.timeout = REQUEST_TIMEOUT_MS;
  }

  /** @throws Error naming the address if it cannot be had (`code` EADDRINUSE, …) */
  start(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.#listen;
    const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: bare, port, exclusive: true }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#logger.error({ error }, 'admin listener failed'));
        const address = this.#server.address() as AddressInfo;
        resolve({ host: address.address, port: address.port });
      });
    });
  }

  /** Cuts what is open; nothing here is worth waiting for. */
  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve()); // also if it never listened
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#source.onRequest();
    request.resume(); // a body is nothing to us; the timeouts bound it
    let answer: Answer;
    try {
      answer = await this.#answer(request);
    } catch (error) {
      this.#logger.error({ error }, 'metrics could not be made');
      answer = text(500, 'internal error\n');
    }
    const { status, contentType, body } = answer;
    response.writeHead(status, {
      'Content-Type': contentType,
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const { method, headers, url = '' } = request;
    if (!this.#isAllowed(headers.host ?? '', headers.origin ?? '')) {
      return text(403, 'forbidden: Host or Origin is not allowed\n');
    }
    const path = url.split('?', 1)[0]!;
    const health = healthDocument(path, () => this.#source.readiness());
    if (health === null && path !== '/metrics') return text(404, 'not found\n');
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'method not allowed\n');
    if (health !== null) return health;
    const body = await this.#source.metrics();
    return { status: 200, contentType: METRICS_CONTENT_TYPE, body };
  }

  #isAllowed(host: string, origin: string): boolean {
    const { allowedHosts } = this.#source.plan();
    if (this.#rules?.for !== allowedHosts) {
      this.#rules = { for: allowedHosts, sets: hostRules(this.#listen.host, allowedHosts) };
    }
    const { sets } = this.#rules!;
    return (
      sets.some((rules) => rules.isHostAllowed(host)) &&
      sets.some((rules) => rules.isOriginAllowed(origin))
    );
  }
}

/** By address, and by the names that are written down: either will do. */
function hostRules(listenHost: string, allowedHosts: readonly string[] | null): OriginRules[] {
  const base = {
    listenHost,
    isLoopback: isLoopbackHost(listenHost),
    allowedOrigins: null,
    publicUrl: null,
  };
  const byAddress = new OriginRules({ ...base, allowedHosts: null });
  return allowedHosts === null
    ? [byAddress]
    : [byAddress, new OriginRules({ ...base, allowedHosts })];
}

function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}
