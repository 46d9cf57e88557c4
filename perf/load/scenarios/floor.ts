/** What is left for the gateway's own work: nginx, proxies that read nothing, and the gateway. */
import { callPool } from '../request-pool.ts';
import { cpuRatio, interleave, withServers, type Scenario, type Subject } from '../scenario.ts';
import { startForwarder, startGateway, startNginx, startStub, type Server } from '../servers.ts';
import { cpuChart } from './http.ts';

const CONNECTIONS = 64;

export const floor: Scenario = {
  name: 'floor',
  title: 'bytes forwarded by node:net and nothing else, 64 connections',
  isExtra: true,
  run: (context) =>
    withServers([startStub], async ([stub]) => {
      const { url } = stub as Server;
      const starts = [
        () => startNginx(url),
        () => startForwarder(url, 'one'),
        () => startForwarder(url, 'two'),
        () => startGateway({ upstreamUrl: url }),
      ];
      return withServers(starts, async ([nginx, one, two, gateway]) => {
        const poolFile = context.pools.add(callPool());
        const subject = (name: string, server: Server, workers: number): Subject => ({ name, server, workers, poolFile }); // prettier-ignore
        const subjects = await interleave(
          context,
          [
            subject('nginx', nginx as Server, 0),
            subject('forwarder, one thread', one as Server, 0),
            subject('forwarder, two threads', two as Server, 1),
            subject('sluice', gateway as Server, 1),
          ],
          { connections: CONNECTIONS },
        );
        return {
          subjects,
          ratios: [
            cpuRatio(subjects, 'forwarder, one thread', 'nginx'),
            cpuRatio(subjects, 'forwarder, two threads', 'nginx'),
            cpuRatio(subjects, 'sluice', 'forwarder, two threads'),
          ],
          charts: [cpuChart('floor-cpu', 'CPU per message, 64 connections', subjects)],
        };
      });
    }),
};
