import { readFileSync } from 'node:fs';

/** Whether a process is there and runs. A zombie that nobody reaps counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== 'linux') return true;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !'ZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/**
 * Resolves when the process is gone. The system tells nobody but its parent of that, so this one
 * looks; the test's own time limit is the bound.
 */
export async function hasEnded(pid: number): Promise<void> {
  if (!Number.isInteger(pid) || pid < 2) throw new Error(`not a process: ${pid}`);
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
}
