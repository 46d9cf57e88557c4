import { expect, it } from 'vitest';
import { METRIC_LABELS_MAX } from '../../shared/limits.ts';
import {
  METRIC_TABLE_BYTES,
  MetricRowReader,
  MetricTable,
  OUTCOMES,
  OUTCOME_CANCELLED,
  OUTCOME_IS_ERROR,
  OUTCOME_NAMES,
  OUTCOME_OK,
  OUTCOME_REFUSED,
} from '../../shared/metric-table.ts';

it('keeps outcomes and latencies of each row apart from its neighbours', () => {
  const region = new SharedArrayBuffer(128 + METRIC_TABLE_BYTES);
  const table = new MetricTable(region, 128);
  const last = METRIC_LABELS_MAX - 1;
  table.record(0, OUTCOME_OK, 7);
  table.record(0, OUTCOME_IS_ERROR, 7);
  table.record(1, OUTCOME_CANCELLED, 1e12);
  table.count(1, OUTCOME_REFUSED);
  table.record(last, OUTCOME_OK, 9);

  const read = (row: number) => {
    const reader = new MetricRowReader(region, 128, row);
    const latencies: [number, number][] = [];
    reader.read((valueUs, count) => latencies.push([valueUs, count]));
    return { totals: [...reader.totals], latencies };
  };
  expect(read(0)).toEqual({ totals: [1, 1, 0, 0, 0], latencies: [[7, 2]] });
  expect(read(1).totals).toEqual([0, 0, 0, 1, 1]);
  expect(read(1).latencies.map(([, count]) => count)).toEqual([1]);
  expect(read(2)).toEqual({ totals: [0, 0, 0, 0, 0], latencies: [] });
  expect(read(last)).toEqual({ totals: [1, 0, 0, 0, 0], latencies: [[9, 1]] });
});

it('goes on counting where a word wraps', () => {
  const region = new SharedArrayBuffer(METRIC_TABLE_BYTES);
  const table = new MetricTable(region, 0);
  const reader = new MetricRowReader(region, 0, 0);
  new Int32Array(region)[OUTCOME_OK] = -1;
  reader.read(() => {});
  table.count(0, OUTCOME_OK);
  table.count(0, OUTCOME_OK);
  reader.read(() => {});
  expect(reader.totals[OUTCOME_OK]).toBe(2 ** 32 + 1);
});

it('names each outcome, and refuses rows out of range', () => {
  expect(OUTCOME_NAMES.length).toBe(OUTCOMES);
  const region = new SharedArrayBuffer(METRIC_TABLE_BYTES);
  expect(() => new MetricRowReader(region, 0, METRIC_LABELS_MAX)).toThrow('assertion failed');
});
