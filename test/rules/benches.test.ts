/** Every bench still runs: once, at its smallest size. What it measures then means nothing. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

import { listFiles, ROOT } from './source-tree.ts';

const execute = promisify(execFile);
const built = (path: string): string => join(ROOT, 'dist', path.replace(/\.ts$/, '.js'));
const micro = listFiles(['perf/micro'], /\.bench\.ts$/);
const isBuilt = existsSync(built('perf/run.ts'));

function isInstalled(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.runIf(isBuilt)('benches', () => {
  it.each(micro)('%s runs', { timeout: 60_000 }, async (path) => {
    const { stdout } = await execute(process.execPath, [built(path), '--smoke', '--json'], {
      timeout: 50_000,
    });
    const rows = stdout.trim().split('\n');
    for (const row of rows) expect(JSON.parse(row)).toMatchObject({ smoke: true });
    expect(rows.length).toBeGreaterThan(0);
  });

  it('that need wrk and nginx are known by name', async () => {
    const { stdout } = await execute(process.execPath, [built('perf/run.ts'), '--list']);
    expect(stdout.split('\n').map((line) => line.split(' ')[0])).toContain('http');
  });

  it.runIf(isInstalled('wrk') && isInstalled('nginx'))(
    'put load on the gateway and on nginx',
    { timeout: 120_000 },
    async () => {
      const args = [built('perf/run.ts'), '--smoke', '--only=http,rates,streams,slow-reader,soak'];
      const { stdout } = await execute(process.execPath, args, { timeout: 110_000 });
      expect(stdout).toMatch(/CPU per request, sluice over nginx: \d/);
      expect(stdout).toMatch(/p99 at 200\/s, sluice over nginx: \d/);
      expect(stdout).toContain('streams open: 100');
      expect(stdout).toContain('of them with a full socket, at most: 2');
      expect(stdout).toMatch(/growth after 0 s \(least squares\): -?\d/);
    },
  );
});
