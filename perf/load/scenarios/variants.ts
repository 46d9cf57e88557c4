/** Other kinds of work: a stdio upstream, an answer as event stream, a large result, session setup. */
import { ratioInterval } from '../../report/statistics.ts';
import { callPool, initializePool } from '../request-pool.ts';
import { cpuRatio, interleave, roundsOf, withServers, type Scenario } from '../scenario.ts';
import { startGateway, startNginx, startStub, type Server } from '../servers.ts';

const BIG_CONNECTIONS = 8;
const BIG_MEGABYTES = 1;
const CONNECTIONS = 64;

export const stdio: Scenario = {
  name: 'stdio',
  title: 'tools/call, HTTP to a stdio server, 64 connections',
  run: (context) =>
    withServers([() => startGateway({ upstreamUrl: '', stdio: true })], async ([gateway]) => {
      const poolFile = context.pools.add(callPool());
      const subjects = await interleave(
        context,
        [{ name: 'sluice', server: gateway as Server, workers: 1, poolFile }],
        { connections: CONNECTIONS },
      );
      return { subjects };
    }),
};

export const events: Scenario = {
  name: 'events',
  title: 'tools/call answered by an event stream of three messages, 64 connections',
  run: (context) => against(context, 'stream', CONNECTIONS),
};

export const large: Scenario = {
  name: 'large',
  title: 'tools/call with a result of 1 MB, 8 connections',
  run: async (context) => {
    const outcome = await against(context, 'big', BIG_CONNECTIONS);
    const cpu = roundsOf(outcome.subjects, 'sluice', (round) => round.cpu.total);
    const perMegabyte = cpu.reduce((total, us) => total + us, 0) / cpu.length / BIG_MEGABYTES;
    return { ...outcome, figures: [{ text: 'CPU per MB', value: perMegabyte, unit: 'µs' }] };
  },
};

const HTTP_SERVERS = ['lean', 'uws', 'node'] as const;

export const servers: Scenario = {
  name: 'servers',
  title: 'tools/call by what accepts clients, 64 connections',
  isExtra: true,
  run: (context) =>
    withServers([startStub], async ([stub]) => {
      const { url } = stub as Server;
      const starts = HTTP_SERVERS.map((server) => () => startGateway({ upstreamUrl: url, server }));
      return withServers(starts, async (gateways) => {
        const poolFile = context.pools.add(callPool());
        const subjects = await interleave(
          context,
          gateways.map((server, index) => {
            return { name: `sluice on ${HTTP_SERVERS[index]}`, server, workers: 1, poolFile };
          }),
          { connections: CONNECTIONS },
        );
        const ratios = ['uws', 'node'].map((other) =>
          cpuRatio(subjects, 'sluice on lean', `sluice on ${other}`),
        );
        return { subjects, ratios };
      });
    }),
};

/** The gateway and nginx on calls of one tool. */
function against(context: Parameters<Scenario['run']>[0], tool: string, connections: number) {
  return withServers([startStub], async ([stub]) => {
    const { url } = stub as Server;
    const starts = [() => startNginx(url), () => startGateway({ upstreamUrl: url })];
    return withServers(starts, async ([nginx, gateway]) => {
      const poolFile = context.pools.add(callPool(tool));
      const subjects = await interleave(
        context,
        [
          { name: 'nginx', server: nginx as Server, workers: 0, poolFile },
          { name: 'sluice', server: gateway as Server, workers: 1, poolFile },
        ],
        { connections },
      );
      return { subjects, ratios: [cpuRatio(subjects, 'sluice', 'nginx')] };
    });
  });
}

export const setup: Scenario = {
  name: 'setup',
  title: 'session setup (initialize), 64 connections',
  run: (context) =>
    withServers([startStub], async ([stub]) => {
      const upstreamUrl = (stub as Server).url;
      return withServers([() => startGateway({ upstreamUrl })], async ([gateway]) => {
        const server = gateway as Server;
        const subjects = await interleave(
          context,
          [
            { name: 'call', server, workers: 1, poolFile: context.pools.add(callPool()) },
            { name: 'initialize', server, workers: 1, poolFile: context.pools.add(initializePool()) }, // prettier-ignore
          ],
          { connections: CONNECTIONS },
        );
        const cpu = (name: string) => roundsOf(subjects, name, (round) => round.cpu.total);
        return {
          subjects,
          ratios: [
            {
              text: 'CPU of an initialize over CPU of a call',
              value: ratioInterval(cpu('initialize'), cpu('call')),
              goal: 10,
            },
          ],
        };
      });
    }),
};
