/**
 * `npm run perf` and `npm run perf:compare`: builds, then runs the measurements in this process.
 *
 *   npm run perf -- --quick            every scenario, briefly
 *   npm run perf:compare -- HEAD~1     this tree against another revision
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { build, install, ROOT } from './preparation.mjs';

const SCRIPTS = { run: 'run.js', compare: 'compare.js' };

const [command = '', ...args] = process.argv.slice(2);
const script = SCRIPTS[command];
if (script === undefined) {
  console.error('usage: node scripts/perf.mjs run|compare [options]');
  process.exit(2);
}
const code = (await install()) || (await build(['shared', 'src', 'workers', 'perf']));
if (code !== 0) process.exit(code);

const entry = join(ROOT, 'dist', 'perf', script);
process.argv = [process.execPath, entry, ...args];
await import(pathToFileURL(entry).href);
