import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** Path of an example, for those who start it themselves. */
export function examplePath(name: string): string {
  return fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
}

/** A running example whose output is read line by line. */
export class ExampleProcess {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly exited: Promise<unknown[]>;
  readonly errors: string[] = [];
  readonly #lines: AsyncIterableIterator<string>;

  constructor(name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = process.env) {
    this.process = spawn(process.execPath, [examplePath(name), ...args], { env });
    this.exited = once(this.process, 'exit');
    this.process.stderr.on('data', (chunk: Buffer) => this.errors.push(chunk.toString()));
    const lines: Interface = createInterface({ input: this.process.stdout });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  send(message: unknown): void {
    this.process.stdin.write(
      `${typeof message === 'string' ? message : JSON.stringify(message)}\n`,
    );
  }

  /** The next line of output, or null once there are no more. */
  async line(): Promise<string | null> {
    const next = await this.#lines.next();
    return next.done === true ? null : next.value;
  }

  async message(): Promise<Record<string, unknown>> {
    return JSON.parse((await this.line()) ?? 'null') as Record<string, unknown>;
  }

  async stop(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }
}

/** Starts the data server on a free port and gives its URL. */
export async function startData(): Promise<{ url: string; server: ExampleProcess }> {
  const server = new ExampleProcess('data.js', ['--port', '0', '--until-stdin-ends']);
  const url = /http:\S+/.exec((await server.line()) ?? '')?.[0];
  if (url === undefined) throw new Error(`data server did not start: ${server.errors.join('')}`);
  return { url, server };
}
