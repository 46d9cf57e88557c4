import { createHash } from 'node:crypto';
import { ByteRange } from '../../shared/byte-words.ts';
import type { RateLimitTool } from '../../shared/rate-limit-table.ts';
import type { PlanUpstream } from '../../src/config/plan.ts';
import { encodeMirrored } from '../../src/protocol/eras/mcp-headers.ts';
import type { MirroredParam } from '../../src/protocol/eras/mirrored-param.ts';
import type { LimitsByMethod } from '../policy/plan-limits.ts';
import type { CatalogList } from '../upstream/catalog.ts';

/** What a routed name is: picks the routes that apply and the list it would stand in. */
export const NAME_TOOL = 1;
export const NAME_RESOURCE = 2;
export const NAME_PROMPT = 3;
export type NameKind = typeof NAME_TOOL | typeof NAME_RESOURCE | typeof NAME_PROMPT;

/** Route index of the default route, and of names that reach their upstream without any route. */
export const ROUTE_DEFAULT = -1;
export const ROUTE_IMPLICIT = -2;

/** Where one exposed name goes. Immutable but for the metric slot and what limits keep with it; cached per name and endpoint. */
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
  readonly nameLine: ByteRange;
  /** Row of the metric table; -1 until the first call. */
  metricSlot: number;
  /** The row is the name's own, or it will never have one. */
  isMetricKnown: boolean;
  /** 64 bits by which rate limits know the tool: equal in every shard, endpoint and plan. */
  readonly limitLow: number;
  readonly limitHigh: number;
  /** Filled by the first call that is limited. */
  limitTool: RateLimitTool | null;
  limits: LimitsByMethod | null;
  /** Arguments mirrored in headers, as `toolList` said when a call looked last. */
  toolList: CatalogList | null;
  mirrored: readonly MirroredParam[] | null;

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
    this.nameLine = new ByteRange(Buffer.from(`Mcp-Name: ${encodeMirrored(own)}\r\n`, 'latin1'));
    this.metricSlot = -1;
    this.isMetricKnown = false;
    // No upstream name holds U+0000, so no two pairs are one text.
    const digest = createHash('sha256').update(`${upstream.name}\u0000${own}`).digest();
    this.limitLow = digest.readInt32LE(0);
    this.limitHigh = digest.readInt32LE(4);
    this.limitTool = null;
    this.limits = null;
    this.toolList = null;
    this.mirrored = null;
  }
}
