import type { Exchange } from '../exchange.ts';
import type { HttpUpstreamSession } from '../upstream/http-session.ts';
import type { UpstreamCall } from '../upstream/call.ts';

/** What a client said it can be asked (`initialize`, MCP ≤ 2025-11-25, client capabilities). */
export const CLIENT_ROOTS = 1;
export const CLIENT_SAMPLING = 2;
export const CLIENT_ELICITATION = 4;

/** A request of a server that waits for this client's response. */
export interface ServerRequest {
  readonly call: UpstreamCall;
  /** The server's own id, as it wrote it. */
  readonly idToken: Buffer;
}

/**
 * One legacy client session. It lives on one shard, in the slot that its id names, from `initialize`
 * until DELETE, idle expiry or the end of the shard. Idle it costs its id, two short texts and this
 * object: what only some sessions need is made on first use.
 */
export class Session {
  readonly slot: number;
  readonly id: Buffer;
  readonly principalKey: string;
  /** Indexes shift with reloads, paths do not. */
  readonly endpointPath: string;
  /** Index into the list of revisions (`src/protocol/eras/era.ts`). */
  readonly revision: number;
  /** CLIENT_* bits. */
  readonly capabilities: number;
  /** The same as JSON, for the sessions that are opened upstream on this client's behalf. */
  readonly capabilitiesJson: string;
  readonly clientInfoJson: string;
  /** Index into the protocol's levels (0 debug … 7 emergency); -1: never set, the server decides. */
  logLevel: number;
  lastUsedMs: number;
  /** The standalone event stream (GET), if the client holds one. */
  stream: Exchange | null;
  /** Head of the list of this session's running exchanges. */
  running: Exchange | null;
  runningCount: number;
  upstreamSessions: Map<number, HttpUpstreamSession> | null;
  /** Upstream slots by subscribed URI. */
  subscriptions: Map<string, number> | null;
  serverRequests: Map<number, ServerRequest> | null;
  nextServerRequest: number;
  closed: boolean;

  constructor(
    slot: number,
    id: Buffer,
    principalKey: string,
    endpointPath: string,
    revision: number,
    capabilities: number,
    capabilitiesJson: string,
    clientInfoJson: string,
    nowMs: number,
  ) {
    this.slot = slot;
    this.id = id;
    this.principalKey = principalKey;
    this.endpointPath = endpointPath;
    this.revision = revision;
    this.capabilities = capabilities;
    this.capabilitiesJson = capabilitiesJson;
    this.clientInfoJson = clientInfoJson;
    this.logLevel = -1;
    this.lastUsedMs = nowMs;
    this.stream = null;
    this.running = null;
    this.runningCount = 0;
    this.upstreamSessions = null;
    this.subscriptions = null;
    this.serverRequests = null;
    this.nextServerRequest = 1;
    this.closed = false;
  }

  /** Whether a request of this caller at this endpoint may use the session. */
  belongsTo(exchange: Exchange): boolean {
    const { plan, endpointIndex, principal } = exchange;
    return (
      this.principalKey === principal.key && this.endpointPath === plan.endpoint(endpointIndex).path
    );
  }

  /** Enters a running exchange; `cancelled` notifications find it by the client's id. */
  enter(exchange: Exchange): void {
    exchange.previousInSession = null;
    exchange.nextInSession = this.running;
    if (this.running !== null) this.running.previousInSession = exchange;
    this.running = exchange;
    this.runningCount += 1;
  }

  leave(exchange: Exchange): void {
    const { previousInSession: previous, nextInSession: next } = exchange;
    if (previous !== null) previous.nextInSession = next;
    else if (this.running === exchange) this.running = next;
    else return;
    if (next !== null) next.previousInSession = previous;
    exchange.previousInSession = null;
    exchange.nextInSession = null;
    this.runningCount -= 1;
  }

  /** The running exchange whose id token is exactly these bytes. */
  findRunning(bytes: Buffer, start: number, end: number): Exchange | null {
    for (let exchange = this.running; exchange !== null; exchange = exchange.nextInSession) {
      if (exchange.idEquals(bytes, start, end)) return exchange;
    }
    return null;
  }

  /** An idle session may be evicted to make room for another. */
  get isIdle(): boolean {
    return this.stream === null && this.running === null;
  }
}
