/**
 * What becomes of child processes when the thread or the process that owns them is gone. Real
 * threads and processes: a host process runs one worker thread that owns a stdio process, which has
 * a child of its own. Both ignore signals they can ignore and never look at their stdin.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { deathSignalPrefix } from '../../../src/transport/stdio/death-signal.ts';
import { hasEnded, isAlive } from './process-state.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const STUBBORN = `trap '' TERM HUP INT; sh -c 'trap "" TERM HUP INT; echo child $$; while :; do sleep 600; done' & wait`;

const WORKER = `
import { parentPort, workerData } from 'node:worker_threads';
import { StdioProcess } from './src/transport/stdio/stdio-process.js';
import { processGuard } from './src/transport/stdio/process-guard.js';
const child = new StdioProcess({
  command: '/bin/sh', args: ['-c', workerData], env: { PATH: '/usr/bin:/bin' }, cwd: '/',
  maxMessageBytes: 1000, writeBufferBytesMax: 1000, shutdownMs: 2000,
  onSpawned: (pid) => parentPort.postMessage('leader ' + pid),
  onReaped: (pid) => parentPort.postMessage('reaped ' + pid),
}, {
  onLine: (bytes, start, end) => parentPort.postMessage(bytes.toString('latin1', start, end)),
  onOversizedLine() {},
  onExit: (code, signal) => parentPort.postMessage('exit ' + code + ' ' + signal),
});
child.start();
parentPort.postMessage('guard ' + processGuard.pid);
parentPort.on('message', async (command) => {
  if (command === 'exit') process.exit(0);
  if (command === 'throw') setImmediate(() => { throw new Error('a bug'); });
  if (command === 'shutdown') { await child.shutdown(); parentPort.close(); }
});
`;

const HOST = `
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: process.argv[2] });
worker.on('message', (text) => console.log(text));
worker.on('error', () => {});
worker.on('exit', (code) => console.log('worker gone ' + code));
createInterface({ input: process.stdin }).on('line', (command) => {
  if (command === 'terminate') worker.terminate();
  else worker.postMessage(command);
});
`;

let folder: string;
let host: Host | null = null;

class Host {
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #seen: string[] = [];
  #wake: () => void = () => {};

  constructor(script: string) {
    this.process = spawn(process.execPath, [join(folder, 'host.js'), script], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    createInterface({ input: this.process.stdout }).on('line', (line) => {
      this.#seen.push(line);
      this.#wake();
    });
  }

  /** The rest of the first line that begins with `word`. */
  async said(word: string): Promise<string> {
    for (;;) {
      const line = this.#seen.find((text) => text.startsWith(`${word} `));
      if (line !== undefined) return line.slice(word.length + 1);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async pidOf(word: string): Promise<number> {
    const pid = Number(await this.said(word));
    // To the system, 0 and -1 are this process's own group, and everybody.
    if (!Number.isInteger(pid) || pid < 2) throw new Error(`not a process: ${word} ${pid}`);
    return pid;
  }

  /** Ends the host and, by the number of its group, whatever a failed test left behind. */
  end(): void {
    this.process.kill('SIGKILL');
    const leader = this.#seen.find((text) => text.startsWith('leader '))?.slice('leader '.length);
    try {
      if (leader !== undefined) process.kill(-Number(leader), 'SIGKILL');
    } catch {
      // Nothing was left.
    }
  }

  tell(command: string): void {
    this.process.stdin.write(`${command}\n`);
  }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-lifetime-'));
  const sources = readdirSync(join(ROOT, 'src/transport/stdio')).map(
    (name) => `src/transport/stdio/${name}`,
  );
  for (const source of [...sources, 'shared/assert.ts', 'shared/fault.ts']) {
    const built = ts.transpileModule(readFileSync(join(ROOT, source), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
    });
    const target = join(folder, source.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, built.outputText);
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'worker.js'), WORKER);
  writeFileSync(join(folder, 'host.js'), HOST);
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  host?.end();
  host = null;
});

describe.skipIf(process.platform === 'win32')('a stdio process whose owner is gone', () => {
  it.each(['terminate', 'throw', 'exit'])(
    'dies with its child when the thread ends by %s',
    async (end) => {
      host = new Host(STUBBORN);
      const [leader, child, guard] = [
        await host.pidOf('leader'),
        await host.pidOf('child'),
        await host.pidOf('guard'),
      ];
      expect([leader, child, guard].map(isAlive)).toEqual([true, true, true]);
      host.tell(end);
      await host.said('worker');
      await Promise.all([hasEnded(leader), hasEnded(child), hasEnded(guard)]);
      expect(host.process.exitCode).toBe(null);
    },
  );

  it('dies with its child when the process is killed with its whole group', async () => {
    host = new Host(STUBBORN);
    const pids = [await host.pidOf('leader'), await host.pidOf('child'), await host.pidOf('guard')];
    process.kill(-(host.process.pid ?? 0), 'SIGKILL');
    await Promise.all(pids.map(hasEnded));
  });

  it('dies with its child by the guard alone, without a death signal', async () => {
    // The leader goes first and leaves the child, to whom no death signal was given.
    host = new Host(
      `sh -c 'trap "" TERM HUP; echo child $$; while :; do sleep 600; done' & read -r never; exec sleep 600`,
    );
    const child = await host.pidOf('child');
    host.process.kill('SIGKILL');
    await hasEnded(child);
  });

  describe.skipIf(deathSignalPrefix().length === 0)('whose guard is gone too', () => {
    it.each(['terminate', 'kill'])('dies by the death signal alone after %s', async (end) => {
      host = new Host(`trap '' TERM HUP INT; echo child $$; while :; do sleep 600; done`);
      const leader = await host.pidOf('child');
      const guard = await host.pidOf('guard');
      process.kill(guard, 'SIGKILL');
      await hasEnded(guard);
      expect(isAlive(leader)).toBe(true);
      if (end === 'kill') host.process.kill('SIGKILL');
      else host.tell('terminate');
      await hasEnded(leader);
    });
  });

  it('sees its stdin end when the process is killed', async () => {
    // A grandchild that left the group is out of reach of every signal, not of the end of stdin.
    host = new Host(`setsid sh -c 'echo child $$; cat >/dev/null' <&0 & wait`);
    const child = await host.pidOf('child');
    host.process.kill('SIGKILL');
    await hasEnded(child);
  });

  it('is not killed too early: a thread that shuts it down first sees it end by itself', async () => {
    host = new Host('cat; sleep 0.1; exit 5');
    await host.said('leader');
    host.tell('shutdown');
    expect(await host.said('exit')).toBe('5 null');
    expect(await host.said('worker')).toBe('gone 0');
    await hasEnded(await host.pidOf('guard'));
  });
});
