import { expect, it } from 'vitest';
import { METRIC_LABELS_MAX } from '../../shared/limits.ts';
import {
  MetricTable,
  OUTCOME_FAILED,
  OUTCOME_IS_ERROR,
  OUTCOME_OK,
  OUTCOME_REFUSED,
} from '../../shared/metric-table.ts';
import { createRegion, layoutRegion } from '../../shared/region-descriptor.ts';
import { callStats } from '../../src/observe/call-stats.ts';
import { CALL_LABELS_MAX, CallTotals, LABEL_CHARS_MAX } from '../../src/observe/call-totals.ts';

function open(shards = 2) {
  const layout = layoutRegion({ shards });
  const region = createRegion(layout);
  const totals = new CallTotals(region, layout);
  return {
    totals,
    /** From row 0 of shard 0. */
    words: new Int32Array(region, layout.metrics[0]),
    tables: layout.metrics.map((at) => new MetricTable(region, at)),
    stats: () => totals.read().map(callStats),
  };
}

it('adds up what all shards count under one label, whatever rows they gave it', () => {
  const { totals, tables, stats } = open();
  totals.onLabel(0, 0, 'math', 'add');
  totals.onLabel(1, 7, 'math', 'add');
  totals.onLabel(1, 0, 'math', 'divide');
  tables[0]!.record(0, OUTCOME_OK, 1000);
  tables[1]!.record(7, OUTCOME_OK, 3000);
  tables[1]!.record(7, OUTCOME_IS_ERROR, 2000);
  tables[1]!.count(0, OUTCOME_REFUSED);
  tables[1]!.record(0, OUTCOME_FAILED, 5);
  expect(stats()).toMatchObject([
    { upstream: 'math', tool: 'add', ok: 2, isError: 1, failed: 0, refused: 0, cancelled: 0 },
    { upstream: 'math', tool: 'divide', ok: 0, isError: 0, failed: 1, refused: 1, cancelled: 0 },
  ]);
  const { latency } = stats()[0]!;
  expect(latency).toMatchObject({ count: 3 });
  expect(latency!.minMs).toBeCloseTo(1, 1);
  expect(latency!.meanMs).toBeCloseTo(2, 1);
  expect(latency!.maxMs).toBeCloseTo(3, 1);
});

it('tells percentiles within five percent, each between the smallest and the largest', () => {
  const { totals, tables, stats } = open(1);
  totals.onLabel(0, 0, 'a', 'b');
  for (let us = 1; us <= 10_000; us += 1) tables[0]!.record(0, OUTCOME_OK, us);
  const { minMs, p50Ms, p90Ms, p99Ms, p999Ms, maxMs } = stats()[0]!.latency!;
  const expected = [5, 9, 9.9, 9.99];
  [p50Ms, p90Ms, p99Ms, p999Ms].forEach((value, index) => {
    expect(Math.abs(value / expected[index]! - 1)).toBeLessThan(0.05);
    expect(value).toBeGreaterThanOrEqual(minMs);
    expect(value).toBeLessThanOrEqual(maxMs);
  });
});

it('takes the shortest and the longest time that a cell can hold', () => {
  const { totals, tables, stats } = open(1);
  totals.onLabel(0, 0, 'a', 'b');
  tables[0]!.record(0, OUTCOME_OK, 0);
  tables[0]!.record(0, OUTCOME_OK, 1e12);
  expect(stats()[0]!.latency).toMatchObject({ count: 2, minMs: 0 });
  expect(stats()[0]!.latency!.maxMs / 600_000).toBeCloseTo(1, 1);
});

it('never goes backwards when a shard starts again and labels its rows otherwise', () => {
  const { totals, tables, stats } = open(1);
  const [table] = tables;
  totals.onLabel(0, 0, 'math', 'add');
  totals.onLabel(0, 1, 'math', 'divide');
  table!.record(0, OUTCOME_OK, 10);
  table!.record(0, OUTCOME_OK, 10);
  stats();
  table!.record(0, OUTCOME_OK, 10); // nobody has read this one when the shard dies
  table!.record(1, OUTCOME_OK, 10);
  totals.onShardGone(0);

  totals.onLabel(0, 0, 'math', 'divide');
  table!.record(0, OUTCOME_OK, 10);
  const ok = () => Object.fromEntries(stats().map(({ tool, ok: count }) => [tool, count]));
  expect(ok()).toEqual({ add: 3, divide: 2 });
  totals.onLabel(0, 1, 'math', 'add');
  table!.record(1, OUTCOME_OK, 10);
  expect(ok()).toEqual({ add: 4, divide: 2 });
  expect(stats().map(({ latency }) => latency?.count)).toEqual([4, 2]);
});

it('gives what a row counted to the label it had then', () => {
  const { totals, tables, stats } = open(1);
  totals.onLabel(0, 0, 'math', 'add');
  tables[0]!.record(0, OUTCOME_OK, 10);
  totals.onLabel(0, 0, 'math', 'divide');
  expect(stats()).toMatchObject([
    { tool: 'add', ok: 1 },
    { tool: 'divide', ok: 0, latency: null },
  ]);
});

it('keeps counts that come before their label, and those whose label died with the shard', () => {
  const { totals, tables, stats } = open(1);
  tables[0]!.record(3, OUTCOME_OK, 10);
  expect(stats()).toEqual([]);
  totals.onLabel(0, 3, 'math', 'add');
  expect(stats()).toMatchObject([{ tool: 'add', ok: 1 }]);

  tables[0]!.record(4, OUTCOME_OK, 10);
  totals.onShardGone(0);
  totals.onShardGone(0);
  expect(stats()).toMatchObject([
    { tool: 'add', ok: 1 },
    { upstream: '', tool: '(unlabelled)', ok: 1, latency: { count: 1 } },
  ]);
  totals.onLabel(0, 4, 'math', 'add');
  expect(stats()[0]).toMatchObject({ tool: 'add', ok: 1 });
});

it('holds so many labels and no more, and no long ones', () => {
  const { totals, tables, stats } = open(1);
  for (let name = 0; name < CALL_LABELS_MAX + 200; name += 1) {
    const row = name % METRIC_LABELS_MAX;
    totals.onLabel(0, row, 'u', `tool ${name} ${'x'.repeat(name)}`);
    tables[0]!.count(row, OUTCOME_REFUSED);
  }
  const all = stats();
  expect(all.length).toBe(CALL_LABELS_MAX);
  expect(all.at(-1)).toMatchObject({ upstream: '', tool: '(overflow)' });
  expect(all.reduce((sum, { refused }) => sum + refused, 0)).toBe(CALL_LABELS_MAX + 200);
  for (const { tool } of all) expect(tool.length).toBeLessThanOrEqual(LABEL_CHARS_MAX + 1);
});

it('takes no label for a row or a shard that is not there', () => {
  const { totals, stats } = open(1);
  for (const row of [-1, 0.5, METRIC_LABELS_MAX, NaN]) totals.onLabel(0, row, 'u', 't');
  totals.onLabel(1, 0, 'u', 't');
  totals.onShardGone(1);
  expect(stats()).toEqual([]);
});

it('looks at every row in turn, so that none wraps unseen where nobody scrapes', () => {
  const { totals, words, stats } = open(1);
  totals.onLabel(0, 0, 'u', 't');
  words[OUTCOME_OK] = -1;
  for (let polls = 0; polls < METRIC_LABELS_MAX; polls += 1) totals.poll();
  words[OUTCOME_OK] = 5; // six calls later
  expect(stats()).toMatchObject([{ ok: 2 ** 32 + 5 }]);
});
