/** Names that two upstreams claim, as shards report them (`ShardStatus.collisions`). */

/** What a start under `names.conflict: fail` waits for upstreams to come up and list. */
const SETTLE_STEP_MS = 50;

export interface CollisionSource {
  /** Null where no upstream is being connected to any more. */
  pending(): Promise<{ readonly isSettled: boolean; readonly collisions: readonly string[] }>;
}

/**
 * Resolves with the collisions once every upstream has been reached or given up for now, at the latest
 * after `timeoutMs`. Later ones (a list that changes) are logged by the shards and refused call by call.
 */
export async function settledCollisions(
  source: CollisionSource,
  timeoutMs: number,
): Promise<readonly string[]> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const { isSettled, collisions } = await source.pending();
    if (collisions.length > 0 || isSettled || Date.now() >= until) return collisions;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_STEP_MS));
  }
}

/** All shards' collisions, each once, sorted. */
export function mergeCollisions(answers: readonly unknown[]): string[] {
  const found = new Set<string>();
  for (const answer of answers) {
    if (typeof answer !== 'object' || answer === null) continue;
    const { collisions } = answer as { collisions?: unknown };
    if (!Array.isArray(collisions)) continue;
    for (const name of collisions as unknown[]) if (typeof name === 'string') found.add(name);
  }
  return [...found].sort();
}
