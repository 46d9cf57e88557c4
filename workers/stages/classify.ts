import { COUNTERS, ERA_LEGACY_CELL, ERA_MODERN_CELL } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import type { Clock } from '../../shared/clock.ts';
import { FAULTS } from '../../shared/fault.ts';
import { HEADER_MCP_SESSION_ID } from '../../shared/header-code.ts';
import {
  classify as classifyMessage,
  classifyMirrored,
  isNamedClaim,
} from '../../src/protocol/eras/classify.ts';
import { ERA_MODERN, REVISION_2025_03_26, logLevelFromBytes } from '../../src/protocol/eras/era.ts';
import {
  KIND_BATCH,
  KIND_NOTIFICATION,
  KIND_REQUEST,
} from '../../src/protocol/jsonrpc/peek-record.ts';
import type { Peek } from '../../src/protocol/jsonrpc/peek-record.ts';
import { METHOD_INITIALIZE } from '../../src/protocol/methods.ts';
import type { Exchange } from '../exchange.ts';
import type { Replier } from '../reply.ts';
import type { RequestView } from '../request-view.ts';
import type { SessionTable } from '../session/session-table.ts';
import { DONE, NEXT } from '../stage.ts';
import type { Stage, Verdict } from '../stage.ts';

/** What the stage works with. */
export interface ClassifyParts {
  readonly view: RequestView;
  readonly replier: Replier;
  readonly sessions: SessionTable;
  readonly counters: CounterBlock;
}

/**
 * Which era the message is of, whether its headers say what its body says, and, in the legacy era, which
 * session it belongs to. After `read`, as the body decides (2026-07-28, versioning).
 */
export class Classify implements Stage {
  readonly name = 'classify';
  readonly #parts: ClassifyParts;
  readonly #clock: Clock;

  constructor(parts: ClassifyParts, clock: Clock) {
    this.#parts = parts;
    this.#clock = clock;
  }

  handle(exchange: Exchange): Verdict {
    const { view, replier } = this.#parts;
    const { peek: record, classification } = view;
    const { bytes } = exchange;
    const isFine =
      isNamedClaim(record) && view.fieldsAgree(bytes)
        ? classifyMirrored(view.range, record, classification)
        : classifyMessage(bytes, record, view.loadMcpHeaders(), classification);
    exchange.era = classification.era;
    if (!isFine && classification.fault !== null) {
      const { fault, detail, data } = classification;
      const message = detail === '' ? null : `${FAULTS[fault].message}: ${detail}`;
      replier.fault(exchange, fault, detail, data, null, message);
      return DONE;
    }
    if (exchange.batch !== null && classification.era === ERA_MODERN) {
      replier.fault(exchange, 'BATCH_REFUSED');
      return DONE;
    }
    this.#count(record.kind, classification.era === ERA_MODERN ? ERA_MODERN_CELL : ERA_LEGACY_CELL);
    if (record.metaProgressTokenStart >= 0) {
      const { metaProgressTokenStart: start, metaProgressTokenEnd: end } = record;
      exchange.progressToken = Buffer.from(exchange.bytes.subarray(start, end));
    }
    if (classification.era !== ERA_MODERN) return this.#legacy(exchange, record);
    const { metaLogLevelStart, metaLogLevelEnd } = record;
    exchange.logLevel = modernLogLevel(exchange, metaLogLevelStart, metaLogLevelEnd);
    return NEXT;
  }

  #count(kind: number, cell: number): void {
    const { counters } = this.#parts;
    if (kind === KIND_REQUEST) counters.add(COUNTERS.SHARD_REQUESTS.id + cell);
    else if (kind === KIND_NOTIFICATION) counters.add(COUNTERS.SHARD_NOTIFICATIONS.id + cell);
  }

  /** Everything but `initialize` belongs to a session (Streamable HTTP up to 2025-11-25). */
  #legacy(exchange: Exchange, record: Peek): Verdict {
    const { view, replier } = this.#parts;
    // Members of a batch came with the batch's session.
    if (exchange.batch !== null) return NEXT;
    if (!exchange.acceptsEvents || !view.acceptsJson()) {
      replier.fault(exchange, 'NOT_ACCEPTABLE');
      return DONE;
    }
    const isInitialize = record.kind === KIND_REQUEST && record.methodId === METHOD_INITIALIZE;
    if (isInitialize && !view.open.find(HEADER_MCP_SESSION_ID)) return NEXT;
    if (!this.#findSession(exchange)) return DONE;
    if (isInitialize) {
      replier.fault(exchange, 'SESSION_INITIALIZED');
      return DONE;
    }
    if (record.kind === KIND_BATCH && exchange.session?.revision !== REVISION_2025_03_26) {
      replier.fault(exchange, 'BATCH_REFUSED');
      return DONE;
    }
    return NEXT;
  }

  #findSession(exchange: Exchange): boolean {
    const { view, replier, sessions, counters } = this.#parts;
    const { open } = view;
    if (!open.find(HEADER_MCP_SESSION_ID)) {
      replier.fault(exchange, 'SESSION_REQUIRED');
      return false;
    }
    const session = sessions.find(view.bytes, open.valueStart, open.valueEnd);
    // A session of another caller or endpoint does not exist for this one.
    if (session === null || !session.belongsTo(exchange)) {
      counters.add(COUNTERS.SESSIONS_REFUSED.id);
      replier.fault(exchange, 'SESSION_NOT_FOUND');
      return false;
    }
    session.lastUsedMs = this.#clock.nowMs();
    exchange.session = session;
    return true;
  }
}

/** The level's token is a JSON string; quotes are not part of the name. -1: no logs wanted. */
function modernLogLevel(exchange: Exchange, start: number, end: number): number {
  return start < 0 ? -1 : logLevelFromBytes(exchange.bytes, start + 1, end - 1);
}
