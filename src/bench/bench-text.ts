/** A report for people. */
import type { BenchReport, BenchTally } from './bench-plan.ts';

const BAR_WIDTH = 20;

/** The live line. */
export function progressText(tally: BenchTally, elapsedMs: number, totalMs: number): string {
  const share = Math.min(1, elapsedMs / totalMs);
  const bar = '#'.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '.');
  const seconds = (elapsedMs / 1000).toFixed(0);
  return `[${bar}] ${seconds} s  ${tally.calls} calls  ${tally.failed} failed`;
}

export function reportText(report: BenchReport): string {
  const { latencyUs, errors, rate, concurrency, sessions, failed, unsent } = report;
  const load =
    rate === null ? `${concurrency} at once` : `${rate} a second, at most ${concurrency} at once`;
  const lines = [
    `${report.url}  ${report.era} era, ${load}${sessions > 0 ? `, ${sessions} sessions` : ''}`,
    ...(report.isInterrupted ? ['interrupted: this is what there was'] : []),
    '',
    `  calls      ${report.calls} in ${report.seconds.toFixed(1)} s`,
    `  succeeded  ${report.ok}  (${report.perSecond.toFixed(1)} a second)`,
    `  failed     ${failed}`,
    ...(unsent > 0 ? [`  not sent   ${unsent}  (due, but too many were under way)`] : []),
    `  received   ${(report.bytesIn / 1_048_576).toFixed(2)} MB`,
    '',
    rate === null ? '  latency' : '  latency since a call was due',
    ...(
      [
        ['min', latencyUs.min],
        ['mean', latencyUs.mean],
        ['p50', latencyUs.p50],
        ['p75', latencyUs.p75],
        ['p90', latencyUs.p90],
        ['p99', latencyUs.p99],
        ['p99.9', latencyUs.p999],
        ['p99.99', latencyUs.p9999],
        ['max', latencyUs.max],
      ] as const
    ).map(([name, us]) => `    ${name.padEnd(7)}${(us / 1000).toFixed(3).padStart(10)} ms`),
    ...(failed === 0 ? [] : ['', '  errors']),
    ...Object.entries(errors).map(([kind, count]) => `    ${String(count).padStart(8)}  ${kind}`),
  ];
  return `${lines.join('\n')}\n`;
}
