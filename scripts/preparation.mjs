/**
 * Brings a clone into a state in which it runs: packages installed, TypeScript built. Both only if
 * something changed. Needs Node and npm, nothing else; plain JavaScript, as nothing is there yet.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, statSync, utimesSync, writeFileSync } from 'node:fs'; // prettier-ignore
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const NODE_MIN = [20, 19];
const LOCK = join(ROOT, 'package-lock.json');
const INSTALLED = join(ROOT, 'node_modules', '.package-lock.json');
const LOCK_SEEN = join(ROOT, 'node_modules', '.lock-seen');

/** The projects of `tsc -b` that a running gateway needs. */
export const RUN_PROJECTS = ['shared', 'src', 'workers'];
const ALL_PROJECTS = [...RUN_PROJECTS, 'test', 'perf'];

/** Says what is wrong with this Node, or null. */
export function nodeProblem() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isEnough = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  return isEnough
    ? null
    : `Node ${NODE_MIN.join('.')} or newer is needed, this is ${process.versions.node}`;
}

/**
 * Runs a program with our output and no input.
 *
 * @returns its exit code; 128 and the signal's number when a signal ended it
 */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
      ...options,
    });
    // A Ctrl-C reaches the child by itself, and this process waits for it. A SIGTERM does not.
    const forward = () => child.kill('SIGTERM');
    const wait = () => {};
    process.on('SIGTERM', forward);
    process.on('SIGINT', wait);
    const done = (code) => {
      process.off('SIGTERM', forward);
      process.off('SIGINT', wait);
      resolve(code);
    };
    child.on('error', (error) => {
      console.error(`cannot run ${command}: ${error.message}`);
      done(1);
    });
    child.on('exit', (code, signal) => done(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });
}

/** Runs npm, the one that started us if one did. */
export function npm(args, options = {}) {
  const env = { ...npmEnvironment(), ...options.env };
  const started = process.env.npm_execpath;
  if (started?.endsWith('.js')) {
    return run(process.execPath, [started, ...args], { ...options, env });
  }
  return run('npm', args, { ...options, env, shell: process.platform === 'win32' });
}

/** Installs the packages of the lockfile unless they are there. @returns an exit code */
export async function install() {
  const problem = nodeProblem();
  if (problem !== null) {
    console.error(problem);
    return 1;
  }
  if (isInstalled()) return 0;
  console.log('installing packages (npm ci)');
  // Development packages too, whatever NODE_ENV says: TypeScript is one.
  const flags = ['--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  let code = await npm(['ci', ...flags]);
  if (code !== 0) {
    console.log(
      `npm ci failed (exit code ${code}); trying npm install, which may pick other versions`,
    );
    code = await npm(['install', '--no-save', ...flags]);
  }
  if (code === 0) writeFileSync(LOCK_SEEN, lockDigest());
  return code;
}

/** Builds what changed. @returns an exit code */
export async function build(projects = []) {
  const folders = projects.length === 0 ? ALL_PROJECTS : projects;
  if (isBuilt(folders)) return 0;
  console.log('building (tsc -b)');
  const started = new Date();
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const code = await run(process.execPath, [compiler, '-b', ...projects]);
  if (code !== 0) return code;
  for (const folder of folders) {
    const stamp = stampOf(folder);
    writeFileSync(stamp, '');
    utimesSync(stamp, started, started); // what changed while it was built is built again
  }
  return 0;
}

/** A touched lockfile with the same content is no reason to install anew. */
function isInstalled() {
  if (!existsSync(INSTALLED)) return false;
  if (statSync(INSTALLED).mtimeMs >= statSync(LOCK).mtimeMs) return true;
  return existsSync(LOCK_SEEN) && readFileSync(LOCK_SEEN, 'utf8') === lockDigest();
}

function lockDigest() {
  return createHash('sha256').update(readFileSync(LOCK)).digest('hex');
}

/** The compiler leaves its own traces also when it found errors; these tell that it did not. */
function stampOf(folder) {
  return join(ROOT, 'dist', `.${folder}-built`);
}

function isBuilt(folders) {
  const stamps = folders.map(stampOf);
  if (!stamps.every((stamp) => existsSync(stamp))) return false;
  const built = Math.min(...stamps.map((stamp) => statSync(stamp).mtimeMs));
  const settings = ['tsconfig.json', 'tsconfig.base.json', 'package-lock.json'];
  const changed = [
    ...settings.map((name) => statSync(join(ROOT, name)).mtimeMs),
    ...folders.map(newest),
  ];
  return Math.max(...changed) < built;
}

/** When anything in a folder changed last; a folder's own time tells of files that are gone. */
function newest(folder) {
  const path = join(ROOT, folder);
  let latest = statSync(path).mtimeMs;
  for (const entry of readdirSync(path, { recursive: true })) {
    latest = Math.max(latest, statSync(join(path, entry)).mtimeMs);
  }
  return latest;
}

/**
 * What npm needs to know: where Node's headers lie, so that the optional addon builds without a
 * download, and a home to keep its cache in where there is none.
 */
export function npmEnvironment() {
  const env = { ...process.env };
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  if (existsSync(join(prefix, 'include', 'node', 'node.h'))) env.npm_config_nodedir ??= prefix;
  if (!isWritable(env.HOME) && process.platform !== 'win32') {
    env.HOME = mkdtempSync(join(tmpdir(), 'sluice-home-'));
  }
  return env;
}

function isWritable(folder) {
  if (!folder) return false;
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
