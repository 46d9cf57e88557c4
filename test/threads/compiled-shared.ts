import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** `shared/` as files that a worker thread can load. */
export interface CompiledShared {
  /** URL of the folder, with a slash at its end. */
  readonly url: string;
  dispose(): void;
}

/**
 * Worker threads on Node 20 load no `.ts`. Takes the built files where they are as new as the sources
 * (`npm test` builds first), else strips the types into a folder of its own.
 */
export function compileShared(): CompiledShared {
  const from = join(root, 'shared');
  const built = join(root, 'dist/shared');
  const names = [...sourcesIn(from, ''), ...sourcesIn(from, 'kernel/')];
  const builtName = (name: string) => name.replace(/\.ts$/, '.js');
  const isBuilt = names.every((name) => {
    const file = join(built, builtName(name));
    return existsSync(file) && statSync(file).mtimeMs >= statSync(join(from, name)).mtimeMs;
  });
  if (isBuilt) return { url: `${pathToFileURL(built).href}/`, dispose: () => {} };

  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'shared-'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  mkdirSync(join(folder, 'kernel'));
  for (const name of names) {
    const { outputText } = ts.transpileModule(readFileSync(join(from, name), 'utf8'), {
      fileName: name,
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
    });
    writeFileSync(join(folder, builtName(name)), outputText);
  }
  return {
    url: `${pathToFileURL(folder).href}/`,
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function sourcesIn(from: string, under: string): string[] {
  const names = readdirSync(join(from, under)).filter((name) => name.endsWith('.ts'));
  return names.map((name) => under + name);
}
