import { expect, it } from 'vitest';
import { EXCHANGE_CELLS_BYTES, ExchangeCells } from '../../shared/exchange-cell.ts';
import { EXCHANGES_MAX, ID_CELL_BYTES } from '../../shared/limits.ts';

const region = () => new SharedArrayBuffer(128 + EXCHANGE_CELLS_BYTES);
const ascii = (text: string) => new TextEncoder().encode(text);

function idOf(cells: ExchangeCells, slot: number, exchange: number): string | null {
  if (!cells.readId(slot, exchange)) return null;
  return Buffer.from(cells.bytes.subarray(cells.idStart, cells.idEnd)).toString();
}

it('lets the edge read the id of each exchange of a dead shard', () => {
  const memory = region();
  const shard = new ExchangeCells(memory, 128);
  const edge = new ExchangeCells(memory, 128);
  const last = EXCHANGES_MAX - 1;
  expect(shard.write(0, 1 << 14, ascii('x"a"x'), 1, 4)).toBe(true);
  expect(shard.write(last, (1 << 31) | last, ascii('7'), 0, 1)).toBe(true);

  expect(idOf(edge, 0, 1 << 14)).toBe('"a"');
  expect(idOf(edge, last, (1 << 31) | last)).toBe('7');
  expect(idOf(edge, last, 2 ** 31 + last)).toBe('7'); // the same number, read as unsigned
});

it('knows nothing of exchanges that ended, of older ones in the slot, and of slots out of range', () => {
  const cells = new ExchangeCells(region(), 128);
  cells.write(3, (1 << 14) | 3, ascii('1'), 0, 1);
  cells.write(3, (2 << 14) | 3, ascii('22'), 0, 2);
  expect(idOf(cells, 3, (1 << 14) | 3)).toBe(null);
  expect(idOf(cells, 3, (2 << 14) | 3)).toBe('22');
  cells.clear(3);
  expect(idOf(cells, 3, (2 << 14) | 3)).toBe(null);
  expect(idOf(cells, 3, 0)).toBe(null);
  expect(idOf(cells, -1, 5)).toBe(null);
  expect(idOf(cells, EXCHANGES_MAX, 5)).toBe(null);
});

it('keeps the longest id that fits a cell, refuses a longer one and touches no neighbour', () => {
  const cells = new ExchangeCells(region(), 128);
  cells.write(4, 44, ascii('4'), 0, 1);
  cells.write(6, 66, ascii('6'), 0, 1);
  const long = ascii('x'.repeat(ID_CELL_BYTES + 1));
  expect(cells.write(5, 55, long, 0, ID_CELL_BYTES)).toBe(true);
  expect(idOf(cells, 5, 55)).toBe('x'.repeat(ID_CELL_BYTES));
  expect(cells.write(5, 56, long, 0, ID_CELL_BYTES + 1)).toBe(false);
  expect(idOf(cells, 5, 55)).toBe(null);
  expect(idOf(cells, 5, 56)).toBe(null);
  expect([idOf(cells, 4, 44), idOf(cells, 6, 66)]).toEqual(['4', '6']);
});

it('has no id for an exchange without one, and is empty for the next shard', () => {
  const cells = new ExchangeCells(region(), 128);
  expect(cells.write(1, 9, ascii(''), 0, 0)).toBe(true);
  expect(idOf(cells, 1, 9)).toBe(null);
  cells.write(2, 8, ascii('8'), 0, 1);
  cells.clearAll();
  expect(idOf(cells, 2, 8)).toBe(null);
});

it('refuses exchange 0 and slots out of range as bugs', () => {
  const cells = new ExchangeCells(region(), 128);
  expect(() => cells.write(1, 0, ascii('1'), 0, 1)).toThrow('assertion failed');
  expect(() => cells.write(EXCHANGES_MAX, 1, ascii('1'), 0, 1)).toThrow('assertion failed');
});
