import { COUNTERS } from '../shared/counter-catalogue.ts';
import type { CounterBlock } from '../shared/counter-cell.ts';
import { ERA_MODERN } from '../src/protocol/eras/era.ts';
import type { Peek } from '../src/protocol/jsonrpc/peek-record.ts';
import { replaceId } from '../src/protocol/jsonrpc/message-edit.ts';
import { singleLineBytes, toSingleLine } from '../src/protocol/jsonrpc/single-line.ts';
import { Splice } from '../src/protocol/jsonrpc/splice.ts';
import {
  METHOD_CANCELLED,
  METHOD_PROGRESS,
  METHOD_ROOTS_CHANGED,
} from '../src/protocol/methods.ts';
import type { Exchange } from './exchange.ts';
import type { MetricLabels } from './metric-labels.ts';
import type { Replier } from './reply.ts';
import type { DeadlineList } from './upstream/deadline-list.ts';
import { GIVEN_UP_BY_CLIENT } from './upstream/call.ts';
import type { UpstreamSet } from './upstream/upstream-set.ts';

/**
 * What clients send that is no request: notifications, and responses to requests of servers. Always
 * answered 202 (Streamable HTTP), whatever becomes of it, unless it makes no sense at all.
 */
export class ClientMessages {
  readonly #replier: Replier;
  readonly #upstreams: UpstreamSet;
  readonly #counters: CounterBlock;
  readonly #deadlines: DeadlineList;
  readonly #labels: MetricLabels;
  readonly #splice = new Splice();

  constructor(
    replier: Replier,
    upstreams: UpstreamSet,
    counters: CounterBlock,
    deadlines: DeadlineList,
    labels: MetricLabels,
  ) {
    this.#replier = replier;
    this.#upstreams = upstreams;
    this.#counters = counters;
    this.#deadlines = deadlines;
    this.#labels = labels;
  }

  onNotification(exchange: Exchange, peek: Peek): void {
    const { session } = exchange;
    // Modern clients cancel by closing the stream; nothing else of theirs means anything over HTTP.
    if (exchange.era !== ERA_MODERN && session !== null) {
      if (peek.methodId === METHOD_CANCELLED) this.#cancel(exchange, peek);
      else if (peek.methodId === METHOD_ROOTS_CHANGED) {
        const message = Buffer.from(
          '{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}',
        );
        for (const upstream of this.#upstreams.all()) upstream.notify(session, message);
      } else if (peek.methodId === METHOD_PROGRESS) this.#progress(exchange);
    }
    this.#replier.accepted(exchange);
  }

  /** The answer to a request of a server: back to the call in whose course it was asked. */
  onResponse(exchange: Exchange, peek: Peek): void {
    const { session } = exchange;
    this.#counters.add(COUNTERS.SHARD_RESPONSES.id);
    if (exchange.era === ERA_MODERN || session === null) {
      this.#replier.fault(exchange, 'INVALID_REQUEST', 'a response was posted');
      return;
    }
    const number =
      peek.idStart < 0 ? NaN : Number(exchange.bytes.toString('latin1', peek.idStart, peek.idEnd));
    const request = session.serverRequests?.get(number);
    if (request !== undefined) {
      session.serverRequests?.delete(number);
      request.call.serverRequests -= 1;
      this.#deadlines.extend(request.call);
      this.#splice.reset();
      replaceId(this.#splice, peek, request.idToken, 0, request.idToken.length);
      const size = this.#splice.size(exchange.messageStart, exchange.messageEnd);
      const message = Buffer.allocUnsafe(size);
      this.#splice.write(exchange.bytes, exchange.messageStart, exchange.messageEnd, message, 0);
      if (peek.hasLineBreak === 1) {
        const line = Buffer.allocUnsafe(singleLineBytes(size));
        request.call.respond(line, 0, toSingleLine(message, 0, size, line, 0));
      } else request.call.respond(message, 0, size);
    }
    this.#replier.accepted(exchange);
  }

  #cancel(exchange: Exchange, peek: Peek): void {
    const { session, bytes } = exchange;
    if (session === null || peek.requestIdStart < 0) return;
    const target = session.findRunning(bytes, peek.requestIdStart, peek.requestIdEnd);
    if (target === null) return;
    this.#counters.add(COUNTERS.CANCELLED.id);
    this.#labels.cancelled(target);
    const { call } = target;
    target.call = null;
    if (call !== null) {
      call.exchange = null;
      call.giveUp(GIVEN_UP_BY_CLIENT);
    }
    this.#endCancelled(target);
  }

  /** A cancelled request gets no response (MCP, cancellation); its stream ends without one. */
  #endCancelled(exchange: Exchange): void {
    if (exchange.batch !== null) exchange.batch.onAccepted(exchange);
    else if (this.#replier.beginEvents(exchange)) this.#replier.end(exchange);
    else this.#replier.fault(exchange, 'CANCELLED');
  }

  /** Progress on a request of a server: to every upstream that waits for this client. */
  #progress(exchange: Exchange): void {
    const { session } = exchange;
    if (session?.serverRequests === null || session === null) return;
    const line = Buffer.allocUnsafe(singleLineBytes(exchange.messageEnd - exchange.messageStart));
    const length = toSingleLine(
      exchange.bytes,
      exchange.messageStart,
      exchange.messageEnd,
      line,
      0,
    );
    const message = Buffer.from(line.subarray(0, length));
    const slots = new Set<number>();
    for (const { call } of session.serverRequests.values()) slots.add(call.upstreamSlot);
    for (const slot of slots) this.#upstreams.get(slot)?.notify(session, message);
  }
}
