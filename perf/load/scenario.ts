/** What a scenario is, and the measurement that most of them share. */
import type {
  CpuPerRequest,
  Ratio,
  Round,
  ScenarioResult,
  SubjectResult,
} from '../report/result.ts';
import { ratioInterval } from '../report/statistics.ts';
import { residentBytes, sampleProcess, splitThreads, totalUs, type ThreadSplit } from './process-probe.ts'; // prettier-ignore
import type { Server } from './servers.ts';
import { warmUp } from './warm-up.ts';
import { runWrk, type PoolFiles } from './wrk.ts';

export interface ScenarioOptions {
  /** Length of one round. */
  readonly seconds: number;
  readonly rounds: number;
  /** Smaller sizes where size is the point: sessions, streams. */
  readonly isQuick: boolean;
  /** As small as can be, only to see that it works. */
  readonly isSmoke: boolean;
}

export interface ScenarioContext {
  readonly options: ScenarioOptions;
  readonly pools: PoolFiles;
  /** One live line. */
  progress(text: string): void;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** Runs only when it is asked for by name. */
  readonly isExtra?: boolean;
  run(context: ScenarioContext): Promise<ScenarioOutcome>;
}

export type ScenarioOutcome = Partial<
  Pick<ScenarioResult, 'subjects' | 'ratios' | 'figures' | 'charts'>
>;

/** One row of the table. */
export interface Subject {
  readonly name: string;
  readonly server: Server;
  /** Shards, for a gateway; 0 for programs of one thread. */
  readonly workers: number;
  readonly poolFile: string;
}

export interface ClosedLoad {
  readonly connections: number;
  /** Default: as the options say. */
  readonly seconds?: number;
}

/** Before each turn, not counted. */
const LEAD_SECONDS = 1;

/** Measures all subjects in turns, round by round: A B C A B C. */
export async function interleave(
  context: ScenarioContext,
  subjects: readonly Subject[],
  load: ClosedLoad,
): Promise<SubjectResult[]> {
  const { rounds } = context.options;
  const seconds = load.seconds ?? context.options.seconds;
  const results = subjects.map(({ name }) => ({ name, rounds: [] as Round[] }));
  await warmUpAll(context, subjects, load.connections);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, subject] of subjects.entries()) {
      context.progress(`round ${round + 1} of ${rounds}: ${subject.name}`);
      // Who has waited for the others is cold.
      if (!context.options.isSmoke) await measure(subject, load.connections, LEAD_SECONDS);
      results[index]?.rounds.push(await measure(subject, load.connections, seconds));
    }
  }
  return results;
}

/** Gateways until their cost has settled; what is compiled already (nginx, the stub) for a second. */
export async function warmUpAll(
  context: ScenarioContext,
  subjects: readonly Subject[],
  connections: number,
): Promise<void> {
  if (context.options.isSmoke) return;
  for (const subject of subjects) {
    context.progress(`warming up ${subject.name}`);
    const look = async () => (await measure(subject, connections, 1)).cpu.total;
    await (subject.workers > 0 ? warmUp(look) : look());
  }
}

/** One round of closed-loop load. */
export async function measure(
  { server, workers, poolFile }: Subject,
  connections: number,
  seconds: number,
): Promise<Round> {
  const before = sampleProcess(server.pid);
  const result = await runWrk({ url: server.url, connections, seconds, poolFile });
  const after = sampleProcess(server.pid);
  const { requests, durationUs, latencyUs } = result;
  return {
    requests,
    perSecond: requests / (durationUs / 1e6),
    p50Us: latencyUs.p50,
    p99Us: latencyUs.p99,
    p999Us: latencyUs.p999,
    cpu: perRequest(splitThreads(server.pid, before, after, workers), requests),
    residentBytes: residentBytes(server.pid),
  };
}

export function perRequest(split: ThreadSplit, requests: number): CpuPerRequest {
  const { main, workers, rest } = split;
  const share = (us: number): number => us / Math.max(1, requests);
  return {
    total: share(totalUs(main) + totalUs(workers) + totalUs(rest)),
    mainUser: share(main.userUs),
    mainSystem: share(main.systemUs),
    workersUser: share(workers.userUs),
    workersSystem: share(workers.systemUs),
    rest: share(totalUs(rest)),
  };
}

/** CPU per request of one subject over another's, paired by round. */
export function cpuRatio(
  results: readonly SubjectResult[],
  name: string,
  against: string,
  aims: { readonly goal?: number; readonly gate?: number } = {},
): Ratio {
  return {
    text: `CPU per request, ${name} over ${against}`,
    value: ratioInterval(
      roundsOf(results, name, ({ cpu }) => cpu.total),
      roundsOf(results, against, ({ cpu }) => cpu.total),
    ),
    ...aims,
  };
}

export function roundsOf(
  results: readonly SubjectResult[],
  name: string,
  pick: (round: Round) => number,
): number[] {
  return (results.find((one) => one.name === name)?.rounds ?? []).map(pick);
}

/** Runs `work` with servers that are started one after the other and stopped whatever happens. */
export async function withServers<T>(
  starts: readonly (() => Promise<Server>)[],
  work: (servers: readonly Server[]) => Promise<T>,
): Promise<T> {
  const servers: Server[] = [];
  try {
    for (const start of starts) servers.push(await start());
    return await work(servers);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}
