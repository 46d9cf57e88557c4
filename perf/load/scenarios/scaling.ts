/** How far it scales: edge and shard CPU per request apart, and the shards one acceptor can feed. */
import { mean } from '../../report/statistics.ts';
import type { Round, SubjectResult } from '../../report/result.ts';
import { callPool } from '../request-pool.ts';
import { interleave, withServers, type Scenario } from '../scenario.ts';
import { startGateway, startStub, type Server } from '../servers.ts';
import { cpuChart } from './http.ts';

const CONNECTIONS = 64;
const SHARDS = [1, 2, 4];

export const scaling: Scenario = {
  name: 'scaling',
  title: 'tools/call by number of shards, 64 connections',
  run: (context) =>
    withServers([startStub], async ([stub]) => {
      const upstreamUrl = (stub as Server).url;
      const starts = SHARDS.map((shards) => () => startGateway({ upstreamUrl, shards }));
      return withServers(starts, async (gateways) => {
        const poolFile = context.pools.add(callPool());
        const subjects = await interleave(
          context,
          SHARDS.map((shards, index) => ({
            name: `${shards} shard${shards === 1 ? '' : 's'}`,
            server: gateways[index] as Server,
            workers: shards,
            poolFile,
          })),
          { connections: CONNECTIONS },
        );
        const main = subjects.map((one) =>
          average(one, ({ cpu }) => cpu.mainUser + cpu.mainSystem),
        );
        const shard = subjects.map((one) =>
          average(one, ({ cpu }) => cpu.workersUser + cpu.workersSystem),
        );
        const edgeUs = main[0] ?? 0;
        const feeds = (shard[0] ?? 0) / edgeUs;
        return {
          subjects,
          figures: [
            { text: 'edge CPU per request, 1 shard', value: edgeUs, unit: 'µs', goal: 10 },
            { text: 'shard CPU per request, 1 shard', value: shard[0] ?? 0, unit: 'µs' },
            { text: 'requests a second that one edge thread can take at that', value: 1e6 / edgeUs, unit: '' }, // prettier-ignore
            { text: 'shards as busy as the edge that one edge can feed', value: feeds, unit: '' },
          ],
          charts: [cpuChart('scaling-cpu', 'CPU per tools/call by number of shards', subjects)],
        };
      });
    }),
};

function average(one: SubjectResult, pick: (round: Round) => number): number {
  return mean(one.rounds.map(pick));
}
