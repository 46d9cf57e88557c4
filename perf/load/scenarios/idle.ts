/** What a gateway without work costs. */
import { setTimeout as pause } from 'node:timers/promises';
import { residentBytes, sampleProcess, subtract, totalUs } from '../process-probe.ts';
import { withServers, type Scenario } from '../scenario.ts';
import { startGateway, startStub, type Server } from '../servers.ts';

/** Clock ticks of 10 ms: 0.1 % of a core is one tick in 10 s. */
const SECONDS = 60;
const QUICK_SECONDS = 10;
/** V8 collects and compiles what the start left for some twenty seconds; that is no idling. */
const SETTLE_SECONDS = 30;

export const idle: Scenario = {
  name: 'idle',
  title: 'no work at all',
  run: (context) =>
    withServers([startStub], async ([stub]) => {
      const upstreamUrl = (stub as Server).url;
      return withServers([() => startGateway({ upstreamUrl })], async ([gateway]) => {
        const { pid } = gateway as Server;
        const seconds = context.options.isSmoke
          ? 1
          : context.options.isQuick
            ? QUICK_SECONDS
            : SECONDS;
        context.progress(`watching for ${seconds} s`);
        await pause(seconds === SECONDS ? SETTLE_SECONDS * 1000 : 2000);
        const before = sampleProcess(pid).total;
        await pause(seconds * 1000);
        const used = totalUs(subtract(sampleProcess(pid).total, before));
        return {
          figures: [
            { text: 'idle CPU', value: used / (seconds * 1e4), unit: '% of a core', goal: 0.1 },
            { text: 'idle memory', value: residentBytes(pid) / 1_048_576, unit: 'MB' },
          ],
        };
      });
    }),
};
