import { Fault } from '../../shared/fault.ts';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import {
  ERA_LEGACY,
  ERA_MODERN,
  LATEST_LEGACY,
  REVISIONS,
  isLegacyRevision,
  revisionFromName,
} from '../../src/protocol/eras/era.ts';
import { METHOD_DISCOVER, METHOD_INITIALIZE, methodFromName } from '../../src/protocol/methods.ts';
import type { ShardContext } from '../shard-context.ts';
import type { UpstreamDescription } from './description.ts';
import { describe } from './description.ts';
import type { HttpUpstream } from './http-upstream.ts';
import {
  HttpUpstreamSession,
  SESSION_GONE,
  SESSION_OPENING,
  SESSION_READY,
} from './http-session.ts';
import {
  isModernAnswer,
  ownCapabilities,
  ownClientInfo,
  ownEnvelope,
  withEnvelope,
} from './own-identity.ts';
import { OwnRequest, RpcError } from './own-request.ts';
import type { JsonObject } from './upstream.ts';

export interface HttpFinding {
  readonly description: UpstreamDescription;
  /** The gateway's own session; null towards a modern upstream. */
  readonly session: HttpUpstreamSession | null;
}

/**
 * Finds out which era an HTTP upstream speaks (2026-07-28, versioning: probe with `server/discover`,
 * never with a call) and opens legacy sessions. An era is believed for as long as the connection state
 * lasts: every reconnect asks again.
 */
export class HttpHandshake {
  readonly #upstream: HttpUpstream;
  readonly #shard: ShardContext;
  readonly #opening = new Map<HttpUpstreamSession, ((isOpen: boolean) => void)[]>();

  constructor(upstream: HttpUpstream, shard: ShardContext) {
    this.#upstream = upstream;
    this.#shard = shard;
  }

  /** Throws a Fault where nothing can be found out: 401, 403, 5xx and silence prove no era. */
  async describe(timeoutMs: number): Promise<HttpFinding> {
    const { era } = this.#upstream.plan;
    if (era !== 'legacy') {
      const description = await this.#discover(timeoutMs, era === 'modern');
      if (description !== null) return { description, session: null };
    }
    const session = new HttpUpstreamSession(null, null, null);
    const result = await this.#initialize(
      session,
      ownCapabilities(this.#upstream.plan),
      ownClientInfo(),
      REVISIONS[LATEST_LEGACY] as string,
      timeoutMs,
    );
    const description = describe(ERA_LEGACY, session.revision, result, this.#shard.clock.wallMs());
    return { description, session };
  }

  /** Opens a session for a downstream session or a principal. */
  async open(session: HttpUpstreamSession, timeoutMs: number): Promise<void> {
    this.#opening.set(session, []);
    const { owner } = session;
    let isOpen = false;
    try {
      if (owner === null) {
        // Modern callers: nothing can be asked of them in the course of a legacy call (bridging will).
        await this.#initialize(
          session,
          '{}',
          ownClientInfo(),
          REVISIONS[LATEST_LEGACY] as string,
          timeoutMs,
        );
      } else {
        const revision = REVISIONS[owner.revision] as string;
        await this.#initialize(
          session,
          owner.capabilitiesJson,
          owner.clientInfoJson,
          revision,
          timeoutMs,
        );
      }
      isOpen = true;
    } finally {
      const callbacks = this.#opening.get(session) ?? [];
      this.#opening.delete(session);
      for (const callback of callbacks) callback(isOpen);
    }
  }

  whenOpen(session: HttpUpstreamSession, callback: (isOpen: boolean) => void): void {
    if (session.state === SESSION_READY) callback(true);
    else if (session.state === SESSION_OPENING) this.#opening.get(session)?.push(callback);
    else if (session.state === SESSION_GONE) callback(false);
  }

  /** A request of our own, without its id, and its method number. */
  ownMessage(
    method: string,
    params: JsonObject,
    isModern: boolean,
  ): { message: Buffer; methodId: number } {
    const body = isModern ? withEnvelope(params) : params;
    const text = `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${JSON.stringify(body)}}`;
    return { message: Buffer.from(text), methodId: methodFromName(method) };
  }

  busy(): Fault {
    return new Fault('BUSY', `upstream=${this.#upstream.plan.name}`);
  }

  /** null: not modern. */
  async #discover(timeoutMs: number, isPinned: boolean): Promise<UpstreamDescription | null> {
    const credential = await this.#upstream.credential(null);
    const own = new OwnRequest();
    const text = `{"jsonrpc":"2.0","method":"server/discover","params":{"_meta":${ownEnvelope()}}}`;
    const call = this.#upstream.send(
      Buffer.from(text),
      METHOD_DISCOVER,
      'server/discover',
      null,
      own,
      timeoutMs,
      credential,
    );
    if (call === null) throw this.busy();
    try {
      const result = await own.promise;
      if (isModernAnswer(result)) {
        return describe(ERA_MODERN, '2026-07-28', result, this.#shard.clock.wallMs());
      }
    } catch (error) {
      if (isPinned) throw error;
      if (error instanceof Fault) {
        const { httpStatus } = call;
        const provesLegacy =
          (error.code === 'UPSTREAM_STATUS' &&
            httpStatus >= 400 &&
            httpStatus < 500 &&
            httpStatus !== 429) ||
          (error.code === 'UPSTREAM_INVALID' && httpStatus > 0 && httpStatus < 500);
        if (!provesLegacy) throw error;
        return null;
      }
      if (!(error instanceof RpcError)) throw error;
      if (error.httpStatus === 401 || error.httpStatus === 403 || error.httpStatus >= 500) {
        throw new Fault('UPSTREAM_STATUS', `probe was answered with status=${error.httpStatus}`);
      }
      if (error.code === -32022)
        throw new Fault('UPSTREAM_INVALID', 'no modern revision in common');
    }
    if (isPinned)
      throw new Fault('UPSTREAM_INVALID', 'upstream is configured as modern and is not');
    return null;
  }

  async #initialize(
    session: HttpUpstreamSession,
    capabilitiesJson: string,
    clientInfoJson: string,
    revision: string,
    timeoutMs: number,
  ): Promise<JsonObject> {
    const credential = await this.#upstream.credential(session.principal);
    session.credential = credential;
    const own = new OwnRequest();
    const text = `{"jsonrpc":"2.0","method":"initialize","params":{"protocolVersion":"${revision}","capabilities":${capabilitiesJson},"clientInfo":${clientInfoJson}}}`;
    const call = this.#upstream.send(
      Buffer.from(text),
      METHOD_INITIALIZE,
      null,
      null,
      own,
      timeoutMs,
      credential,
    );
    if (call === null) throw this.busy();
    const result = await own.promise.catch((error: unknown) => {
      throw error instanceof RpcError ? new Fault('UPSTREAM_REFUSED', error.message) : error;
    });
    const answered = result['protocolVersion'];
    if (typeof answered !== 'string' || !isLegacyRevision(revisionFromName(answered))) {
      throw new Fault('UPSTREAM_INVALID', 'initialize was answered with an unknown revision');
    }
    const id = call.sessionIdHeader;
    // Visible ASCII only (2025-11-25, session management): it goes into a header of ours.
    if (id !== null && !/^[\x21-\x7e]{1,1024}$/.test(id)) {
      throw new Fault('UPSTREAM_INVALID', 'session id has characters that may not be there');
    }
    session.ready(id, answered);
    session.lastUsedMs = this.#shard.clock.nowMs();
    this.#shard.counters.add(COUNTERS.UPSTREAM_SESSIONS.id);
    this.#upstream.post(
      session,
      Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}'),
    );
    return result;
  }
}
