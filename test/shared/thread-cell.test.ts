import { expect, it } from 'vitest';
import { PlanCell } from '../../shared/plan-cell.ts';
import {
  BEAT_OFFSET,
  DOORBELL_OFFSET,
  THREAD_CELL_BYTES,
  THREAD_READY,
  ThreadCell,
} from '../../shared/thread-cell.ts';

it('shows others what a thread says of itself, without touching its doorbell', () => {
  const region = new SharedArrayBuffer(128 + THREAD_CELL_BYTES);
  const words = new Int32Array(region);
  words[(128 + DOORBELL_OFFSET) >> 2] = 1;
  const shard = new ThreadCell(region, 128);
  const edge = new ThreadCell(region, 128);
  shard.beat();
  shard.beat();
  shard.state = THREAD_READY;
  shard.planTaken = 2 ** 32 - 1;
  expect(edge.raiseGeneration()).toBe(1);
  expect(edge.raiseGeneration()).toBe(2);

  expect([edge.beats, edge.state, edge.planTaken, shard.generation]).toEqual([
    2,
    THREAD_READY,
    2 ** 32 - 1,
    2,
  ]);
  expect(words[(128 + DOORBELL_OFFSET) >> 2]).toBe(1);
});

it('counts beats on past 2^31 and 2^32', () => {
  const region = new SharedArrayBuffer(THREAD_CELL_BYTES);
  const cell = new ThreadCell(region, 0);
  new Int32Array(region)[BEAT_OFFSET >> 2] = 2 ** 31 - 1;
  const before = cell.beats;
  cell.beat();
  expect(cell.beats).not.toBe(before);
});

it('tells the number of the current plan, and 0 before there is one', () => {
  const region = new SharedArrayBuffer(64);
  const cell = new PlanCell(region, 8);
  expect(cell.current()).toBe(0);
  new PlanCell(region, 8).publish(2 ** 32 - 2);
  expect(cell.current()).toBe(2 ** 32 - 2);
});
