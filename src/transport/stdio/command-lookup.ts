/**
 * Finds out before a process is spawned why it could not be. The system's own error names neither
 * the folder nor the search path, and behind a wrapper (`death-signal.ts`) it would not come at all.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';

/** The search path of a process that has none, as execvp(3) takes it. */
const PATH_DEFAULT = '/bin:/usr/bin';

/**
 * Says what is wrong with a command, or null when it can be started.
 *
 * @param command a name to look for in `env.PATH`, or a path (relative to `cwd` if it has a slash)
 * @returns null, or `command not found: …`, `not executable: …`, `not a folder: …`
 */
export function commandProblem(
  command: string,
  cwd: string,
  env: Readonly<Record<string, string>>,
): string | null {
  if (!isFolder(cwd)) return `not a folder: cwd=${cwd}`;
  if (command === '') return 'command not found: command is empty';
  if (process.platform === 'win32') return null; // extensions and folders are searched by rules of its own
  if (isAbsolute(command) || command.includes('/')) {
    return fileProblem(command, resolve(cwd, command));
  }

  let problem: string | null = null;
  for (const folder of (env['PATH'] ?? PATH_DEFAULT).split(delimiter)) {
    const found = fileProblem(command, resolve(cwd, join(folder === '' ? '.' : folder, command)));
    if (found === null) return null;
    // A file that is there but may not be run says more than that the next folder has none.
    if (problem === null || found.startsWith('not executable')) problem = found;
  }
  return problem ?? `command not found: command=${command}`;
}

function fileProblem(command: string, path: string): string | null {
  try {
    if (!statSync(path).isFile()) return `not executable: command=${command}`;
  } catch {
    return `command not found: command=${command}`;
  }
  try {
    accessSync(path, constants.X_OK);
    return null;
  } catch {
    return `not executable: command=${command}`;
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
