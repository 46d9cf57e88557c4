/** The command as it is installed: `bin/sluice.js` on built files, in a process of its own. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const isBuilt = existsSync(join(root, 'dist/src/cli/main.js'));
const isServing = isBuilt && existsSync(join(root, 'dist/workers/shard.js'));
const folder = mkdtempSync(join(tmpdir(), 'sluice-bin-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Run {
  readonly child: ChildProcessWithoutNullStreams;
  readonly out: () => string;
  readonly err: () => string;
  readonly code: Promise<number | null>;
}

function start(args: readonly string[], bin: string = join(root, 'bin/sluice.js')): Run {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'] },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end();
  const code = once(child, 'close').then(([value]) => value as number | null);
  return { child, out: () => out, err: () => err, code };
}

/** Waits for a text on stdout, or fails with what was said instead. */
async function said(run: Run, expected: RegExp): Promise<RegExpExecArray> {
  const over = run.code.then((code) => `ended with ${String(code)}: ${run.err()}`);
  for (;;) {
    const match = expected.exec(run.out());
    if (match !== null) return match;
    const ended = await Promise.race([over, once(run.child.stdout, 'data').then(() => null)]);
    if (ended !== null && !expected.test(run.out())) throw new Error(ended);
  }
}

describe('bin/sluice.js', () => {
  it('says what to do when it was not built', async () => {
    mkdirSync(join(folder, 'bin'));
    copyFileSync(join(root, 'bin/sluice.js'), join(folder, 'bin/sluice.js'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const run = start(['--version'], join(folder, 'bin/sluice.js'));
    expect(await run.code).toBe(1);
    expect(run.err()).toBe(
      'sluice: not built yet: run `npm run build` in the folder of the package\n',
    );
  });

  it.skipIf(!isBuilt)('ends with 0, 1 and 2', async () => {
    const runs = [start(['--version']), start(['check', 'gone.yaml']), start(['chek'])];
    expect(await Promise.all(runs.map((run) => run.code))).toEqual([0, 1, 2]);
    expect(runs[0]?.out()).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.skipIf(!isServing)('serves, says so, answers, and drains on SIGTERM', async () => {
    const file = join(folder, 'mcp.json');
    const math = join(root, 'examples/math.js');
    writeFileSync(
      file,
      JSON.stringify({ mcpServers: { math: { command: process.execPath, args: [math] } } }),
    );
    const run = start(['serve', file, '--port', '0', '--shards', '2']);
    const [, url = ''] = await said(run, /endpoint {3}(http:\S+)/);
    await said(run, /math {7}stdio {3}.*math_add/);
    const [, line = ''] = await said(run, /^ {2}(curl .*)$/m);
    const curl = spawn('sh', ['-c', line]);
    let answer = '';
    curl.stdout.setEncoding('utf8').on('data', (text: string) => (answer += text));
    await once(curl, 'close');
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/mcp$/);
    expect(answer).toContain('math_add');
    run.child.kill('SIGTERM');
    expect(await run.code).toBe(0);
  });

  it.skipIf(!isServing)('takes a changed file on SIGHUP and a bad one not at all', async () => {
    const file = join(folder, 'reload.yaml');
    const settings = (path: string): string =>
      `listen: { port: 0, path: ${path} }\nshards: 2\nupstreams: { a: { http: { url: "http://127.0.0.1:1/" } } }\n`;
    writeFileSync(file, settings('/one'));
    const run = start(['serve', file]);
    const [, at = ''] = await said(run, /endpoint {3}(http:\S+)\/one/);
    const status = async (path: string): Promise<number> => {
      const response = await fetch(at + path, { method: 'POST', body: '{}' });
      await response.text();
      return response.status;
    };
    expect(await status('/two')).toBe(404);
    writeFileSync(file, settings('/two'));
    run.child.kill('SIGHUP');
    await expect.poll(run.err, { timeout: 15_000 }).toContain('new settings are in force');
    expect(await status('/one')).toBe(404);
    expect(await status('/two')).not.toBe(404);
    writeFileSync(file, 'nonsense');
    run.child.kill('SIGHUP');
    await expect.poll(run.err, { timeout: 15_000 }).toContain('the old ones stay');
    expect(await status('/two')).not.toBe(404);
    run.child.kill('SIGTERM');
    expect(await run.code).toBe(0);
  });

  it.skipIf(!isServing)('says in one line that the port is in use', async () => {
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const file = join(folder, 'port.yaml');
    writeFileSync(
      file,
      `listen: { port: ${port} }\nshards: 1\nupstreams: { a: { http: { url: "http://127.0.0.1:1/" } } }\nlog: { level: silent }\n`,
    );
    const run = start(['serve', file]);
    expect(await run.code).toBe(1);
    expect(run.err()).toBe(`sluice: cannot listen, the port is in use: 127.0.0.1:${port}\n`);
    taken.close();
  });
});
