import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { Fault } from '../../../shared/fault.ts';
import { childEnvironment } from '../../../src/transport/stdio/child-environment.ts';
import { processGuard } from '../../../src/transport/stdio/process-guard.ts';
import {
  StdioProcess,
  type StdioProcessOptions,
} from '../../../src/transport/stdio/stdio-process.ts';
import { hasEnded } from './process-state.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-stdio-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** One process with everything it said, and promises for what it is expected to say. */
class Probe {
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  readonly oversized: [string, string][] = [];
  readonly events: string[] = [];
  readonly process: StdioProcess;
  readonly exited: Promise<[number | null, string | null]>;
  #wake: () => void = () => {};

  constructor(options: Partial<StdioProcessOptions> & { command: string }) {
    let onExit: (value: [number | null, string | null]) => void = () => {};
    this.exited = new Promise((resolve) => (onExit = resolve));
    this.process = new StdioProcess(
      {
        args: [],
        env: childEnvironment([]),
        cwd: folder,
        maxMessageBytes: 1024 * 1024,
        writeBufferBytesMax: 1024 * 1024,
        shutdownMs: 5_000,
        onSpawned: (pid) => this.events.push(`spawned ${pid}`),
        onReaped: (pid) => this.events.push(`reaped ${pid}`),
        ...options,
      },
      {
        onLine: (bytes, start, end) => {
          this.lines.push(bytes.toString('utf8', start, end));
          this.#wake();
        },
        onOversizedLine: (head, tail) => {
          this.oversized.push([head.toString(), tail.toString()]);
          this.#wake();
        },
        onExit: (code, signal) => {
          this.events.push(`exit ${code} ${signal}`);
          onExit([code, signal]);
        },
        onStderr: (text) => {
          this.errors.push(text);
          this.#wake();
        },
      },
    );
    probes.push(this);
  }

  start(): this {
    this.process.start();
    return this;
  }

  send(text: string): boolean {
    const bytes = Buffer.from(text);
    return this.process.write(bytes, 0, bytes.length);
  }

  /** Resolves when `list` has `count` entries. */
  async until(list: readonly unknown[], count: number): Promise<void> {
    while (list.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

const probes: Probe[] = [];
afterEach(async () => {
  for (const probe of probes.splice(0)) {
    probe.process.kill();
    await probe.process.shutdown();
  }
  expect(processGuard.pid).toBe(0);
});

const shell = (script: string, options: Partial<StdioProcessOptions> = {}): Probe =>
  new Probe({ command: '/bin/sh', args: ['-c', script], ...options });

describe('StdioProcess', () => {
  it('carries lines both ways, in order, and ends when its stdin ends', async () => {
    const probe = new Probe({ command: 'cat' }).start();
    for (let i = 0; i < 500; i += 1) probe.send(`{"jsonrpc":"2.0","id":${i},"text":"grüße"}`);
    await probe.until(probe.lines, 500);
    await probe.process.shutdown();

    expect(probe.lines.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual(
      Array.from({ length: 500 }, (_, i) => i),
    );
    const { pid } = probe.process;
    expect(probe.events).toEqual([`spawned ${pid}`, `reaped ${pid}`, 'exit 0 null']);
    expect(probe.process.isRunning).toBe(false);
  });

  it('carries a message of 16 MiB both ways', async () => {
    const bytes = 16 * 1024 * 1024;
    const probe = new Probe({ command: 'cat', maxMessageBytes: bytes }).start();
    expect(probe.send('x'.repeat(bytes))).toBe(true);
    await probe.until(probe.lines, 1);
    expect(probe.lines[0]?.length).toBe(bytes);
  });

  it('throws away a line over the bound, tells both ends of it, and goes on', async () => {
    const probe = shell(
      `printf '{"id":"head",'; head -c 300000 /dev/zero | tr '\\0' y; printf ',"id":"tail"}\\nnext\\n'; cat`,
      { maxMessageBytes: 100_000 },
    ).start();
    await probe.until(probe.lines, 1);
    expect(probe.lines).toEqual(['next']);
    const [head, tail] = probe.oversized[0] ?? ['', ''];
    expect([head.slice(0, 13), tail.slice(-13)]).toEqual(['{"id":"head",', ',"id":"tail"}']);
  });

  it('passes lines on that are no JSON, and lines written just before the exit', async () => {
    const probe = shell(`echo starting up; echo '{"id":1}'; exit 3`).start();
    expect(await probe.exited).toEqual([3, null]);
    expect(probe.lines).toEqual(['starting up', '{"id":1}']);
  });

  it('gives stderr by lines and cuts long ones', async () => {
    const probe = shell(
      `echo one >&2; head -c 9000 /dev/zero | tr '\\0' e >&2; echo >&2; echo two >&2; cat`,
    ).start();
    await probe.until(probe.errors, 3);
    expect(probe.errors).toEqual(['one', `${'e'.repeat(4096)}…`, 'two']);
  });

  it('counts the lines of a flood on stderr instead of passing all on', async () => {
    const probe = shell('yes error | head -n 20000 >&2; echo done; cat').start();
    await probe.until(probe.lines, 1);
    await probe.process.shutdown();
    const passed = probe.errors.filter((line) => line === 'error').length;
    const counted = probe.errors
      .map((line) => Number(/^… and (\d+) lines more$/.exec(line)?.[1] ?? 0))
      .reduce((sum, count) => sum + count, 0);
    expect(passed + counted).toBe(20_000);
    expect(passed).toBeLessThan(5_000);
  });

  it('tells how the process was killed by somebody else, and takes its group along', async () => {
    const probe = shell('sleep 600 & echo $!; wait').start();
    await probe.until(probe.lines, 1);
    process.kill(probe.process.pid, 'SIGKILL');
    expect(await probe.exited).toEqual([null, 'SIGKILL']);
    await hasEnded(Number(probe.lines[0]));
  });

  it('refuses messages while the child does not read, and loses none that it accepted', async () => {
    const probe = shell('read -r go; sleep 0.2; exec cat', { writeBufferBytesMax: 2_000_000 });
    probe.start();
    const text = 'x'.repeat(100_000);
    let accepted = 0;
    while (accepted < 1_000 && probe.send(text)) accepted += 1;
    expect(accepted).toBeGreaterThan(10);
    expect(accepted).toBeLessThan(100);
    expect(probe.process.waitingBytes).toBeLessThanOrEqual(2_000_000);
    // The first line wakes the child, which then echoes the others.
    await probe.until(probe.lines, accepted - 1);
    expect(probe.lines.every((line) => line === text)).toBe(true);
    expect(probe.send('again')).toBe(true);
    await probe.until(probe.lines, accepted);
  });

  it('survives writes to a process that is dying, and refuses them afterwards', async () => {
    const probe = shell('exit 0').start();
    for (let i = 0; i < 50; i += 1) {
      probe.send('{"id":1}');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await probe.exited;
    expect(probe.send('{"id":2}')).toBe(false);
  });

  it.each([
    ['its stdin', 'exec <&-; echo closed; sleep 600'],
    ['its stdout', 'echo closed; exec >&-; sleep 600'],
  ])('ends a process that closed %s, as it can answer nothing any more', async (_, script) => {
    const probe = shell(script, { shutdownMs: 50 }).start();
    await probe.until(probe.lines, 1);
    // A broken stdin shows with the next write only.
    probe.send('{"id":1}');
    expect((await probe.exited)[1]).toMatch(/^SIG(TERM|KILL)$/);
  });

  it('has no environment but the given one', async () => {
    process.env['SLUICE_TEST_SECRET'] = 'hidden';
    const probe = new Probe({
      command: 'env',
      env: childEnvironment([['GIVEN', 'a b=c']]),
    }).start();
    await probe.exited;
    delete process.env['SLUICE_TEST_SECRET'];
    expect(probe.lines).toContain('GIVEN=a b=c');
    expect(probe.lines.some((line) => line.startsWith('PATH='))).toBe(true);
    expect(probe.lines.join('\n')).not.toContain('hidden');
  });
});

describe('StdioProcess ends a process', () => {
  it('with the end of its stdin, and lets it finish what it writes', async () => {
    const probe = shell('cat; echo flushed; exit 7').start();
    probe.send('{"id":1}');
    await probe.process.shutdown();
    expect(probe.lines).toEqual(['{"id":1}', 'flushed']);
    expect(await probe.exited).toEqual([7, null]);
  });

  it('with SIGTERM to the group when the end of stdin does not do', async () => {
    const probe = shell(`trap 'echo got term; exit 0' TERM; echo up; sleep 600 & wait`, {
      shutdownMs: 1_000,
    }).start();
    await probe.until(probe.lines, 1);
    await probe.process.shutdown();
    expect(probe.lines).toEqual(['up', 'got term']);
    expect(await probe.exited).toEqual([0, null]);
  });

  it('with SIGKILL to the group when it ignores SIGTERM, grandchildren included', async () => {
    const probe = shell(
      `trap '' TERM; sh -c 'echo $$; while :; do sleep 600; done' & wait; sleep 600`,
      {
        shutdownMs: 50,
      },
    ).start();
    await probe.until(probe.lines, 1);
    await Promise.all([probe.process.shutdown(), probe.process.shutdown()]);
    expect(await probe.exited).toEqual([null, 'SIGKILL']);
    await hasEnded(Number(probe.lines[0]));
  });

  it('at once with kill(), and reports no line after it', async () => {
    const probe = shell('while :; do echo x; done').start();
    await probe.until(probe.lines, 1);
    probe.process.kill();
    const seen = probe.lines.length;
    expect(await probe.exited).toEqual([null, 'SIGKILL']);
    expect(probe.lines.length).toBe(seen);
  });

  it('that kept its output open through a process outside the group', async () => {
    const probe = shell(`setsid sh -c 'echo $$; exec sleep 600' & read -r line; exit 0`).start();
    await probe.until(probe.lines, 1);
    await probe.process.shutdown();
    expect(probe.events.at(-1)).toBe('exit 0 null');
    process.kill(Number(probe.lines[0]), 'SIGKILL'); // out of the group's reach, and of ours
  });

  it('that was never started, without waiting', async () => {
    const probe = new Probe({ command: 'cat' });
    await probe.process.shutdown();
    probe.process.kill();
    expect(probe.send('x')).toBe(false);
    expect(probe.events).toEqual([]);
  });
});

describe('StdioProcess refuses to start', () => {
  function refusal(options: Partial<StdioProcessOptions> & { command: string }): string {
    const probe = new Probe(options);
    try {
      probe.start();
    } catch (error) {
      expect(error).toBeInstanceOf(Fault);
      expect((error as Fault).code).toBe('UPSTREAM_REFUSED');
      expect(probe.events).toEqual([]);
      expect(probe.process.pid).toBe(0);
      return (error as Fault).message;
    }
    return 'started';
  }

  it('what cannot be found, or is no program, with one clear fault', () => {
    const script = join(folder, 'not-executable.sh');
    writeFileSync(script, '#!/bin/sh\nexit 0\n');
    chmodSync(script, 0o644);

    expect(refusal({ command: 'no-such-program' })).toMatch(
      /command not found: command=no-such-program/,
    );
    expect(refusal({ command: './missing.sh' })).toMatch(/command not found/);
    expect(refusal({ command: '' })).toMatch(/command is empty/);
    expect(refusal({ command: script })).toMatch(/not executable/);
    expect(refusal({ command: folder })).toMatch(/not executable/);
    expect(refusal({ command: 'cat', cwd: '/no/such/folder' })).toMatch(/not a folder: cwd=/);
    expect(refusal({ command: 'cat', env: { PATH: '/no/such/folder' } })).toMatch(
      /command not found/,
    );
    expect(refusal({ command: 'cat', args: ['a\0b'] })).toMatch(/cannot start process/);
  });

  it('nothing that is found by a relative path, or by the search path of the child', async () => {
    const script = join(folder, 'hello.sh');
    writeFileSync(script, '#!/bin/sh\necho "hello $1"\n');
    chmodSync(script, 0o755);

    const relative = new Probe({ command: './hello.sh', args: ['a b'] }).start();
    const searched = new Probe({
      command: 'hello.sh',
      env: { PATH: `${folder}:/usr/bin:/bin` },
    }).start();
    await Promise.all([relative.exited, searched.exited]);
    expect([relative.lines, searched.lines]).toEqual([['hello a b'], ['hello ']]);
  });
});
