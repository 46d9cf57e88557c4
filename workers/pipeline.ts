import { COUNTERS } from '../shared/counter-catalogue.ts';
import type { CounterBlock } from '../shared/counter-cell.ts';
import type { FaultCode } from '../shared/fault.ts';
import {
  KIND_BATCH,
  KIND_ERROR,
  KIND_NOTIFICATION,
  KIND_RESPONSE,
} from '../src/protocol/jsonrpc/peek-record.ts';
import { peek } from '../src/protocol/jsonrpc/peek.ts';
import { Batch } from './batch.ts';
import type { ClientMessages } from './client-messages.ts';
import type { EdgeProxy } from './edge-proxy.ts';
import { REPLY_DONE } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import type { ExchangeTable } from './exchange-table.ts';
import type { Replier } from './reply.ts';
import type { RequestView } from './request-view.ts';
import { NEXT } from './stage.ts';
import type { Stage } from './stage.ts';

/** Places in the order that the code below refers to by name. */
export interface PipelineOrder {
  /** Stages up to and including the one that tells the era: what every message passes. */
  readonly entry: readonly Stage[];
  /** Stages for requests only. */
  readonly request: readonly Stage[];
}

export interface PipelineParts {
  readonly view: RequestView;
  readonly replier: Replier;
  readonly edge: EdgeProxy;
  readonly exchanges: ExchangeTable;
  readonly messages: ClientMessages;
  readonly counters: CounterBlock;
}

/**
 * Runs the stages over an exchange, in order, until one has answered or keeps it waiting. What waits is
 * resumed at the stage that kept it, with the view filled again from the retained bytes.
 */
export class Pipeline {
  readonly #parts: PipelineParts;
  readonly #stages: readonly Stage[];
  readonly #entryCount: number;

  constructor(parts: PipelineParts, order: PipelineOrder) {
    this.#parts = parts;
    this.#stages = [...order.entry, ...order.request];
    this.#entryCount = order.entry.length;
  }

  /** A message has arrived whole. The view is loaded. */
  start(exchange: Exchange): void {
    exchange.stageIndex = 0;
    this.#run(exchange);
  }

  /** Goes on at the stage that kept the exchange, or at the next one. */
  resume(exchange: Exchange, skipStage = false): void {
    if (!exchange.inUse || exchange.replyState === REPLY_DONE || exchange.clientGone) return;
    const { view } = this.#parts;
    if (!view.load(exchange)) {
      this.fail(exchange, 'INTERNAL_ERROR', 'frame is malformed');
      return;
    }
    const { afterAuthentication } = exchange;
    if (skipStage && afterAuthentication !== null) {
      afterAuthentication(exchange);
      return;
    }
    if (skipStage) exchange.stageIndex += 1;
    // Stages after `read` rely on the record; `read` and those before it fill it themselves.
    if (exchange.stageIndex > 1)
      peek(exchange.bytes, exchange.messageStart, exchange.messageEnd, view.peek);
    this.#run(exchange);
  }

  /** Only finds out who calls (GET, DELETE), then goes on elsewhere. */
  authenticate(exchange: Exchange, then: (exchange: Exchange) => void): void {
    exchange.stageIndex = 0;
    exchange.afterAuthentication = then;
    if ((this.#stages[0] as Stage).handle(exchange) === NEXT) then(exchange);
  }

  fail(exchange: Exchange, code: FaultCode, detail: string): void {
    if (!exchange.inUse || exchange.replyState === REPLY_DONE) return;
    this.#parts.replier.fault(exchange, code, detail);
  }

  #run(exchange: Exchange): void {
    const stages = this.#stages;
    for (let index = exchange.stageIndex; index < stages.length; index += 1) {
      exchange.stageIndex = index;
      if (index === this.#entryCount && !this.#isRequest(exchange)) return;
      if ((stages[index] as Stage).handle(exchange) !== NEXT) return;
    }
  }

  /** Notifications, responses and batches leave the pipeline here. */
  #isRequest(exchange: Exchange): boolean {
    const { view, messages } = this.#parts;
    switch (view.peek.kind) {
      case KIND_NOTIFICATION:
        messages.onNotification(exchange, view.peek);
        return false;
      case KIND_RESPONSE:
      case KIND_ERROR:
        messages.onResponse(exchange, view.peek);
        return false;
      case KIND_BATCH:
        this.#startBatch(exchange);
        return false;
      default:
        return true;
    }
  }

  #startBatch(exchange: Exchange): void {
    const { replier, exchanges, counters, edge } = this.#parts;
    if (exchange.batch !== null) {
      replier.fault(exchange, 'INVALID_REQUEST', 'batch in a batch');
      return;
    }
    counters.add(COUNTERS.SHARD_BATCHES.id);
    const batch = new Batch(exchange, replier, (member) => {
      member.session?.leave(member);
      member.inUse = false;
    });
    exchange.ownBatch = batch;
    const ids: string[] = [];
    const isStarted = batch.start(
      (parent, bytes, start, end) => {
        const member = exchanges.fresh();
        member.inUse = true;
        member.number = parent.number;
        member.plan = parent.plan;
        member.endpointIndex = parent.endpointIndex;
        member.principal = parent.principal;
        member.session = parent.session;
        member.acceptsEvents = parent.acceptsEvents;
        member.arrivalUs = parent.arrivalUs;
        member.isRetained = true;
        member.frame = parent.frame;
        member.frameStart = parent.frameStart;
        member.frameEnd = parent.frameEnd;
        member.bytes = bytes;
        member.messageStart = start;
        member.messageEnd = end;
        return member;
      },
      (member) => {
        this.#parts.view.load(member);
        member.stageIndex = 1;
        this.#run(member);
        if (member.idLength > 0) ids.push(member.idText());
      },
    );
    if (!isStarted) replier.fault(exchange, 'INVALID_REQUEST', 'batch is empty or too long');
    else if (exchange.inUse && ids.length > 0)
      edge.ids(exchange, Buffer.from(`[${ids.join(',')}]`), true);
  }
}
