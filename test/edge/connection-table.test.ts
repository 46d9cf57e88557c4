import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXCHANGES_MAX, EXCHANGE_SLOT_BITS } from '../../shared/limits.ts';
import { ConnectionTable, EdgeExchange } from '../../src/edge/connection-table.ts';
import { RecordedExchange } from './support/recorded-exchange.ts';

const http = new RecordedExchange();

describe('the table of exchanges', () => {
  it('finds an exchange by its number until it is released, and never by an older one', () => {
    const table = new ConnectionTable(3);
    const first = table.tryTake(http)!;
    const number = first.number;
    expect(table.find(number)).toBe(first);
    expect([first.shard, first.http, table.openCount]).toEqual([3, http, 1]);
    table.release(first);
    expect(table.find(number)).toBeUndefined();
    const second = table.tryTake(http)!;
    expect(second.slot).toBe(first.slot);
    expect(second.number).not.toBe(number);
    expect(table.find(number)).toBeUndefined();
    expect(table.find(second.number)).toBe(second);
  });

  it('refuses one more than it has slots for', () => {
    const table = new ConnectionTable(0);
    for (let i = 0; i < EXCHANGES_MAX; i += 1) expect(table.tryTake(http)).not.toBeNull();
    expect(table.tryTake(http)).toBeNull();
    table.release(table.openExchanges()[5]!);
    expect(table.tryTake(http)).not.toBeNull();
  });

  it('gives no number twice in 2^18 uses of a slot, and never 0', () => {
    const table = new ConnectionTable(0);
    const uses = (1 << (32 - EXCHANGE_SLOT_BITS)) - 1;
    const seen = new Set<number>();
    for (let i = 0; i < uses; i += 1) {
      const exchange = table.tryTake(http)!;
      seen.add(exchange.number);
      table.release(exchange);
    }
    expect(seen.size).toBe(uses);
    expect(seen.has(0)).toBe(false);
    expect(table.tryTake(http)!.number >>> EXCHANGE_SLOT_BITS).toBe(1);
  });

  it('releases an exchange once', () => {
    const table = new ConnectionTable(0);
    const exchange = table.tryTake(http)!;
    table.release(exchange);
    expect(() => table.release(exchange)).toThrow(/released once/);
  });
});

describe('the tail of a reply', () => {
  it('tells whether the stream stands between events, however the bytes were cut', () => {
    const streams = [
      'data: a\n\n',
      'data: a\r\n\r\n',
      'data: a\r\r',
      'data: a\n',
      'da',
      'data: a\r\n',
    ];
    const isBetween = [true, true, true, false, false, false];
    fc.assert(
      fc.property(fc.nat(5), fc.array(fc.integer({ min: 1, max: 4 })), (which, sizes) => {
        const bytes = new TextEncoder().encode(streams[which]);
        const exchange = new EdgeExchange(0, 0);
        expect(exchange.isBetweenEvents()).toBe(true);
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          const end = Math.min(bytes.length, at + size);
          exchange.noteTail(bytes, at, end);
          at = end;
        }
        expect(exchange.isBetweenEvents()).toBe(isBetween[which]);
      }),
    );
  });
});
