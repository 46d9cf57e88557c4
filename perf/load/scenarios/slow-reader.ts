/** What large answers hold in the gateway while their clients do not read them. */
import { setTimeout as pause } from 'node:timers/promises';
import { startSlowReaders, type SlowLoad } from '../open-loop.ts';
import { residentBytes } from '../process-probe.ts';
import { withServers, type Scenario } from '../scenario.ts';
import { startGateway, startPatientStub, type GatewayServer, type Server } from '../servers.ts';

/** So many at once that what each holds shows above what the heap moves by. */
const READERS = { full: 128, smoke: 2 };
/**
 * Eight seconds in which a socket takes nothing end a connection (docs/decisions/0010), and with the
 * megabytes that the kernel buffers it takes nothing for the first seconds of slow reading either.
 */
const FULL = { nothingMs: 3000, slowlyMs: 3000 };
const QUICK = { nothingMs: 2000, slowlyMs: 2000 };
const SMOKE = { nothingMs: 100, slowlyMs: 200 };
/** Before it counts, so that code and buffers that all share are there; few, so that not much is free. */
const WARM_UPS = { times: 10, count: 2 };
const LOOK_EVERY_MS = 50;
/** For either part of it, on a machine that has other things to do. */
const TIMEOUT_MS = 120_000;
const GOAL_MEGABYTES = 1;
const MEGABYTE = 1_048_576;

export const slowReader: Scenario = {
  name: 'slow-reader',
  title: 'memory per client that does not read its result of 20 MB',
  run: (context) =>
    withServers([startPatientStub], ([stub]) => {
      const start = () => startGateway({ upstreamUrl: (stub as Server).url });
      return withServers([start], async ([server]) => {
        const { pid, url, metricsUrl } = server as GatewayServer;
        const { isSmoke, isQuick } = context.options;
        const count = isSmoke ? READERS.smoke : READERS.full;
        context.progress('warming up');
        for (let times = 0; times < (isSmoke ? 1 : WARM_UPS.times); times += 1)
          await readers({ url, count: WARM_UPS.count, nothingMs: 0, slowlyMs: 0 });
        const before = residentBytes(pid);
        context.progress(`${count} clients read nothing, then slowly`);
        const times = isSmoke ? SMOKE : isQuick ? QUICK : FULL;
        const { unread, all } = await readers({ url, count, ...times }, () => look(pid, metricsUrl)); // prettier-ignore
        const perReader = (bytes: number): number => bytes / MEGABYTE / count;
        return {
          figures: [
            { text: 'clients at once', value: count, unit: '' },
            { text: 'of them with a full socket, at most', value: unread.stalled, unit: '' },
            {
              text: 'memory per client that reads nothing or slowly, at most',
              value: perReader(unread.resident - before),
              unit: 'MB',
              goal: GOAL_MEGABYTES,
            },
            { text: 'of that in rings', value: perReader(unread.ring), unit: 'MB' },
            { text: 'memory per client when all read on at once, at most', value: perReader(all.resident - before), unit: 'MB' }, // prettier-ignore
            { text: 'memory of the gateway before', value: before / MEGABYTE, unit: 'MB' },
          ],
        };
      });
    }),
};

/** What the gateway holds at a moment, or held at most. */
interface Held {
  readonly resident: number;
  /** Bytes from shards to the edge that wait in rings. */
  readonly ring: number;
  /** Clients whose socket is full. */
  readonly stalled: number;
}

const NOTHING: Held = { resident: 0, ring: 0, stalled: 0 };

/** Runs clients until all have their answer. @returns what was held at most before they read on, and after */
async function readers(
  load: SlowLoad,
  probe = () => Promise.resolve(NOTHING),
): Promise<{ readonly unread: Held; readonly all: Held }> {
  const child = await startSlowReaders(load);
  try {
    const unread = await peaks(probe, child.said(/reading all/, TIMEOUT_MS));
    const all = await peaks(probe, child.said(/\d+ complete/, TIMEOUT_MS));
    if (!child.output.includes(`${load.count} complete, 0 failed`))
      throw new Error(`answers broke off: ${child.output.trim()}`);
    return { unread, all };
  } finally {
    await child.stop();
  }
}

/** The largest values while `work` goes on. */
async function peaks(probe: () => Promise<Held>, work: Promise<void>): Promise<Held> {
  let peak = NOTHING;
  let isOver = false;
  const ended = work.finally(() => (isOver = true));
  ended.catch(() => undefined); // awaited below
  while (!isOver) {
    const { resident, ring, stalled } = await probe();
    peak = {
      resident: Math.max(peak.resident, resident),
      ring: Math.max(peak.ring, ring),
      stalled: Math.max(peak.stalled, stalled),
    };
    await pause(LOOK_EVERY_MS);
  }
  await ended;
  return peak;
}

async function look(pid: number, metricsUrl: string): Promise<Held> {
  const page = await (await fetch(metricsUrl)).text();
  const total = (pattern: RegExp): number =>
    [...page.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
  return {
    resident: residentBytes(pid),
    ring: total(/^sluice_ring_used_bytes\{.*ring="out".*\} (\S+)$/gm),
    stalled: total(/^sluice_stalled_sockets (\S+)$/gm),
  };
}
