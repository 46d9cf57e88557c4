import { SHARDS_MAX } from '../../shared/limits.ts';
import {
  COUNTERS,
  RETRY_CONNECTION_LOST,
  RETRY_SESSION_LOST,
} from '../../shared/counter-catalogue.ts';
import type { PlanHttpUpstream } from '../../src/config/plan.ts';
import { ERA_LEGACY, ERA_MODERN, LOG_LEVELS } from '../../src/protocol/eras/era.ts';
import {
  KIND_BATCH,
  KIND_ERROR,
  KIND_NOTIFICATION,
  KIND_REQUEST,
} from '../../src/protocol/jsonrpc/peek-record.ts';
import type { Peek } from '../../src/protocol/jsonrpc/peek.ts';
import { METHOD_INITIALIZE, SERVER_LOGGING } from '../../src/protocol/methods.ts';
import { createHttpClient } from '../../src/transport/http/create-http-client.ts';
import { ANSWERED, NOT_SENT, requestHeadPrefix } from '../../src/transport/http/http-client.ts';
import type {
  HttpClient,
  HttpExecuted,
  HttpFailureKind,
} from '../../src/transport/http/http-client.ts';
import type { Exchange } from '../exchange.ts';
import type { Session } from '../session/session.ts';
import type { ShardContext } from '../shard-context.ts';
import { GIVEN_UP_BY_CLIENT } from './call.ts';
import type { CallListener, UpstreamCall } from './call.ts';
import type { UpstreamDescription } from './description.ts';
import { HttpUpstreamCall, failureCode, failureName } from './http-call.ts';
import { HttpEventStream } from './http-event-stream.ts';
import { HttpHandshake } from './http-handshake.ts';
import { HttpRequestWriter } from './http-request-writer.ts';
import { HttpUpstreamSession, SESSION_GONE, SESSION_READY } from './http-session.ts';
import { MessageReader } from './message-reader.ts';
import { OwnRequest, OwnStream } from './own-request.ts';
import { Outgoing } from './outgoing.ts';
import { PREPARING, READY, Upstream } from './upstream.ts';
import type { JsonObject, Readiness } from './upstream.ts';
import { cancelledText } from './cancelled.ts';

/** Calls that may wait for a connection of one upstream on one shard. */
const QUEUE_MAX = 2048;
const CONNECT_HEADER_BYTES_MAX = 16 * 1024;
/** Sessions held for modern callers of a legacy upstream; the least recently used idle one goes. */
const PRINCIPAL_SESSIONS_MAX = 1024;
/** Legacy handshakes are no calls: they have this long. */
const HANDSHAKE_TIMEOUT_MS = 15_000;
const WAITING_PER_SESSION_MAX = 1024;
/** A call that makes progress may last this many times its timeout. */
const PROGRESS_CAP_FACTOR = 10;

/** The gateway's own session, for lists and news. */
const OWN_KEY = '';

/**
 * An upstream behind Streamable HTTP, as one shard sees it: connections, era, sessions, calls. A
 * modern upstream is stateless: every call is one POST. A legacy one needs a session; whose it is
 * decides `#sessionFor`.
 */
export class HttpUpstream extends Upstream {
  readonly client: HttpClient;
  readonly initializeMethod = METHOD_INITIALIZE;
  readonly #http: PlanHttpUpstream;
  readonly #writer: HttpRequestWriter;
  readonly #reader: MessageReader;
  readonly #handshake: HttpHandshake;
  readonly #byPrincipal = new Map<string, HttpUpstreamSession>();
  #running = 0;
  #own: HttpUpstreamSession | null = null;
  #ownStream: HttpEventStream | null = null;

  constructor(plan: PlanHttpUpstream, shard: ShardContext) {
    super(plan, shard);
    this.#http = plan;
    const url = new URL(plan.http.url);
    this.client = createHttpClient({
      url,
      maxConnections: Math.max(
        1,
        Math.floor(plan.http.connectionsMax / Math.min(shard.shards, SHARDS_MAX)),
      ),
      pipelining: plan.http.pipelining,
      connectTimeoutMs: plan.http.connectTimeoutMs,
      idleTimeoutMs: plan.http.idleTimeoutMs,
      headerBytesMax: CONNECT_HEADER_BYTES_MAX,
      queueMax: QUEUE_MAX,
      clock: shard.clock,
    });
    const fixed = [
      ['content-type', 'application/json'],
      ['accept', 'application/json, text/event-stream'],
      ...plan.http.headers,
    ] as const;
    this.#writer = new HttpRequestWriter(
      requestHeadPrefix(url, 'POST', fixed),
      requestHeadPrefix(url, 'GET', [['accept', 'text/event-stream'], ...plan.http.headers]),
      requestHeadPrefix(url, 'DELETE', plan.http.headers),
    );
    this.#reader = new MessageReader();
    this.#handshake = new HttpHandshake(this, shard);
  }

  override get running(): number {
    return this.#running;
  }

  get isStateless(): boolean {
    return this.#own?.state === SESSION_READY && this.#own.id === null;
  }

  get writer(): HttpRequestWriter {
    return this.#writer;
  }

  /** This shard listens for the upstream's news, and tells the others. */
  get isListener(): boolean {
    return this.slot % this.shard.shards === this.shard.index;
  }

  protected override async connect(): Promise<UpstreamDescription> {
    const { description, session } = await this.#handshake.describe(HANDSHAKE_TIMEOUT_MS);
    this.#own = session;
    this.#byPrincipal.clear();
    this.#ownStream?.stop();
    this.#ownStream = null;
    if (this.isListener && !this.isClosed) {
      this.#ownStream = new HttpEventStream(this, this.shard, session, description);
      this.#ownStream.start();
    }
    return description;
  }

  override prepare(exchange: Exchange): Readiness {
    const readiness = this.waitUntilUp(exchange);
    if (readiness !== READY) return readiness;
    if (this.description?.era === ERA_MODERN || this.isStateless) return READY;
    const session = this.#sessionFor(exchange.session, exchange.principal.key);
    if (session !== null && session.state === SESSION_READY) return READY;
    const opening = session ?? this.#open(exchange.session, exchange.principal.key);
    if (opening.waiting.length >= WAITING_PER_SESSION_MAX) return 'BUSY';
    exchange.retain();
    opening.waiting.push(exchange);
    return PREPARING;
  }

  override call(outgoing: Outgoing, listener: CallListener): UpstreamCall | null {
    const { exchange } = outgoing;
    const session =
      this.description?.era === ERA_MODERN
        ? null
        : this.isStateless
          ? this.#own
          : this.#sessionFor(exchange?.session ?? null, exchange?.principal.key ?? OWN_KEY);
    return this.#send(outgoing, session, listener);
  }

  /** Sends a message of any session; handshakes use it too. */
  send(
    message: Buffer,
    methodId: number,
    modernMethod: string | null,
    session: HttpUpstreamSession | null,
    listener: CallListener,
    timeoutMs: number,
  ): HttpUpstreamCall | null {
    const call = new HttpUpstreamCall(this);
    call.idToken = Buffer.alloc(16);
    this.shard.callIds.next(call.idToken);
    call.methodId = methodId;
    call.upSession = session;
    call.isResendable = methodId !== METHOD_INITIALIZE;
    const body = Buffer.concat([
      Buffer.from('{"jsonrpc":"2.0","id":'),
      call.idToken,
      message.subarray('{"jsonrpc":"2.0"'.length),
    ]);
    const head = modernMethod === null ? '' : this.#writer.modernLines(modernMethod, null);
    this.#writer.own(call, session, head, body);
    return this.#begin(call, listener, timeoutMs, timeoutMs);
  }

  override async request(
    method: string,
    params: JsonObject,
    timeoutMs: number,
  ): Promise<JsonObject> {
    const own = new OwnRequest();
    const isModern = this.description?.era === ERA_MODERN;
    const { message, methodId } = this.#handshake.ownMessage(method, params, isModern);
    const call = this.send(message, methodId, isModern ? method : null, this.#own, own, timeoutMs);
    if (call === null) throw this.#handshake.busy();
    return own.promise;
  }

  override stream(method: string, params: JsonObject, listener: CallListener): UpstreamCall | null {
    const isModern = this.description?.era === ERA_MODERN;
    const { message, methodId } = this.#handshake.ownMessage(method, params, isModern);
    return this.send(message, methodId, isModern ? method : null, this.#own, listener, 0);
  }

  /** Session-wide at the upstream; sessions opened later get it when they open. */
  override setLogLevel(session: Session, level: number): void {
    const { description } = this;
    if (description?.era !== ERA_LEGACY || (description.capabilities & SERVER_LOGGING) === 0)
      return;
    const upSession = session.upstreamSessions?.get(this.slot);
    if (upSession?.state !== SESSION_READY) return;
    const params = { level: LOG_LEVELS[level] ?? 'info' };
    const { message, methodId } = this.#handshake.ownMessage('logging/setLevel', params, false);
    this.send(message, methodId, null, upSession, new OwnStream(), HANDSHAKE_TIMEOUT_MS);
  }

  override notify(session: Session | null, message: Buffer): void {
    if (this.description?.era !== ERA_LEGACY) return;
    if (session === null) return;
    const upSession = session.upstreamSessions?.get(this.slot);
    if (upSession?.state === SESSION_READY) this.post(upSession, message);
  }

  override forget(session: Session): void {
    const upSession = session.upstreamSessions?.get(this.slot);
    if (upSession !== undefined) this.#closeSession(upSession);
    session.upstreamSessions?.delete(this.slot);
  }

  /** Posts a notification or a response: an empty 202 is all that comes back. */
  post(session: HttpUpstreamSession | null, message: Buffer): void {
    const call = new HttpUpstreamCall(this);
    call.isNotification = true;
    call.upSession = session;
    this.#writer.own(call, session, '', message);
    call.send();
  }

  /** Opens the event stream of a downstream session's own upstream session, if it has none. */
  listenFor(session: Session): void {
    const upSession = session.upstreamSessions?.get(this.slot);
    if (upSession?.state !== SESSION_READY || upSession.endStream !== null) return;
    const { description } = this;
    if (description === null) return;
    const stream = new HttpEventStream(this, this.shard, upSession, description);
    upSession.endStream = () => stream.stop();
    stream.start();
  }

  // What calls report.

  /** One message of a call's answer. */
  onMessage(call: HttpUpstreamCall, bytes: Buffer, start: number, end: number): void {
    this.#reader.read(bytes, start, end, (message, from, to, peek) => {
      if (peek === null) {
        call.abort();
        call.fault('UPSTREAM_INVALID', ANSWERED, 'answer is not JSON-RPC');
        return;
      }
      this.#deliver(call, message, from, to, peek);
    });
  }

  #deliver(call: HttpUpstreamCall, bytes: Buffer, start: number, end: number, peek: Peek): void {
    const { listener } = call;
    if (peek.kind === KIND_BATCH || listener === null) return;
    if (peek.kind === KIND_NOTIFICATION) {
      if (
        !this.#reader.isNews(this, peek, bytes, call.upSession?.owner ?? null, this.shard.events)
      ) {
        listener.onNotification(call, bytes, start, end, peek);
      }
      return;
    }
    if (peek.kind === KIND_REQUEST) {
      listener.onServerRequest(call, bytes, start, end, peek);
      return;
    }
    const isOurs = peek.idStart >= 0 && call.idToken.compare(bytes, peek.idStart, peek.idEnd) === 0;
    // An error that could not name the request comes alone, as the only thing in its answer.
    const isAnonymous = peek.kind === KIND_ERROR && peek.idStart < 0;
    if (!isOurs && !isAnonymous) {
      this.shard.counters.add(COUNTERS.ANSWERS_LATE.id);
      return;
    }
    call.settle();
    listener.onResponse(call, bytes, start, end, peek);
  }

  /** An answer that is not 200 with JSON. The body may hold a JSON-RPC error. */
  onStatus(
    call: HttpUpstreamCall,
    bytes: Buffer,
    start: number,
    end: number,
    isJson: boolean,
  ): void {
    const status = call.httpStatus;
    const session = call.upSession;
    if (
      session !== null &&
      session.id !== null &&
      (status === 404 || this.#saysNoSession(status, bytes, start, end))
    ) {
      this.#onSessionLost(call, session);
      return;
    }
    if (isJson && status >= 400 && end > start) {
      let isError = false;
      this.#reader.read(bytes, start, end, (message, from, to, peek) => {
        if (peek === null || peek.kind !== KIND_ERROR || isError) return;
        isError = true;
        this.#deliver(call, message, from, to, peek);
      });
      if (isError) return;
    }
    const code = status === 401 || status === 403 ? 'UPSTREAM_AUTH' : 'UPSTREAM_STATUS';
    call.fault(
      status === 202 || status < 300 ? 'UPSTREAM_INVALID' : code,
      ANSWERED,
      `status=${status}`,
    );
  }

  /** Servers that answer an unknown session with 400, as the official SDK's examples do. */
  #saysNoSession(status: number, bytes: Buffer, start: number, end: number): boolean {
    return status === 400 && bytes.subarray(start, end).includes('-32000');
  }

  onPosted(call: HttpUpstreamCall): void {
    if (call.httpStatus >= 400) {
      this.shard.log.debug('upstream refused a notification', {
        upstream: this.plan.name,
        status: call.httpStatus,
      });
    }
  }

  onCallFailure(call: HttpUpstreamCall, kind: HttpFailureKind, executed: HttpExecuted): void {
    if (call.listener === null) return;
    const reason = failureName(kind);
    if (executed === NOT_SENT) {
      this.markDown(reason);
      if (!call.isResent && this.description !== null && call.exchange !== null) {
        call.isResent = true;
        this.shard.counters.add(COUNTERS.UPSTREAM_RETRIES.id + RETRY_CONNECTION_LOST);
        this.whenUp((code) => this.#resend(call, code === null ? null : reason));
        return;
      }
    }
    call.fault(failureCode(kind), executed, reason);
  }

  onGiveUp(call: HttpUpstreamCall, reason: number): void {
    const listener = call.settle();
    const session = call.upSession;
    if (session === null) {
      // Modern: closing the stream is the cancellation.
      call.abort();
    } else {
      this.post(
        session,
        Buffer.from(
          cancelledText(call.idToken, reason === GIVEN_UP_BY_CLIENT ? 'client' : 'deadline'),
        ),
      );
      call.abort();
    }
    if (listener !== null && reason !== GIVEN_UP_BY_CLIENT) {
      listener.onFault(call, 'UPSTREAM_TIMEOUT', 1, 'deadline');
    }
  }

  onSettled(call: HttpUpstreamCall): void {
    this.shard.deadlines.leave(call);
    this.#running -= 1;
    this.shard.inflight.remove(this.shard.index, this.slot);
    if (call.upSession !== null) call.upSession.calls -= 1;
  }

  // Sessions.

  #sessionFor(owner: Session | null, principalKey: string): HttpUpstreamSession | null {
    const session =
      owner !== null
        ? (owner.upstreamSessions?.get(this.slot) ?? null)
        : principalKey === OWN_KEY
          ? this.#own
          : (this.#byPrincipal.get(principalKey) ?? null);
    if (session === null || session.state === SESSION_GONE) return null;
    session.lastUsedMs = this.shard.clock.nowMs();
    return session;
  }

  #open(owner: Session | null, principalKey: string): HttpUpstreamSession {
    const session = new HttpUpstreamSession(owner, principalKey);
    if (owner !== null) (owner.upstreamSessions ??= new Map()).set(this.slot, session);
    else {
      this.#makeRoom();
      this.#byPrincipal.set(principalKey, session);
    }
    this.#handshake.open(session, HANDSHAKE_TIMEOUT_MS).then(
      () => {
        if (owner !== null && owner.stream !== null) this.listenFor(owner);
        if (owner !== null && owner.logLevel >= 0) this.setLogLevel(owner, owner.logLevel);
        this.#releaseWaiting(session);
      },
      (error: unknown) => {
        session.state = SESSION_GONE;
        const detail = error instanceof Error ? error.message : String(error);
        const waiting = session.waiting;
        session.waiting = [];
        for (const exchange of waiting) this.shard.fail(exchange, 'UPSTREAM_REFUSED', detail);
      },
    );
    return session;
  }

  #releaseWaiting(session: HttpUpstreamSession): void {
    const waiting = session.waiting;
    session.waiting = [];
    for (const exchange of waiting) this.shard.resume(exchange);
  }

  #makeRoom(): void {
    if (this.#byPrincipal.size < PRINCIPAL_SESSIONS_MAX) return;
    let oldest: HttpUpstreamSession | null = null;
    for (const session of this.#byPrincipal.values()) {
      if (session.calls > 0 || session.state !== SESSION_READY) continue;
      if (oldest === null || session.lastUsedMs < oldest.lastUsedMs) oldest = session;
    }
    if (oldest === null) return;
    this.#byPrincipal.delete(oldest.principalKey);
    this.#closeSession(oldest);
  }

  #closeSession(session: HttpUpstreamSession): void {
    session.endStream?.();
    session.endStream = null;
    if (session.state === SESSION_READY && session.id !== null) {
      const call = new HttpUpstreamCall(this);
      call.isNotification = true;
      this.#writer.remove(call, session);
      call.send();
    }
    session.state = SESSION_GONE;
  }

  /** The upstream forgot the session, so it did not execute the call: open another and send it again, once. */
  #onSessionLost(call: HttpUpstreamCall, session: HttpUpstreamSession): void {
    session.state = SESSION_GONE;
    session.endStream?.();
    session.endStream = null;
    if (call.isResent || call.listener === null) {
      call.fault('UPSTREAM_STATUS', ANSWERED, 'session is lost again');
      return;
    }
    call.isResent = true;
    this.shard.counters.add(COUNTERS.UPSTREAM_RETRIES.id + RETRY_SESSION_LOST);
    if (session === this.#own) {
      this.markDown('session lost');
      this.whenUp((code) => {
        call.upSession = this.#own;
        this.#resend(call, code === null ? null : 'session lost');
      });
      return;
    }
    const { owner, principalKey } = session;
    let next = this.#sessionFor(owner, principalKey);
    if (next === null) next = this.#open(owner, principalKey);
    call.upSession = next;
    next.calls += 1;
    session.calls -= 1;
    const fresh = next;
    this.#handshake.whenOpen(fresh, (isOpen) => this.#resend(call, isOpen ? null : 'session lost'));
  }

  #resend(call: HttpUpstreamCall, failure: string | null): void {
    if (call.listener === null) return;
    if (failure !== null) {
      call.fault('UPSTREAM_REFUSED', NOT_SENT, failure);
      return;
    }
    if (call.upSession !== null) this.#writer.readdress(call, call.upSession);
    if (!call.send()) call.fault('BUSY', NOT_SENT, 'no room');
  }

  // Sending.

  #send(
    outgoing: Outgoing,
    session: HttpUpstreamSession | null,
    listener: CallListener,
  ): UpstreamCall | null {
    const call = new HttpUpstreamCall(this);
    call.idToken = Buffer.allocUnsafe(16);
    this.shard.callIds.next(call.idToken);
    call.exchange = outgoing.exchange;
    call.session = outgoing.exchange?.session ?? null;
    call.methodId = outgoing.methodId;
    call.upSession = session;
    call.isResendable = outgoing.isResendable;
    this.#writer.call(call, session, outgoing);
    const { timeoutMs } = outgoing;
    return this.#begin(call, listener, timeoutMs, timeoutMs * PROGRESS_CAP_FACTOR);
  }

  #begin(
    call: HttpUpstreamCall,
    listener: CallListener,
    timeoutMs: number,
    capMs: number,
  ): HttpUpstreamCall | null {
    call.listener = listener;
    call.upstreamSlot = this.slot;
    if (!call.send()) {
      call.listener = null;
      return null;
    }
    const { shard } = this;
    if (call.upSession !== null) call.upSession.calls += 1;
    this.#running += 1;
    shard.inflight.add(shard.index, this.slot);
    shard.counters.add(COUNTERS.UPSTREAM_REQUESTS.id);
    if (timeoutMs > 0) shard.deadlines.enter(call, shard.clock.nowMs(), timeoutMs, capMs);
    return call;
  }

  protected override async closeLink(): Promise<void> {
    this.#ownStream?.stop();
    for (const session of this.#byPrincipal.values()) this.#closeSession(session);
    if (this.#own !== null) this.#closeSession(this.#own);
    await this.client.close(
      this.#http.requestTimeoutMs > 1000 ? 1000 : this.#http.requestTimeoutMs,
    );
  }
}
