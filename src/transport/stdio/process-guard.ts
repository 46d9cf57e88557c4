/**
 * Kills the process groups of a thread that is gone. One small shell per thread that owns child
 * processes holds the list of their groups and reads from a pipe whose other end is this thread's:
 * when the thread or the whole process ends, however it ends, the pipe ends, and the shell kills
 * every group that is still listed. That also reaches grandchildren, which no death signal does.
 *
 *      thread ── "+ 4711\n" "- 4711\n" ──▶ guard            thread ends ─▶ end of input ─▶ kill -4711
 *
 * A group is unlisted as soon as its leader was reaped, so that a number which the system gives
 * away again is not killed. The guard has a session of its own: a signal to our group (a Ctrl-C in
 * a terminal, a `kill -9` of the group) does not reach it. It ends when nothing is listed.
 */
import { type ChildProcess, spawn } from 'node:child_process';

const GUARD_SCRIPT = `
trap '' HUP INT TERM
groups=' '
while read -r op group; do
  case $op in
    +) groups="$groups$group " ;;
    -) case $groups in
         *" $group "*) groups="\${groups%%" $group "*} \${groups#*" $group "}" ;;
       esac ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
exit 0
`;

export class ProcessGuard {
  readonly #groups: Set<number>;
  #shell: ChildProcess | null;

  constructor() {
    this.#groups = new Set();
    this.#shell = null;
  }

  /** Process id of the shell, or 0 while nothing is watched or where there is no shell. */
  get pid(): number {
    return this.#shell?.pid ?? 0;
  }

  /** From now on the group dies with this thread. Call it right after the spawn. */
  watch(group: number): void {
    if (process.platform === 'win32') return;
    this.#groups.add(group);
    if (this.#shell === null) this.#open();
    else this.#shell.stdin?.write(`+ ${group}\n`);
  }

  /** The group's leader was reaped and the rest of the group killed. */
  release(group: number): void {
    if (!this.#groups.delete(group)) return;
    if (this.#groups.size > 0) {
      this.#shell?.stdin?.write(`- ${group}\n`);
      return;
    }
    const shell = this.#shell;
    this.#shell = null;
    shell?.stdin?.end(`- ${group}\n`);
  }

  #open(): void {
    const shell = spawn('/bin/sh', ['-c', GUARD_SCRIPT], {
      cwd: '/',
      detached: true,
      env: {},
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#shell = shell;
    // Somebody may kill the guard. The next process that is spawned brings a new one.
    const forget = (): void => {
      if (this.#shell === shell) this.#shell = null;
    };
    shell.on('error', forget);
    shell.on('exit', forget);
    shell.stdin.on('error', forget);
    shell.unref();
    // A pipe is a socket, which can be let go of; the guard must not keep its thread alive.
    (shell.stdin as unknown as { unref(): void }).unref();
    let listed = '';
    for (const group of this.#groups) listed += `+ ${group}\n`;
    shell.stdin.write(listed);
  }
}

/** The guard of this thread. */
export const processGuard: ProcessGuard = new ProcessGuard();
