/** What an edge with real threads counts, also over the death of one. */
import { afterEach, expect, it } from 'vitest';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { CounterName } from '../../shared/counter-catalogue.ts';
import { OUTCOME_IS_ERROR, OUTCOME_OK } from '../../shared/metric-table.ts';
import { Harness, sessionIdFor } from './support/edge-harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const on = (shard: number) => ({ headers: { 'mcp-session-id': sessionIdFor(shard) } });
const counted = (name: CounterName): number => harness.edge.scrape.counter(0, COUNTERS[name].id);

/** Calls with the outcome ok by tool, none that are zero. */
function okByTool(): Record<string, number> {
  const { calls } = harness.edge.stats();
  return Object.fromEntries(calls.filter(({ ok }) => ok > 0).map(({ tool, ok }) => [tool, ok]));
}

it('adds up calls of all shards, and none is lost or counted twice when one starts again', async () => {
  harness = await Harness.start();
  const count = (shard: number, name: string | undefined, row: number, times: number) =>
    harness.result('count', { row, upstream: 'math', name, outcome: OUTCOME_OK, times }, on(shard));
  await count(0, 'add', 0, 2);
  await count(1, 'add', 5, 3);
  await count(1, 'divide', 0, 4);
  // A label comes on another way than the answer, so it may be a moment behind.
  await expect.poll(okByTool).toEqual({ add: 5, divide: 4 });

  await count(1, undefined, 5, 10); // not read before the shard dies
  await harness.call('throw', {}, on(1));
  await harness.event('ready', 1, 2);
  expect(okByTool()).toEqual({ add: 15, divide: 4 });

  await count(1, 'add', 0, 1); // the row that was another tool's
  await expect.poll(okByTool).toEqual({ add: 16, divide: 4 });
  expect(harness.edge.stats().calls[0]!.latency).toMatchObject({ count: 16 });
});

it('tells results with isError apart', async () => {
  harness = await Harness.start();
  const params = { row: 0, upstream: 'math', name: 'add', outcome: OUTCOME_IS_ERROR, times: 2 };
  await harness.result('count', params, on(0));
  await expect.poll(() => harness.edge.stats().calls).toMatchObject([{ ok: 0, isError: 2 }]);
});

it('counts the calls it answered for a dead shard', async () => {
  harness = await Harness.start();
  const held = [harness.call('hold', {}, on(1)), harness.call('hold', {}, on(1))];
  while (harness.edge.openExchanges < 2) await new Promise((resolve) => setImmediate(resolve));
  const last = harness.call('throw', {}, on(1));
  await Promise.all([...held, last]);
  expect(counted('EXCHANGES_ORPHANED')).toBe(3);
  expect(counted('SHARD_DEATHS')).toBe(1);
});

it('counts probes on the main listener', async () => {
  harness = await Harness.start();
  for (const path of ['/healthz', '/readyz']) await harness.fetch({ method: 'GET', path });
  expect(counted('ADMIN_REQUESTS')).toBe(2);
});
