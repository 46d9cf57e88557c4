/**
 * Stops on a bug. An assertion that fails ends the thread it fails on: a shard is restarted by the
 * supervisor, the edge takes the process down. Expected failures are faults (`fault.ts`), never
 * assertions.
 *
 * @throws Error `assertion failed: WHAT: VALUE`
 */
export function assert(condition: boolean, what: string, value?: unknown): asserts condition {
  if (!condition) {
    throw new Error(
      value === undefined
        ? `assertion failed: ${what}`
        : `assertion failed: ${what}: ${String(value)}`,
    );
  }
}
