import type { PlanUpstream } from '../../src/config/plan.ts';
import { encodeMirrored } from '../../src/protocol/eras/mcp-headers.ts';

/** What a routed name is: picks the routes that apply and the list it would stand in. */
export const NAME_TOOL = 1;
export const NAME_RESOURCE = 2;
export const NAME_PROMPT = 3;
export type NameKind = typeof NAME_TOOL | typeof NAME_RESOURCE | typeof NAME_PROMPT;

/** Route index of the default route, and of names that reach their upstream without any route. */
export const ROUTE_DEFAULT = -1;
export const ROUTE_IMPLICIT = -2;

/** Where one exposed name goes. Immutable but for the metric slot; cached per name and endpoint. */
export class NameRoute {
  readonly kind: NameKind;
  readonly upstream: PlanUpstream;
  readonly slot: number;
  /** Index into `plan.routes`, or ROUTE_DEFAULT, or ROUTE_IMPLICIT. */
  readonly routeIndex: number;
  readonly exposed: string;
  readonly own: string;
  /** The upstream's own name as the inside of a JSON string; null where it is the exposed one. */
  readonly ownBytes: Buffer | null;
  /** `Mcp-Name` for a modern upstream: always made from what is sent, never passed on. */
  readonly nameLine: Buffer;
  /** Row of the metric table; -1 until the first call. */
  metricSlot: number;

  constructor(
    kind: NameKind,
    upstream: PlanUpstream,
    routeIndex: number,
    exposed: string,
    own: string,
  ) {
    this.kind = kind;
    this.upstream = upstream;
    this.slot = upstream.slot;
    this.routeIndex = routeIndex;
    this.exposed = exposed;
    this.own = own;
    this.ownBytes = own === exposed ? null : Buffer.from(JSON.stringify(own).slice(1, -1));
    this.nameLine = Buffer.from(`Mcp-Name: ${encodeMirrored(own)}\r\n`, 'latin1');
    this.metricSlot = -1;
  }
}
