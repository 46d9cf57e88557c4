import { ByteRanges } from '../../shared/byte-words.ts';
import type { FaultCode } from '../../shared/fault.ts';
import { COUNTERS, RETRY_CONNECTION_LOST } from '../../shared/counter-catalogue.ts';
import {
  KIND_BATCH,
  KIND_ERROR,
  KIND_NOTIFICATION,
  KIND_REQUEST,
} from '../../src/protocol/jsonrpc/peek-record.ts';
import type { Peek } from '../../src/protocol/jsonrpc/peek.ts';
import {
  ANSWERED,
  CLOSED,
  CONNECT_REFUSED,
  CONNECT_TIMEOUT,
  MAYBE,
  NOT_SENT,
  PIECE_BYTES_MAX,
  TIMEOUT,
  failureName,
} from '../../src/transport/http/http-client.ts';
import type { HttpExecuted, HttpFailureKind } from '../../src/transport/http/http-client.ts';
import type { ShardContext } from '../shard-context.ts';
import { isCallToken } from './call-id.ts';
import { GIVEN_UP_BY_CLIENT } from './call.ts';
import { cancelledText } from './cancelled.ts';
import type { HttpUpstreamCall } from './http-call.ts';
import type { HttpSessions } from './http-sessions.ts';
import type { HttpUpstream } from './http-upstream.ts';
import { MessageReader } from './message-reader.ts';

/** What an HTTP upstream's answers mean: to the listener of a call, or for the state of the link. */
export class HttpAnswers {
  readonly #upstream: HttpUpstream;
  readonly #shard: ShardContext;
  readonly #sessions: HttpSessions;
  readonly #reader = new MessageReader(true);
  readonly #ranges = new ByteRanges(PIECE_BYTES_MAX);

  constructor(upstream: HttpUpstream, shard: ShardContext, sessions: HttpSessions) {
    this.#upstream = upstream;
    this.#shard = shard;
    this.#sessions = sessions;
  }

  /** No answer will come any more. */
  close(): void {
    this.#reader.close();
  }

  /** One message of a call's answer. */
  onMessage(call: HttpUpstreamCall, bytes: Buffer, start: number, end: number): void {
    // Nearly always it is one message that needs no care, and then no closure either.
    const only = this.#reader.readSingle(bytes, start, end);
    if (only !== null) {
      this.#deliver(call, bytes, start, end, only);
      return;
    }
    this.#reader.read(bytes, start, end, (message, from, to, peek) => {
      if (peek !== null) this.#deliver(call, message, from, to, peek);
      else {
        call.abort();
        call.fault('UPSTREAM_INVALID', ANSWERED, 'answer is not JSON-RPC');
      }
    });
  }

  /**
   * An answer that is not 200 with JSON. The body may hold a JSON-RPC error. True: the call goes on, in
   * another session.
   */
  onStatus(
    call: HttpUpstreamCall,
    bytes: Buffer,
    start: number,
    end: number,
    isJson: boolean,
  ): boolean {
    const status = call.httpStatus;
    const session = call.upSession;
    const isLost = status === 404 || saysNoSession(status, bytes, start, end);
    if (session !== null && session.id !== null && isLost) {
      return this.#sessions.onLost(call, session);
    }
    // What a 401 says is between us and the upstream: the next call gets a new credential.
    if (status === 401) {
      const principal = call.exchange?.principal ?? session?.principal ?? null;
      this.#shard.renewCredential(this.#upstream.plan, principal);
    } else if (isJson && status >= 400 && end > start) {
      if (this.#deliverError(call, bytes, start, end)) return false;
    }
    const isAuth = status === 401 || status === 403;
    const code = status < 300 ? 'UPSTREAM_INVALID' : isAuth ? 'UPSTREAM_AUTH' : 'UPSTREAM_STATUS';
    call.fault(code, ANSWERED, `status=${status}`);
    return false;
  }

  /** The wire failed under a call. What was certainly not executed is sent again once the link is back. */
  onFailure(call: HttpUpstreamCall, kind: HttpFailureKind, executed: HttpExecuted): void {
    if (call.listener === null) return;
    const reason = failureName(kind);
    if (executed === NOT_SENT) {
      this.#upstream.onLinkLost(reason);
      if (!call.isResent && this.#upstream.description !== null && call.exchange !== null) {
        call.isResent = true;
        this.#shard.counters.add(COUNTERS.UPSTREAM_RETRIES.id + RETRY_CONNECTION_LOST);
        this.#upstream.whenUp((code) => this.#upstream.resend(call, code === null ? null : reason));
        return;
      }
    }
    call.fault(failureCode(kind), executed, reason);
  }

  /** Modern: closing the stream is the cancellation. Legacy: a notification says so. */
  onGiveUp(call: HttpUpstreamCall, reason: number): void {
    const listener = call.settle();
    const isClient = reason === GIVEN_UP_BY_CLIENT;
    if (call.upSession !== null) {
      const text = cancelledText(call.idToken, isClient ? 'client' : 'deadline');
      this.#upstream.post(call.upSession, Buffer.from(text));
    }
    call.abort();
    if (!isClient) listener?.onFault(call, 'UPSTREAM_TIMEOUT', MAYBE, 'deadline');
  }

  #deliver(call: HttpUpstreamCall, bytes: Buffer, start: number, end: number, peek: Peek): void {
    const { listener } = call;
    if (peek.kind === KIND_BATCH || listener === null) return;
    if (peek.kind === KIND_NOTIFICATION) {
      const owner = call.upSession?.owner ?? null;
      if (!this.#reader.isNews(this.#upstream, peek, bytes, owner, this.#shard.events)) {
        listener.onNotification(call, bytes, start, end, peek);
      }
      return;
    }
    if (peek.kind === KIND_REQUEST) {
      listener.onServerRequest(call, bytes, start, end, peek);
      return;
    }
    const { idStart, idEnd } = peek;
    const isOurs = idStart >= 0 && isCallToken(call.token, this.#ranges.of(bytes), idStart, idEnd);
    // An error that could not name the request comes alone, as the only thing in its answer.
    const isAnonymous = peek.kind === KIND_ERROR && peek.idStart < 0;
    if (!isOurs && !isAnonymous) {
      this.#shard.counters.add(COUNTERS.ANSWERS_LATE.id);
      return;
    }
    call.settle();
    listener.onResponse(call, bytes, start, end, peek);
  }

  #deliverError(call: HttpUpstreamCall, bytes: Buffer, start: number, end: number): boolean {
    let isDelivered = false;
    this.#reader.read(bytes, start, end, (message, from, to, peek) => {
      if (peek === null || peek.kind !== KIND_ERROR || isDelivered) return;
      isDelivered = true;
      this.#deliver(call, message, from, to, peek);
    });
    return isDelivered;
  }
}

/** Servers that answer an unknown session with 400, as the official SDK's examples do. */
function saysNoSession(status: number, bytes: Buffer, start: number, end: number): boolean {
  return status === 400 && bytes.subarray(start, end).includes('-32000');
}

/** What a failed call means to the client. */
function failureCode(kind: HttpFailureKind): FaultCode {
  if (kind === CONNECT_REFUSED || kind === CONNECT_TIMEOUT) return 'UPSTREAM_REFUSED';
  if (kind === TIMEOUT) return 'UPSTREAM_TIMEOUT';
  return kind === CLOSED ? 'UPSTREAM_CLOSED' : 'UPSTREAM_INVALID';
}
