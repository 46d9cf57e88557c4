/** The source files of the product as the rules see them: paths, texts, and who imports whom. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** Path from the root for a file of ours, else null. */
  readonly path: string | null;
  /** Types only: nothing is loaded. */
  readonly isType: boolean;
}

export interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

/**
 * One import or export statement with a source, or a dynamic import of a literal. A regular
 * expression does, as prettier has written every file; comments are taken away before.
 */
const STATEMENT =
  /^\s*(?:import|export)\s+(type\s+)?(?:[\w*{][^'";]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;
const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;

/** All files below the given folders whose name ends so. A folder that is missing has none. */
export function listFiles(folders: readonly string[], ending: RegExp): string[] {
  const paths: string[] = [];
  for (const folder of folders) {
    if (!existsSync(join(ROOT, folder))) continue;
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      const path = posix.join(folder, entry.split(sep).join('/'));
      if (ending.test(path) && !path.includes('node_modules/')) paths.push(path);
    }
  }
  return paths.sort();
}

export function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const imports: Import[] = [];
  for (const [, type, stated, dynamic] of text.replace(COMMENT, '').matchAll(STATEMENT)) {
    const specifier = stated ?? dynamic ?? '';
    const isOurs = specifier.startsWith('.');
    imports.push({
      specifier,
      path: isOurs ? posix.join(posix.dirname(path), specifier) : null,
      isType: type !== undefined,
    });
  }
  return { path, text, imports };
}

export function readSources(folders: readonly string[]): SourceFile[] {
  return listFiles(folders, /\.ts$/).map(readSource);
}

/** The package of a specifier, `@scope/name` or `name`. */
export function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * A way from a file back to itself along imports that load, or null. Types alone make no cycle:
 * they are gone once it is built.
 */
export function findCycle(files: readonly SourceFile[]): string[] | null {
  const next = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.filter((one) => !one.isType).map((one) => one.path),
    ]),
  );
  const done = new Set<string>();
  const way: string[] = [];

  const visit = (path: string): string[] | null => {
    const seenAt = way.indexOf(path);
    if (seenAt !== -1) return [...way.slice(seenAt), path];
    if (done.has(path)) return null;
    way.push(path);
    for (const target of next.get(path) ?? []) {
      const cycle = target === null ? null : visit(target);
      if (cycle !== null) return cycle;
    }
    way.pop();
    done.add(path);
    return null;
  };

  for (const { path } of files) {
    const cycle = visit(path);
    if (cycle !== null) return cycle;
  }
  return null;
}
