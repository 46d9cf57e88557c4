/** Results as text. */
import type { Figure, Ratio, Round, ScenarioResult, SubjectResult } from './result.ts';
import { mean, median, type Interval } from './statistics.ts';

const HEADINGS = ['', 'req/s', 'p50', 'p99', 'p99.9', 'CPU/req', 'edge u+s', 'shards u+s', 'rest', 'RSS']; // prettier-ignore

export function scenarioText(result: ScenarioResult): string {
  const rows = result.subjects.map(subjectCells);
  const lines = [`${result.title}  (${result.seconds} s a round)`];
  if (rows.length > 0) lines.push(...table([HEADINGS, ...rows]));
  lines.push(...result.ratios.map((ratio) => `  ${ratioText(ratio)}`));
  lines.push(...result.figures.map((figure) => `  ${figureText(figure)}`));
  return `${lines.join('\n')}\n`;
}

/** The cells of one row; µs unless a unit stands there. */
export function subjectCells({ name, rounds }: SubjectResult): string[] {
  const of = (pick: (round: Round) => number): number[] => rounds.map(pick);
  const split = (user: (round: Round) => number, system: (round: Round) => number): string =>
    `${mean(of(user)).toFixed(1)}+${mean(of(system)).toFixed(1)}`;
  return [
    name,
    mean(of(({ perSecond }) => perSecond)).toFixed(0),
    microseconds(median(of(({ p50Us }) => p50Us))),
    microseconds(median(of(({ p99Us }) => p99Us))),
    microseconds(median(of(({ p999Us }) => p999Us))),
    mean(of(({ cpu }) => cpu.total)).toFixed(2),
    split(({ cpu }) => cpu.mainUser, ({ cpu }) => cpu.mainSystem), // prettier-ignore
    split(({ cpu }) => cpu.workersUser, ({ cpu }) => cpu.workersSystem), // prettier-ignore
    mean(of(({ cpu }) => cpu.rest)).toFixed(1),
    `${(mean(of(({ residentBytes }) => residentBytes)) / 1_048_576).toFixed(0)} MB`,
  ];
}

export const HEADING_CELLS: readonly string[] = HEADINGS;

export function ratioText({ text, value, goal, gate }: Ratio): string {
  const aims = [
    ...(goal === undefined ? [] : [`goal ≤ ${goal}: ${value.mean <= goal ? 'met' : 'MISSED'}`]),
    ...(gate === undefined
      ? []
      : [`gate ≤ ${gate}: ${isGateFailed({ text, value, gate }) ? 'FAILED' : 'passed'}`]),
  ];
  return `${text}: ${intervalText(value)}${aims.length === 0 ? '' : `   ${aims.join(', ')}`}`;
}

/** A gate holds only if the whole confidence interval is below it. */
export function isGateFailed({ value, gate }: Ratio): boolean {
  return gate !== undefined && !(value.high <= gate);
}

export function figureText({ text, value, unit, goal, goalAtLeast }: Figure): string {
  const shown = Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
  const aim =
    goal !== undefined
      ? `   goal ≤ ${goal}: ${value <= goal ? 'met' : 'MISSED'}`
      : goalAtLeast !== undefined
        ? `   goal ≥ ${goalAtLeast}: ${value >= goalAtLeast ? 'met' : 'MISSED'}`
        : '';
  return `${text}: ${shown}${unit === '' ? '' : ` ${unit}`}${aim}`;
}

export function intervalText({ mean: center, low, high }: Interval): string {
  return `${center.toFixed(3)}  [${low.toFixed(3)} to ${high.toFixed(3)}]`;
}

function microseconds(us: number): string {
  if (us >= 1_000_000) return `${(us / 1_000_000).toFixed(2)} s`;
  return us >= 10_000 ? `${(us / 1000).toFixed(1)} ms` : `${us.toFixed(0)} µs`;
}

/** Columns of equal width, the first to the left and the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    `  ${row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')}`.trimEnd(),
  );
}
