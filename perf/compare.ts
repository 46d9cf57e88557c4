/**
 * The regression run: `npm run perf:compare -- <revision> [--seconds=N] [--rounds=N] [--quick]`.
 *
 * Builds the revision beside this tree, measures both in turns, each against itself for the noise, and
 * exits 1 when CPU per request or p99 got worse by more than that. 2: something is missing.
 */
import { parseArgs } from 'node:util';
import { missingTools } from './load/machine.ts';
import { buildRevision, type OtherRevision } from './load/other-revision.ts';
import { callPool } from './load/request-pool.ts';
import { interleave, roundsOf, withServers, type Subject } from './load/scenario.ts';
import { startGateway, startStub, type Server } from './load/servers.ts';
import { PoolFiles } from './load/wrk.ts';
import { compareTwins, type Comparison } from './report/comparison.ts';
import { Progress } from './report/progress.ts';
import type { Round, SubjectResult } from './report/result.ts';
import { intervalText, scenarioText } from './report/table.ts';

const CONNECTIONS = 64;
const FULL = { seconds: 6, rounds: 6 };
const QUICK = { seconds: 2, rounds: 3 };

interface CompareOptions {
  readonly revision: string;
  readonly seconds: number;
  readonly rounds: number;
}

const METRICS: readonly { readonly text: string; readonly pick: (round: Round) => number }[] = [
  { text: 'CPU per request', pick: ({ cpu }) => cpu.total },
  { text: 'p99', pick: ({ p99Us }) => p99Us },
];

const [hereFirst, thereFirst, hereSecond, thereSecond] = ['this', 'other', 'this again', 'other again']; // prettier-ignore

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`perf:compare: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  const missing = missingTools().filter((text) => !text.startsWith('nginx'));
  if (missing.length > 0) {
    process.stderr.write(`missing:\n${missing.map((one) => `  ${one}\n`).join('')}`);
    return 2;
  }
  const progress = new Progress();
  progress.show(`building ${options.revision}`);
  const other = await buildRevision(options.revision);
  try {
    if (other.hasOtherPackages)
      process.stdout.write(`note: ${other.hash} has another package-lock.json; it runs on ours\n`);
    const subjects = await measureBoth(options, other, progress);
    progress.clear();
    return print(options, other, subjects);
  } finally {
    progress.clear();
    other.remove();
  }
}

function measureBoth(options: CompareOptions, other: OtherRevision, progress: Progress) {
  return withServers([startStub], ([stub]) => {
    const upstreamUrl = (stub as Server).url;
    const here = () => startGateway({ upstreamUrl });
    const there = () => startGateway({ upstreamUrl, root: other.root });
    return withServers([here, there, here, there], async (servers) => {
      const pools = new PoolFiles();
      const poolFile = pools.add(callPool());
      const names = [hereFirst, thereFirst, hereSecond, thereSecond];
      const subjects = servers.map((server, index): Subject => ({
        name: names[index] ?? '',
        server,
        workers: 1,
        poolFile,
      }));
      const context = {
        options: { ...options, isQuick: false, isSmoke: false },
        pools,
        progress: (text: string) => progress.show(text),
      };
      try {
        return await interleave(context, subjects, { connections: CONNECTIONS });
      } finally {
        pools.remove();
      }
    });
  });
}

function print(
  options: CompareOptions,
  other: OtherRevision,
  subjects: readonly SubjectResult[],
): number {
  const title = `tools/call, HTTP to HTTP, ${CONNECTIONS} connections: this tree and ${other.hash}`;
  const head = { name: 'compare', title, command: '', seconds: options.seconds };
  const out = scenarioText({ ...head, subjects, ratios: [], figures: [], charts: [] });
  process.stdout.write(out);
  let exitCode = 0;
  for (const { text, pick } of METRICS) {
    const of = (name: string | undefined): number[] => roundsOf(subjects, name ?? '', pick);
    const comparison = compareTwins(
      { first: of(hereFirst), second: of(hereSecond) },
      { first: of(thereFirst), second: of(thereSecond) },
    );
    process.stdout.write(`  ${text}, this over ${other.hash}: ${verdictText(comparison)}\n`);
    if (comparison.isWorse) exitCode = 1;
  }
  return exitCode;
}

function verdictText({ ratio, noise, isWorse, isBetter }: Comparison): string {
  const verdict = isWorse ? 'WORSE' : isBetter ? 'better' : 'no difference beyond the noise';
  return `${intervalText(ratio)}   noise ± ${((noise - 1) * 100).toFixed(1)} %   ${verdict}`;
}

function readOptions(args: readonly string[]): CompareOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const [revision] = positionals;
  if (revision === undefined || positionals.length > 1)
    throw new Error(
      'usage: npm run perf:compare -- <revision> [--seconds=N] [--rounds=N] [--quick]',
    );
  const size = values.quick ? QUICK : FULL;
  const number = (text: string | undefined, otherwise: number): number => {
    const value = text === undefined ? otherwise : Number(text);
    if (!Number.isInteger(value) || value < 1 || value > 600)
      throw new Error('--seconds and --rounds are whole numbers from 1 to 600');
    return value;
  };
  return {
    revision,
    seconds: number(values.seconds, size.seconds),
    rounds: number(values.rounds, size.rounds),
  };
}
