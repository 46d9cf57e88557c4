import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  HISTOGRAM_BYTES,
  HISTOGRAM_CELLS,
  HISTOGRAM_VALUE_MAX_US,
  HistogramCell,
  HistogramReader,
  histogramCell,
  histogramValue,
} from '../../shared/histogram-cell.ts';

function open() {
  const region = new SharedArrayBuffer(128 + HISTOGRAM_BYTES);
  return {
    words: new Int32Array(region, 128, HISTOGRAM_CELLS),
    cell: new HistogramCell(region, 128),
    reader: new HistogramReader(region, 128),
  };
}

function readPairs(reader: HistogramReader): [number, number][] {
  const pairs: [number, number][] = [];
  reader.read((valueUs, count) => pairs.push([valueUs, count]));
  return pairs;
}

it('reports every value from 1 µs to ten minutes within 3.2 %', () => {
  const isClose = (value: number) => {
    const reported = histogramValue(histogramCell(value));
    expect(Math.abs(reported - value) / value).toBeLessThanOrEqual(0.032);
  };
  for (let value = 1; value < 5000; value += 1) isClose(value);
  for (let bit = 5; bit < 30; bit += 1) {
    for (const value of [2 ** bit - 1, 2 ** bit, 2 ** bit + 1])
      if (value <= HISTOGRAM_VALUE_MAX_US) isClose(value);
  }
  isClose(HISTOGRAM_VALUE_MAX_US);
  fc.assert(fc.property(fc.integer({ min: 1, max: HISTOGRAM_VALUE_MAX_US }), isClose));
});

it('keeps cells in the order of their values, and each value in the cell it is reported as', () => {
  let before = -1;
  for (let cell = 0; cell < HISTOGRAM_CELLS; cell += 1) {
    const value = histogramValue(cell);
    expect(value).toBeGreaterThan(before);
    if (value <= HISTOGRAM_VALUE_MAX_US) expect(histogramCell(value)).toBe(cell);
    before = value;
  }
});

it('counts what is out of range at the ends', () => {
  expect([-1, Number.NaN, -Infinity, 0, 0.9].map(histogramCell)).toEqual([0, 0, 0, 0, 0]);
  const top = histogramCell(HISTOGRAM_VALUE_MAX_US);
  expect([1e9, 2 ** 32, 2 ** 53, Infinity].map(histogramCell)).toEqual([top, top, top, top]);
  expect(top).toBeLessThan(HISTOGRAM_CELLS);
});

it('yields only what was counted since the last reading', () => {
  const { cell, reader } = open();
  for (const value of [5, 5, 1000, 5]) cell.record(value);
  expect(readPairs(reader)).toEqual([
    [5, 3],
    [histogramValue(histogramCell(1000)), 1],
  ]);
  expect(readPairs(reader)).toEqual([]);
  cell.record(5);
  expect(readPairs(reader)).toEqual([[5, 1]]);
});

it('counts on where a cell wraps', () => {
  const { words, cell, reader } = open();
  words[5] = -1;
  expect(readPairs(reader)).toEqual([[5, 2 ** 32 - 1]]);
  cell.record(5);
  cell.record(5);
  expect(words[5]).toBe(1);
  expect(readPairs(reader)).toEqual([[5, 2]]);
});
