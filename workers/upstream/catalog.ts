import type { MirroredParam } from '../../src/protocol/eras/mirrored-param.ts';

export type CatalogKind = 'tools' | 'resources' | 'templates' | 'prompts';
export const CATALOG_KINDS: readonly CatalogKind[] = ['tools', 'resources', 'templates', 'prompts'];

/** One listed thing, as the upstream described it. */
export interface CatalogItem {
  /** Tool or prompt name, resource URI, or URI template: what identifies it within its kind. */
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** Tools only: arguments that clients mirror in headers (SEP-2243). null: none. */
  readonly mirrored: readonly MirroredParam[] | null;
  /** Tools only: the mirroring annotations are invalid; HTTP clients must not see the tool. */
  readonly isHiddenFromHttp: boolean;
}

export interface CatalogList {
  readonly items: readonly CatalogItem[];
  readonly byKey: ReadonlyMap<string, CatalogItem>;
  readonly loadedAtMs: number;
  /** How long the upstream says it may be kept; 0 where it says nothing. */
  readonly ttlMs: number;
  readonly isPublic: boolean;
}

const EMPTY_LIST: CatalogList = {
  items: [],
  byKey: new Map(),
  loadedAtMs: -Infinity,
  ttlMs: 0,
  isPublic: true,
};

/**
 * What one upstream lists, as one shard knows it. Filled by `catalog-loader.ts`; read by routing and
 * by list answers. The last good list stays when a later fetch fails: a restart of an upstream does
 * not make its tools vanish and reappear.
 */
export class Catalog {
  readonly #lists = new Map<CatalogKind, CatalogList>();
  /** Grows with every change; sums of versions tell whether something built from catalogs is stale. */
  version = 0;
  /** `list('tools')`: what every call looks at. */
  tools: CatalogList = EMPTY_LIST;

  list(kind: CatalogKind): CatalogList {
    return this.#lists.get(kind) ?? EMPTY_LIST;
  }

  isLoaded(kind: CatalogKind): boolean {
    return this.#lists.has(kind);
  }

  put(kind: CatalogKind, list: CatalogList): void {
    this.#lists.set(kind, list);
    if (kind === 'tools') this.tools = list;
    this.version += 1;
  }
}
