/** Load out of `sluice bench` and `crowd.ts`, each in a process of its own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchReport } from '../../src/bench/bench-plan.ts';
import { Child, runToEnd } from './child.ts';
import { ROOT } from './paths.ts';
import { clientTokens } from './request-pool.ts';
import { TOOL_NAMES } from './stub-reply.ts';
import type { PoolFiles } from './wrk.ts';

export interface OpenLoad {
  readonly url: string;
  readonly rate: number;
  readonly seconds: number;
}

export interface SessionLoad {
  readonly url: string;
  readonly seconds: number;
  /** Each with one call at a time. */
  readonly sessions: number;
}

/** @throws Error when a call failed */
export function runOpenLoop(pools: PoolFiles, load: OpenLoad): Promise<BenchReport> {
  return runBench(pools, load.url, [
    ...['--era', 'modern', '--warm-up', '1', '--concurrency', '1024'],
    ...['--rate', String(load.rate), '--duration', String(load.seconds)],
  ]);
}

/** Closed loop over sessions of the legacy era. @throws Error when a call failed */
export function runSessions(pools: PoolFiles, load: SessionLoad): Promise<BenchReport> {
  const count = String(load.sessions);
  return runBench(pools, load.url, [
    ...['--era', 'legacy', '--sessions', count, '--concurrency', count],
    ...['--duration', String(load.seconds)],
  ]);
}

async function runBench(
  pools: PoolFiles,
  url: string,
  options: readonly string[],
): Promise<BenchReport> {
  const tools = TOOL_NAMES.flatMap((name, index) => [
    '--tool',
    `${name}=${JSON.stringify({ a: index, text: 'lorem '.repeat(index) })}`,
  ]);
  const out = await runToEnd(process.execPath, [
    ...[join(ROOT, 'bin', 'sluice.js'), 'bench', url, '--json', ...options],
    ...['--token-file', tokenFile(pools), ...tools],
  ]);
  return JSON.parse(out) as BenchReport;
}

function tokenFile(pools: PoolFiles): string {
  const file = join(pools.folder, 'tokens');
  writeFileSync(file, clientTokens().join('\n'), { mode: 0o600 });
  return file;
}

export interface SlowLoad {
  readonly url: string;
  readonly count: number;
  /** How long they read nothing, and then how long a little at a time; then all. */
  readonly nothingMs: number;
  readonly slowlyMs: number;
}

/**
 * A process with clients that read slowly; see `slow-reader.ts`. Starts with all of them waiting, says
 * `reading all` when it reads on, and `N complete, 0 failed` when all have their answer.
 */
export function startSlowReaders(load: SlowLoad): Promise<Child> {
  const { url, count, nothingMs, slowlyMs } = load;
  const file = join(ROOT, 'dist', 'perf', 'load', 'slow-reader.js');
  return Child.start({
    command: process.execPath,
    args: [file, url, ...[count, nothingMs, slowlyMs].map(String)],
    env: { PERF_TOKENS: clientTokens().slice(0, 64).join(' ') },
    ready: /\d+ waiting/,
  });
}

/** A process that opens sessions or streams and holds them until it is stopped; see `crowd.ts`. */
export function startCrowd(
  kind: 'sessions' | 'streams',
  url: string,
  count: number,
): Promise<Child> {
  return Child.start({
    command: process.execPath,
    args: [join(ROOT, 'dist', 'perf', 'load', 'crowd.js'), kind, url, String(count)],
    env: { PERF_TOKENS: clientTokens().slice(0, 64).join(' ') },
    ready: /(\d+) open, (\d+) failed/,
    timeoutMs: 300_000,
  });
}
