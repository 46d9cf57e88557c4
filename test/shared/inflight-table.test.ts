import { describe, expect, it } from 'vitest';
import { InflightTable, inflightTableBytes } from '../../shared/inflight-table.ts';
import { UPSTREAMS_MAX } from '../../shared/limits.ts';
import { createRegion, layoutRegion } from '../../shared/region-descriptor.ts';
import { ThreadCell } from '../../shared/thread-cell.ts';

function open(shards: number) {
  const layout = layoutRegion({ shards });
  const region = createRegion(layout);
  const table = () =>
    new InflightTable(region, layout.inflight, shards, layout.threadCells[layout.edges]!);
  const threads = Array.from(
    { length: shards },
    (_, shard) => new ThreadCell(region, layout.threadCells[layout.edges + shard]!),
  );
  const tables = threads.map((thread, shard) => {
    const own = table();
    own.open(shard, thread.generation);
    return own;
  });
  return { tables, threads, edge: table() };
}

describe('in-flight counts', () => {
  it('add up over shards, by upstream', () => {
    const { tables, edge } = open(3);
    const last = UPSTREAMS_MAX - 1;
    tables[0]!.add(0, 5);
    tables[2]!.add(2, 5);
    tables[2]!.add(2, 5);
    tables[1]!.add(1, last);
    expect([edge.sum(5), edge.sum(last), edge.sum(4)]).toEqual([3, 1, 0]);
    tables[2]!.remove(2, 5);
    expect([edge.sum(5), edge.of(0, 5), edge.of(1, 5), edge.of(2, 5)]).toEqual([2, 1, 0, 1]);
  });

  it('of a dead shard are taken back at once when its generation is raised', () => {
    const { tables, threads, edge } = open(2);
    for (let call = 0; call < 10; call += 1) tables[0]!.add(0, 1);
    tables[1]!.add(1, 1);
    threads[0]!.raiseGeneration();
    expect(edge.sum(1)).toBe(1);

    tables[0]!.open(0, threads[0]!.generation);
    expect(edge.sum(1)).toBe(1);
    tables[0]!.add(0, 1);
    expect(edge.sum(1)).toBe(2);
  });

  it('name their generation by 16 bits, also where those wrap', () => {
    const { tables, threads, edge } = open(1);
    for (let life = 1; life < 65_540; life += 1) threads[0]!.raiseGeneration();
    tables[0]!.open(0, threads[0]!.generation);
    tables[0]!.add(0, 0);
    expect(threads[0]!.generation).toBe(65_540);
    expect(edge.sum(0)).toBe(1);
  });

  it('let no more calls through than allowed, over all shards', () => {
    const { tables, edge } = open(4);
    const taken = [0, 1, 2, 3, 0, 1, 2, 3].map((shard) => tables[shard]!.tryAdd(shard, 9, 5));
    expect(taken).toEqual([true, true, true, true, true, false, false, false]);
    expect(edge.sum(9)).toBe(5);
    tables[3]!.remove(3, 9);
    expect(tables[0]!.tryAdd(0, 9, 5)).toBe(true);
  });

  it('are the same at a glance, with those of a dead shard left out', () => {
    const { tables, threads, edge } = open(3);
    for (const shard of [0, 1, 1, 2]) tables[shard]!.add(shard, 7);
    expect(edge.glance(7)).toBe(4);
    expect(edge.glance(8)).toBe(0);
    threads[1]!.raiseGeneration();
    expect(edge.glance(7)).toBe(2);
  });

  it('never go below zero', () => {
    const { tables } = open(1);
    expect(() => tables[0]!.remove(0, 0)).toThrow('assertion failed');
  });

  it('take 1 KiB per shard', () => {
    expect(inflightTableBytes(32)).toBe(32 * 1024);
  });
});
