/** `names.conflict: fail`: two upstreams that list one name stop the start. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const isBuilt = existsSync(join(root, 'dist/workers/shard.js'));
const folder = mkdtempSync(join(tmpdir(), 'sluice-collision-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.runIf(isBuilt)('names.conflict: fail (runs on built files)', () => {
  it('ends the start with every name that two upstreams list, and exit code 1', () => {
    const math = { stdio: { command: process.execPath, args: [join(root, 'examples/math.js')] } };
    const file = join(folder, 'sluice.json');
    const settings = { listen: { port: 0 }, shards: 2, names: { conflict: 'fail' } };
    writeFileSync(file, JSON.stringify({ ...settings, upstreams: { one: math, two: math } }));
    const run = spawnSync(
      process.execPath,
      [join(root, 'bin/sluice.js'), 'serve', file, '--log-level', 'silent'],
      { encoding: 'utf8', timeout: 15_000 },
    );
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('names collide (names.conflict: fail)');
    expect(run.stderr).toContain('tools/add: one, two');
  });
});
