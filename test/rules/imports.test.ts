/** Who may import whom: docs/architecture.md, "Rooms and who imports whom", as code. */
import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { findCycle, packageOf, readSources, ROOT, type SourceFile } from './source-tree.ts';

const files = readSources(['shared', 'src', 'workers']);

/** What a file may import of ours; the first entry whose `from` matches its path decides. */
const ROOMS: readonly { readonly from: RegExp; readonly to: RegExp }[] = [
  { from: /^shared\//, to: /^shared\// },
  {
    from: /^workers\//,
    to: /^(workers\/|src\/transport\/|src\/config\/plan[\w-]*\.ts$|src\/protocol\/|src\/version\.ts$|shared\/)/,
  },
  { from: /^src\/protocol\//, to: /^(src\/protocol\/|shared\/)/ },
  { from: /^src\/transport\//, to: /^(src\/transport\/|src\/protocol\/|shared\/)/ },
  { from: /^src\/config\//, to: /^(src\/config\/|src\/protocol\/|shared\/)/ },
  { from: /^src\/observe\//, to: /^(src\/observe\/|src\/config\/plan[\w-]*\.ts$|shared\/)/ },
  {
    from: /^src\/edge\//,
    to: /^(src\/edge\/|src\/config\/|src\/observe\/|src\/transport\/|src\/protocol\/|shared\/)/,
  },
  {
    from: /^src\/admin\//,
    to: /^(src\/admin\/|src\/edge\/|src\/config\/|src\/observe\/|src\/protocol\/|shared\/)/,
  },
  { from: /^src\//, to: /^(src\/|shared\/)/ },
];

/** Packages with few places: one importer per room. */
const PLACES: Readonly<Record<string, RegExp>> = {
  'uWebSockets.js': /^src\/edge\/uws-server\.ts$/,
  '@uwsjs': /^src\/edge\/uws-server\.ts$/,
  undici: /^$/,
  piscina: /^src\/edge\//,
  pino: /^src\/(observe|cli|index)/,
  commander: /^src\/cli\//,
  zod: /^src\/config\//,
  yaml: /^src\/config\//,
  'fast-jwt': /^(workers\/policy\/|src\/cli\/)/,
  'prom-client': /^src\/observe\//,
  'hdr-histogram-js': /^src\/observe\//,
};

/** `file → what it imports`, for every import that `isWrong`. */
function offences(
  isWrong: (file: SourceFile, specifier: string, path: string | null, isType: boolean) => boolean,
): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter(({ specifier, path, isType }) => isWrong(file, specifier, path, isType))
      .map(({ specifier, path }) => `${file.path} → ${path ?? specifier}`),
  );
}

describe('imports', () => {
  it('stay within the rooms that may know each other', () => {
    const wrong = offences(({ path: from }, _, to, isType) => {
      // The shape of what a shard tells of itself; the edge merges it, and nothing is loaded.
      if (isType && to === 'src/observe/gateway-status.ts') return false;
      const room = ROOMS.find((one) => one.from.test(from));
      return to !== null && room !== undefined && !room.to.test(to);
    });
    expect(wrong).toEqual([]);
  });

  it('reach the folder of an era only from the eras room', () => {
    const era = /^src\/protocol\/eras\/(\d{4}-\d{2}-\d{2})\//;
    const wrong = offences(({ path: from }, _, to) => {
      const target = to === null ? null : era.exec(to);
      if (target === null) return false;
      const own = era.exec(from);
      return own === null ? !/^src\/protocol\/eras\/[^/]+\.ts$/.test(from) : own[1] !== target[1];
    });
    expect(wrong).toEqual([]);
  });

  it('never lead from one stage to another', () => {
    const stage = /^workers\/stages\/[^/]+\.ts$/;
    expect(
      offences(({ path: from }, _, to) => to !== null && stage.test(from) && stage.test(to)),
    ).toEqual([]);
  });

  it('make no circle', () => {
    expect(findCycle(files)).toBe(null);
  });

  it('of outside packages are in their places, and never in shared/', () => {
    const wrong = offences(({ path: from }, specifier, to) => {
      if (to !== null) return false;
      if (from.startsWith('shared/')) return true;
      const place = PLACES[packageOf(specifier)] ?? PLACES[specifier.split('/')[0] ?? ''];
      return place !== undefined && !place.test(from);
    });
    expect(wrong).toEqual([]);
  });

  it('of outside packages are of those that users install', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    const installed = new Set([
      ...Object.keys(manifest['dependencies'] ?? {}),
      ...Object.keys(manifest['optionalDependencies'] ?? {}),
    ]);
    const wrong = offences((_, specifier, to, isType) => {
      if (to !== null || isType || specifier.startsWith('node:')) return false;
      return !installed.has(packageOf(specifier));
    });
    expect(wrong).toEqual([]);
  });

  it('of Node itself say so', () => {
    const builtin = new Set(builtinModules);
    expect(offences((_, specifier) => builtin.has(specifier))).toEqual([]);
  });

  it('are found by the rule at all', () => {
    const seen = files.flatMap(({ imports }) => imports);
    expect(seen.length).toBeGreaterThan(files.length / 2);
    expect(seen.some(({ isType }) => isType)).toBe(true);
  });
});

describe('the search for circles', () => {
  const file = (path: string, targets: readonly string[], isType = false): SourceFile => ({
    path,
    text: '',
    imports: targets.map((target) => ({ specifier: `./${target}`, path: target, isType })),
  });

  it('finds one, and takes neither a diamond nor types for one', () => {
    expect(
      findCycle([file('a', ['b', 'c']), file('b', ['d']), file('c', ['d']), file('d', [])]),
    ).toBe(null);
    expect(findCycle([file('a', ['b']), file('b', ['a'], true)])).toBe(null);
    expect(findCycle([file('x', ['a']), file('a', ['b']), file('b', ['c']), file('c', ['a'])])).toEqual(['a', 'b', 'c', 'a']); // prettier-ignore
  });
});
