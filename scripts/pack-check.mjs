/**
 * Looks at the package as a user gets it: packs it, judges its files and types, installs it into an
 * empty folder and runs its command and its main export there.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { promisify } from 'node:util';

import { npmEnvironment, ROOT } from './preparation.mjs';

const run = promisify(execFile);
const problems = [];
const folder = mkdtempSync(join(tmpdir(), 'sluice-pack-'));
const shell = process.platform === 'win32';

/** Runs one step; what goes wrong is a problem, and the later steps still run. */
async function step(name, work) {
  try {
    await work();
  } catch (error) {
    const said = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim();
    problems.push(`${name}: ${said || error.message}`);
  }
}

const tool = (name, args) =>
  run(join(ROOT, 'node_modules', '.bin', name), args, { cwd: ROOT, shell });
const npm = (args, cwd) =>
  run('npm', args, { cwd, shell, env: npmEnvironment(), maxBuffer: 64 * 1024 * 1024 });

let archive = '';
await step('npm pack', async () => {
  const { stdout } = await npm(
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    ROOT,
  );
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[')));
  archive = join(folder, packed.filename);
  judgeFiles(packed.files.map(({ path }) => path));
});

if (archive !== '') {
  await step('publint', () => tool('publint', ['run', archive, '--strict']));
  await step('attw', () =>
    tool('attw', [archive, '--profile', 'esm-only', '--no-color', '--no-emoji']),
  );
  await step('install', () => tryInstalled(archive));
}
rmSync(folder, { recursive: true, force: true });

for (const problem of problems) console.log(problem);
console.log(problems.length === 0 ? 'the package is fine' : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;

/** What must be in the package, and what must not. */
function judgeFiles(paths) {
  const there = new Set(paths);
  const { bin, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const exported = Object.values(exports).flatMap((entry) =>
    typeof entry === 'string' ? entry : Object.values(entry),
  );
  const needed = [
    ...Object.values(bin),
    ...exported,
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'dist/workers/shard.js',
  ];
  for (const path of new Set(needed.map((one) => normalize(one)))) {
    if (!there.has(path)) problems.push(`missing in the package: ${path}`);
  }
  for (const path of paths) {
    if (/(^|\/)(test|perf|node_modules|coverage)\//.test(path)) {
      problems.push(`does not belong there: ${path}`);
    }
    if (/\.(tsbuildinfo|tgz|log)$/.test(path)) problems.push(`does not belong there: ${path}`);
    if (/(?<!\.d)\.ts$/.test(path)) problems.push(`source in the package: ${path}`);
    const source = /^dist\/(.*)\.(?:js|d\.ts)$/.exec(path)?.[1];
    if (source !== undefined && !existsSync(join(ROOT, `${source}.ts`))) {
      problems.push(`built from a source that is gone (remove dist/): ${path}`);
    }
  }
  const dangling = paths.filter((path) => path.endsWith('.map') && isDangling(path, there));
  if (dangling.length > 0) {
    problems.push(`${dangling.length} maps to files that are not in the package: ${dangling[0]} …`);
  }
}

/** A map is of use only with the text it maps to. */
function isDangling(path, there) {
  const { sources, sourcesContent } = JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
  if (sourcesContent?.length === sources.length) return false;
  return sources.some((source) => !there.has(normalize(join(dirname(path), source))));
}

async function tryInstalled(tarball) {
  const home = join(folder, 'empty');
  mkdirSync(home);
  writeFileSync(join(home, 'package.json'), '{"private":true,"type":"module"}\n');
  await npm(['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], home);
  const command = join(home, 'node_modules', '.bin', 'sluice');
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const said = (await run(command, ['--version'], { cwd: home, shell })).stdout.trim();
  if (said !== version) problems.push(`sluice --version says ${said}, the package is ${version}`);
  await run(command, ['--help'], { cwd: home, shell });
  await run(process.execPath, ['-e', "import('mcp-sluice').then((all) => { if (!all.createGateway) throw new Error('no createGateway') })"], { cwd: home }); // prettier-ignore
  // The examples are part of the package, and so is everything they import.
  const examples = join(home, 'node_modules', 'mcp-sluice', 'examples');
  const math = run(process.execPath, [join(examples, 'math.js')], { cwd: home });
  math.child.stdin.end('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
  if (!(await math).stdout.includes('"result":{}')) {
    problems.push('examples/math.js does not answer');
  }
}
