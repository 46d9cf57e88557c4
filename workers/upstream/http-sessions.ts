import { COUNTERS, RETRY_SESSION_LOST } from '../../shared/counter-catalogue.ts';
import { ANSWERED } from '../../src/transport/http/http-client.ts';
import type { Exchange } from '../exchange.ts';
import type { Principal } from '../policy/principal.ts';
import type { Session } from '../session/session.ts';
import type { ShardContext } from '../shard-context.ts';
import { WaitingRoom } from '../waiting-room.ts';
import { HttpUpstreamCall } from './http-call.ts';
import type { HttpHandshake } from './http-handshake.ts';
import { HttpUpstreamSession, SESSION_GONE, SESSION_READY } from './http-session.ts';
import type { HttpUpstream } from './http-upstream.ts';

/** Sessions held for modern callers of a legacy upstream; the least recently used idle one goes. */
const PRINCIPAL_SESSIONS_MAX = 1024;
/** Legacy handshakes are no calls: they have this long. */
export const HANDSHAKE_TIMEOUT_MS = 15_000;
/** Exchanges that wait for one session to open. */
const WAITING_MAX = 1024;

/** Key of the gateway's own session; principals' keys are never empty. */
export const OWN_KEY = '';

/**
 * The legacy sessions that one shard holds at one HTTP upstream. Opened on first use, replaced when the
 * upstream forgot them, closed when nobody needs them.
 *
 *      (none) ──open──▶ OPENING ──initialize──▶ READY ──404, DELETE, removed──▶ GONE
 *                          └────────refused──────────────────────────────────────▶┘
 */
export class HttpSessions {
  readonly #upstream: HttpUpstream;
  readonly #shard: ShardContext;
  readonly #handshake: HttpHandshake;
  readonly #byPrincipal = new Map<string, HttpUpstreamSession>();
  #own: HttpUpstreamSession | null = null;

  constructor(upstream: HttpUpstream, shard: ShardContext, handshake: HttpHandshake) {
    this.#upstream = upstream;
    this.#shard = shard;
    this.#handshake = handshake;
  }

  /** The gateway's own session; null towards a modern upstream. */
  get own(): HttpUpstreamSession | null {
    return this.#own;
  }

  /** A connection was (re)established: what was opened for principals before it is not believed. */
  restart(own: HttpUpstreamSession | null): void {
    this.#own = own;
    this.#byPrincipal.clear();
  }

  /** The server gives no session ids: one handshake serves everybody. */
  get isStateless(): boolean {
    return this.#own?.state === SESSION_READY && this.#own.id === null;
  }

  /** The session to use, if there is one (be it still opening). */
  find(owner: Session | null, principalKey: string): HttpUpstreamSession | null {
    const session =
      owner !== null
        ? (owner.upstreamSessions?.get(this.#upstream.slot) ?? null)
        : principalKey === OWN_KEY
          ? this.#own
          : (this.#byPrincipal.get(principalKey) ?? null);
    if (session === null || session.state === SESSION_GONE) return null;
    session.lastUsedMs = this.#shard.clock.nowMs();
    return session;
  }

  /** True if the exchange's session is open; else it waits for it (retained). null: too many wait. */
  prepare(exchange: Exchange): boolean | null {
    const { session: owner, principal } = exchange;
    const session = this.find(owner, principal.key) ?? this.open(owner, principal);
    if (session.state === SESSION_READY) return true;
    return session.waiting?.enter(exchange) === true ? false : null;
  }

  open(owner: Session | null, principal: Principal | null): HttpUpstreamSession {
    const { requestTimeoutMs } = this.#upstream.plan;
    const waiting = new WaitingRoom(this.#shard, WAITING_MAX, requestTimeoutMs);
    const session = new HttpUpstreamSession(owner, principal, waiting);
    if (owner !== null) (owner.upstreamSessions ??= new Map()).set(this.#upstream.slot, session);
    else {
      this.#makeRoom();
      this.#byPrincipal.set(session.principalKey, session);
    }
    this.#handshake.open(session, HANDSHAKE_TIMEOUT_MS).then(
      () => this.#onOpen(session),
      (error: unknown) => {
        session.state = SESSION_GONE;
        const detail = error instanceof Error ? error.message : String(error);
        waiting.release('UPSTREAM_REFUSED', detail);
      },
    );
    return session;
  }

  /** Tells the upstream that a session is over. */
  close(session: HttpUpstreamSession): void {
    session.endStream?.();
    session.endStream = null;
    if (session.state === SESSION_READY && session.id !== null) {
      const call = new HttpUpstreamCall(this.#upstream);
      call.isNotification = true;
      this.#upstream.writer.remove(call, session, this.#upstream.credentialAtHand(session));
      call.send();
    }
    session.state = SESSION_GONE;
  }

  closeAll(): void {
    for (const session of this.#byPrincipal.values()) this.close(session);
    if (this.#own !== null) this.close(this.#own);
  }

  /**
   * The upstream forgot the session, so it did not execute the call: it is sent again, once, in another.
   * False: not this one, it has failed.
   */
  onLost(call: HttpUpstreamCall, session: HttpUpstreamSession): boolean {
    session.state = SESSION_GONE;
    session.endStream?.();
    session.endStream = null;
    if (call.isSessionRenewed || call.listener === null) {
      call.fault('UPSTREAM_STATUS', ANSWERED, 'session is lost again');
      return false;
    }
    call.isSessionRenewed = true;
    this.#shard.counters.add(COUNTERS.UPSTREAM_RETRIES.id + RETRY_SESSION_LOST);
    if (session === this.#own) {
      this.#upstream.onLinkLost('session lost');
      this.#upstream.whenUp((code) => {
        if (call.listener === null) return;
        call.moveTo(this.#own);
        this.#upstream.resend(call, code === null ? null : 'session lost');
      });
      return true;
    }
    const { owner, principal, principalKey } = session;
    const next = this.find(owner, principalKey) ?? this.open(owner, principal);
    call.moveTo(next);
    this.#handshake.whenOpen(next, (isOpen) =>
      this.#upstream.resend(call, isOpen ? null : 'session lost'),
    );
    return true;
  }

  #onOpen(session: HttpUpstreamSession): void {
    const { owner } = session;
    if (owner !== null && owner.closed) {
      this.close(session);
      session.waiting?.release('UPSTREAM_REFUSED', 'the session was closed');
      return;
    }
    if (owner !== null && owner.stream !== null) this.#upstream.listenFor(owner);
    if (owner !== null && owner.logLevel >= 0) this.#upstream.setLogLevel(owner, owner.logLevel);
    session.waiting?.release(null, '');
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
    this.close(oldest);
  }
}
