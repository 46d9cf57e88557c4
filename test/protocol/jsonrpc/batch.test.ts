import { expect, it } from 'vitest';
import { BATCH_MESSAGES_MAX } from '../../../shared/limits.ts';
import { BATCH_TOO_LONG, forEachBatchItem } from '../../../src/protocol/jsonrpc/batch.ts';
import { KIND_BATCH } from '../../../src/protocol/jsonrpc/peek-record.ts';
import { peekText } from '../support/messages.ts';

function itemsOf(text: string): [number, string[]] {
  const { bytes, record } = peekText(text);
  expect(record.kind).toBe(KIND_BATCH);
  const items: string[] = [];
  const count = forEachBatchItem(bytes, 8, bytes.length - 8, (start, end, index) => {
    expect(index).toBe(items.length);
    items.push(bytes.toString('utf8', start, end));
  });
  return [count, items];
}

it('visits the messages of a batch in order', () => {
  expect(itemsOf(' [ {"id":1} ,\n{"id":[2,{}]},3,"]",[4] ] ')).toEqual([
    5,
    ['{"id":1}', '{"id":[2,{}]}', '3', '"]"', '[4]'],
  ]);
  expect(itemsOf('[]')).toEqual([0, []]);
});

it('visits none of a batch that is too long', () => {
  const batch = (count: number) => `[${new Array(count).fill('{}').join(',')}]`;
  expect(itemsOf(batch(BATCH_MESSAGES_MAX))[0]).toBe(BATCH_MESSAGES_MAX);
  expect(itemsOf(batch(BATCH_MESSAGES_MAX + 1))).toEqual([BATCH_TOO_LONG, []]);
});
