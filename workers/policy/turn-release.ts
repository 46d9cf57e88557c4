/**
 * Hands items out a few per turn of the event loop, beginning with a later turn: each may go on to
 * check a signature and to run a whole call, and thousands of them at once would stop the shard.
 */
import { AUTH_RESUMED_PER_TURN } from './policy-limits.ts';

export function releaseInTurns<Item>(items: readonly Item[], visit: (item: Item) => void): void {
  if (items.length > 0) releaseFrom(items, 0, visit);
}

function releaseFrom<Item>(
  items: readonly Item[],
  from: number,
  visit: (item: Item) => void,
): void {
  setImmediate(() => {
    const part = items.slice(from, from + AUTH_RESUMED_PER_TURN);
    for (const item of part) visit(item);
    if (from + part.length < items.length) releaseFrom(items, from + part.length, visit);
  });
}
