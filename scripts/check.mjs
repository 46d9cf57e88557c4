/**
 * `npm run check`: everything that is checked without running the product. Every check runs, also
 * after one that failed; what a check says is shown only when it fails.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { install, ROOT } from './preparation.mjs';

const bin = (name) => join(ROOT, 'node_modules', '.bin', name);

/** In this order: the later ones look at what the first one builds. */
const CHECKS = [
  ['types', bin('tsc'), ['-b']],
  ['lint', bin('eslint'), ['--max-warnings=0', '.']],
  ['format', bin('prettier'), ['--check', '.']],
  ['rules', bin('vitest'), ['run', 'test/rules']],
  ['package', process.execPath, ['scripts/pack-check.mjs']],
];

process.chdir(ROOT);
const code = await install();
if (code !== 0) process.exit(code);

let failed = 0;
for (const [name, command, args] of CHECKS) {
  const started = performance.now();
  const { isPassed, output } = await check(command, args);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${isPassed ? 'pass' : 'FAIL'}  ${name.padEnd(8)} ${seconds.padStart(6)} s`);
  if (isPassed) continue;
  failed += 1;
  console.log(output.trimEnd().replace(/^/gm, '      '));
}
console.log(failed === 0 ? 'all checks passed' : `${failed} of ${CHECKS.length} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;

function check(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
      env: { ...process.env, NO_COLOR: '1' },
    });
    let output = '';
    const collect = (chunk) => (output += chunk);
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => resolve({ isPassed: false, output: error.message }));
    child.on('close', (exitCode) => resolve({ isPassed: exitCode === 0, output }));
  });
}
