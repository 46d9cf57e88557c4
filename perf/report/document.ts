/**
 * Puts figures into `docs/performance.md`: each scenario between `<!-- figures: NAME -->` and
 * `<!-- end -->`. The words around them are written by hand.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../load/paths.ts';
import type { StoredResult } from './results-folder.ts';
import { figureText, HEADING_CELLS, ratioText, subjectCells } from './table.ts';

const FILE = join(ROOT, 'docs', 'performance.md');
const PLACE = /(<!-- figures: ([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g;

export function writeDocs(results: readonly StoredResult[]): void {
  const text = readFileSync(FILE, 'utf8');
  writeFileSync(
    FILE,
    text.replace(PLACE, (whole, begin: string, name: string, end: string) => {
      const found = results.find((one) => one.name === name);
      return found === undefined ? whole : `${begin}\n${figures(found)}\n${end}`;
    }),
  );
}

function figures(result: StoredResult): string {
  const { machine, at, revision, command, seconds, subjects } = result;
  const rounds = subjects[0]?.rounds.length ?? 0;
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const lines = [
    `\`${command}\``,
    '',
    ...(subjects.length === 0
      ? []
      : [
          row(HEADING_CELLS),
          row(HEADING_CELLS.map((_, column) => (column === 0 ? '---' : '---:'))),
          ...subjects.map((one) => row(subjectCells(one))),
          '',
        ]),
    ...result.ratios.map((one) => `- ${ratioText(one)}`),
    ...result.figures.map((one) => `- ${figureText(one)}`),
    '',
    ...result.charts.map(({ name, title }) => `![${title}](../perf/results/${name}.svg)\n`),
    `<sub>${at.slice(0, 10)}, ${revision}, ${machine.cores} cores (${machine.model}), Node ${machine.node.slice(1)}, ` +
      `${machine.tools}${rounds === 0 ? '' : `, ${rounds} rounds of ${seconds} s in turns`}, load average before ${machine.loadBefore.toFixed(2)}</sub>`,
  ];
  return `${lines.join('\n')}\n`;
}
