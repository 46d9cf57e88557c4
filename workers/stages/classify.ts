import { COUNTERS, ERA_LEGACY_CELL, ERA_MODERN_CELL } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import type { Clock } from '../../shared/clock.ts';
import { FAULTS } from '../../shared/fault.ts';
import { HEADER_MCP_SESSION_ID } from '../../shared/header-code.ts';
import { classify as classifyMessage } from '../../src/protocol/eras/classify.ts';
import { ERA_MODERN, logLevelFromBytes } from '../../src/protocol/eras/era.ts';
import {
  KIND_BATCH,
  KIND_NOTIFICATION,
  KIND_REQUEST,
} from '../../src/protocol/jsonrpc/peek-record.ts';
import { METHOD_INITIALIZE } from '../../src/protocol/methods.ts';
import type { Exchange } from '../exchange.ts';
import type { Replier } from '../reply.ts';
import { JSON_TYPE } from '../request-view.ts';
import type { RequestView } from '../request-view.ts';
import type { SessionTable } from '../session/session-table.ts';
import { DONE, NEXT } from '../stage.ts';
import type { Stage, Verdict } from '../stage.ts';

/**
 * Which era the message is of, whether its headers say what its body says, and, in the legacy era, which
 * session it belongs to. After `read`, as the body decides (2026-07-28, versioning).
 */
export function classify(
  view: RequestView,
  replier: Replier,
  sessions: SessionTable,
  clock: Clock,
  counters: CounterBlock,
): Stage {
  function findSession(exchange: Exchange): boolean {
    const { open } = view;
    if (!open.find(HEADER_MCP_SESSION_ID)) {
      replier.fault(exchange, 'SESSION_REQUIRED');
      return false;
    }
    const session = sessions.find(view.bytes, open.valueStart, open.valueEnd);
    // A session of another caller or endpoint does not exist for this one.
    if (
      session === null ||
      session.principalKey !== exchange.principal.key ||
      session.endpointIndex !== exchange.endpointIndex
    ) {
      counters.add(COUNTERS.SESSIONS_REFUSED.id);
      replier.fault(exchange, 'SESSION_NOT_FOUND');
      return false;
    }
    session.lastUsedMs = clock.nowMs();
    exchange.session = session;
    return true;
  }

  return {
    name: 'classify',
    handle(exchange: Exchange): Verdict {
      const { peek: record, classification } = view;
      const headers = view.loadMcpHeaders();
      const isFine = classifyMessage(exchange.bytes, record, headers, classification);
      exchange.era = classification.era;
      if (!isFine && classification.fault !== null) {
        const { fault, detail, data } = classification;
        const message = detail === '' ? null : `${FAULTS[fault].message}: ${detail}`;
        replier.fault(exchange, fault, detail, data, null, message);
        return DONE;
      }
      const isModern = classification.era === ERA_MODERN;
      const cell = isModern ? ERA_MODERN_CELL : ERA_LEGACY_CELL;
      if (record.kind === KIND_REQUEST) counters.add(COUNTERS.SHARD_REQUESTS.id + cell);
      else if (record.kind === KIND_NOTIFICATION)
        counters.add(COUNTERS.SHARD_NOTIFICATIONS.id + cell);
      if (record.metaProgressTokenStart >= 0) {
        const { metaProgressTokenStart: start, metaProgressTokenEnd: end } = record;
        exchange.progressToken = Buffer.from(exchange.bytes.subarray(start, end));
      }
      if (isModern) {
        exchange.logLevel = modernLogLevel(
          exchange,
          record.metaLogLevelStart,
          record.metaLogLevelEnd,
        );
        return NEXT;
      }
      if (exchange.batch !== null) return NEXT;
      if (!exchange.acceptsEvents || !view.accepts(JSON_TYPE)) {
        replier.fault(exchange, 'NOT_ACCEPTABLE');
        return DONE;
      }
      const isInitialize = record.kind === KIND_REQUEST && record.methodId === METHOD_INITIALIZE;
      if (isInitialize && !view.open.find(HEADER_MCP_SESSION_ID)) return NEXT;
      if (!findSession(exchange)) return DONE;
      if (isInitialize) {
        replier.fault(exchange, 'SESSION_INITIALIZED');
        return DONE;
      }
      if (record.kind === KIND_BATCH && exchange.session?.revision !== 1) {
        replier.fault(exchange, 'BATCH_REFUSED');
        return DONE;
      }
      return NEXT;
    },
  };
}

/** The level's token is a JSON string; quotes are not part of the name. -1: no logs wanted. */
function modernLogLevel(exchange: Exchange, start: number, end: number): number {
  return start < 0 ? -1 : logLevelFromBytes(exchange.bytes, start + 1, end - 1);
}
