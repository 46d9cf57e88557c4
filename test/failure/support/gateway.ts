/** The built command as one process: what it says, what it holds, and an end that always comes. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import type { ConfigInput } from '../../../src/config/schema.ts';
import { settled } from './settled.ts';

const COMMAND = fileURLToPath(new URL('../../../bin/sluice.js', import.meta.url));
const STOP_MS = 15_000;
const running = new Set<RunningGateway>();

export interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly message: string;
  readonly shard?: number;
  readonly upstream?: string;
  readonly pid?: number;
}

export class RunningGateway {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly exited: Promise<number | null>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-failure-'));
  #out = '';
  #err = '';
  url = '';

  private constructor(config: ConfigInput) {
    this.write(config);
    this.child = spawn(process.execPath, [COMMAND, 'serve', this.file], {
      cwd: this.#folder,
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => (this.#out += text));
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#err += text));
    this.exited = once(this.child, 'close').then(([code]) => code as number | null);
    running.add(this);
  }

  /**
   * Starts `sluice serve` on two shards.
   *
   * @param waits for every upstream to be up, or given up on; else for the port only
   */
  static async start(config: ConfigInput, waits = true): Promise<RunningGateway> {
    const gateway = new RunningGateway(config);
    try {
      gateway.url = (await gateway.said(/endpoint +(http:\S+)/))[1]!;
      if (waits) await gateway.said(/Try it:/);
      return gateway;
    } catch (error) {
      await gateway.stop('SIGKILL');
      throw error;
    }
  }

  get file(): string {
    return join(this.#folder, 'sluice.json');
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Writes settings; text as it is. */
  write(config: ConfigInput | string): void {
    const whole = typeof config === 'string' ? config : JSON.stringify(withDefaults(config));
    writeFileSync(this.file, whole);
  }

  get log(): LogLine[] {
    return this.#err
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** Everything on stderr, for what must not be there. */
  get err(): string {
    return this.#err;
  }

  /** The first match on stdout (or stderr from `offset`), now or later. */
  async said(expected: RegExp, from: 'out' | 'err' = 'out', offset = 0): Promise<RegExpExecArray> {
    const stream = from === 'out' ? this.child.stdout : this.child.stderr;
    const over = this.exited.then((code) => `ended with ${String(code)}`);
    for (;;) {
      const match = expected.exec((from === 'out' ? this.#out : this.#err).slice(offset));
      if (match !== null) return match;
      const ended = await Promise.race([over, once(stream, 'data').then(() => null)]);
      if (ended !== null) throw new Error(`${ended}: ${this.#out}${this.#err}`);
    }
  }

  /** Sends SIGHUP and waits until it says what came of it. */
  async reload(config: ConfigInput | string): Promise<string> {
    this.write(config);
    const offset = this.#err.length;
    this.child.kill('SIGHUP');
    const expected = /[^\n]*"message":"new settings [^\n]*\n/;
    return (await this.said(expected, 'err', offset))[0];
  }

  /** Resident memory in MiB. */
  get rssMib(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(this.#proc('status'))?.[1] ?? 0) / 1024;
  }

  get handles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Processor time used so far, ms. */
  get cpuMs(): number {
    const fields = this.#proc('stat').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10; // USER_HZ is 100 on Linux
  }

  #proc(name: string): string {
    return readFileSync(`/proc/${this.pid}/${name}`, 'utf8');
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const insist = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    this.child.kill(signal);
    const code = await this.exited;
    clearTimeout(insist);
    running.delete(this);
    rmSync(this.#folder, { recursive: true, force: true });
    return code;
  }
}

function withDefaults(config: ConfigInput): ConfigInput {
  return { shards: 2, listen: { host: '127.0.0.1', port: 0 }, auth: 'none', ...config };
}

/** Ends every gateway that was started here. */
export async function stopGateways(): Promise<void> {
  await Promise.all([...running].map((gateway) => gateway.stop('SIGKILL')));
}

/** Resolves when that process is gone. */
export async function gone(pid: number): Promise<void> {
  await settled(() => !isAlive(pid), `process ${pid} to end`);
}

/** The same, and its parent knows. What is sent in between is lost, and its callers are told so. */
export async function reaped(pid: number): Promise<void> {
  await settled(() => !existsSync(`/proc/${pid}`), `process ${pid} to be reaped`);
}

/** Whether it runs; one that ended and was not waited for does not. */
export function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
