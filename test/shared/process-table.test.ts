import { expect, it } from 'vitest';
import { PROCESSES_MAX, SHARDS_MAX } from '../../shared/limits.ts';
import { PROCESS_TABLE_BYTES, ProcessTable } from '../../shared/process-table.ts';

function open() {
  const region = new SharedArrayBuffer(128 + PROCESS_TABLE_BYTES);
  return () => new ProcessTable(region, 128);
}

function pidsOf(table: ProcessTable, shard: number, generation: number): number[] {
  const pids: number[] = [];
  let entry = table.nextOwned(shard, generation, 0);
  for (; entry >= 0; entry = table.nextOwned(shard, generation, entry + 1))
    pids.push(table.pid(entry));
  return pids;
}

it('tells the edge which processes one life of a shard left behind', () => {
  const table = open();
  const [first, second, edge] = [table(), table(), table()];
  const gone = first.register(0, 1, 7, 100);
  first.register(0, 1, 8, 101);
  second.register(1, 1, 7, 200);
  first.register(0, 2, 7, 300); // its successor
  first.release(gone);

  expect(pidsOf(edge, 0, 1)).toEqual([101]);
  expect(pidsOf(edge, 1, 1)).toEqual([200]);
  expect(pidsOf(edge, 0, 2)).toEqual([300]);
  expect(pidsOf(edge, 1, 2)).toEqual([]);
  expect(edge.upstream(edge.nextOwned(0, 1, 0))).toBe(8);
  expect(edge.count()).toBe(3);
});

it('holds an entry for a process that is about to be spawned, without a pid', () => {
  const table = open()();
  const entry = table.claim(3, 4, 5);
  expect(pidsOf(table, 3, 4)).toEqual([0]);
  table.setPid(entry, 77);
  expect(pidsOf(table, 3, 4)).toEqual([77]);
  table.release(entry);
  const again = table.claim(3, 4, 5);
  expect(table.pid(again)).toBe(0);
});

it('tells the last shard and the highest generation from all others', () => {
  const table = open()();
  table.register(SHARDS_MAX - 1, 0xffff, 0, 50);
  expect(pidsOf(table, SHARDS_MAX - 1, 0xffff)).toEqual([50]);
  expect(pidsOf(table, SHARDS_MAX - 2, 0xffff)).toEqual([]);
  expect(pidsOf(table, SHARDS_MAX - 1, 0xfffe)).toEqual([]);
});

it('is full at its bound, says so before anything is spawned, and takes on again what was released', () => {
  const make = open();
  const [one, other] = [make(), make()];
  for (let index = 0; index < PROCESSES_MAX; index += 1) {
    const table = index % 2 === 0 ? one : other;
    expect(table.register(index % 3, 1, 0, 1000 + index)).toBeGreaterThanOrEqual(0);
  }
  expect(one.count()).toBe(PROCESSES_MAX);
  expect(one.claim(0, 1, 0)).toBe(-1);
  one.release(513);
  expect(other.claim(9, 9, 9)).toBe(513);
});

it('refuses pids that would mean a group of others, and entries out of range', () => {
  const table = open()();
  const entry = table.claim(0, 1, 0);
  for (const pid of [-5, 0, 1, Number.NaN])
    expect(() => table.setPid(entry, pid)).toThrow('a child has a pid');
  expect(() => table.release(PROCESSES_MAX)).toThrow('assertion failed');
  expect(() => table.pid(-1)).toThrow('assertion failed');
});
