import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { COUNTER_ROWS } from '../../shared/counter-catalogue.ts';
import { METRIC_ROWS } from '../../src/observe/metric-catalogue.ts';
import { withMetricTable } from '../../src/observe/metric-doc.ts';

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');

it('is not stale: the table of metrics in docs/operations.md (node scripts/config-doc.mjs makes it)', () => {
  expect(page).toBe(withMetricTable(page));
});

it('lists every metric, and the page speaks of none that is not there', () => {
  const names = [
    ...METRIC_ROWS.map(({ name }) => name),
    ...COUNTER_ROWS.map(({ name }) => `sluice_${name}`),
    'sluice_call_duration_seconds',
    'sluice_build_info',
  ];
  for (const name of names) expect(page).toContain(`| \`${name}\` |`);
  const known = new Set([...names, 'sluice_call_duration_seconds_bucket']);
  const spoken = page.match(/\bsluice_[a-z_]+/g) ?? [];
  expect(spoken.filter((name) => !known.has(name))).toEqual([]);
});

it('has no place in a page without its marks', () => {
  expect(() => withMetricTable('# Operations\n')).toThrow('no place');
});
