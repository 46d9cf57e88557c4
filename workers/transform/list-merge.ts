import type { Plan, PlanEndpoint, PlanUpstream } from '../../src/config/plan.ts';
import type { Principal } from '../policy/principal.ts';
import { NAME_PROMPT, NAME_RESOURCE, NAME_TOOL, NameRoute } from '../routing/name-route.ts';
import type { NameKind } from '../routing/name-route.ts';
import type { ShardPlan } from '../shard-plan.ts';
import type { Catalog, CatalogItem, CatalogKind } from '../upstream/catalog.ts';

/** Items on one page. Most clients read only the first: so all that most gateways have goes on it. */
export const PAGE_ITEMS = 1000;
/** Merged lists kept: kinds × endpoints × callers with different rights. */
const KEPT_MAX = 128;
const CURSOR_BYTES_MAX = 1024;

interface MergedItem {
  /** Upstream slot and the item's own key: where a cursor points. */
  readonly anchor: string;
  readonly json: string;
}

interface MergedList {
  readonly version: string;
  readonly items: readonly MergedItem[];
  readonly isPublic: boolean;
  readonly ttlMs: number;
  /** Result members of the first page, for clients of either era. */
  readonly firstPage: readonly [legacy: Buffer, modern: Buffer];
}

/** Where catalogs come from. */
export type CatalogOf = (slot: number) => Catalog | null;

const MEMBERS: Record<CatalogKind, string> = {
  tools: 'tools',
  resources: 'resources',
  templates: 'resourceTemplates',
  prompts: 'prompts',
};

/**
 * Lists of all upstreams as one: in the order of the settings, then as each upstream lists; names as
 * clients call them; only what this caller may use, by the very function that routes calls. A merged
 * list is kept as finished bytes until a catalog it was made from changes.
 */
export class ListMerge {
  readonly #catalogs: CatalogOf;
  readonly #kept = new Map<string, MergedList>();

  constructor(catalogs: CatalogOf) {
    this.#catalogs = catalogs;
  }

  /**
   * The result object of a list request.
   * @param cursor as the client sent it, decoded; null for the first page
   * @returns null for a cursor that is not one of ours
   */
  page(
    shardPlan: ShardPlan,
    endpoint: PlanEndpoint,
    kind: CatalogKind,
    principal: Principal,
    isModern: boolean,
    cursor: string | null,
  ): Buffer | null {
    const list = this.#list(shardPlan, endpoint, kind, principal);
    if (cursor === null) return list.firstPage[isModern ? 1 : 0];
    const start = startOf(list, kind, cursor);
    return start < 0 ? null : writePage(list, kind, start, isModern);
  }

  #list(
    shardPlan: ShardPlan,
    endpoint: PlanEndpoint,
    kind: CatalogKind,
    principal: Principal,
  ): MergedList {
    const { plan } = shardPlan;
    const version = this.#version(plan, endpoint);
    const who = shardPlan.hasAccessRules ? principal.grantKey : '';
    const key = `${endpoint.index} ${kind} ${who}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.version === version) return kept;
    const made = this.#make(shardPlan, endpoint, kind, principal, version);
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(key, made);
    return made;
  }

  #version(plan: Plan, endpoint: PlanEndpoint): string {
    let version = `${plan.number}`;
    for (const upstream of upstreamsOf(plan, endpoint)) {
      version += `,${this.#catalogs(upstream.slot)?.version ?? -1}`;
    }
    return version;
  }

  #make(
    shardPlan: ShardPlan,
    endpoint: PlanEndpoint,
    kind: CatalogKind,
    principal: Principal,
    version: string,
  ): MergedList {
    const items: MergedItem[] = [];
    const taken = new Set<string>();
    let isPublic = !shardPlan.hasAccessRules;
    let ttlMs = Infinity;
    for (const upstream of upstreamsOf(shardPlan.plan, endpoint)) {
      const catalog = this.#catalogs(upstream.slot);
      if (catalog === null) continue;
      const list = catalog.list(kind);
      if (list.items.length === 0) continue;
      isPublic &&= list.isPublic;
      ttlMs = Math.min(ttlMs, list.ttlMs);
      for (const item of list.items) {
        const exposed = this.#exposed(shardPlan, endpoint, upstream, kind, item, principal);
        if (exposed === null || taken.has(exposed)) continue;
        taken.add(exposed);
        items.push({ anchor: `${upstream.slot} ${item.key}`, json: itemJson(kind, item, exposed) });
      }
    }
    const list = { version, items, isPublic, ttlMs: Number.isFinite(ttlMs) ? ttlMs : 0 };
    const legacy = writePage(list, kind, 0, false);
    return { ...list, firstPage: [legacy, writePage(list, kind, 0, true)] };
  }

  /** The name under which this caller sees the item; null: not at all. */
  #exposed(
    shardPlan: ShardPlan,
    endpoint: PlanEndpoint,
    upstream: PlanUpstream,
    kind: CatalogKind,
    item: CatalogItem,
    principal: Principal,
  ): string | null {
    if (item.isHiddenFromHttp) return null;
    const { routes } = shardPlan;
    const nameKind = nameKindOf(kind);
    const exposed = routes.exposedName(endpoint, upstream, nameKind, item.key);
    const route = routes.resolve(endpoint, nameKind, exposed);
    // Exactly the call that this name would make must reach exactly this item.
    if (!(route instanceof NameRoute) || route.upstream !== upstream) return null;
    if (nameKind !== NAME_RESOURCE && route.own !== item.key) return null;
    return shardPlan.mayUse(route, principal) ? exposed : null;
  }
}

function upstreamsOf(plan: Plan, endpoint: PlanEndpoint): readonly PlanUpstream[] {
  if (endpoint.upstream === null) return plan.upstreams;
  return [plan.upstreams[endpoint.upstream] as PlanUpstream];
}

function nameKindOf(kind: CatalogKind): NameKind {
  if (kind === 'tools') return NAME_TOOL;
  return kind === 'prompts' ? NAME_PROMPT : NAME_RESOURCE;
}

function itemJson(kind: CatalogKind, item: CatalogItem, exposed: string): string {
  if (exposed === item.key || kind === 'resources' || kind === 'templates')
    return JSON.stringify(item.value);
  return JSON.stringify({ ...item.value, name: exposed });
}

function writePage(
  list: Pick<MergedList, 'items' | 'isPublic' | 'ttlMs'>,
  kind: CatalogKind,
  start: number,
  isModern: boolean,
): Buffer {
  const page = list.items.slice(start, start + PAGE_ITEMS);
  const last = page[page.length - 1];
  const hasMore = start + PAGE_ITEMS < list.items.length && last !== undefined;
  const cursor = hasMore
    ? `,"nextCursor":"${writeCursor(kind, start + PAGE_ITEMS, last.anchor)}"`
    : '';
  const hints = isModern
    ? `,"resultType":"complete","ttlMs":${Math.floor(list.ttlMs)},"cacheScope":"${list.isPublic ? 'public' : 'private'}"`
    : '';
  const items = page.map(({ json }) => json).join(',');
  return Buffer.from(`{"${MEMBERS[kind]}":[${items}]${cursor}${hints}}`);
}

/** A cursor names the last item that was sent, so a list that changed meanwhile goes on after it. */
function writeCursor(kind: CatalogKind, offset: number, anchor: string): string {
  return Buffer.from(JSON.stringify([1, kind, offset, anchor])).toString('base64url');
}

/** Where the next page starts, or -1. */
function startOf(list: MergedList, kind: CatalogKind, cursor: string): number {
  if (cursor.length > CURSOR_BYTES_MAX * 16) return -1;
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return -1;
  }
  if (!Array.isArray(parts)) return -1;
  const [version, ofKind, offset, anchor] = parts as unknown[];
  if (version !== 1 || ofKind !== kind || typeof offset !== 'number' || typeof anchor !== 'string')
    return -1;
  if (!Number.isInteger(offset) || offset < 0) return -1;
  if (list.items[offset - 1]?.anchor === anchor) return offset;
  const at = list.items.findIndex((item) => item.anchor === anchor);
  return at < 0 ? -1 : at + 1;
}
