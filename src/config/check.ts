/**
 * Raw value to checked settings, with every problem found at once. A section with a problem is taken
 * out and the rest is looked at again, so that `compile.ts` can still judge what is left: one slip in
 * `listen` does not hide a route that names an unknown upstream.
 */
import { pathKey, substitute, type Environment } from './environment.ts';
import { issueProblems, type IssueProblem } from './issue.ts';
import { formatPath, type ConfigPath, type ConfigProblem } from './problem.ts';
import { configSchema, type Config } from './schema.ts';
import type { ConfigSource } from './source.ts';

/** Each round takes out at least one section or turns one text into a number. */
const ROUNDS_MAX = 4096;

export interface CheckedConfig {
  /** What is left after sections with problems were taken out; null if nothing is. */
  readonly config: Config | null;
  readonly source: ConfigSource;
  readonly problems: readonly ConfigProblem[];
  /** Keys (`pathKey`) of what was taken out, so that nobody complains that it is missing. */
  readonly removed: ReadonlySet<string>;
  /** For `routes`, `rateLimits` and `auth.methods`: the place in the file of each that is left. */
  readonly places: ReadonlyMap<string, readonly number[]>;
}

/** Checks against the schema. `environment` null: references are not replaced (settings from code). */
export function checkConfig(source: ConfigSource, environment: Environment | null): CheckedConfig {
  const problems: ConfigProblem[] = [];
  const report = (path: ConfigPath, message: string): void => {
    const place = source.place(path);
    problems.push({
      path: formatPath(source.written(path)),
      message,
      line: place?.line ?? null,
      column: place?.column ?? null,
    });
  };
  const removed = new Set<string>();
  const places = new Map<string, readonly number[]>();
  const nothing = (): CheckedConfig => ({ config: null, source, problems, removed, places });

  if (!isRecord(source.value)) {
    report([], source.value === null ? 'is empty' : 'must be a mapping of settings');
    return nothing();
  }
  const substituted = substitute(source.value, environment);
  const tree = new PrunedTree(substituted.value);
  const unfit = [...source.complaints, ...substituted.problems];
  for (const { path, message } of unfit) report(path, message);
  // What stands in an unfit place is judged no further; what stands beside it is.
  const unfitPaths = unfit.map(({ path }) => path);
  const unfitKeys = new Set(unfitPaths.map(pathKey));
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const result = configSchema.safeParse(tree.value);
    if (result.success && unfitPaths.length === 0) {
      tree.writePlaces(places);
      return { config: result.data, source, problems, removed, places };
    }
    const found = issueProblems(result.error?.issues ?? [], configSchema, (path) => tree.at(path));
    if (tryConvert(found, tree, substituted.whole)) continue;
    const problemsHere = found.map(({ path, message }) => ({ path: tree.original(path), message }));
    for (const { path, message } of problemsHere)
      if (!unfitKeys.has(pathKey(path))) report(path, message);
    const paths = [...problemsHere.map(({ path }) => path), ...unfitPaths.splice(0)];
    if (!paths.map((path) => tree.remove(path, removed)).some((done) => done)) return nothing();
  }
  return nothing();
}

/** Turns texts that were one whole reference into what is wanted in their place. False if there are none. */
function tryConvert(
  found: readonly IssueProblem[],
  tree: PrunedTree,
  whole: ReadonlySet<string>,
): boolean {
  const converted = found.map(
    ({ wants, path }) =>
      wants !== null && whole.has(pathKey(tree.original(path))) && tree.convert(path, wants),
  );
  return converted.some((done) => done);
}

/** Lists whose items are judged one by one. */
const LISTS: readonly ConfigPath[] = [['routes'], ['rateLimits'], ['auth', 'methods']];

/**
 * The raw value with holes. Lists close up where an item is taken out, as the schema knows no holes;
 * `original` tells where an item stood at first.
 */
class PrunedTree {
  readonly value: Record<string, unknown>;
  readonly #indexes = new Map<string, number[]>();

  constructor(value: unknown) {
    this.value = value as Record<string, unknown>;
    for (const list of LISTS) {
      const items = this.at(list);
      if (Array.isArray(items)) this.#indexes.set(pathKey(list), [...items.keys()]);
    }
  }

  at(path: ConfigPath): unknown {
    let node: unknown = this.value;
    for (const part of path) {
      if (typeof node !== 'object' || node === null || !Object.hasOwn(node, part)) return undefined;
      node = (node as Record<string | number, unknown>)[part];
    }
    return node;
  }

  original(path: ConfigPath): ConfigPath {
    const list = listAround(path);
    const index = list === null ? undefined : path[list.length];
    if (list === null || typeof index !== 'number') return path;
    const before = this.#indexes.get(pathKey(list))?.[index] ?? index;
    return [...list, before, ...path.slice(list.length + 1)];
  }

  /** Replaces a text by the number or boolean it spells. */
  convert(path: ConfigPath, wants: 'number' | 'boolean'): boolean {
    const text = this.at(path);
    const parent = this.at(path.slice(0, -1));
    const key = path.at(-1);
    if (
      typeof text !== 'string' ||
      typeof parent !== 'object' ||
      parent === null ||
      key === undefined
    )
      return false;
    const spelled = wants === 'number' ? spelledNumber(text) : spelledBoolean(text);
    if (spelled === null) return false;
    (parent as Record<string | number, unknown>)[key] = spelled;
    return true;
  }

  /** Takes out the section around a path as it was at first. False if it is gone already. */
  remove(path: ConfigPath, removed: Set<string>): boolean {
    const list = listAround(path);
    const first = path[0];
    if (first === undefined) return false;
    const index = list === null ? undefined : path[list.length];
    if (list !== null && typeof index === 'number') {
      const items = this.at(list);
      const indexes = this.#indexes.get(pathKey(list)) ?? [];
      const now = indexes.indexOf(index);
      if (now < 0 || !Array.isArray(items)) return false;
      indexes.splice(now, 1);
      items.splice(now, 1);
      removed.add(pathKey([...list, index]));
      // A list that must not be empty goes with its last item.
      if (list.length > 1 && indexes.length === 0) this.remove([first], removed);
      return true;
    }
    const name = path[1];
    const section = this.value[first];
    if (first === 'upstreams' && name !== undefined && isRecord(section)) {
      if (!Object.hasOwn(section, name)) return false;
      Reflect.deleteProperty(section, name);
      removed.add(pathKey(['upstreams', name]));
      return true;
    }
    const isGone = removed.has(pathKey([first]));
    removed.add(pathKey([first]));
    if (first === 'upstreams') {
      this.value[first] = {}; // the one section that must be there
      return !isGone;
    }
    return Reflect.deleteProperty(this.value, first) && !isGone;
  }

  writePlaces(places: Map<string, readonly number[]>): void {
    for (const [key, indexes] of this.#indexes) places.set(key, indexes);
  }
}

function listAround(path: ConfigPath): ConfigPath | null {
  return LISTS.find((list) => list.every((part, index) => path[index] === part)) ?? null;
}

function isRecord(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function spelledNumber(text: string): number | null {
  return /^-?\d{1,15}(?:\.\d{1,15})?$/.test(text.trim()) ? Number(text) : null;
}

function spelledBoolean(text: string): boolean | null {
  if (text === 'true') return true;
  return text === 'false' ? false : null;
}
