/** Runs wrk, the load generator of the closed-loop measurements. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runToEnd } from './child.ts';
import { LOAD_FOLDER } from './paths.ts';
import type { PooledRequest } from './request-pool.ts';

export interface WrkResult {
  readonly requests: number;
  readonly durationUs: number;
  readonly bytes: number;
  readonly errors: {
    readonly connect: number;
    readonly read: number;
    readonly write: number;
    readonly status: number;
    readonly timeout: number;
  };
  readonly latencyUs: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
    readonly mean: number;
  };
}

export interface WrkLoad {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly poolFile: string;
}

/** Pools of requests, as files that wrk's script reads. */
export class PoolFiles {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'sluice-perf-'));
  #count = 0;

  add(requests: readonly PooledRequest[]): string {
    const file = join(this.folder, `pool-${(this.#count += 1)}`);
    const lines = requests.map(({ headers, body }) => {
      const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      return `${fields.join('\t')}\u0001${body}\n`;
    });
    writeFileSync(file, lines.join(''));
    return file;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @throws Error when wrk fails or a request was not answered with success */
export async function runWrk(load: WrkLoad): Promise<WrkResult> {
  const out = await runToEnd('wrk', [
    '-t1',
    `-c${load.connections}`,
    `-d${load.seconds}s`,
    '--timeout',
    '10s',
    '-s',
    join(LOAD_FOLDER, 'call.lua'),
    load.url,
    '--',
    load.poolFile,
  ]);
  const line = out.split('\n').find((text) => text.startsWith('{"requests"'));
  if (line === undefined) throw new Error(`wrk printed no result:\n${out}`);
  const result = JSON.parse(line) as WrkResult;
  const failed = Object.values(result.errors).reduce((total, count) => total + count, 0);
  if (result.requests === 0 || failed > 0) {
    throw new Error(
      `calls failed: url=${load.url} requests=${result.requests} errors=${JSON.stringify(result.errors)}`,
    );
  }
  return result;
}
