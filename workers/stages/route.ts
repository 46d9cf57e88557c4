import type { FaultCode } from '../../shared/fault.ts';
import {
  METHODS,
  TARGET_NAME,
  TARGET_REF,
  TARGET_URI,
  TARGET_URI_UNMIRRORED,
  METHOD_TOOLS_CALL,
} from '../../src/protocol/methods.ts';
import type { Peek } from '../../src/protocol/jsonrpc/peek-record.ts';
import { ERA_MODERN } from '../../src/protocol/eras/era.ts';
import type { Exchange } from '../exchange.ts';
import type { ListWaiter } from '../list-waiter.ts';
import type { MetricLabels } from '../metric-labels.ts';
import type { Replier } from '../reply.ts';
import type { RequestView } from '../request-view.ts';
import { NAME_PROMPT, NAME_RESOURCE, NAME_TOOL } from '../routing/name-route.ts';
import type { NameKind, NameRoute } from '../routing/name-route.ts';
import { NEEDS_LISTS } from '../routing/route-table.ts';
import { DONE, NEXT, WAIT } from '../stage.ts';
import type { Stage, Verdict } from '../stage.ts';
import type { UpstreamSet } from '../upstream/upstream-set.ts';

/**
 * Which upstream has the tool, prompt or resource. Methods that name nothing (lists, ping) pass. Before
 * `authorize` and `limit`, as a route brings its own rules and limits. The bytes of the name that are
 * looked up here are the bytes that will be sent.
 */
export function route(
  view: RequestView,
  replier: Replier,
  upstreams: UpstreamSet,
  labels: MetricLabels,
  lists: ListWaiter,
): Stage {
  /**
   * Only a listed tool has metrics of its own, as a client must not be able to make up labels. A list
   * may come later than the first call, so what is not in it is looked up again.
   */
  function labelMetrics(found: NameRoute): void {
    const tools = upstreams.get(found.slot)?.catalog.list('tools').byKey;
    const isListed = found.kind === NAME_TOOL && tools?.has(found.own) === true;
    found.isMetricKnown = isListed || found.kind !== NAME_TOOL;
    found.metricSlot = labels.slot(found.upstream.name, found.own, isListed);
  }

  return {
    name: 'route',
    handle(exchange: Exchange): Verdict {
      const record = view.peek;
      const target = METHODS[record.methodId]?.target ?? 0;
      const kind = nameKind(record, target);
      if (kind === 0) return NEXT;
      const start = nameStart(record, target);
      const end = nameEnd(record, target);
      if (start < 0) {
        replier.fault(
          exchange,
          'INVALID_PARAMS',
          'name or uri is missing',
          null,
          null,
          `invalid params: ${target === TARGET_NAME ? 'name' : target === TARGET_REF ? 'ref' : 'uri'} must be there`,
        );
        return DONE;
      }
      const { plan, endpointIndex, bytes } = exchange;
      const salt = endpointIndex * 4 + kind;
      let found: NameRoute | null = plan.remembered.get(salt, bytes, start, end);
      if (found === null) {
        const name = bytes.toString('utf8', start, end);
        const resolved = plan.routes.resolve(plan.endpoint(endpointIndex), kind, name);
        if (resolved === NEEDS_LISTS) return waitForLists(exchange, lists, replier, kind, name);
        if (typeof resolved === 'string') return refuse(exchange, replier, resolved, kind, name);
        found = resolved;
        plan.remembered.set(salt, bytes, start, end, found);
      }
      if (!found.isMetricKnown) labelMetrics(found);
      exchange.route = found;
      exchange.upstreamSlot = found.slot;
      return NEXT;
    },
  };
}

function nameKind(record: Peek, target: number): NameKind | 0 {
  switch (target) {
    case TARGET_NAME:
      return record.methodId === METHOD_TOOLS_CALL ? NAME_TOOL : NAME_PROMPT;
    case TARGET_URI:
    case TARGET_URI_UNMIRRORED:
      return NAME_RESOURCE;
    case TARGET_REF:
      return record.refUriStart >= 0 ? NAME_RESOURCE : NAME_PROMPT;
    default:
      return 0;
  }
}

function nameStart(record: Peek, target: number): number {
  if (target === TARGET_NAME) return record.nameStart;
  if (target === TARGET_REF)
    return record.refUriStart >= 0 ? record.refUriStart : record.refNameStart;
  return record.uriStart;
}

function nameEnd(record: Peek, target: number): number {
  if (target === TARGET_NAME) return record.nameEnd;
  if (target === TARGET_REF) return record.refUriStart >= 0 ? record.refUriEnd : record.refNameEnd;
  return record.uriEnd;
}

function waitForLists(
  exchange: Exchange,
  lists: ListWaiter,
  replier: Replier,
  kind: NameKind,
  name: string,
): Verdict {
  // Asked once and still missing: the upstream that might have it cannot say so.
  if (exchange.hasWaitedForLists) {
    return refuse(
      exchange,
      replier,
      kind === NAME_RESOURCE ? 'RESOURCE_NOT_FOUND' : 'NAME_UNKNOWN',
      kind,
      name,
    );
  }
  exchange.hasWaitedForLists = true;
  exchange.retain();
  lists.wait(exchange);
  return WAIT;
}

function refuse(
  exchange: Exchange,
  replier: Replier,
  code: FaultCode,
  kind: NameKind,
  name: string,
): Verdict {
  const what = kind === NAME_TOOL ? 'tool' : kind === NAME_PROMPT ? 'prompt' : 'resource';
  if (code === 'RESOURCE_NOT_FOUND' && exchange.era === ERA_MODERN) {
    // -32002 must not be sent to modern clients (2026-07-28, resources).
    const data = JSON.stringify({ uri: name });
    replier.fault(exchange, 'NAME_UNKNOWN', name, data, null, `resource not found: ${name}`);
    return DONE;
  }
  const message = code === 'NAME_UNKNOWN' ? `unknown ${what}: ${name}` : null;
  replier.fault(exchange, code, name, null, null, message);
  return DONE;
}
