import { COUNTERS } from '../shared/counter-catalogue.ts';
import type { CounterBlock } from '../shared/counter-cell.ts';
import type { FaultCode } from '../shared/fault.ts';
import { OUTCOME_FAILED, OUTCOME_IS_ERROR, OUTCOME_OK } from '../shared/metric-table.ts';
import { ERA_MODERN, logLevelFromBytes } from '../src/protocol/eras/era.ts';
import {
  RESULT_COMPLETE,
  RESULT_COMPLETE_UNCACHED,
  addResultHints,
  cutResultHints,
  replaceId,
} from '../src/protocol/jsonrpc/message-edit.ts';
import { KIND_ERROR } from '../src/protocol/jsonrpc/peek-record.ts';
import type { Peek } from '../src/protocol/jsonrpc/peek-record.ts';
import { ResponseStream } from '../src/protocol/jsonrpc/response-stream.ts';
import { singleLineBytes, toSingleLine } from '../src/protocol/jsonrpc/single-line.ts';
import { Splice } from '../src/protocol/jsonrpc/splice.ts';
import {
  METHODS,
  METHOD_ELICITATION,
  METHOD_LOG_MESSAGE,
  METHOD_PING,
  METHOD_PROGRESS,
  METHOD_ROOTS_LIST,
  METHOD_SAMPLING,
} from '../src/protocol/methods.ts';
import type { HttpExecuted } from '../src/transport/http/http-client.ts';
import { REPLY_BODY, REPLY_EVENTS } from './exchange.ts';
import type { Exchange, ReplySource } from './exchange.ts';
import type { MetricLabels } from './metric-labels.ts';
import { NO_FIELDS } from './reply-fields.ts';
import type { Replier } from './reply.ts';
import { CLIENT_ELICITATION, CLIENT_ROOTS, CLIENT_SAMPLING } from './session/session.ts';
import type { CallListener, UpstreamCall } from './upstream/call.ts';
import type { DeadlineList } from './upstream/deadline-list.ts';
import { asksForUrl, isBetweenUs, modernErrorCode } from './transform/error-code.ts';
import { GIVEN_UP_BY_CLIENT } from './upstream/call.ts';
import { refuseServerRequest } from './upstream/own-request.ts';

/** What a client must be able to do for an upstream that answers -32042. */
const URL_CAPABILITY = '{"requiredCapabilities":{"elicitation":{"url":{}}}}';
/** Requests of servers that may wait for one client at once. */
const SERVER_REQUESTS_MAX = 64;
/** Events that wait for one slow client on a link that cannot be paused; beyond it that exchange fails. */
const EVENT_BACKLOG_BYTES_MAX = 1024 * 1024;

/**
 * What comes back for a client's call: from the upstream's era and ids to the client's, and out. One
 * object per shard; everything about a call hangs on `call.exchange`.
 */
export class Settle implements CallListener, ReplySource {
  readonly #replier: Replier;
  readonly #counters: CounterBlock;
  readonly #deadlines: DeadlineList;
  readonly #labels: MetricLabels;
  readonly #splice = new Splice();

  constructor(
    replier: Replier,
    counters: CounterBlock,
    deadlines: DeadlineList,
    labels: MetricLabels,
  ) {
    this.#replier = replier;
    this.#counters = counters;
    this.#deadlines = deadlines;
    this.#labels = labels;
  }

  onNotification(call: UpstreamCall, bytes: Buffer, start: number, end: number, peek: Peek): void {
    const { exchange } = call;
    if (exchange === null || exchange.clientGone) return;
    if (peek.methodId === METHOD_PROGRESS) {
      this.#deadlines.extend(call);
      this.#progress(exchange, bytes, start, end, peek);
      return;
    }
    if (peek.methodId === METHOD_LOG_MESSAGE && !wantsLog(exchange, bytes, peek)) return;
    // Any other notification is for legacy sessions: a modern stream carries only what was asked for.
    if (exchange.era === ERA_MODERN && peek.methodId !== METHOD_LOG_MESSAGE) return;
    this.#splice.reset();
    this.#event(exchange, bytes, start, end, peek);
  }

  onServerRequest(call: UpstreamCall, bytes: Buffer, start: number, end: number, peek: Peek): void {
    const { exchange, session } = call;
    if (peek.methodId === METHOD_PING) {
      const id = bytes.toString('latin1', peek.idStart, peek.idEnd);
      const answer = Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":{}}`, 'latin1');
      call.respond(answer, 0, answer.length);
      return;
    }
    const needed = capabilityFor(peek.methodId);
    const isPossible =
      exchange !== null &&
      session !== null &&
      needed !== 0 &&
      (session.capabilities & needed) !== 0 &&
      (session.serverRequests?.size ?? 0) < SERVER_REQUESTS_MAX &&
      exchange.acceptsEvents &&
      !exchange.clientGone;
    if (!isPossible) {
      refuseServerRequest(call, bytes, peek);
      return;
    }
    const number = session.nextServerRequest;
    session.nextServerRequest += 1;
    const token = Buffer.from(String(number), 'latin1');
    (session.serverRequests ??= new Map()).set(number, {
      call,
      idToken: Buffer.from(bytes.subarray(peek.idStart, peek.idEnd)),
    });
    call.serverRequests += 1;
    this.#counters.add(COUNTERS.UPSTREAM_SERVER_REQUESTS.id);
    this.#splice.reset();
    replaceId(this.#splice, peek, token, 0, token.length);
    this.#event(exchange, bytes, start, end, peek);
  }

  onResponse(call: UpstreamCall, bytes: Buffer, start: number, end: number, peek: Peek): void {
    const exchange = this.#detach(call);
    if (exchange === null) return;
    const isError = peek.kind === KIND_ERROR;
    this.#labels.record(
      exchange,
      isError ? OUTCOME_FAILED : peek.isError === 1 ? OUTCOME_IS_ERROR : OUTCOME_OK,
    );
    const code = isError ? integerAt(bytes, peek.errorCodeStart, peek.errorCodeEnd) : 0;
    if (exchange.isModernUpstream && isBetweenUs(code)) {
      this.#replier.fault(exchange, 'UPSTREAM_INVALID', `upstream answered error ${code}`);
    } else if (exchange.era === ERA_MODERN && asksForUrl(code)) {
      this.#replier.fault(exchange, 'CAPABILITY_MISSING', '', URL_CAPABILITY);
    } else {
      this.#relay(exchange, call, bytes, start, end, peek, code);
    }
  }

  onStreamBegin(call: UpstreamCall): ResponseStream | null {
    const { exchange } = call;
    if (exchange === null || exchange.batch !== null) return null;
    const isEvent = exchange.replyState === REPLY_EVENTS;
    if (isEvent) this.#replier.eventStart(exchange);
    else if (!this.#replier.beginBody(exchange)) return null;
    exchange.source = this;
    const id = Buffer.from(exchange.idBytes.subarray(0, exchange.idLength));
    return new ResponseStream(call.idToken, id, this.#addedMembers(exchange, call), isEvent);
  }

  onStreamData(call: UpstreamCall, bytes: Buffer, start: number, end: number): boolean {
    const { exchange } = call;
    if (exchange === null || exchange.clientGone) return true;
    const isOpen = this.#replier.data(exchange, bytes, start, end);
    if (!isOpen) this.#counters.add(COUNTERS.CREDIT_STALLS.id);
    return isOpen;
  }

  onStreamEnd(call: UpstreamCall, isComplete: boolean, isError: boolean): void {
    const exchange = this.#detach(call);
    if (exchange === null) return;
    exchange.source = null;
    this.#labels.record(
      exchange,
      !isComplete ? OUTCOME_FAILED : isError ? OUTCOME_IS_ERROR : OUTCOME_OK,
    );
    if (!isComplete) this.#replier.abort(exchange, 'UPSTREAM_INVALID', 'the answer broke off');
    else {
      if (exchange.replyState === REPLY_EVENTS) this.#replier.eventEnd(exchange);
      this.#replier.end(exchange);
    }
  }

  onFault(call: UpstreamCall, code: FaultCode, _executed: HttpExecuted, detail: string): void {
    const exchange = this.#detach(call);
    if (exchange === null) return;
    exchange.source = null;
    this.#labels.record(exchange, OUTCOME_FAILED);
    if (exchange.replyState === REPLY_BODY) this.#replier.abort(exchange, code, detail);
    else this.#replier.fault(exchange, code, detail);
  }

  /** There is credit again. */
  onCredit(exchange: Exchange): void {
    exchange.call?.resume();
  }

  /** The call has ended; what of it the session still remembers goes too. */
  #detach(call: UpstreamCall): Exchange | null {
    const { exchange, session } = call;
    call.exchange = null;
    if (session?.serverRequests && call.serverRequests > 0) {
      for (const [number, request] of session.serverRequests) {
        if (request.call === call) session.serverRequests.delete(number);
      }
    }
    if (exchange === null || exchange.call !== call) return null;
    exchange.call = null;
    return exchange;
  }

  #relay(
    exchange: Exchange,
    call: UpstreamCall,
    bytes: Buffer,
    start: number,
    end: number,
    peek: Peek,
    code: number,
  ): void {
    const splice = this.#splice;
    splice.reset();
    if (peek.idStart < 0) {
      this.#anonymousError(exchange, bytes, peek, code);
      return;
    }
    splice.replaceByRange(peek.idStart, peek.idEnd, exchange.idRange, 0, exchange.idLength);
    const shown = shownCode(exchange, code);
    if (shown !== code) {
      const text = Buffer.from(String(shown), 'latin1');
      splice.replace(peek.errorCodeStart, peek.errorCodeEnd, text, 0, text.length);
    }
    if (peek.resultStart >= 0) {
      const added = this.#addedMembers(exchange, call);
      if (added !== null && (peek.resultTypeKey < 0 || added === RESULT_COMPLETE_UNCACHED)) {
        if (peek.resultTypeKey < 0) addResultHints(splice, bytes, peek, added);
      } else if (exchange.era !== ERA_MODERN && peek.resultTypeKey >= 0)
        cutResultHints(splice, bytes, peek);
    }
    const status = exchange.era === ERA_MODERN ? modernStatus(shown, call.httpStatus) : 200;
    const size = splice.size(start, end);
    if (peek.hasLineBreak === 1 && exchange.replyState === REPLY_EVENTS) {
      const spliced = Buffer.allocUnsafe(size);
      splice.write(bytes, start, end, spliced, 0);
      const line = Buffer.allocUnsafe(singleLineBytes(size));
      this.#replier.message(exchange, line, 0, toSingleLine(spliced, 0, size, line, 0), status);
      return;
    }
    const at = this.#replier.beginMessage(exchange, status, NO_FIELDS, size);
    splice.write(bytes, start, end, this.#replier.target, at);
    this.#replier.finishMessage(exchange);
  }

  /** What a modern client must find in a result of a legacy server. */
  #addedMembers(exchange: Exchange, call: UpstreamCall): Uint8Array | null {
    if (exchange.era !== ERA_MODERN || exchange.isModernUpstream) return null;
    return METHODS[call.methodId]?.isCacheable === true
      ? RESULT_COMPLETE_UNCACHED
      : RESULT_COMPLETE;
  }

  /** An error without an id is this call's: it gets the client's. */
  #anonymousError(exchange: Exchange, bytes: Buffer, peek: Peek, code: number): void {
    const said: unknown = JSON.parse(bytes.toString('utf8', peek.errorStart, peek.errorEnd));
    // Written anew: as an event it must be one line.
    const error = JSON.stringify({ ...(said as object), code: shownCode(exchange, code) });
    const message = Buffer.from(`{"jsonrpc":"2.0","id":${exchange.idText()},"error":${error}}`);
    this.#replier.message(exchange, message, 0, message.length);
  }

  #progress(exchange: Exchange, bytes: Buffer, start: number, end: number, peek: Peek): void {
    if (exchange.progressToken.length === 0 || peek.progressTokenStart < 0) return;
    const splice = this.#splice;
    splice.reset();
    const token = exchange.progressToken;
    splice.replace(peek.progressTokenStart, peek.progressTokenEnd, token, 0, token.length);
    this.#event(exchange, bytes, start, end, peek);
  }

  /** Sends the message that `peek` describes with the edits of `#splice`, as an event. */
  #event(exchange: Exchange, bytes: Buffer, start: number, end: number, peek: Peek): void {
    const size = this.#splice.size(start, end);
    if (exchange.queuedBytes > EVENT_BACKLOG_BYTES_MAX) {
      this.#tooSlow(exchange);
      return;
    }
    if (peek.hasLineBreak !== 1) {
      const at = this.#replier.beginEvent(exchange, size);
      if (at < 0) return;
      this.#splice.write(bytes, start, end, this.#replier.target, at);
      this.#replier.finishEvent(exchange);
      return;
    }
    const message = Buffer.allocUnsafe(size);
    this.#splice.write(bytes, start, end, message, 0);
    const line = Buffer.allocUnsafe(singleLineBytes(size));
    this.#replier.event(exchange, line, 0, toSingleLine(message, 0, size, line, 0));
  }

  #tooSlow(exchange: Exchange): void {
    const { call } = exchange;
    exchange.call = null;
    if (call !== null) {
      call.exchange = null;
      call.giveUp(GIVEN_UP_BY_CLIENT);
    }
    this.#replier.abort(exchange, 'CLIENT_TOO_SLOW', 'event backlog');
  }
}

function capabilityFor(methodId: number): number {
  if (methodId === METHOD_SAMPLING) return CLIENT_SAMPLING;
  if (methodId === METHOD_ELICITATION) return CLIENT_ELICITATION;
  return methodId === METHOD_ROOTS_LIST ? CLIENT_ROOTS : 0;
}

/** Whether this client asked for a log message of that level (modern: only if it asked at all). */
function wantsLog(exchange: Exchange, bytes: Buffer, peek: Peek): boolean {
  const wanted = exchange.session === null ? exchange.logLevel : exchange.session.logLevel;
  if (wanted < 0) return exchange.session !== null;
  return peek.levelStart >= 0 && logLevelFromBytes(bytes, peek.levelStart, peek.levelEnd) >= wanted;
}

function integerAt(bytes: Buffer, start: number, end: number): number {
  return start < 0 ? 0 : Number(bytes.toString('latin1', start, end));
}

function shownCode(exchange: Exchange, code: number): number {
  return exchange.era === ERA_MODERN ? modernErrorCode(code, exchange.isModernUpstream) : code;
}

/** HTTP status of an upstream's error for a modern client (2026-07-28, Streamable HTTP; protocol errors only). */
function modernStatus(code: number, upstreamStatus: number): number {
  if (code === -32021) return 400;
  if (code === -32601 && upstreamStatus === 404) return 404;
  return code !== 0 && upstreamStatus === 400 ? 400 : 200;
}
