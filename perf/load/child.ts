/** Child processes of a measurement. Whatever way it ends, none of them stays. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;
const OUTPUT_CHARS_MAX = 64 * 1024;

const running = new Set<ChildProcess>();

process.on('exit', () => {
  // SIGTERM, as nginx has to end its worker and a gateway its servers.
  for (const child of running) child.kill('SIGTERM');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143));
}

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Output of either stream that says that it is ready; the match is kept. */
  readonly ready: RegExp;
  /** How long that may take. */
  readonly timeoutMs?: number;
}

export class Child {
  readonly pid: number;
  /** What `ready` matched. */
  readonly match: RegExpExecArray;
  readonly #process: ChildProcess;
  readonly #output: OutputTail;

  private constructor(child: ChildProcess, match: RegExpExecArray, output: OutputTail) {
    this.#process = child;
    this.pid = child.pid ?? 0;
    this.match = match;
    this.#output = output;
  }

  /** The last of what it wrote. */
  get output(): string {
    return this.#output.text;
  }

  /** Resolves when it has said that. @throws Error if it ends before */
  async said(pattern: RegExp, timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    await this.#output.wait(pattern, timeoutMs);
  }

  /** @throws Error with the child's output if it ends or says nothing in time */
  static async start(options: ChildOptions): Promise<Child> {
    const child = spawn(options.command, options.args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const output = new OutputTail(child);
    try {
      return new Child(
        child,
        await output.wait(options.ready, options.timeoutMs ?? READY_TIMEOUT_MS),
        output,
      );
    } catch (error) {
      child.kill('SIGTERM');
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${options.command} did not start: ${reason}\n${output.text}`, {
        cause: error,
      });
    }
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }
}

class OutputTail {
  text = '';
  readonly #child: ChildProcess;
  #onText: () => void = () => undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.text = (this.text + text).slice(-OUTPUT_CHARS_MAX);
        this.#onText();
      });
    }
  }

  wait(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer in time')), timeoutMs);
      const settle = (run: () => void): void => {
        clearTimeout(timer);
        this.#onText = () => undefined;
        run();
      };
      this.#onText = () => {
        const match = pattern.exec(this.text);
        if (match !== null) settle(() => resolve(match));
      };
      this.#child.once('error', (error) => settle(() => reject(error)));
      this.#child.once('exit', (code) => settle(() => reject(new Error(`exit code ${code}`))));
      this.#onText();
    });
  }
}

/** Runs a program to its end; gives what it wrote to stdout. @throws Error if it failed */
export async function runToEnd(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<string> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  running.add(child);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const [code] = (await once(child, 'close')) as [number | null];
  running.delete(child);
  if (code !== 0)
    throw new Error(`${command} failed: code=${code}\n${err.slice(-2000)}${out.slice(-2000)}`);
  return out;
}
