/**
 * `npm test`: installs and builds what is missing, then runs every test, or those that are named:
 *
 *   npm test -- test/transport -t "stdin"
 *
 * The results also go to dist/test-results.json, from which `.ci/run` takes its last line.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { build, install, ROOT, run } from './preparation.mjs';

const REPORT = join(ROOT, 'dist', 'test-results.json');

const code = (await install()) || (await build());
if (code !== 0) process.exit(code);

rmSync(REPORT, { force: true });
const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
process.exitCode = await run(process.execPath, [
  vitest,
  'run',
  ...reporters,
  ...process.argv.slice(2),
]);
