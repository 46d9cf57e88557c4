/**
 * Linux tells a process that its parent died (prctl(2), PR_SET_PDEATHSIG), if it asked for that.
 * Node cannot ask on behalf of a child, but `setpriv` of util-linux can: it sets the signal and
 * becomes the command, under the same process id.
 *
 * The *parent* is the thread that spawned, so a worker thread that ends takes its children along,
 * just as the end of the process does. The setting is not inherited: grandchildren are left to the
 * process guard (`process-guard.ts`) and to the end of their stdin.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const SETPRIV_PLACES: readonly string[] = [
  '/usr/bin/setpriv',
  '/bin/setpriv',
  '/usr/local/bin/setpriv',
];
const PROBE_TIMEOUT_MS = 2_000;

let probed: readonly string[] | null = null;

/**
 * What to put before a command so that it dies with the thread that spawned it; empty where the
 * platform cannot. Looked up once per thread: the probe runs a process, some milliseconds.
 */
export function deathSignalPrefix(): readonly string[] {
  probed ??= probe();
  return probed;
}

function probe(): readonly string[] {
  if (process.platform !== 'linux') return [];
  const setpriv = SETPRIV_PLACES.find((place) => existsSync(place));
  if (setpriv === undefined) return [];
  const prefix = [setpriv, '--pdeathsig', 'KILL', '--'];
  // Tried rather than trusted: the setpriv of busybox, and old ones, do not know the option.
  const run = spawnSync(setpriv, [...prefix.slice(1), '/bin/sh', '-c', 'exit 0'], {
    env: {},
    stdio: 'ignore',
    timeout: PROBE_TIMEOUT_MS,
  });
  return run.status === 0 ? prefix : [];
}
