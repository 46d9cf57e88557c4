/** `sluice bench`: puts a measured load on an MCP endpoint and says how it held up. */
import { readFileSync } from 'node:fs';
import { BenchError, type BenchEra, type BenchPlan, type BenchTool } from '../../bench/bench-plan.ts'; // prettier-ignore
import { BenchRun } from '../../bench/bench-run.ts';
import { progressText, reportText } from '../../bench/bench-text.ts';
import { requestHeadPrefix } from '../../transport/http/http-client.ts';
import { CommandError, EXIT_FAILED, EXIT_OK, EXIT_USAGE, type CommandOutput } from '../command-result.ts'; // prettier-ignore
import type { SignalSource } from './serve.ts';

export interface BenchOptions {
  readonly era: BenchEra;
  readonly rate?: number;
  readonly concurrency: number;
  readonly duration: number;
  readonly warmUp: number;
  readonly timeout: number;
  readonly sessions: number;
  readonly tool: readonly string[];
  readonly header: readonly string[];
  readonly token?: string;
  readonly tokenFile?: string;
  readonly json?: true;
}

/** In an open loop a slow endpoint gathers calls; this many may be under way if not said otherwise. */
const OPEN_CONCURRENCY = 256;
const PROGRESS_MS = 500;
const TOKENS_MAX = 10_000;

/** @returns 0, or 1 if a call failed or none succeeded */
export async function bench(
  address: string,
  options: BenchOptions,
  context: { readonly output: CommandOutput; readonly signals: SignalSource },
): Promise<number> {
  const { output, signals } = context;
  const plan = benchPlan(address, options);
  const run = new BenchRun(plan);
  const stop = (): void => run.stop();
  signals.on('SIGINT', stop);
  signals.on('SIGTERM', stop);
  const progress = options.json === true ? null : showProgress(run, plan, output);
  try {
    const report = await run.run();
    progress?.();
    output.out(options.json === true ? `${JSON.stringify(report)}\n` : reportText(report));
    return report.failed === 0 && report.ok > 0 ? EXIT_OK : EXIT_FAILED;
  } catch (error) {
    progress?.();
    if (error instanceof BenchError) throw new CommandError(error.message);
    throw error;
  } finally {
    signals.off('SIGINT', stop);
    signals.off('SIGTERM', stop);
  }
}

/** Rewrites one line on a terminal; elsewhere says nothing. @returns ends it */
function showProgress(run: BenchRun, plan: BenchPlan, output: CommandOutput): () => void {
  if (!process.stderr.isTTY) return () => undefined;
  const begun = performance.now();
  const total = plan.warmUpMs + plan.durationMs;
  const timer = setInterval(() => {
    output.err(`\r\u001b[2K${progressText(run.tally, performance.now() - begun, total)}`);
  }, PROGRESS_MS);
  return () => {
    clearInterval(timer);
    output.err('\r\u001b[2K');
  };
}

/** @throws CommandError for what cannot be */
export function benchPlan(address: string, options: BenchOptions): BenchPlan {
  const { era, rate, concurrency, sessions } = options;
  const url = readUrl(address);
  const headers = options.header.map(readHeader);
  const tokens = readTokens(options);
  checkFields(url, [...headers, ...tokens.map((token) => ['authorization', token] as const)]);
  return {
    url,
    era,
    rate: rate ?? null,
    concurrency: rate === undefined ? concurrency : Math.max(concurrency, OPEN_CONCURRENCY),
    durationMs: options.duration * 1000,
    warmUpMs: options.warmUp * 1000,
    timeoutMs: options.timeout * 1000,
    sessions,
    tools: options.tool.map(readTool),
    headers,
    tokens,
  };
}

function readUrl(address: string): URL {
  if (!URL.canParse(address)) throw usage('is not a URL', address.slice(0, 200));
  const url = new URL(address);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw usage('must be http or https', url.protocol);
  return url;
}

/** `name` or `name={"a":1}`. */
function readTool(text: string): BenchTool {
  const at = text.indexOf('=');
  if (at === -1) return { name: text, argumentsText: '{}' };
  const name = text.slice(0, at);
  const argumentsText = text.slice(at + 1);
  let value: unknown;
  try {
    value = JSON.parse(argumentsText);
  } catch {
    throw usage('arguments are not JSON', `--tool ${name}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw usage('arguments must be an object', `--tool ${name}`);
  return { name, argumentsText };
}

function readHeader(text: string): readonly [string, string] {
  const at = text.indexOf(':');
  if (at < 1) throw usage('must be "name: value"', '--header');
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

/** The message of a field that HTTP does not allow names it, and never shows its value. */
function checkFields(url: URL, fields: readonly (readonly [string, string])[]): void {
  try {
    requestHeadPrefix(url, 'POST', fields);
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error), EXIT_USAGE);
  }
}

/** A file keeps tokens out of the list of processes; one per line, calls take them in turn. */
function readTokens({ token, tokenFile }: BenchOptions): readonly string[] {
  if (tokenFile === undefined) return token === undefined ? [] : [token];
  let text: string;
  try {
    text = readFileSync(tokenFile, 'utf8');
  } catch {
    throw usage('cannot be read', `--token-file ${tokenFile}`);
  }
  const tokens = text.split('\n').map((line) => line.trim()).filter((line) => line !== ''); // prettier-ignore
  if (tokens.length === 0 || tokens.length > TOKENS_MAX)
    throw usage(`must hold 1 to ${TOKENS_MAX} tokens`, '--token-file');
  return tokens;
}

function usage(problem: string, what: string): CommandError {
  return new CommandError(`${what}: ${problem}`, EXIT_USAGE);
}
