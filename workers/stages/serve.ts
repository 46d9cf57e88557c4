import { ERA_MODERN, logLevelFromBytes } from '../../src/protocol/eras/era.ts';
import {
  METHOD_DISCOVER,
  METHOD_INITIALIZE,
  METHOD_LISTEN,
  METHOD_PING,
  METHOD_PROMPTS_LIST,
  METHOD_RESOURCES_LIST,
  METHOD_RESOURCES_SUBSCRIBE,
  METHOD_RESOURCES_UNSUBSCRIBE,
  METHOD_RESOURCE_TEMPLATES_LIST,
  METHOD_SET_LEVEL,
  METHOD_TOOLS_LIST,
} from '../../src/protocol/methods.ts';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import type { EndpointFace } from '../endpoint-face.ts';
import type { Exchange } from '../exchange.ts';
import type { ListWaiter } from '../list-waiter.ts';
import type { ListenTable } from '../listen-table.ts';
import type { Replier } from '../reply.ts';
import type { RequestView } from '../request-view.ts';
import type { SessionDesk } from '../session/session-desk.ts';
import { DONE, NEXT, WAIT } from '../stage.ts';
import type { Stage, Verdict } from '../stage.ts';
import type { ListMerge } from '../transform/list-merge.ts';
import type { CatalogKind } from '../upstream/catalog.ts';
import type { UpstreamSet } from '../upstream/upstream-set.ts';
import { StdioUpstream } from '../upstream/stdio-upstream.ts';

export interface ServeParts {
  readonly view: RequestView;
  readonly replier: Replier;
  readonly face: EndpointFace;
  readonly desk: SessionDesk;
  readonly lists: ListMerge;
  readonly waiter: ListWaiter;
  readonly listens: ListenTable;
  readonly upstreams: UpstreamSet;
  readonly counters: CounterBlock;
}

/** Resources one legacy session may be subscribed to. */
const SUBSCRIPTIONS_MAX = 1024;
const EMPTY_RESULT = Buffer.from('{}');

/**
 * What the gateway answers itself: handshakes, lists, levels, listen streams. After `limit`, as lists
 * count like calls; before `call`, which has what is left.
 */
export function serve(parts: ServeParts): Stage {
  return {
    name: 'serve',
    handle(exchange: Exchange): Verdict {
      const { view, replier, face, desk } = parts;
      const record = view.peek;
      const { plan, endpointIndex } = exchange;
      switch (record.methodId) {
        case METHOD_INITIALIZE:
          if (exchange.batch === null) desk.initialize(exchange, record);
          else replier.fault(exchange, 'INVALID_REQUEST', 'initialize in a batch');
          return DONE;
        case METHOD_PING:
          replier.result(exchange, EMPTY_RESULT);
          return DONE;
        case METHOD_DISCOVER:
          if (exchange.era !== ERA_MODERN) break;
          replier.result(exchange, face.discoverResult(plan, plan.endpoint(endpointIndex)));
          return DONE;
        case METHOD_TOOLS_LIST:
          return list(parts, exchange, 'tools');
        case METHOD_RESOURCES_LIST:
          return list(parts, exchange, 'resources');
        case METHOD_RESOURCE_TEMPLATES_LIST:
          return list(parts, exchange, 'templates');
        case METHOD_PROMPTS_LIST:
          return list(parts, exchange, 'prompts');
        case METHOD_SET_LEVEL:
          return setLevel(parts, exchange);
        case METHOD_LISTEN:
          if (exchange.era !== ERA_MODERN) break;
          return listen(parts, exchange);
        default:
          break;
      }
      if (exchange.route !== null) {
        if (record.methodId === METHOD_RESOURCES_UNSUBSCRIBE) return unsubscribe(parts, exchange);
        if (record.methodId === METHOD_RESOURCES_SUBSCRIBE) return subscribe(parts, exchange);
        return NEXT;
      }
      const method =
        record.methodStart < 0
          ? ''
          : exchange.bytes.toString('utf8', record.methodStart, record.methodEnd);
      replier.fault(
        exchange,
        'METHOD_NOT_FOUND',
        method,
        null,
        null,
        `method not found: ${method}`,
      );
      return DONE;
    },
  };
}

/** A list from memory. Only where one has never been loaded does the client wait, within bounds. */
function list(parts: ServeParts, exchange: Exchange, kind: CatalogKind): Verdict {
  const { replier, lists, waiter, upstreams, view, counters } = parts;
  const { plan, endpointIndex } = exchange;
  const endpoint = plan.endpoint(endpointIndex);
  const kinds: readonly CatalogKind[] = kind === 'resources' ? ['resources', 'templates'] : [kind];
  if (!exchange.hasWaitedForLists && !waiter.isReady(plan.plan, endpoint, kinds)) {
    exchange.hasWaitedForLists = true;
    exchange.retain();
    waiter.wait(exchange, kinds);
    return WAIT;
  }
  for (const upstream of upstreams.all()) upstream.loader.refreshIfOld(kind);
  const cursor = cursorOf(exchange, view.peek.cursorStart, view.peek.cursorEnd);
  const page =
    cursor === undefined
      ? null
      : lists.page(plan, endpoint, kind, exchange.principal, exchange.era === ERA_MODERN, cursor);
  if (page === null) {
    replier.fault(exchange, 'CURSOR_INVALID');
    return DONE;
  }
  counters.add(COUNTERS.LISTS_MERGED.id);
  replier.result(exchange, page);
  return DONE;
}

/** The cursor as text; null: none; undefined: it is no string. */
function cursorOf(exchange: Exchange, start: number, end: number): string | null | undefined {
  if (start < 0) return null;
  const value: unknown = JSON.parse(exchange.bytes.toString('utf8', start, end));
  return typeof value === 'string' ? value : undefined;
}

/** Legacy: from here on this session hears messages of that level and above. */
function setLevel(parts: ServeParts, exchange: Exchange): Verdict {
  const { view, replier, upstreams } = parts;
  const { levelStart, levelEnd } = view.peek;
  const level = levelStart < 0 ? -1 : logLevelFromBytes(exchange.bytes, levelStart, levelEnd);
  if (level < 0 || exchange.session === null) {
    replier.fault(
      exchange,
      level < 0 ? 'INVALID_PARAMS' : 'METHOD_NOT_FOUND',
      'level',
      null,
      null,
      level < 0 ? 'invalid params: unknown log level' : null,
    );
    return DONE;
  }
  exchange.session.logLevel = level;
  for (const upstream of upstreams.all()) upstream.setLogLevel(exchange.session, level);
  replier.result(exchange, EMPTY_RESULT);
  return DONE;
}

function listen(parts: ServeParts, exchange: Exchange): Verdict {
  const { view, replier, listens } = parts;
  const { notificationsStart: start, notificationsEnd: end } = view.peek;
  const filter: unknown =
    start < 0 ? null : JSON.parse(exchange.bytes.toString('utf8', start, end));
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter)) {
    replier.fault(
      exchange,
      'INVALID_PARAMS',
      '',
      null,
      null,
      'invalid params: notifications must be an object',
    );
    return DONE;
  }
  listens.open(exchange, filter as Record<string, unknown>);
  return WAIT;
}

/** Remembered before the upstream has agreed: an update may come ahead of its answer. */
function subscribe(parts: ServeParts, exchange: Exchange): Verdict {
  const { session, bytes, upstreamSlot } = exchange;
  const { uriStart, uriEnd } = parts.view.peek;
  if (session === null) return NEXT;
  const subscriptions = (session.subscriptions ??= new Map<string, number>());
  if (subscriptions.size >= SUBSCRIPTIONS_MAX) {
    parts.replier.fault(exchange, 'BUSY', 'too many subscriptions');
    return DONE;
  }
  subscriptions.set(bytes.toString('utf8', uriStart, uriEnd), upstreamSlot);
  parts.counters.add(COUNTERS.SUBSCRIPTIONS.id);
  return NEXT;
}

/**
 * On a shared process a subscription stays until the process ends: another session may have the same
 * one. What comes for nobody is dropped here.
 */
function unsubscribe(parts: ServeParts, exchange: Exchange): Verdict {
  const { view, replier, upstreams } = parts;
  const { uriStart, uriEnd } = view.peek;
  exchange.session?.subscriptions?.delete(exchange.bytes.toString('utf8', uriStart, uriEnd));
  if (!(upstreams.get(exchange.upstreamSlot) instanceof StdioUpstream)) return NEXT;
  replier.result(exchange, EMPTY_RESULT);
  return DONE;
}
