/**
 * Open-loop load: calls fall due at a fixed rate, whatever the answers take, and their latency counts
 * from then. Shows what the closed-loop rows hide.
 */
import type { BenchReport } from '../../../src/bench/bench-plan.ts';
import type { ChartLine, Figure, Ratio, Round, SubjectResult } from '../../report/result.ts';
import { median, ratioInterval } from '../../report/statistics.ts';
import { runOpenLoop } from '../open-loop.ts';
import { residentBytes, sampleProcess, splitThreads } from '../process-probe.ts';
import { callPool } from '../request-pool.ts';
import { perRequest, warmUpAll, withServers, type Scenario, type Subject } from '../scenario.ts';
import { startGateway, startNginx, startStub, type Server } from '../servers.ts';

/** Calls a second. Half of what the gateway takes on two cores is between the last two. */
const RATES = [1000, 4000, 8000, 12_000];
const QUICK_RATES = [1000, 8000];
const SMOKE_RATES = [200];
const WARM_UP_CONNECTIONS = 64;

interface Measured {
  readonly round: Round;
  readonly report: BenchReport;
}

export const rates: Scenario = {
  name: 'rates',
  title: 'tools/call at fixed rates, latency since each call was due',
  run: (context) =>
    withServers([startStub], async ([stub]) => {
      const { url } = stub as Server;
      const starts = [() => startNginx(url), () => startGateway({ upstreamUrl: url })];
      return withServers(starts, async ([nginx, gateway]) => {
        const poolFile = context.pools.add(callPool());
        const kinds: readonly Subject[] = [
          { name: 'nginx', server: nginx as Server, workers: 0, poolFile },
          { name: 'sluice', server: gateway as Server, workers: 1, poolFile },
        ];
        await warmUpAll(context, kinds, WARM_UP_CONNECTIONS);
        const { isSmoke, isQuick } = context.options;
        const steps = isSmoke ? SMOKE_RATES : isQuick ? QUICK_RATES : RATES;
        const subjects: (SubjectResult & { rounds: Round[] })[] = steps.flatMap((rate) =>
          kinds.map(({ name }) => ({ name: `${name} ${rate}/s`, rounds: [] })),
        );
        let unsent = 0;
        for (let round = 0; round < context.options.rounds; round += 1) {
          for (const [step, rate] of steps.entries()) {
            for (const [kind, subject] of kinds.entries()) {
              context.progress(`round ${round + 1}: ${subject.name} at ${rate}/s`);
              const measured = await measureOpen(context, subject, rate);
              subjects[step * kinds.length + kind]?.rounds.push(measured.round);
              unsent += measured.report.unsent;
            }
          }
        }
        return { subjects, ...summary(subjects, steps, unsent) };
      });
    }),
};

async function measureOpen(
  context: Parameters<Scenario['run']>[0],
  { server, workers }: Subject,
  rate: number,
): Promise<Measured> {
  const { seconds } = context.options;
  const before = sampleProcess(server.pid);
  const report = await runOpenLoop(context.pools, { url: server.url, rate, seconds });
  const after = sampleProcess(server.pid);
  const { latencyUs } = report;
  // The second of warming up is in the CPU time, and so in the number of requests it is shared by.
  const requests = Math.round(report.calls * ((seconds + 1) / seconds));
  const round = {
    requests: report.calls,
    perSecond: report.perSecond,
    p50Us: latencyUs.p50,
    p99Us: latencyUs.p99,
    p999Us: latencyUs.p999,
    cpu: perRequest(splitThreads(server.pid, before, after, workers), requests),
    residentBytes: residentBytes(server.pid),
  };
  return { round, report };
}

function summary(subjects: readonly SubjectResult[], steps: readonly number[], unsent: number) {
  const rounds = (name: string, rate: number): readonly Round[] =>
    subjects.find((one) => one.name === `${name} ${rate}/s`)?.rounds ?? [];
  const p99 = (name: string, rate: number): number[] => rounds(name, rate).map((one) => one.p99Us);
  const line = (name: string, label: string, pick: (round: Round) => number): ChartLine => ({
    name: label,
    points: steps.map((rate) => [rate, median(rounds(name, rate).map(pick))] as const),
  });
  const ratios: Ratio[] = steps.map((rate) => ({
    text: `p99 at ${rate}/s, sluice over nginx`,
    value: ratioInterval(p99('sluice', rate), p99('nginx', rate)),
    goal: 2,
  }));
  const figures: Figure[] =
    unsent === 0 ? [] : [{ text: 'calls due and not sent', value: unsent, unit: '' }];
  const chart = {
    name: 'rates-latency',
    title: 'Latency at fixed rates (from the moment a call was due)',
    xTitle: 'calls a second',
    yTitle: 'µs',
    lines: [
      line('nginx', 'nginx p50', (one) => one.p50Us),
      line('nginx', 'nginx p99', (one) => one.p99Us),
      line('sluice', 'sluice p50', (one) => one.p50Us),
      line('sluice', 'sluice p99', (one) => one.p99Us),
    ],
  };
  return { ratios, figures, charts: [chart] };
}
