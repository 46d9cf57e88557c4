/**
 * One child process that speaks newline-delimited JSON on stdin and stdout (MCP, stdio transport).
 * Owned by one thread. Whether a line is JSON, who waits for it, and when to start anew is the
 * owner's business.
 *
 * The child leads a process group of its own (and a session, so that a Ctrl-C in our terminal does
 * not reach it before calls are finished), and the group never outlives it or us:
 *
 *   we end it        stdin ends ─ shutdownMs ─▶ SIGTERM ─ shutdownMs ─▶ SIGKILL, each to the group
 *   it ends itself   what is left of its group is killed as soon as it was reaped
 *   our thread ends  death signal (Linux), end of stdin, and the process guard kills the group
 *
 * Callbacks come in this order: onSpawned, lines, onReaped, the last lines, onExit, then silence.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

import { assert } from '../../../shared/assert.ts';
import { Fault } from '../../../shared/fault.ts';
import { commandProblem } from './command-lookup.ts';
import { deathSignalPrefix } from './death-signal.ts';
import { LineSplitter } from './line-splitter.ts';
import { PipeWriter } from './pipe-writer.ts';
import { processGuard } from './process-guard.ts';

/** Lines of stderr are for a log: a longer one is cut. */
const STDERR_LINE_BYTES_MAX: number = 4 * 1024;
/** Lines that one read of stderr (at most 64 KiB) brings to the log; the others are counted. */
const STDERR_LINES_MAX = 64;

/**
 * How long the output of a dead process is waited for. All of it is in the pipe already; only a
 * grandchild that left the group can hold the pipe open longer.
 */
const OUTPUT_DRAIN_MS = 250;

/** A killed process that does not go away sits in the kernel (a dead network disk): give up on it. */
const KILL_WAIT_MS = 2_000;

export interface StdioProcessListener {
  /** One line of stdout without `\n` or `\r\n`, JSON or not. Valid during the call only. */
  onLine(bytes: Buffer, start: number, end: number): void;
  /** A line over `maxMessageBytes` was thrown away; its first and last (at most) 4 KiB, for its id. */
  onOversizedLine(head: Buffer, tail: Buffer): void;
  /** The process is gone, its group killed, its output read. Called once, and nothing after it. */
  onExit(code: number | null, signal: string | null): void;
  /** One line of stderr, cut at 4 KiB. Left out, stderr goes nowhere. It may hold anything. */
  onStderr?(text: string): void;
}

export interface StdioProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** All that the child sees; `childEnvironment` makes it. Nothing is added. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Longest line of stdout that is passed on. */
  readonly maxMessageBytes: number;
  /** Bytes that may wait for the child to read them. */
  readonly writeBufferBytesMax: number;
  /** Wait after the end of stdin, and again after SIGTERM. */
  readonly shutdownMs: number;
  /** Spawned: enter the process table. The number is that of the process and of its group. */
  onSpawned(pid: number): void;
  /** Reaped, its group killed: leave the process table. */
  onReaped(pid: number): void;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable | null>;

export class StdioProcess {
  readonly #options: StdioProcessOptions;
  readonly #listener: StdioProcessListener;
  readonly #lines: LineSplitter;
  #child: Child | null;
  #writer: PipeWriter | null;
  #pid: number;
  #isStarted: boolean;
  #isRunning: boolean;
  #isFinished: boolean;
  #shutdown: Promise<void> | null;
  #finished: (() => void) | null;
  #timer: NodeJS.Timeout | null;

  constructor(options: StdioProcessOptions, listener: StdioProcessListener) {
    this.#options = options;
    this.#listener = listener;
    this.#lines = new LineSplitter(options.maxMessageBytes, listener);
    this.#child = null;
    this.#writer = null;
    this.#pid = 0;
    this.#isStarted = false;
    this.#isRunning = false;
    this.#isFinished = false;
    this.#shutdown = null;
    this.#finished = null;
    this.#timer = null;
  }

  /** Process id, and number of the process group; 0 before the start and after a failed one. */
  get pid(): number {
    return this.#pid;
  }

  /** False before the start and from the moment the process is known to be gone. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Bytes accepted by `write` that the child has not taken yet. */
  get waitingBytes(): number {
    return this.#writer?.waitingBytes ?? 0;
  }

  /**
   * Spawns the process. Once per object.
   *
   * @throws Fault UPSTREAM_REFUSED when it cannot be started; then no callback is ever called.
   */
  start(): void {
    assert(!this.#isStarted, 'a process is started once');
    this.#isStarted = true;
    const { command, cwd, env } = this.#options;
    const problem = commandProblem(command, cwd, env);
    if (problem !== null) throw new Fault('UPSTREAM_REFUSED', `cannot start process: ${problem}`);

    const child = this.#spawn();
    // Without a listener any of these would end the thread. A pipe that breaks says nothing that
    // the exit, or the end of stdout, does not say as well.
    child.on('error', ignore);
    child.stdin?.on('error', ignore);
    if (child.pid === undefined) {
      throw new Fault(
        'UPSTREAM_REFUSED',
        `cannot start process: out of processes or files: command=${command}`,
      );
    }
    this.#child = child;
    this.#pid = child.pid;
    this.#isRunning = true;
    this.#writer = new PipeWriter(child.stdin, this.#options.writeBufferBytesMax);
    processGuard.watch(child.pid);
    this.#listen(child);
    this.#options.onSpawned(child.pid);
  }

  /**
   * Sends one message: `bytes` from `start` to `end`, copied before this returns, and a line feed.
   * Everything written in one turn leaves together.
   *
   * @returns false when the child does not read, or is gone: this message alone is lost
   * @throws when the message holds a line break (a bug of the caller)
   */
  write(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#isRunning && this.#writer !== null && this.#writer.tryWrite(bytes, start, end);
  }

  /**
   * Ends the process the polite way first, and resolves when it was reaped and its group killed
   * (or, after SIGKILL, when the kernel cannot get rid of it). May be called more than once.
   */
  shutdown(): Promise<void> {
    if (this.#isFinished || this.#child === null) return Promise.resolve();
    this.#shutdown ??= new Promise<void>((resolve) => {
      this.#finished = resolve;
      this.#writer?.end();
      if (this.#isRunning) this.#askToEnd();
    });
    return this.#shutdown;
  }

  /** Ends the process and its group at once. No line is reported any more; `onExit` is. */
  kill(): void {
    this.#lines.close();
    if (this.#isRunning) this.#signal('SIGKILL');
  }

  #spawn(): Child {
    const { command, args, cwd, env } = this.#options;
    const isWindows = process.platform === 'win32';
    const stderr = this.#listener.onStderr === undefined ? 'ignore' : 'pipe';
    const line = [...deathSignalPrefix(), command, ...args];
    try {
      return spawn(line[0] ?? command, line.slice(1), {
        cwd,
        env: { ...env },
        detached: !isWindows, // setsid(2): a session and a group of its own
        windowsHide: true,
        stdio: ['pipe', 'pipe', stderr],
      }) as Child;
    } catch (error) {
      // Arguments that are too long, or hold a NUL byte.
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      throw new Fault('UPSTREAM_REFUSED', `cannot start process: ${code}: command=${command}`, {
        cause: error,
      });
    }
  }

  #listen(child: Child): void {
    child.stdout.on('data', (chunk: Buffer) => this.#lines.push(chunk));
    child.stdout.on('error', ignore);
    // A server that closed one of its two pipes can answer nothing any more.
    const onPipeClosed = (): void => {
      if (this.#isRunning) void this.shutdown();
    };
    child.stdout.on('end', onPipeClosed);
    child.stdin.on('close', onPipeClosed);
    child.on('exit', () => this.#onReaped());
    child.on('close', () => this.#finish());
    if (child.stderr !== null) this.#listenToErrors(child.stderr);
  }

  /** Never paused: a child that waits for its stderr to be read would answer no calls either. */
  #listenToErrors(stderr: Readable): void {
    let lines = 0;
    const tell = (text: string): void => this.#listener.onStderr?.(text);
    const splitter = new LineSplitter(STDERR_LINE_BYTES_MAX, {
      onLine(bytes, start, end) {
        lines += 1;
        if (lines <= STDERR_LINES_MAX) tell(bytes.toString('utf8', start, end));
      },
      onOversizedLine(head) {
        lines += 1;
        if (lines <= STDERR_LINES_MAX) tell(`${head.toString('utf8')}…`);
      },
    });
    stderr.on('data', (chunk: Buffer) => {
      if (this.#isFinished) return;
      lines = 0;
      splitter.push(chunk);
      if (lines > STDERR_LINES_MAX) tell(`… and ${lines - STDERR_LINES_MAX} lines more`);
    });
    stderr.on('error', ignore);
  }

  #onReaped(): void {
    this.#isRunning = false;
    this.#stopTimer();
    this.#signal('SIGKILL'); // whoever is left of the group
    processGuard.release(this.#pid);
    this.#child?.stdin.destroy();
    this.#options.onReaped(this.#pid);
    this.#timer = setTimeout(() => {
      this.#child?.stdout.destroy();
      this.#child?.stderr?.destroy();
    }, OUTPUT_DRAIN_MS);
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#stopTimer();
    this.#lines.close();
    this.#listener.onExit(this.#child?.exitCode ?? null, this.#child?.signalCode ?? null);
    this.#finished?.();
  }

  #askToEnd(): void {
    this.#after(this.#options.shutdownMs, () => {
      this.#signal('SIGTERM');
      this.#after(this.#options.shutdownMs, () => {
        this.#signal('SIGKILL');
        this.#after(KILL_WAIT_MS, () => this.#finished?.());
      });
    });
  }

  #after(ms: number, then: () => void): void {
    this.#stopTimer();
    this.#timer = setTimeout(then, ms);
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** To the whole group; where there are no groups, to the process alone. */
  #signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    assert(this.#pid > 1, 'only a group of our own is signalled', this.#pid); // -0 is our own group
    try {
      if (process.platform === 'win32') this.#child?.kill(signal);
      else process.kill(-this.#pid, signal);
    } catch {
      // The group is empty already.
    }
  }
}

function ignore(): void {}
