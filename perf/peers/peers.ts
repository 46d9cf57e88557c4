/**
 * The gateway and what people use today, on the same work: `tools/call` of 2025-11-25 clients with a
 * session each, answered by one and the same stdio server.
 */
import type { Round, SubjectResult } from '../report/result.ts';
import { residentBytes, sampleProcess, splitThreads } from '../load/process-probe.ts';
import { cpuRatio, perRequest, withServers, type Scenario } from '../load/scenario.ts';
import { runSessions } from '../load/open-loop.ts';
import { warmUp } from '../load/warm-up.ts';
import { startGateway, type Server } from '../load/servers.ts';
import { arePeersInstalled, startMcpProxy, startSdkProxy, startSupergateway } from './peer-servers.ts'; // prettier-ignore

const SESSIONS = 64;
const PEERS = ['mcp-proxy', 'supergateway', 'SDK proxy'];

export const peers: Scenario = {
  name: 'peers',
  title: `tools/call of ${SESSIONS} legacy sessions to a stdio server, one call each at a time`,
  isExtra: true,
  run: (context) => {
    if (!arePeersInstalled())
      throw new Error('the peers are not installed: npm run perf -- --install-peers');
    const starts = [
      () => startGateway({ upstreamUrl: '', stdio: true }),
      startMcpProxy,
      startSupergateway,
      startSdkProxy,
    ];
    return withServers(starts, async (servers) => {
      const names = ['sluice', ...PEERS];
      const subjects = names.map((name) => ({ name, rounds: [] as Round[] }));
      for (const [index, name] of context.options.isSmoke ? [] : names.entries()) {
        context.progress(`warming up ${name}`);
        const server = servers[index] as Server;
        await warmUp(async () => (await measure(context, server, 0, 1)).cpu.total);
      }
      const { rounds, seconds } = context.options;
      for (let round = 0; round < rounds; round += 1) {
        for (const [index, name] of names.entries()) {
          context.progress(`round ${round + 1}: ${name}`);
          const server = servers[index] as Server;
          const workers = index === 0 ? 1 : 0;
          subjects[index]?.rounds.push(await measure(context, server, workers, seconds));
        }
      }
      const ratios = PEERS.map((name) => ({
        ...cpuRatio(subjects, 'sluice', name),
        ...goal(name),
      }));
      return { subjects: subjects satisfies SubjectResult[], ratios };
    });
  },
};

/** The two that people install. */
const goal = (name: string): { readonly goal?: number } =>
  name === 'SDK proxy' ? {} : { goal: 0.02 };

async function measure(
  context: Parameters<Scenario['run']>[0],
  { url, pid }: Server,
  workers: number,
  seconds: number,
): Promise<Round> {
  const before = sampleProcess(pid);
  const report = await runSessions(context.pools, { url, seconds, sessions: SESSIONS });
  const after = sampleProcess(pid);
  const { latencyUs } = report;
  return {
    requests: report.calls,
    perSecond: report.perSecond,
    p50Us: latencyUs.p50,
    p99Us: latencyUs.p99,
    p999Us: latencyUs.p999,
    cpu: perRequest(splitThreads(pid, before, after, workers), report.calls),
    residentBytes: residentBytes(pid),
  };
}
