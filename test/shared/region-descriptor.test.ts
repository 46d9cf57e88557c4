import { describe, expect, it } from 'vitest';
import { COUNTER_BLOCK_BYTES } from '../../shared/counter-cell.ts';
import { EXCHANGE_CELLS_BYTES } from '../../shared/exchange-cell.ts';
import { inflightTableBytes } from '../../shared/inflight-table.ts';
import { METRIC_TABLE_BYTES } from '../../shared/metric-table.ts';
import { PROCESS_TABLE_BYTES } from '../../shared/process-table.ts';
import {
  checkRegion,
  createRegion,
  layoutRegion,
  regionTable,
  shardThread,
  type RegionLayout,
} from '../../shared/region-descriptor.ts';
import { ringBytes } from '../../shared/ring-descriptor.ts';
import { RingReader } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';
import { THREAD_CELL_BYTES, THREAD_DOWN, ThreadCell } from '../../shared/thread-cell.ts';

/** Every part of a layout as [offset, bytes]. */
function partsOf(layout: RegionLayout): [number, number][] {
  const parts: [number, number][] = [
    [0, 128],
    [layout.plan, 4],
  ];
  const addAll = (offsets: readonly number[], bytes: number) => {
    for (const offset of offsets) if (offset >= 0) parts.push([offset, bytes]);
  };
  addAll(layout.threadCells, THREAD_CELL_BYTES);
  addAll(layout.counters, COUNTER_BLOCK_BYTES);
  addAll([layout.inflight], inflightTableBytes(layout.shards));
  addAll([layout.processes], PROCESS_TABLE_BYTES);
  addAll(layout.exchangeCells, EXCHANGE_CELLS_BYTES);
  addAll(layout.metrics, METRIC_TABLE_BYTES);
  addAll(layout.ringsIn.flat(), ringBytes(layout.ringInBytes));
  addAll(layout.ringsOut.flat(), ringBytes(layout.ringOutBytes));
  addAll(layout.ringsPeer.flat(), ringBytes(layout.ringPeerBytes));
  for (const { offset, bytes } of Object.values(layout.tables)) parts.push([offset, bytes]);
  return parts.sort((a, b) => a[0] - b[0]);
}

describe('region layout', () => {
  it.each([
    { shards: 1 },
    {
      shards: 2,
      tables: [
        { name: 'a', bytes: 1 },
        { name: 'b', bytes: 1000 },
      ],
    },
    { shards: 5, edges: 2, ringInBytes: 1 << 16, ringOutBytes: 1 << 12, ringPeerBytes: 64 },
    { shards: 32 },
  ])('puts every part on cache lines of its own, none over another: %j', (shape) => {
    const layout = layoutRegion(shape);
    const parts = partsOf(layout);
    let end = 0;
    for (const [offset, bytes] of parts) {
      expect(offset % 128).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + bytes;
    }
    expect(end).toBeLessThanOrEqual(layout.bytes);
    const { shards, edges } = layout;
    const rings = 2 * edges * shards + shards * (shards - 1);
    expect(parts.length).toBe(
      4 + 2 * (edges + shards) + 2 * shards + rings + Object.keys(layout.tables).length,
    );
  });

  it('survives being posted to a worker', () => {
    const layout = layoutRegion({ shards: 3, tables: [{ name: 'buckets', bytes: 64 }] });
    expect(structuredClone(layout)).toEqual(layout);
    expect(JSON.parse(JSON.stringify(layout))).toEqual(layout);
  });

  it('knows threads as edges first, then shards', () => {
    const layout = layoutRegion({ shards: 3, edges: 2 });
    expect(layout.threads).toBe(5);
    expect(layout.threadCells.length).toBe(5);
    expect(shardThread(layout, 2)).toBe(4);
    const steps = layout.threadCells
      .slice(1)
      .map((cell, index) => cell - layout.threadCells[index]!);
    expect(new Set(steps)).toEqual(new Set([THREAD_CELL_BYTES]));
  });

  it('has no peer ring from a shard to itself', () => {
    const { ringsPeer } = layoutRegion({ shards: 3 });
    ringsPeer.forEach((row, from) =>
      row.forEach((offset, to) => expect(offset === -1).toBe(from === to)),
    );
  });

  it('finds tables by name, and refuses names it was not given or given twice', () => {
    const layout = layoutRegion({ shards: 1, tables: [{ name: 'buckets', bytes: 300 }] });
    expect(regionTable(layout, 'buckets').bytes).toBe(300);
    expect(() => regionTable(layout, 'pails')).toThrow('pails');
    const twice = {
      shards: 1,
      tables: [
        { name: 'a', bytes: 1 },
        { name: 'a', bytes: 1 },
      ],
    };
    expect(() => layoutRegion(twice)).toThrow('used once');
  });

  it.each([
    { shards: 0 },
    { shards: 33 },
    { shards: 1.5 },
    { shards: 1, edges: 0 },
    { shards: 1, ringInBytes: 100 },
  ])('refuses %j', (shape) => {
    expect(() => layoutRegion(shape)).toThrow('assertion failed');
  });

  it('refuses tables that would push offsets past 32 bits', () => {
    const tables = [{ name: 'huge', bytes: 2 ** 31 }];
    expect(() => layoutRegion({ shards: 1, tables })).toThrow('32-bit');
  });
});

describe('region', () => {
  it('starts with empty rings, threads that are down, and generation 1', () => {
    const layout = layoutRegion({ shards: 2 });
    const region = createRegion(layout);
    for (const cell of layout.threadCells) {
      const thread = new ThreadCell(region, cell);
      expect([thread.generation, thread.state, thread.beats]).toEqual([1, THREAD_DOWN, 0]);
    }
    for (const offset of layout.ringsPeer.flat().filter((offset) => offset >= 0)) {
      expect(new RingReader(region, offset, layout.ringPeerBytes).isEmpty()).toBe(true);
      expect(new RingWriter(region, offset, layout.ringPeerBytes).freeBytes).toBeGreaterThan(
        65_536,
      );
    }
  });

  it('is told from a region of another layout, and from no region', () => {
    const layout = layoutRegion({ shards: 2 });
    const region = createRegion(layout);
    checkRegion(region, structuredClone(layout));
    expect(() => checkRegion(region, layoutRegion({ shards: 3 }))).toThrow('layout');
    expect(() => checkRegion(region, layoutRegion({ shards: 2, ringInBytes: 64 }))).toThrow(
      'layout',
    );
    expect(() => checkRegion(new SharedArrayBuffer(layout.bytes), layout)).toThrow('magic');
    new Int32Array(region)[1] = 99;
    expect(() => checkRegion(region, layout)).toThrow('version');
  });
});
