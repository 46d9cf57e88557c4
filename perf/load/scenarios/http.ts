/** The main figure: `tools/call` through HTTP to HTTP at 64 connections, against nginx. */
import type { Chart, SubjectResult } from '../../report/result.ts';
import { mean } from '../../report/statistics.ts';
import { callPool } from '../request-pool.ts';
import { cpuRatio, interleave, withServers, type Scenario, type Subject } from '../scenario.ts';
import { startGateway, startNginx, startStub, type Server } from '../servers.ts';

const CONNECTIONS = 64;

export const http: Scenario = {
  name: 'http',
  title: 'tools/call, HTTP to HTTP, 64 connections',
  run: (context) =>
    withServers([startStub], async ([stub]) => {
      const { url } = stub as Server;
      const starts = [
        () => startNginx(url),
        () => startGateway({ upstreamUrl: url }),
        () => startGateway({ upstreamUrl: url, pipelining: 16 }),
      ];
      return withServers(starts, async ([nginx, gateway, pipelined]) => {
        const poolFile = context.pools.add(callPool());
        const subject = (name: string, server: Server, workers: number): Subject => ({ name, server, workers, poolFile }); // prettier-ignore
        const subjects = await interleave(
          context,
          [
            subject('direct', stub as Server, 0),
            subject('nginx', nginx as Server, 0),
            subject('sluice', gateway as Server, 1),
            subject('sluice pipelining 16', pipelined as Server, 1),
          ],
          { connections: CONNECTIONS },
        );
        return {
          subjects,
          ratios: [
            cpuRatio(subjects, 'sluice', 'nginx', { goal: 1.25, gate: 1.5 }),
            cpuRatio(subjects, 'sluice pipelining 16', 'nginx', { goal: 1 }),
            cpuRatio(subjects, 'nginx', 'direct'),
          ],
          charts: [cpuChart('http-cpu', 'CPU per tools/call, 64 connections', subjects)],
        };
      });
    }),
};

/** Bars of CPU per request, by thread and mode. */
export function cpuChart(name: string, title: string, subjects: readonly SubjectResult[]): Chart {
  const bar = (part: string, pick: (one: SubjectResult) => number) => ({
    name: part,
    points: subjects.map((one, index) => [index, pick(one)] as const),
  });
  const of = (key: keyof SubjectResult['rounds'][number]['cpu']) => (one: SubjectResult) =>
    mean(one.rounds.map(({ cpu }) => cpu[key]));
  return {
    name,
    title,
    xTitle: '',
    yTitle: 'µs per request',
    labels: subjects.map((one) => one.name),
    lines: [
      bar('main user', of('mainUser')),
      bar('main system', of('mainSystem')),
      bar('shards user', of('workersUser')),
      bar('shards system', of('workersSystem')),
      bar('rest', of('rest')),
    ],
  };
}
