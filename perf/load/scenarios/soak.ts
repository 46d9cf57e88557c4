/** Whether memory grows while the gateway only works. */
import type { Chart } from '../../report/result.ts';
import { slope } from '../../report/statistics.ts';
import { residentBytes } from '../process-probe.ts';
import { callPool } from '../request-pool.ts';
import { withServers, type Scenario } from '../scenario.ts';
import { startGateway, startStub, type Server } from '../servers.ts';
import { runWrk } from '../wrk.ts';

/** Moderate: each call waits for its answer, and the machine has room left. */
const CONNECTIONS = 8;
const FULL = { seconds: 600, skipSeconds: 120, everySeconds: 10 };
const QUICK = { seconds: 40, skipSeconds: 20, everySeconds: 1 };
const SMOKE = { seconds: 2, skipSeconds: 0, everySeconds: 0.25 };
/** A fifth of a byte per call at ten thousand calls a second. Shorter runs are no measure of it. */
const GOAL_KILOBYTES = 128;

type Point = readonly [minutes: number, kilobytes: number];

export const soak: Scenario = {
  name: 'soak',
  title: `memory under ${CONNECTIONS} connections of steady load`,
  isExtra: true,
  run: (context) =>
    withServers([startStub], ([stub]) => {
      const start = () => startGateway({ upstreamUrl: (stub as Server).url });
      return withServers([start], async ([gateway]) => {
        const { pid, url } = gateway as Server;
        const { isSmoke, isQuick } = context.options;
        const { seconds, skipSeconds, everySeconds } = isSmoke ? SMOKE : isQuick ? QUICK : FULL;
        const points: Point[] = [];
        const startMs = performance.now();
        const look = (): void => {
          const minutes = (performance.now() - startMs) / 60_000;
          points.push([minutes, residentBytes(pid) / 1024]);
          context.progress(`${minutes.toFixed(1)} of ${(seconds / 60).toFixed(1)} minutes`);
        };
        look();
        const timer = setInterval(look, everySeconds * 1000);
        const load = { url, connections: CONNECTIONS, seconds, poolFile: context.pools.add(callPool()) }; // prettier-ignore
        const { requests } = await runWrk(load).finally(() => clearInterval(timer));
        look();
        const settled = points.filter(([minutes]) => minutes * 60 >= skipSeconds);
        const megabytes = (point: Point | undefined): number => (point?.[1] ?? 0) / 1024;
        return {
          figures: [
            { text: 'calls', value: requests, unit: '' },
            { text: 'minutes', value: seconds / 60, unit: '' },
            { text: 'memory at the start', value: megabytes(points[0]), unit: 'MB' },
            { text: `memory after ${skipSeconds} s`, value: megabytes(settled[0]), unit: 'MB' },
            { text: 'memory at the end', value: megabytes(points.at(-1)), unit: 'MB' },
            {
              text: `growth after ${skipSeconds} s (least squares)`,
              value: slope(settled),
              unit: 'KB a minute',
              ...(isQuick || isSmoke ? {} : { goal: GOAL_KILOBYTES }),
            },
          ],
          charts: [chart(points)],
        };
      });
    }),
};

function chart(points: readonly Point[]): Chart {
  return {
    name: 'soak-memory',
    title: 'Memory under steady load',
    xTitle: 'minutes',
    yTitle: 'MB',
    lines: [{ name: 'sluice', points: points.map(([minutes, kb]) => [minutes, kb / 1024]) }],
  };
}
