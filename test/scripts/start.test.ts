/** `npm start` from the outside: what it prints works, and nothing is left when it ends. */
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SECRET = 'a secret for tests, 32 bytes long or more';
const run = promisify(execFile);

/** Node 20 cannot load what these processes run from its sources. `npm test` builds before. */
const isBuilt = ['src/cli/main.js', 'workers/shard.js'].every((path) =>
  existsSync(join(ROOT, 'dist', path)),
);

class Started {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  readonly exited: Promise<unknown[]>;
  output = '';
  errors = '';

  constructor(args: readonly string[], env: Record<string, string>) {
    this.process = spawn(process.execPath, [join(ROOT, 'scripts/start.mjs'), ...args], {
      // Port 0 twice: any free one, and the start text says which. No home, no npm around it.
      env: { PATH: process.env['PATH'], PORT: '0', ADMIN_PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = once(this.process, 'exit');
    this.process.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.process.stderr.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
  }

  /** The first match in what it printed, once it is there. */
  async said(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.output);
      if (found !== null) return found[1] ?? found[0];
      const next = await Promise.race([once(this.process.stdout, 'data'), this.exited]);
      if (this.process.exitCode !== null && next.length === 2) {
        throw new Error(`ended early:\n${this.output}\n${this.errors}`);
      }
    }
  }
}

let started: Started | null = null;
afterEach(async () => {
  if (started === null) return;
  started.process.kill('SIGKILL');
  await started.exited;
  started = null;
});

describe.runIf(isBuilt)('npm start', () => {
  it('runs the three examples and prints a curl line that works when pasted', async () => {
    started = new Started([], {});
    const line = await started.said(/^\s*(curl .*)$/m);
    expect(started.output).toMatch(
      /math\s+stdio\s+math_add math_subtract math_multiply math_divide/,
    );
    expect(started.output).toMatch(/data\s+http\s+data_query/);
    expect(started.output).toMatch(/admin\s+stdio\s+admin_server_status/);

    const { stdout } = await run('/bin/sh', ['-c', line]);
    const { result } = JSON.parse(stdout) as { result: { tools: { name: string }[] } };
    expect(result.tools.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['math_add', 'data_query', 'admin_whoami']),
    );

    const url = await started.said(/endpoint\s+(\S+)/);
    const client = await run(process.execPath, [join(ROOT, 'examples/client.js'), url]);
    expect(client.stdout).toContain('math_add: { result: 42 }');

    started.process.kill('SIGTERM');
    expect(await started.exited).toEqual([0, null]);
    const dataUrl = await run(process.execPath, [join(ROOT, 'examples/client.js'), url]).catch(
      (error: { stderr: string }) => error.stderr,
    );
    expect(dataUrl).toContain('ECONNREFUSED');
  });

  it('secures them with a token, as the settings file explains', async () => {
    started = new Started(['examples/secure-gateway.yaml'], { JWT_SECRET: SECRET });
    const url = await started.said(/endpoint\s+(\S+)/);
    await started.said(/^\s*(curl .*)$/m);
    const client = (
      env: Record<string, string>,
      ...args: string[]
    ): Promise<{ stdout: string; stderr: string }> =>
      run(process.execPath, [join(ROOT, 'examples/client.js'), url, ...args], {
        env: { PATH: process.env['PATH'], ...env },
      }).catch((error: { stdout: string; stderr: string }) => error);
    expect((await client({})).stderr).toMatch(/failed: .*unauthorized|failed: HTTP 401/i);

    const flags = [
      '--secret',
      SECRET,
      '--iss',
      'sluice-example',
      '--aud',
      'sluice',
      '--sub',
      'ada',
    ];
    const { stdout } = await run(process.execPath, [
      join(ROOT, 'bin/sluice.js'), 'token', ...flags, '--scope', 'calc:basic read:data:users',
    ]); // prettier-ignore
    const MCP_TOKEN = stdout.trim();
    const allowed = await client({ MCP_TOKEN });
    expect(allowed.stdout).toContain('math_add: { result: 42 }');
    expect(allowed.stdout).toContain('data_query');
    expect(allowed.stdout).not.toContain('admin_');
    expect((await client({ MCP_TOKEN }, 'admin_whoami', '{}')).stderr).toContain('failed:');
    expect(started.output + started.errors).not.toContain(SECRET);
  });
});
