import { setTimeout as pause } from 'node:timers/promises';

/** Looks at a condition that no event tells of, until it holds. */
export async function settled(
  holds: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 10_000,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`waited in vain for ${what}`);
    await pause(10);
  }
}
