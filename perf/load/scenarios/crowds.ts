/** What idle clients hold: memory per session, memory per open event stream. */
import { setTimeout as pause } from 'node:timers/promises';
import { startCrowd } from '../open-loop.ts';
import { residentBytes, sampleProcess, subtract, totalUs } from '../process-probe.ts';
import { withServers, type Scenario, type ScenarioOutcome } from '../scenario.ts';
import { startGateway, startStub, type Server } from '../servers.ts';

const SESSIONS = { full: 100_000, quick: 5_000 };
const STREAMS = { full: 10_000, quick: 1_000 };
const SMOKE = 50;
/** So that what the first ones build for all is not counted as theirs. */
const FIRST = 500;
const WATCH_SECONDS = 5;

export const sessions: Scenario = {
  name: 'sessions',
  title: 'memory per idle session',
  run: (context) => crowd(context, 'sessions', SESSIONS, 10),
};

export const streams: Scenario = {
  name: 'streams',
  title: 'memory per open event stream',
  run: (context) => crowd(context, 'streams', STREAMS, null),
};

function crowd(
  context: Parameters<Scenario['run']>[0],
  kind: 'sessions' | 'streams',
  sizes: { readonly full: number; readonly quick: number },
  goalKilobytes: number | null,
): Promise<ScenarioOutcome> {
  return withServers([startStub], ([stub]) =>
    withServers([() => startGateway({ upstreamUrl: (stub as Server).url })], async ([gateway]) => {
      const { pid, url } = gateway as Server;
      const { isSmoke, isQuick } = context.options;
      const count = isSmoke ? SMOKE : isQuick ? sizes.quick : sizes.full;
      const first = await startCrowd(kind, url, isSmoke ? SMOKE : FIRST);
      const before = residentBytes(pid);
      context.progress(`opening ${count} ${kind}`);
      const many = await startCrowd(kind, url, count);
      const opened = Number(many.match[1]);
      const after = residentBytes(pid);
      const cpu = sampleProcess(pid).total;
      await pause((isSmoke ? 0 : WATCH_SECONDS) * 1000);
      const usedUs = totalUs(subtract(sampleProcess(pid).total, cpu));
      await Promise.all([first.stop(), many.stop()]);
      if (opened < count) throw new Error(`${kind}: only ${opened} of ${count} were opened`);
      return {
        figures: [
          { text: `${kind} open`, value: opened + Number(first.match[1]), unit: '' },
          {
            text: `memory per one of ${kind}`,
            value: (after - before) / 1024 / opened,
            unit: 'KB',
            ...(goalKilobytes === null ? {} : { goal: goalKilobytes }),
          },
          { text: 'memory in all', value: after / 1_048_576, unit: 'MB' },
          { text: 'CPU while all are idle', value: usedUs / (WATCH_SECONDS * 1e4), unit: '% of a core' }, // prettier-ignore
        ],
      };
    }),
  );
}
