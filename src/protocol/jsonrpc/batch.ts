/**
 * Batches, which 2025-03-26 alone has: arrays of messages, from clients and from servers.
 */
import { BATCH_MESSAGES_MAX } from '../../../shared/limits.ts';
import { skipSpace, skipValue } from './token.ts';

const COMMA = 0x2c;
const BRACKET_CLOSE = 0x5d;

/** The batch has more messages than `BATCH_MESSAGES_MAX`; none of them was visited. */
export const BATCH_TOO_LONG = -1;

/**
 * Visits the messages of an array for which `peek` said KIND_BATCH, in order. Each span still has to be
 * peeked, and may be an array itself, which is no message.
 *
 * @returns the number of messages, 0 for an empty array (an invalid request, JSON-RPC 2.0 section 6),
 *   or BATCH_TOO_LONG
 */
export function forEachBatchItem(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (start: number, end: number, index: number) => void,
): number {
  const count = walkBatch(bytes, start, end, null);
  if (count > BATCH_MESSAGES_MAX) return BATCH_TOO_LONG;
  return walkBatch(bytes, start, end, visit);
}

function walkBatch(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: ((start: number, end: number, index: number) => void) | null,
): number {
  let at = skipSpace(bytes, skipSpace(bytes, start, end) + 1, end);
  let count = 0;
  while (at < end && bytes[at] !== BRACKET_CLOSE) {
    const next = skipValue(bytes, at, end, 0);
    if (visit !== null) visit(at, next, count);
    count += 1;
    at = skipSpace(bytes, next, end);
    if (at < end && bytes[at] === COMMA) at = skipSpace(bytes, at + 1, end);
  }
  return count;
}
