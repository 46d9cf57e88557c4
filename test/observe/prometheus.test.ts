import { expect, it } from 'vitest';
import { COUNTERS, COUNTER_ROWS } from '../../shared/counter-catalogue.ts';
import { CounterBlock } from '../../shared/counter-cell.ts';
import { FAULTS } from '../../shared/fault.ts';
import { InflightTable } from '../../shared/inflight-table.ts';
import { MetricTable, OUTCOME_OK } from '../../shared/metric-table.ts';
import { ProcessTable } from '../../shared/process-table.ts';
import { createRegion, layoutRegion, shardThread } from '../../shared/region-descriptor.ts';
import { RingReader } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';
import { METRIC_ROWS } from '../../src/observe/metric-catalogue.ts';
import { MetricsText } from '../../src/observe/prometheus.ts';
import { Scrape } from '../../src/observe/scrape.ts';
import type { EdgeGauges } from '../../src/observe/scrape.ts';
import { parsePrometheus, sumOf } from '../support/prometheus-text.ts';

const SHARDS = 2;
const GAUGES: EdgeGauges = {
  isReady: false,
  openExchanges: 3,
  bodyBytes: 77,
  stalledSockets: 1,
  shards: [
    { index: 0, phase: 'running', generation: 1, restarts: 0, openExchanges: 1 },
    { index: 1, phase: 'lost', generation: 3, restarts: 2, openExchanges: 2 },
  ],
};
const PLAN = {
  number: 4,
  upstreams: [
    { name: 'math', slot: 5, kind: 'stdio' as const },
    { name: 'data', slot: 6, kind: 'http' as const },
  ],
};

function open() {
  const layout = layoutRegion({ shards: SHARDS });
  const region = createRegion(layout);
  const scrape = new Scrape(region, layout, PLAN, () => GAUGES);
  const text = new MetricsText(scrape, () => ({ version: '1.2.3', http: 'node' }));
  return {
    layout,
    region,
    scrape,
    blocks: layout.counters.map((at) => new CounterBlock(region, at)),
    text: () => text.text(),
    families: async () => parsePrometheus(await text.text()),
  };
}

it('shows every counter of the catalogue, at zero too, by thread and by label', async () => {
  const { families, blocks } = open();
  const before = await families();
  for (const row of COUNTER_ROWS) {
    const family = before.get(`sluice_${row.name}`);
    expect(family).toMatchObject({ type: 'counter', help: row.help });
    const threads = { edge: 1, shard: SHARDS, any: 1 + SHARDS }[row.thread];
    const values = row.values?.filter((value) => value !== '').length ?? 1;
    expect(family!.samples.length).toBe(threads * values);
    expect(sumOf(before, `sluice_${row.name}`)).toBe(0);
  }
  blocks[0]!.add(COUNTERS.WAKEUPS.id, 2);
  blocks[1]!.add(COUNTERS.WAKEUPS.id, 3);
  blocks[2]!.add(COUNTERS.REFUSED.id + FAULTS.RATE_LIMITED.id, 5);
  const after = await families();
  expect(sumOf(after, 'sluice_wakeups_total', { thread: 'edge' })).toBe(2);
  expect(sumOf(after, 'sluice_wakeups_total', { thread: 'shard-0' })).toBe(3);
  expect(sumOf(after, 'sluice_wakeups_total')).toBe(5);
  expect(sumOf(after, 'sluice_refused_total', { fault: 'rate_limited' })).toBe(5);
  expect(sumOf(after, 'sluice_refused_total')).toBe(5);
});

it('goes on counting where a cell wraps, if it is polled', async () => {
  const { families, region, layout, scrape } = open();
  const cells = new Int32Array(region, layout.counters[1]);
  const cell = COUNTERS.UPSTREAM_REQUESTS.id;
  cells[cell] = -1;
  scrape.poll(0);
  cells[cell] = 4;
  expect(sumOf(await families(), 'sluice_upstream_requests_total')).toBe(2 ** 32 + 4);
});

it('shows names of tools as they are, whatever they are made of', async () => {
  const { families, scrape, region, layout } = open();
  const tool = 'a"b\\c\nd{e="f"} 1';
  scrape.onLabel(0, 0, 'math', tool);
  new MetricTable(region, layout.metrics[0]!).record(0, OUTCOME_OK, 3000);
  const shown = await families();
  const labels = { upstream: 'math', tool };
  expect(sumOf(shown, 'sluice_calls_total', { ...labels, outcome: 'ok' })).toBe(1);
  expect(sumOf(shown, 'sluice_calls_total')).toBe(1);
  const [quantile] = shown.get('sluice_call_duration_quantile_seconds')!.samples;
  expect(quantile!.labels).toEqual({ ...labels, quantile: '0.5' });
  expect(quantile!.value).toBeCloseTo(0.003, 4);
  const bucket = (le: string) =>
    shown.get('sluice_call_duration_seconds')!.samples.find((sample) => sample.labels['le'] === le)!
      .value;
  expect([bucket('0.0025'), bucket('0.005'), bucket('+Inf')]).toEqual([0, 1, 1]);
});

it('shows how full rings are, how many calls are in flight, and what runs', async () => {
  const { families, region, layout } = open();
  const ring = layout.ringsIn[0]![1]!;
  const writer = new RingWriter(region, ring, layout.ringInBytes);
  writer.tryWrite(1, 0, 1, 0, new Uint8Array(48), 0, 48);
  const cells = layout.threadCells[shardThread(layout, 0)]!;
  const inflight = new InflightTable(region, layout.inflight, SHARDS, cells);
  inflight.open(0, 1);
  inflight.add(0, 5);
  new ProcessTable(region, layout.processes).register(0, 1, 5, 4321);
  new ProcessTable(region, layout.processes).register(1, 1, 99, 4322);

  let shown = await families();
  expect(sumOf(shown, 'sluice_ring_used_bytes', { ring: 'in', shard: '1' })).toBe(64);
  expect(sumOf(shown, 'sluice_ring_used_bytes')).toBe(64);
  expect(sumOf(shown, 'sluice_upstream_calls_in_flight', { upstream: 'math' })).toBe(1);
  expect(sumOf(shown, 'sluice_upstream_calls_in_flight', { upstream: 'data' })).toBe(0);
  expect(sumOf(shown, 'sluice_child_processes', { upstream: 'math' })).toBe(1);
  expect(sumOf(shown, 'sluice_child_processes', { upstream: '' })).toBe(1);
  expect(sumOf(shown, 'sluice_ready')).toBe(0);
  expect(sumOf(shown, 'sluice_shard_up')).toBe(1);
  expect(sumOf(shown, 'sluice_shard_restarts_total', { shard: '1' })).toBe(2);
  expect(sumOf(shown, 'sluice_plan_number')).toBe(4);
  expect(sumOf(shown, 'sluice_build_info', { version: '1.2.3', http: 'node' })).toBe(1);

  new RingReader(region, ring, layout.ringInBytes).read({ onFrame: () => undefined }, 9);
  shown = await families();
  expect(sumOf(shown, 'sluice_ring_used_bytes')).toBe(0);
});

it('counts sessions as they are, those of a dead shard no more', async () => {
  const { families, scrape, blocks } = open();
  blocks[1]!.add(COUNTERS.SESSIONS_OPENED.id, 10);
  blocks[1]!.add(COUNTERS.SESSIONS_CLOSED.id, 3);
  blocks[2]!.add(COUNTERS.SESSIONS_OPENED.id, 4);
  blocks[2]!.add(COUNTERS.SESSIONS_EXPIRED.id, 1);
  expect(sumOf(await families(), 'sluice_sessions', { shard: '0' })).toBe(7);
  expect(sumOf(await families(), 'sluice_sessions')).toBe(10);
  scrape.onShardGone(0);
  blocks[1]!.add(COUNTERS.SESSIONS_OPENED.id, 2);
  expect(sumOf(await families(), 'sluice_sessions', { shard: '0' })).toBe(2);
  expect(sumOf(await families(), 'sluice_sessions_opened_total')).toBe(16);
});

it('makes one page for all who ask at once, and none with memory of the last', async () => {
  const { text, blocks } = open();
  const [one, other] = await Promise.all([text(), text()]);
  expect(one).toBe(other);
  blocks[0]!.add(COUNTERS.REQUESTS.id);
  expect(await text()).not.toBe(one);
});

it('names each metric once, as Prometheus wants it', () => {
  const names = METRIC_ROWS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, type, help } of METRIC_ROWS) {
    expect(name).toMatch(/^(sluice|process)_[a-z][a-z0-9_]*$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    expect(help).toMatch(/^[A-Z1].*\.$/);
  }
});
