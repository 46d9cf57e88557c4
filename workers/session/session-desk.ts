import { COUNTERS } from '../../shared/counter-catalogue.ts';
import { HEADER_MCP_SESSION_ID } from '../../shared/header-code.ts';
import { isLegacyRevision, LATEST_LEGACY, revisionFromBytes } from '../../src/protocol/eras/era.ts';
import type { Peek } from '../../src/protocol/jsonrpc/peek-record.ts';
import type { EndpointFace } from '../endpoint-face.ts';
import type { Exchange } from '../exchange.ts';
import type { Replier } from '../reply.ts';
import { replyFields } from '../reply-fields.ts';
import type { ReplyFields } from '../reply-fields.ts';
import type { RequestView } from '../request-view.ts';
import type { ShardContext } from '../shard-context.ts';
import { HttpUpstream } from '../upstream/http-upstream.ts';
import { GIVEN_UP_BY_CLIENT } from '../upstream/call.ts';
import type { UpstreamSet } from '../upstream/upstream-set.ts';
import { principalDigest } from './session-id.ts';
import type { SessionSealer } from './session-id.ts';
import { CLIENT_ELICITATION, CLIENT_ROOTS, CLIENT_SAMPLING, Session } from './session.ts';
import type { SessionTable } from './session-table.ts';

/** Capabilities and client info of one client, as kept per session. */
const CLIENT_TEXT_MAX = 4 * 1024;
const EXPIRY_CHECK_MS = 30_000;
const UNKNOWN_CLIENT = '{"name":"unknown","version":"0"}';

export interface SessionDeskParts {
  readonly view: RequestView;
  readonly replier: Replier;
  readonly sessions: SessionTable;
  readonly face: EndpointFace;
  readonly upstreams: UpstreamSet;
}

/** Where sessions are opened: what their ids say. */
export interface SessionMint {
  readonly shard: ShardContext;
  readonly sealer: SessionSealer;
  readonly instance: Buffer;
}

/** Opens, closes and expires legacy sessions, and holds their standalone event streams. */
export class SessionDesk {
  readonly #parts: SessionDeskParts;
  readonly #mint: SessionMint;
  #serial = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(parts: SessionDeskParts, mint: SessionMint) {
    this.#parts = parts;
    this.#mint = mint;
  }

  /** `initialize`: answered here; upstreams are asked for nothing until they are needed. */
  initialize(exchange: Exchange, record: Peek): void {
    const { replier, sessions, face } = this.#parts;
    const { bytes, plan, endpointIndex } = exchange;
    const { protocolVersionParamStart: start, protocolVersionParamEnd: end } = record;
    if (start < 0) {
      const message = 'invalid params: protocolVersion must be a string';
      replier.fault(exchange, 'INVALID_PARAMS', 'protocolVersion', null, null, message);
      return;
    }
    const asked = revisionFromBytes(bytes, start, end);
    const revision = isLegacyRevision(asked) ? asked : LATEST_LEGACY;
    const { sessionsMax } = plan.plan.limits;
    const slot = sessions.claimSlot(sessionsMax, (evicted) => {
      this.#mint.shard.counters.add(COUNTERS.SESSIONS_EXPIRED.id);
      this.#drop(evicted);
    });
    if (slot < 0) {
      replier.fault(exchange, 'BUSY', 'too many sessions');
      return;
    }
    const session = this.#open(exchange, record, slot, revision);
    this.#watch();
    const id = session.id.toString('latin1');
    const fields: ReplyFields = replyFields([[HEADER_MCP_SESSION_ID, id]]);
    const result = face.initializeResult(plan, plan.endpoint(endpointIndex), revision);
    replier.result(exchange, result, fields);
  }

  #open(exchange: Exchange, record: Peek, slot: number, revision: number): Session {
    const { shard, sealer, instance } = this.#mint;
    const { principal, bytes, plan, endpointIndex } = exchange;
    this.#serial += 1;
    const id = sealer.seal({
      shard: shard.index,
      slot,
      instance,
      generation: shard.generation,
      principal: principalDigest(principal.key),
      revision,
      serial: this.#serial,
    });
    const { bits, json } = this.#capabilities(bytes, record);
    const clientInfo = textOf(bytes, record.clientInfoStart, record.clientInfoEnd);
    const session = new Session(
      slot,
      id,
      principal.key,
      plan.endpoint(endpointIndex).path,
      revision,
      bits,
      json,
      clientInfo ?? UNKNOWN_CLIENT,
      shard.clock.nowMs(),
    );
    this.#parts.sessions.put(session);
    shard.counters.add(COUNTERS.SESSIONS_OPENED.id);
    return session;
  }

  /** GET: the standalone stream of a session (2025-03-26 and later, Streamable HTTP). */
  openStream(exchange: Exchange): void {
    const { view, replier, upstreams } = this.#parts;
    if (!view.acceptsEvents()) {
      replier.fault(
        exchange,
        'NOT_ACCEPTABLE',
        '',
        null,
        null,
        'not acceptable: Accept must list text/event-stream',
      );
      return;
    }
    const session = this.#find(exchange);
    if (session === null) return;
    if (session.stream !== null) {
      replier.fault(exchange, 'SESSION_STREAM_TAKEN');
      return;
    }
    exchange.session = session;
    exchange.acceptsEvents = true;
    replier.beginEvents(exchange);
    session.stream = exchange;
    for (const upstream of upstreams.all()) {
      if (upstream instanceof HttpUpstream) upstream.listenFor(session);
    }
  }

  /** DELETE: the client is done. */
  close(exchange: Exchange): void {
    const { replier, sessions } = this.#parts;
    const { shard } = this.#mint;
    const session = this.#find(exchange);
    if (session === null) return;
    shard.counters.add(COUNTERS.SESSIONS_CLOSED.id);
    this.#drop(session);
    sessions.remove(session);
    replier.empty(exchange, 200);
  }

  /** The client went away from its stream. The session stays. */
  onStreamGone(exchange: Exchange): void {
    const { session } = exchange;
    if (session !== null && session.stream === exchange) session.stream = null;
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #find(exchange: Exchange): Session | null {
    const { view, replier, sessions } = this.#parts;
    const { shard } = this.#mint;
    const { open } = view;
    if (!open.find(HEADER_MCP_SESSION_ID)) {
      replier.fault(exchange, 'SESSION_REQUIRED');
      return null;
    }
    const session = sessions.find(view.bytes, open.valueStart, open.valueEnd);
    if (session === null || !session.belongsTo(exchange)) {
      shard.counters.add(COUNTERS.SESSIONS_REFUSED.id);
      replier.fault(exchange, 'SESSION_NOT_FOUND');
      return null;
    }
    session.lastUsedMs = shard.clock.nowMs();
    return session;
  }

  /** Ends what hangs on a session: running calls, its stream, its sessions upstream. */
  #drop(session: Session): void {
    const { replier, upstreams } = this.#parts;
    for (let exchange = session.running; exchange !== null;) {
      const next: Exchange | null = exchange.nextInSession;
      const { call } = exchange;
      exchange.call = null;
      if (call !== null) {
        call.exchange = null;
        call.giveUp(GIVEN_UP_BY_CLIENT);
      }
      replier.fault(exchange, 'SESSION_NOT_FOUND', 'session closed');
      exchange = next;
    }
    const { stream } = session;
    session.stream = null;
    if (stream !== null) replier.end(stream);
    upstreams.forget(session);
  }

  #watch(): void {
    if (this.#timer !== null) return;
    const { sessions } = this.#parts;
    const { shard } = this.#mint;
    this.#timer = setInterval(() => {
      if (sessions.count === 0) {
        this.stop();
        return;
      }
      sessions.expire(shard.clock.nowMs() - this.sessionIdleMs, (session) => {
        shard.counters.add(COUNTERS.SESSIONS_EXPIRED.id);
        this.#drop(session);
      });
    }, EXPIRY_CHECK_MS);
  }

  /** Set by each plan. */
  sessionIdleMs = 3_600_000;

  /** What we may ask of this client, in our words: what we cannot relay is left out. */
  #capabilities(bytes: Buffer, record: Peek): { bits: number; json: string } {
    const text = textOf(bytes, record.initCapabilitiesStart, record.initCapabilitiesEnd);
    const said: unknown = text === null ? {} : JSON.parse(text);
    const { roots, sampling, elicitation } = (said ?? {}) as Record<string, unknown>;
    const bits =
      (isObject(roots) ? CLIENT_ROOTS : 0) |
      (isObject(sampling) ? CLIENT_SAMPLING : 0) |
      (isObject(elicitation) ? CLIENT_ELICITATION : 0);
    const json = JSON.stringify({
      ...(isObject(roots) ? { roots } : {}),
      ...(isObject(sampling) ? { sampling } : {}),
      ...(isObject(elicitation) ? { elicitation } : {}),
    });
    return { bits, json };
  }
}

function textOf(bytes: Buffer, start: number, end: number): string | null {
  return start < 0 || end - start > CLIENT_TEXT_MAX ? null : bytes.toString('utf8', start, end);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
