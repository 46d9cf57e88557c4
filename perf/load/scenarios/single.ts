/** One call at a time: what the way through adds to a call that meets no other. */
import { ratioInterval } from '../../report/statistics.ts';
import { callPool } from '../request-pool.ts';
import { interleave, roundsOf, withServers, type Scenario } from '../scenario.ts';
import { startGateway, startNginx, startStub, type Server } from '../servers.ts';

export const single: Scenario = {
  name: 'single',
  title: 'tools/call, HTTP to HTTP, one at a time',
  run: (context) =>
    withServers([startStub], async ([stub]) => {
      const { url } = stub as Server;
      const starts = [() => startNginx(url), () => startGateway({ upstreamUrl: url })];
      return withServers(starts, async ([nginx, gateway]) => {
        const poolFile = context.pools.add(callPool());
        const subjects = await interleave(
          context,
          [
            { name: 'direct', server: stub as Server, workers: 0, poolFile },
            { name: 'nginx', server: nginx as Server, workers: 0, poolFile },
            { name: 'sluice', server: gateway as Server, workers: 1, poolFile },
          ],
          { connections: 1 },
        );
        const p50 = (name: string) => roundsOf(subjects, name, (round) => round.p50Us);
        const direct = p50('direct');
        const added = (name: string) => p50(name).map((us, round) => us - (direct[round] ?? 0));
        return {
          subjects,
          ratios: [
            {
              text: 'p50 added by sluice over p50 added by nginx',
              value: ratioInterval(added('sluice'), added('nginx')),
              goal: 2,
            },
          ],
        };
      });
    }),
};
