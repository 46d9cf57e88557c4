/** The table of all metrics in docs/operations.md, made from what is shown. */
import { COUNTER_ROWS } from '../../shared/counter-catalogue.ts';
import { LATENCY_HISTOGRAM, METRIC_ROWS } from './metric-catalogue.ts';
import { BUILD_INFO_HELP, BUILD_INFO_LABELS, counterMetric } from './prometheus.ts';

const BEGIN = '<!-- metrics: made by scripts/config-doc.mjs, do not edit by hand -->\n';
const END = '<!-- end of metrics -->\n';

/** The page with the table of this version in it. @throws Error if the page has no place for it */
export function withMetricTable(page: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error('the page has no place for the table of metrics');
  return `${page.slice(0, begin)}${BEGIN}\n${metricTableText()}\n${page.slice(end)}`;
}

/** One row per metric, for the documentation. */
export function metricTableText(): string {
  const rows = [
    ...METRIC_ROWS,
    { ...LATENCY_HISTOGRAM, type: 'histogram' },
    { name: 'sluice_build_info', type: 'gauge', labels: BUILD_INFO_LABELS, help: BUILD_INFO_HELP },
    ...COUNTER_ROWS.map(counterMetric),
  ];
  const lines = rows.map(({ name, type, labels, help }) => {
    const listed = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${listed} | ${help} |`;
  });
  return ['| metric | type | labels | |', '|---|---|---|---|', ...lines, ''].join('\n');
}
