/**
 * `npm start`: installs and builds what is missing, starts the example data server, and runs the
 * gateway in this very process, so that signals and its exit code are its own.
 *
 *   npm start                              the example gateway, examples/gateway.yaml
 *   npm start -- other.yaml --port 9090    arguments are those of `sluice serve`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

import { build, install, ROOT, RUN_PROJECTS } from './preparation.mjs';

const DATA_PORT = 9001;
const PARENT_LOOK_MS = 1000;

process.chdir(ROOT);
const code = (await install()) || (await build(RUN_PROJECTS));
if (code !== 0) process.exit(code);

const args = process.argv.slice(2);
if (args.length === 0 || args[0].startsWith('-')) args.unshift('examples/gateway.yaml');
// An address that somebody gave, or a settings file of their own, needs no data server of ours.
const isExample = /(^|[\\/])examples[\\/][^\\/]+\.yaml$/.test(args[0]);
if (isExample && process.env.DATA_URL === undefined) process.env.DATA_URL = await startData();

if (process.env.npm_lifecycle_event !== undefined) endWithNpm();
const bin = join(ROOT, 'bin', 'sluice.js');
process.argv = [process.execPath, bin, 'serve', ...args];
await import(pathToFileURL(bin).href);

/**
 * Starts the data server in a group of its own, so that a Ctrl-C does not end it before the calls
 * it is answering. It lives as long as its stdin, which ends with this process, however that ends.
 */
async function startData() {
  const script = join(ROOT, 'examples', 'data.js');
  const port = (await isFree(DATA_PORT)) ? DATA_PORT : 0;
  const child = spawn(process.execPath, [script, '--port', String(port), '--until-stdin-ends'], {
    detached: process.platform !== 'win32',
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line'), once(child, 'exit')]);
  const url = /http:\S+/.exec(String(line))?.[0];
  if (url === undefined) {
    console.error('the example data server did not start; the gateway runs without it');
    return `http://127.0.0.1:${DATA_PORT}/mcp`;
  }
  child.on('exit', () => console.error('the example data server ended'));
  process.on('exit', () => child.removeAllListeners('exit'));
  for (const handle of [child, child.stdin, child.stdout]) handle.unref();
  return url;
}

function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/**
 * npm starts this through a shell. A signal that is sent to npm alone ends npm, and sometimes the
 * shell, and never gets here: the gateway would hold its port with nobody left who knows of it.
 */
function endWithNpm() {
  const shell = process.ppid;
  const npm = parentOf(shell);
  const timer = setInterval(() => {
    if (process.ppid === shell && parentOf(shell) === npm) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, PARENT_LOOK_MS);
  timer.unref();
}

/** Only Linux says; elsewhere the end of the shell must do. */
function parentOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
  } catch {
    return null;
  }
}
