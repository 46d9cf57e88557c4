/**
 * The protocol's conformance suite against the built gateway: `node scripts/conformance.mjs URL`, where
 * URL is a running fixture server that offers what the suite asks for (docs/conformance.md). Not part of
 * `npm test`: the suite is fetched, and needs a newer Node than the gateway does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ROOT } from './preparation.mjs';

const SUITE = ['-y', '-p', 'node@24', '-p', '@modelcontextprotocol/conformance@0.2.0-alpha.12'];
const START_MS = 15_000;
const RUN_MS = 300_000;

/** What is asked of the gateway, and of which era its upstream is then. */
const RUNS = [
  ['modern', ['--requirements', '2026-07-28']],
  ['legacy', ['--requirements', '2025-11-25']],
  ['legacy', ['--suite', 'all', '--spec-version', '2025-06-18']],
  ['legacy', ['--suite', 'all', '--spec-version', '2025-03-26']],
];

const [url] = process.argv.slice(2);
if (url === undefined || !URL.canParse(url)) {
  console.error('usage: node scripts/conformance.mjs URL-of-a-fixture-server');
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'sluice-conformance-'));
let failed = 0;
try {
  for (const [era, args] of RUNS) failed += (await run(era, args)) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;

/** True if nothing failed that counts. */
async function run(era, args) {
  const gateway = startGateway(era);
  try {
    const endpoint = await gateway.endpoint;
    const suite = spawn(
      'npx',
      [...SUITE, '--', 'conformance', 'server', '--url', endpoint, ...args],
      {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: RUN_MS,
      },
    );
    const output = collect(suite);
    const [code] = await once(suite, 'close');
    const failures = output().match(/^✗ .+$/gm) ?? [];
    const total = /^Total: .+$/m.exec(output())?.[0] ?? output().trim().split('\n').at(-1);
    console.log(`${code === 0 ? 'pass' : 'FAIL'}  ${args.join(' ')}  ${total}`);
    for (const line of failures) console.log(`      ${line}`);
    return code === 0;
  } finally {
    await gateway.stop();
  }
}

/** Names stay as they are: the suite asks for tools by name. */
function startGateway(era) {
  const file = join(folder, `${era}.json`);
  const settings = {
    shards: 2,
    listen: { port: 0 },
    names: { conflict: 'none' },
    upstreams: { fixture: { http: { url }, era } },
  };
  writeFileSync(file, JSON.stringify(settings));
  const child = spawn(process.execPath, [join(ROOT, 'bin/sluice.js'), 'serve', file]);
  const output = collect(child);
  const closed = once(child, 'close');
  const endpoint = new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no start: ${output()}`)), START_MS);
    const look = () => {
      const found = /endpoint +(http:\S+)/.exec(output());
      if (found === null || !output().includes('Try it:')) return;
      clearTimeout(late);
      resolve(found[1]);
    };
    child.stdout.on('data', look);
    void closed.then(() => {
      clearTimeout(late);
      reject(new Error(`the gateway ended: ${output()}`));
    });
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await closed;
  };
  return { endpoint, stop };
}

function collect(child) {
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece) => (text += piece));
  child.stderr.setEncoding('utf8').on('data', (piece) => (text += piece));
  return () => text;
}
