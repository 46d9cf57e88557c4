import type { CatalogItem, CatalogList } from '../../../workers/upstream/catalog.ts';

/** A loaded list of items with these names. */
export function listOf(...keys: string[]): CatalogList {
  const items: CatalogItem[] = keys.map((key) => ({
    key,
    value: { name: key, description: `does ${key}` },
    mirrored: null,
    isHiddenFromHttp: false,
  }));
  return {
    items,
    byKey: new Map(items.map((item) => [item.key, item])),
    loadedAtMs: 0,
    ttlMs: 60_000,
    isPublic: true,
  };
}
