/**
 * The measurements: `npm run perf -- [options]`.
 *
 *   --quick            short rounds and small sizes: a look, not a result (kept in dist/perf-results/)
 *   --smoke            every part once, to see that it works: no result, no gate
 *   --only=a,b         only these scenarios (`--list` names them)
 *   --seconds=N        length of one round, default 8
 *   --rounds=N         default 5
 *   --root=FOLDER      the gateway of another built repository
 *   --install-peers    installs the other gateways for `--only=peers` (dist/perf-peers/), and ends
 *   --write-docs       then put all figures into docs/performance.md
 *
 * Exits 1 when a gate failed, 2 when something is missing.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine, missingTools, revision } from './load/machine.ts';
import type { Scenario, ScenarioContext } from './load/scenario.ts';
import { SCENARIOS } from './load/scenarios.ts';
import { useGatewayFrom } from './load/servers.ts';
import { PoolFiles } from './load/wrk.ts';
import { installPeers } from './peers/peer-servers.ts';
import { writeDocs } from './report/document.ts';
import { Progress } from './report/progress.ts';
import type { ScenarioResult } from './report/result.ts';
import { readResults, writeResults } from './report/results-folder.ts';
import { isGateFailed, scenarioText } from './report/table.ts';

const FULL = { seconds: 8, rounds: 5 };
const QUICK = { seconds: 2, rounds: 3 };
const SMOKE = { seconds: 1, rounds: 1 };

interface RunOptions {
  readonly seconds: number;
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly isSmoke: boolean;
  readonly scenarios: readonly Scenario[];
  readonly writeDocs: boolean;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`perf: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function main(args: readonly string[]): Promise<number> {
  let options: RunOptions | 'list' | 'install';
  try {
    options = readOptions(args);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  if (options === 'list') return list();
  if (options === 'install') {
    await installPeers();
    return 0;
  }
  const missing = missingTools();
  if (missing.length > 0) {
    process.stderr.write(`missing:\n${missing.map((one) => `  ${one}\n`).join('')}`);
    return 2;
  }
  const head = { at: new Date().toISOString(), revision: revision(), machine: describeMachine() };
  // Each as soon as it is there: a run that is interrupted keeps what it has.
  const scenarios = await runAll(options, (scenario) => {
    if (!options.isSmoke) writeResults({ ...head, scenarios: [scenario] }, options.isQuick);
  });
  if (options.isSmoke) return 0;
  if (options.writeDocs) writeDocs(readResults());
  const failed = scenarios.flatMap(({ ratios }) => ratios).filter(isGateFailed);
  for (const { text } of failed) process.stdout.write(`gate failed: ${text}\n`);
  return failed.length === 0 ? 0 : 1;
}

async function runAll(
  options: RunOptions,
  keep: (result: ScenarioResult) => void,
): Promise<ScenarioResult[]> {
  const pools = new PoolFiles();
  const progress = new Progress();
  const results: ScenarioResult[] = [];
  try {
    for (const scenario of options.scenarios) {
      const context: ScenarioContext = {
        options,
        pools,
        progress: (text) => progress.show(`${scenario.name}: ${text}`),
      };
      context.progress('starting');
      const { name, title } = scenario;
      const outcome = await scenario.run(context);
      const command = `npm run perf -- --only=${name}${options.isQuick ? ' --quick' : ''}`;
      const empty = { subjects: [], ratios: [], figures: [], charts: [] };
      const { seconds } = options;
      const result = { name, title, command, seconds, ...empty, ...outcome };
      results.push(result);
      keep(result);
      progress.clear();
      process.stdout.write(`${scenarioText(result)}\n`);
    }
    return results;
  } finally {
    progress.clear();
    pools.remove();
  }
}

function list(): number {
  for (const { name, title } of SCENARIOS) process.stdout.write(`${name.padEnd(10)} ${title}\n`);
  return 0;
}

/** What to measure, or what was wanted in its place. */
function readOptions(args: readonly string[]): RunOptions | 'list' | 'install' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      'install-peers': { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      only: { type: 'string' },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      root: { type: 'string' },
      'write-docs': { type: 'boolean', default: false },
    },
  });
  if (values.list) return 'list';
  if (values['install-peers']) return 'install';
  if (values.root !== undefined) useGatewayFrom(resolve(values.root));
  const size = values.smoke ? SMOKE : values.quick ? QUICK : FULL;
  return {
    seconds: wholeNumber('seconds', values.seconds, size.seconds),
    rounds: wholeNumber('rounds', values.rounds, size.rounds),
    isQuick: values.quick,
    isSmoke: values.smoke,
    scenarios: choose(values.only),
    writeDocs: values['write-docs'],
  };
}

function choose(only: string | undefined): readonly Scenario[] {
  if (only === undefined) return SCENARIOS.filter(({ isExtra }) => isExtra !== true);
  const names = only.split(',').filter((name) => name !== '');
  return names.map((name) => {
    const found = SCENARIOS.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no such scenario: ${name} (--list names them)`);
    return found;
  });
}

function wholeNumber(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 3600) {
    throw new Error(`--${name} must be a whole number from 1 to 3600`);
  }
  return value;
}
