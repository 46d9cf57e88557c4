import { LIST_PAGES_MAX } from '../../shared/limits.ts';
import { SERVER_PROMPTS, SERVER_RESOURCES, SERVER_TOOLS } from '../../src/protocol/methods.ts';
import { compileMirroredParams } from '../../src/protocol/eras/mirrored-param.ts';
import type { ShardContext } from '../shard-context.ts';
import { CATALOG_KINDS } from './catalog.ts';
import type { CatalogItem, CatalogKind, CatalogList } from './catalog.ts';
import type { JsonObject, Upstream } from './upstream.ts';

interface KindRow {
  readonly method: string;
  /** Member of the result that holds the items. */
  readonly member: string;
  /** Member of an item that identifies it. */
  readonly key: string;
  readonly capability: number;
}

const KINDS: Record<CatalogKind, KindRow> = {
  tools: { method: 'tools/list', member: 'tools', key: 'name', capability: SERVER_TOOLS },
  resources: {
    method: 'resources/list',
    member: 'resources',
    key: 'uri',
    capability: SERVER_RESOURCES,
  },
  templates: {
    method: 'resources/templates/list',
    member: 'resourceTemplates',
    key: 'uriTemplate',
    capability: SERVER_RESOURCES,
  },
  prompts: { method: 'prompts/list', member: 'prompts', key: 'name', capability: SERVER_PROMPTS },
};

/** The official SDK's clients keep no list longer than this either, whatever the server says. */
const TTL_MAX_MS = 24 * 3_600_000;
/** Upstreams that announce no changes and give no ttl are asked again after this, when somebody lists. */
const TTL_DEFAULT_MS = 60_000;
/** A list that says ttl 0 is still not fetched more often than this: lists are never fetched per call. */
const TTL_MIN_MS = 1_000;
const KEY_BYTES_MAX = 8 * 1024;

/** What is loading, and whether it has to be loaded once more because it changed meanwhile. */
interface Loading {
  done: Promise<void>;
  isStale: boolean;
  /** Its end is announced even if the list turns out the same: the upstream says that it changed. */
  isAnnounced: boolean;
  /** The same for the load after this one. */
  isNextAnnounced: boolean;
  /** The upstream said that it changed: what is there is known to be old. The same for the next load. */
  isNews: boolean;
  isNextNews: boolean;
}

const NOTHING = Promise.resolve();

/**
 * Keeps one upstream's catalog up to date: at connection, when the upstream says that a list changed,
 * and when a list is old and somebody asks. Each list is fetched by one request at a time; a change
 * that is announced during a fetch causes exactly one more.
 */
export class CatalogLoader {
  readonly #upstream: Upstream;
  readonly #shard: ShardContext;
  readonly #loading = new Map<CatalogKind, Loading>();
  #isStopped = false;

  constructor(upstream: Upstream, shard: ShardContext) {
    this.#upstream = upstream;
    this.#shard = shard;
  }

  refreshAll(): void {
    for (const kind of CATALOG_KINDS) this.refresh(kind);
  }

  /** Loads one list (again). */
  refresh(kind: CatalogKind): void {
    this.#refresh(kind, false, false);
  }

  /** The upstream says that a list changed. `isAnnounced`: clients are told even if it turns out the same. */
  renew(kind: CatalogKind, isAnnounced: boolean): void {
    this.#refresh(kind, isAnnounced, true);
  }

  /** Whether a list is being loaded because the upstream said that it changed. */
  isRenewing(kind: CatalogKind): boolean {
    const loading = this.#loading.get(kind);
    return loading !== undefined && (loading.isNews || loading.isNextNews);
  }

  #refresh(kind: CatalogKind, isAnnounced: boolean, isNews: boolean): void {
    const loading = this.#loading.get(kind);
    if (loading !== undefined) {
      loading.isStale = true;
      loading.isNextAnnounced ||= isAnnounced;
      loading.isNextNews ||= isNews;
      return;
    }
    if (this.#isStopped || !this.#upstream.isUp) return;
    const entry: Loading = { done: NOTHING, isStale: false, isAnnounced, isNextAnnounced: false, isNews, isNextNews: false }; // prettier-ignore
    this.#loading.set(kind, entry);
    entry.done = this.#run(kind, entry).then(() => {
      this.#loading.delete(kind);
      if (entry.isStale) this.#refresh(kind, entry.isNextAnnounced, entry.isNextNews);
    });
  }

  /** Loads again, in the background, what has outlived its time. Called when somebody lists. */
  refreshIfOld(kind: CatalogKind): void {
    const { loadedAtMs, ttlMs } = this.#upstream.catalog.list(kind);
    if (this.#shard.clock.nowMs() - loadedAtMs >= ttlMs) this.refresh(kind);
  }

  /** Resolves when nothing of these kinds is being loaded any more. Never rejects. */
  async settled(kinds: readonly CatalogKind[]): Promise<void> {
    for (;;) {
      const running = kinds
        .map((kind) => this.#loading.get(kind))
        .filter((entry) => entry !== undefined);
      if (running.length === 0) return;
      await Promise.all(running.map((entry) => entry.done));
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #run(kind: CatalogKind, entry: Loading): Promise<void> {
    try {
      const list = await this.#fetch(kind);
      if (this.#isStopped) return;
      const before = this.#upstream.catalog.list(kind);
      const isSame = this.#upstream.catalog.isLoaded(kind) && sameItems(before.items, list.items);
      this.#upstream.catalog.put(kind, list);
      if (!isSame || entry.isAnnounced) this.#shard.events.onCatalog(this.#upstream, kind);
    } catch (error) {
      if (this.#isStopped) return;
      this.#shard.log.warn('list could not be loaded', {
        upstream: this.#upstream.plan.name,
        list: kind,
        reason: error instanceof Error ? error.message : String(error),
      });
    }
  }

  async #fetch(kind: CatalogKind): Promise<CatalogList> {
    const row = KINDS[kind];
    const { description, plan } = this.#upstream;
    const items: CatalogItem[] = [];
    const byKey = new Map<string, CatalogItem>();
    let ttlMs = TTL_MAX_MS;
    let isPublic = true;
    if (description !== null && (description.capabilities & row.capability) !== 0) {
      let cursor: string | null = null;
      for (let page = 0; page < LIST_PAGES_MAX; page += 1) {
        const params: JsonObject = cursor === null ? {} : { cursor };
        const result = await this.#upstream.request(row.method, params, plan.requestTimeoutMs);
        collect(row, kind, result, items, byKey, this.#shard.listItemsMax);
        ttlMs = Math.min(ttlMs, ttlOf(result));
        isPublic &&= result['cacheScope'] === 'public';
        const next: unknown = result['nextCursor'];
        // An empty cursor is a valid one (MCP, pagination).
        if (typeof next !== 'string' || items.length >= this.#shard.listItemsMax) break;
        cursor = next;
      }
    }
    return { items, byKey, loadedAtMs: this.#shard.clock.nowMs(), ttlMs, isPublic };
  }
}

function collect(
  row: KindRow,
  kind: CatalogKind,
  result: JsonObject,
  items: CatalogItem[],
  byKey: Map<string, CatalogItem>,
  itemsMax: number,
): void {
  const listed = result[row.member];
  if (!Array.isArray(listed)) return;
  for (const value of listed as unknown[]) {
    if (typeof value !== 'object' || value === null || items.length >= itemsMax) continue;
    const fields = value as Record<string, unknown>;
    const key = fields[row.key];
    // The first of two of one name counts, and an item without a name cannot be called.
    if (typeof key !== 'string' || key.length > KEY_BYTES_MAX || byKey.has(key)) continue;
    const mirrored = kind === 'tools' ? compileMirroredParams(fields['inputSchema']) : null;
    const isHidden = mirrored !== null && mirrored.problem !== null;
    const item: CatalogItem = {
      key,
      value: fields,
      mirrored: mirrored === null || mirrored.params.length === 0 ? null : mirrored.params,
      isHiddenFromHttp: isHidden,
    };
    items.push(item);
    byKey.set(key, item);
  }
}

function ttlOf(result: JsonObject): number {
  const ttl = result['ttlMs'];
  if (typeof ttl !== 'number' || !Number.isFinite(ttl)) return TTL_DEFAULT_MS;
  return Math.min(Math.max(ttl, TTL_MIN_MS), TTL_MAX_MS);
}

function sameItems(a: readonly CatalogItem[], b: readonly CatalogItem[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((item, index) => {
    const other = b[index] as CatalogItem;
    return item.key === other.key && JSON.stringify(item.value) === JSON.stringify(other.value);
  });
}
