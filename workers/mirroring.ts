import type { FaultCode } from '../shared/fault.ts';
import { HEADER_OTHER } from '../shared/header-code.ts';
import { ERA_MODERN } from '../src/protocol/eras/era.ts';
import { checkMirroredParams, mirroredFields } from '../src/protocol/eras/mirrored-param.ts';
import { isUnambiguous } from '../src/protocol/jsonrpc/unambiguous.ts';
import type { Exchange } from './exchange.ts';
import type { RequestView } from './request-view.ts';
import type { NameRoute } from './routing/name-route.ts';
import type { Outgoing } from './upstream/outgoing.ts';
import type { Upstream } from './upstream/upstream.ts';

export interface MirroringProblem {
  readonly fault: FaultCode;
  readonly message: string;
  readonly data: string | null;
}

const PREFIX = 'mcp-param-';

/**
 * Tool arguments that are mirrored in `Mcp-Param-*` fields (2026-07-28, SEP-2243): checked against the
 * schema that we advertised to a modern client, and made anew for a modern upstream. Tools without such
 * annotations, nearly all, cost one look at the catalog.
 */
export class Mirroring {
  /** null: nothing is wrong. */
  apply(
    exchange: Exchange,
    view: RequestView,
    upstream: Upstream,
    route: NameRoute,
    upstreamEra: number,
    outgoing: Outgoing,
  ): MirroringProblem | null {
    const tools = upstream.catalog.tools;
    // What the list says of the tool is kept with its route as long as the list is the same.
    if (route.toolList !== tools) {
      route.toolList = tools;
      route.mirrored = tools.byKey.get(route.own)?.mirrored ?? null;
    }
    const { mirrored } = route;
    if (mirrored === null) return null;
    const { argumentsStart: start, argumentsEnd: end } = view.peek;
    // What is compared must be what the server will read.
    if (start >= 0 && !isUnambiguous(exchange.bytes, start, end)) {
      return { fault: 'AMBIGUOUS_MEMBER', message: 'arguments', data: null };
    }
    const args: unknown = start < 0 ? {} : JSON.parse(exchange.bytes.toString('utf8', start, end));
    if (exchange.era === ERA_MODERN) {
      const mismatch = checkMirroredParams(mirrored, args, paramFields(view));
      if (mismatch !== null) {
        const { header, body } = mismatch;
        return {
          fault: 'HEADER_MISMATCH',
          message: body,
          data: JSON.stringify({ mismatch: { header, body } }),
        };
      }
    }
    if (upstreamEra === ERA_MODERN) {
      const fields = mirroredFields(mirrored, args);
      if (fields === null)
        return { fault: 'INVALID_PARAMS', message: 'mirrored arguments are too long', data: null };
      const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
      outgoing.paramLines = Buffer.from(lines, 'latin1');
    }
    return null;
  }
}

/** The request's `Mcp-Param-*` fields by their lower-case names. */
function paramFields(view: RequestView): Map<string, string> {
  const fields = new Map<string, string>();
  const { open, bytes } = view;
  for (let at = open.nextHeader(open.headersStart); at >= 0; at = open.nextHeader(at)) {
    if (open.code !== HEADER_OTHER) continue;
    const name = bytes.toString('latin1', open.nameStart, open.nameEnd);
    if (name.startsWith(PREFIX)) {
      fields.set(name, bytes.toString('latin1', open.valueStart, open.valueEnd));
    }
  }
  return fields;
}
