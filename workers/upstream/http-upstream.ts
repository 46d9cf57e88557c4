import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { PlanHttpUpstream } from '../../src/config/plan.ts';
import { ERA_LEGACY, ERA_MODERN, LOG_LEVELS } from '../../src/protocol/eras/era.ts';
import { METHOD_INITIALIZE, SERVER_LOGGING } from '../../src/protocol/methods.ts';
import { createHttpClient } from '../../src/transport/http/create-http-client.ts';
import { NOT_SENT, requestHeadPrefix } from '../../src/transport/http/http-client.ts';
import type {
  HttpClient,
  HttpExecuted,
  HttpFailureKind,
} from '../../src/transport/http/http-client.ts';
import { Fault } from '../../shared/fault.ts';
import type { Principal } from '../policy/principal.ts';
import { PendingCredential } from '../policy/upstream-credentials.ts';
import type { CredentialFault } from '../policy/upstream-credentials.ts';
import type { Exchange } from '../exchange.ts';
import type { Session } from '../session/session.ts';
import type { ShardContext } from '../shard-context.ts';
import type { CallListener, UpstreamCall } from './call.ts';
import type { UpstreamDescription } from './description.ts';
import { HttpAnswers } from './http-answers.ts';
import { HttpUpstreamCall } from './http-call.ts';
import { HttpEventStream } from './http-event-stream.ts';
import { HttpHandshake } from './http-handshake.ts';
import { HttpRequestWriter } from './http-request-writer.ts';
import { SESSION_READY } from './http-session.ts';
import type { HttpUpstreamSession } from './http-session.ts';
import { HANDSHAKE_TIMEOUT_MS, HttpSessions, OWN_KEY } from './http-sessions.ts';
import { OwnRequest, OwnStream } from './own-request.ts';
import type { Outgoing } from './outgoing.ts';
import { PREPARING, READY, Upstream } from './upstream.ts';
import type { JsonObject, Readiness } from './upstream.ts';

/** Calls that may wait for a connection of one upstream on one shard. */
const QUEUE_MAX = 2048;
/** Call objects kept for reuse. */
const POOL_MAX = 256;
const CONNECT_HEADER_BYTES_MAX = 16 * 1024;
/** A call that makes progress may last this many times its timeout. */
const PROGRESS_CAP_FACTOR = 10;
const NO_CREDENTIAL = Buffer.alloc(0);

/**
 * An upstream behind Streamable HTTP, as one shard sees it: connections, era, sessions, calls. A
 * modern upstream is stateless: every call is one POST. A legacy one needs a session; whose it is
 * is decided in `http-sessions.ts`.
 */
export class HttpUpstream extends Upstream {
  readonly client: HttpClient;
  readonly initializeMethod = METHOD_INITIALIZE;
  readonly #http: PlanHttpUpstream;
  readonly #writer: HttpRequestWriter;
  readonly #handshake: HttpHandshake;
  readonly #sessions: HttpSessions;
  readonly #answers: HttpAnswers;
  readonly #pool: HttpUpstreamCall[] = [];
  #running = 0;
  #ownStream: HttpEventStream | null = null;

  constructor(plan: PlanHttpUpstream, shard: ShardContext) {
    super(plan, shard);
    this.#http = plan;
    const url = new URL(plan.http.url);
    this.client = createHttpClient({
      url,
      maxConnections: Math.max(1, Math.floor(plan.http.connectionsMax / shard.shards)),
      pipelining: plan.http.pipelining,
      connectTimeoutMs: plan.http.connectTimeoutMs,
      idleTimeoutMs: plan.http.idleTimeoutMs,
      headerBytesMax: CONNECT_HEADER_BYTES_MAX,
      queueMax: QUEUE_MAX,
      clock: shard.clock,
      counters: shard.httpCounters,
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
    this.#handshake = new HttpHandshake(this, shard);
    this.#sessions = new HttpSessions(this, shard, this.#handshake);
    this.#answers = new HttpAnswers(this, shard, this.#sessions);
  }

  override get running(): number {
    return this.#running;
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
    this.#sessions.restart(session);
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
    if (this.description?.era === ERA_MODERN || this.#sessions.isStateless) return READY;
    const isOpen = this.#sessions.prepare(exchange);
    if (isOpen === null) return 'BUSY';
    return isOpen ? READY : PREPARING;
  }

  override call(outgoing: Outgoing, listener: CallListener): UpstreamCall | null {
    const { exchange } = outgoing;
    if (this.description?.era === ERA_MODERN) return this.#send(outgoing, null, listener);
    const session = this.#sessions.isStateless
      ? this.#sessions.own
      : this.#sessions.find(exchange?.session ?? null, exchange?.principal.key ?? OWN_KEY);
    return this.#send(outgoing, session, listener);
  }

  /**
   * The gateway's credential for a message in that name; null: of the gateway's own. Handshakes and
   * lists need one as calls do.
   * @throws Fault where there should be one and is none
   */
  async credential(principal: Principal | null): Promise<Buffer> {
    const verdict = this.shard.credentialFor(this.plan, principal);
    const header =
      verdict instanceof PendingCredential
        ? await new Promise<Buffer | CredentialFault>((resolve) => verdict.whenReady(resolve))
        : verdict;
    if (typeof header !== 'string') return header;
    // An issuer that exchanges callers' tokens need not give us one; the upstream may tell us all the same.
    if (principal === null && this.#http.auth.kind === 'tokenExchange') return NO_CREDENTIAL;
    throw new Fault(header, `no credential: upstream=${this.plan.name}`);
  }

  /** The same for what cannot wait: the one at hand, be it the last. */
  credentialAtHand(session: HttpUpstreamSession | null): Buffer {
    const verdict = this.shard.credentialFor(this.plan, session?.principal ?? null);
    if (Buffer.isBuffer(verdict)) return verdict;
    if (verdict instanceof PendingCredential) verdict.cancel();
    return session?.credential ?? NO_CREDENTIAL;
  }

  /** Sends a message of any session; handshakes use it too. */
  send(
    message: Buffer,
    methodId: number,
    modernMethod: string | null,
    session: HttpUpstreamSession | null,
    listener: CallListener,
    timeoutMs: number,
    credential: Buffer = this.credentialAtHand(session),
    isLasting = false,
  ): HttpUpstreamCall | null {
    const call = new HttpUpstreamCall(this);
    this.shard.callIds.nextInto(call.token);
    call.methodId = methodId;
    call.upSession = session;
    call.isResendable = methodId !== METHOD_INITIALIZE;
    call.isLasting = isLasting;
    const body = Buffer.concat([
      Buffer.from('{"jsonrpc":"2.0","id":'),
      call.idToken,
      message.subarray('{"jsonrpc":"2.0"'.length),
    ]);
    const head = modernMethod === null ? '' : this.#writer.modernLines(modernMethod, null);
    this.#writer.own(call, session, head, body, credential);
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
    const credential = await this.credential(null);
    const call = this.send(
      message,
      methodId,
      isModern ? method : null,
      this.#sessions.own,
      own,
      timeoutMs,
      credential,
    );
    if (call === null) throw this.#handshake.busy();
    return own.promise;
  }

  override stream(method: string, params: JsonObject, listener: CallListener): UpstreamCall | null {
    const isModern = this.description?.era === ERA_MODERN;
    const { message, methodId } = this.#handshake.ownMessage(method, params, isModern);
    const { own } = this.#sessions;
    const credential = this.credentialAtHand(own);
    const modernMethod = isModern ? method : null;
    return this.send(message, methodId, modernMethod, own, listener, 0, credential, true);
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
    if (upSession !== undefined) this.#sessions.close(upSession);
    session.upstreamSessions?.delete(this.slot);
  }

  /** Posts a notification or a response: an empty 202 is all that comes back. */
  post(session: HttpUpstreamSession | null, message: Buffer): void {
    const call = new HttpUpstreamCall(this);
    call.isNotification = true;
    call.upSession = session;
    this.#writer.own(call, session, '', message, this.credentialAtHand(session));
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

  onMessage(call: HttpUpstreamCall, bytes: Buffer, start: number, end: number): void {
    this.#answers.onMessage(call, bytes, start, end);
  }

  onStatus(
    call: HttpUpstreamCall,
    bytes: Buffer,
    start: number,
    end: number,
    isJson: boolean,
  ): boolean {
    return this.#answers.onStatus(call, bytes, start, end, isJson);
  }

  onPosted(call: HttpUpstreamCall): void {
    if (call.httpStatus < 400) return;
    const { httpStatus: status } = call;
    this.shard.log.debug('upstream refused a notification', { upstream: this.plan.name, status });
  }

  onCallFailure(call: HttpUpstreamCall, kind: HttpFailureKind, executed: HttpExecuted): void {
    this.#answers.onFailure(call, kind, executed);
  }

  onOutOfCredit(): void {
    this.shard.counters.add(COUNTERS.CREDIT_STALLS.id);
  }

  onGiveUp(call: HttpUpstreamCall, reason: number): void {
    this.#answers.onGiveUp(call, reason);
  }

  /** The call's answer has ended and nobody refers to it. */
  release(call: HttpUpstreamCall): void {
    call.recycle();
    if (this.#pool.length < POOL_MAX) this.#pool.push(call);
    else call.request.release();
  }

  #newPooled(): HttpUpstreamCall {
    return new HttpUpstreamCall(this, true);
  }

  onSettled(call: HttpUpstreamCall): void {
    this.shard.deadlines.leave(call);
    this.#running -= 1;
    this.shard.inflight.remove(this.shard.index, this.slot);
    if (call.upSession !== null) call.upSession.calls -= 1;
  }

  /** The upstream cannot be reached, or does not know us any more. */
  onLinkLost(reason: string): void {
    this.markDown(reason);
  }

  /** Sends a call again, or ends it where that is not possible. */
  resend(call: HttpUpstreamCall, failure: string | null): void {
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
    const call = this.#pool.pop() ?? this.#newPooled();
    this.shard.callIds.nextInto(call.token);
    call.exchange = outgoing.exchange;
    call.session = outgoing.exchange?.session ?? null;
    call.methodId = outgoing.methodId;
    call.upSession = session;
    call.isResendable = outgoing.isResendable;
    call.credential = outgoing.credential;
    if (session !== null) session.credential = outgoing.credential;
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
    this.#sessions.closeAll();
    await this.client.close(
      this.#http.requestTimeoutMs > 1000 ? 1000 : this.#http.requestTimeoutMs,
    );
    // Reloads replace upstreams, and scratch is all that a thread ever has.
    this.#answers.close();
    for (const call of this.#pool) call.request.release();
    this.#pool.length = 0;
  }
}
