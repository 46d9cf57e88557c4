/** Child processes of these tests: their output by line, and an end that always comes. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

const STOP_MS = 10_000;

export class TestProcess {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly exited: Promise<number | null>;
  #out = '';
  #err = '';

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = process.cwd()) {
    this.child = spawn(process.execPath, args, {
      cwd,
      env: { PATH: process.env['PATH'], ...env },
    });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#out += text));
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#err += text));
    this.child.stdin.on('error', () => undefined); // it ended first
    this.exited = once(this.child, 'close').then(([code]) => code as number | null);
  }

  get out(): string {
    return this.#out;
  }

  get err(): string {
    return this.#err;
  }

  /** The first match in what it says on stdout (or stderr), now or later. */
  async said(expected: RegExp, from: 'out' | 'err' = 'out'): Promise<RegExpExecArray> {
    const stream = from === 'out' ? this.child.stdout : this.child.stderr;
    const over = this.exited.then((code) => `ended with ${String(code)}`);
    for (;;) {
      const match = expected.exec(from === 'out' ? this.#out : this.#err);
      if (match !== null) return match;
      const ended = await Promise.race([over, once(stream, 'data').then(() => null)]);
      if (ended !== null) throw new Error(`${ended}: ${this.#out}${this.#err}`);
    }
  }

  /** Asks it to end, insists after a while. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const insist = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    this.child.stdin.end();
    this.child.kill(signal);
    const code = await this.exited;
    clearTimeout(insist);
    return code;
  }
}
