import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import type { ExchangeCells } from '../../shared/exchange-cell.ts';
import { faultById } from '../../shared/fault.ts';
import { EXCHANGES_MAX } from '../../shared/limits.ts';
import { KIND_BATCH, KIND_REQUEST } from '../../src/protocol/jsonrpc/peek-record.ts';
import type { Peek } from '../../src/protocol/jsonrpc/peek-record.ts';
import { PeekMemo } from '../../src/protocol/jsonrpc/peek-memo.ts';
import { rewriteMessage } from '../../src/protocol/jsonrpc/rewrite.ts';
import { PEEK_OK, PEEK_REWRITE } from '../../src/protocol/jsonrpc/verdict.ts';
import type { EdgeProxy } from '../edge-proxy.ts';
import type { Exchange } from '../exchange.ts';
import type { Replier } from '../reply.ts';
import type { RequestView } from '../request-view.ts';
import { DONE, NEXT } from '../stage.ts';
import type { Stage, Verdict } from '../stage.ts';

/**
 * What the message is: one strict pass over its bytes. From here on the id is known, to the client's
 * answers and, through the shared cell, to the edge. After `authenticate`; everything later reads what
 * this stage has checked, and nothing else reads the client's bytes.
 */
export function read(
  view: RequestView,
  replier: Replier,
  edge: EdgeProxy,
  cells: ExchangeCells,
  counters: CounterBlock,
): Stage {
  const memo = new PeekMemo(true);

  return {
    name: 'read',
    handle(exchange: Exchange): Verdict {
      if (exchange.batch === null) {
        if (!view.isJson()) {
          replier.fault(exchange, 'MEDIA_TYPE_UNSUPPORTED');
          return DONE;
        }
        exchange.acceptsEvents = view.acceptsEvents();
      }
      const record = view.peek;
      let verdict = memo.peek(exchange.bytes, exchange.messageStart, exchange.messageEnd, record);
      if (verdict === PEEK_REWRITE) {
        counters.add(COUNTERS.REWRITTEN.id);
        const written = rewriteMessage(
          exchange.bytes,
          exchange.messageStart,
          exchange.messageEnd,
          record,
        );
        verdict = written.verdict;
        exchange.bytes = written.bytes;
        exchange.messageStart = 0;
        exchange.messageEnd = written.bytes.length;
      }
      if (verdict === PEEK_OK && record.kind === KIND_BATCH) return NEXT;
      if (record.kind === KIND_REQUEST || verdict !== PEEK_OK)
        keepId(exchange, record, edge, cells);
      if (verdict === PEEK_OK) return NEXT;
      replier.fault(exchange, faultById(verdict));
      return DONE;
    },
  };
}

/** Keeps the id here, and where the edge finds it should this shard die. */
function keepId(exchange: Exchange, record: Peek, edge: EdgeProxy, cells: ExchangeCells): void {
  const { idStart, idEnd } = record;
  if (idStart < 0) return;
  exchange.keepId(exchange.bytes, idStart, idEnd);
  if (exchange.batch !== null) return;
  const slot = exchange.number & (EXCHANGES_MAX - 1);
  if (!cells.write(slot, exchange.number, exchange.bytes, idStart, idEnd)) {
    edge.ids(exchange, Buffer.from(`[${exchange.idText()}]`, 'latin1'), false);
  }
}
