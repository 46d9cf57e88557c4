import { describe, expect, it } from 'vitest';
import {
  COUNTERS,
  COUNTER_CELLS,
  COUNTER_ROWS,
  EDGE_REFUSAL,
  FAULT_IDS_MAX,
  counterCells,
} from '../../shared/counter-catalogue.ts';
import { COUNTER_BLOCK_BYTES, CounterBlock, CounterReader } from '../../shared/counter-cell.ts';
import { FAULTS } from '../../shared/fault.ts';

describe('counter catalogue', () => {
  it('names each counter once, as Prometheus wants it', () => {
    const names = COUNTER_ROWS.map((row) => row.name);
    expect(new Set(names).size).toBe(names.length);
    for (const row of COUNTER_ROWS) {
      expect(row.name).toMatch(/^[a-z][a-z0-9_]*_total$/);
      expect(row.unit === 'bytes').toBe(row.name.includes('_bytes_'));
      expect(row.help).toMatch(/^[A-Z].*\.$/);
      expect(row.label === undefined).toBe(row.values === undefined);
    }
  });

  it('gives no cell to two counters', () => {
    const owners = new Map<number, string>();
    for (const row of COUNTER_ROWS) {
      for (let cell = row.id; cell < row.id + counterCells(row); cell += 1) {
        expect(owners.get(cell)).toBe(undefined);
        owners.set(cell, row.name);
      }
    }
    expect(Math.max(...owners.keys())).toBeLessThan(COUNTER_CELLS);
  });

  it('labels each refusal of the edge and each fault', () => {
    for (const [name, index] of Object.entries(EDGE_REFUSAL)) {
      expect(COUNTERS.EDGE_REFUSED.values[index]).toBe(name.toLowerCase());
    }
    expect(COUNTERS.REFUSED.values.length).toBe(FAULT_IDS_MAX);
    for (const [code, row] of Object.entries(FAULTS)) {
      expect(COUNTERS.REFUSED.values[row.id]).toBe(code.toLowerCase());
    }
  });
});

describe('counter cells', () => {
  const open = () => {
    const region = new SharedArrayBuffer(128 + COUNTER_BLOCK_BYTES);
    return {
      cells: new Int32Array(region, 128, COUNTER_CELLS),
      block: new CounterBlock(region, 128),
      reader: new CounterReader(region, 128),
    };
  };

  it('adds up by counter', () => {
    const { block, reader } = open();
    block.add(COUNTERS.REQUESTS.id);
    block.add(COUNTERS.REQUESTS.id);
    block.add(COUNTERS.EDGE_BYTES_IN.id, 1_000_000);
    block.add(COUNTERS.REFUSED.id + FAULTS.BUSY.id, 1);
    expect(reader.read(COUNTERS.REQUESTS.id)).toBe(2);
    expect(reader.read(COUNTERS.EDGE_BYTES_IN.id)).toBe(1_000_000);
    expect(reader.read(COUNTERS.REFUSED.id + FAULTS.BUSY.id)).toBe(1);
    expect(reader.read(COUNTERS.EDGE_BYTES_OUT.id)).toBe(0);
  });

  it('counts on where a cell wraps, if each wrap is looked at', () => {
    const { block, reader, cells } = open();
    const id = COUNTERS.EDGE_BYTES_OUT.id;
    cells[id] = -5; // 2^32 - 5
    expect(reader.read(id)).toBe(2 ** 32 - 5);
    block.add(id, 10);
    expect(cells[id]).toBe(5);
    expect(reader.read(id)).toBe(2 ** 32 + 5);
    for (let round = 0; round < 8; round += 1) {
      block.add(id, 2 ** 30);
      reader.poll();
    }
    expect(reader.read(id)).toBe(3 * 2 ** 32 + 5);
  });

  it('is not set back by a new writer', () => {
    const { block, reader, cells } = open();
    block.add(7, 3);
    new CounterBlock(cells.buffer as SharedArrayBuffer, 128).add(7, 2);
    expect(reader.read(7)).toBe(5);
  });

  it('refuses to read cells out of range', () => {
    const { reader } = open();
    expect(() => reader.read(COUNTER_CELLS)).toThrow('assertion failed');
    expect(() => reader.read(-1)).toThrow('assertion failed');
  });
});
