/**
 * Compiles the byte kernel (shared/kernel/assembly, AssemblyScript) and writes it, as text, to
 * shared/kernel/code.ts, so that nothing has to be compiled or found on disk where the gateway runs:
 *
 *   node scripts/kernel.mjs           writes the file
 *   node scripts/kernel.mjs --check   exits with 1 if the file is not what would be written
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import asc from 'assemblyscript/asc';

const FOLDER = join(dirname(dirname(fileURLToPath(import.meta.url))), 'shared', 'kernel');
const SOURCES = join(FOLDER, 'assembly');
const TARGET = join(FOLDER, 'code.ts');
const LINE_CHARS = 96;
/** As much as 32-bit offsets reach; what is imported may be smaller. */
const PAGES_MAX = 32_768;

/** @returns {Promise<string>} the text of code.ts */
export async function compileKernel() {
  let binary = null;
  const { error, stderr } = await asc.main(
    // prettier-ignore
    ['index.ts', '--outFile', 'kernel.wasm', '-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd,threads', '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', String(PAGES_MAX)],
    {
      // It looks in other places too before it takes a name for missing.
      readFile: (name) => {
        const file = join(SOURCES, name);
        return existsSync(file) ? readFileSync(file, 'utf8') : null;
      },
      writeFile: (name, content) => {
        if (name === 'kernel.wasm') binary = content;
      },
      listFiles: () => [],
    },
  );
  if (error !== null || binary === null) throw new Error(`asc failed: ${stderr.toString()}`);
  const text = Buffer.from(binary).toString('base64');
  const lines = text.match(new RegExp(`.{1,${LINE_CHARS}}`, 'g')).map((line) => `  '${line}',\n`);
  return (
    '/** The compiled byte kernel in base64; written by scripts/kernel.mjs, do not edit. */\n' +
    `export const KERNEL_CODE: string = [\n${lines.join('')}].join('');\n`
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const text = await compileKernel();
  if (!process.argv.includes('--check')) writeFileSync(TARGET, text);
  else if (readFileSync(TARGET, 'utf8') !== text) {
    console.error(
      'shared/kernel/code.ts is not what shared/kernel/assembly compiles to: node scripts/kernel.mjs',
    );
    process.exitCode = 1;
  }
}
