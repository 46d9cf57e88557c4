import { vi } from 'vitest';

const PATIENCE_MS = 10_000;
const LOOK_MS = 20;

/** Waits until something holds: news take their time on a busy machine. */
export function until<T>(holds: () => T | Promise<T>): Promise<NonNullable<T>> {
  return vi.waitUntil(holds, { timeout: PATIENCE_MS, interval: LOOK_MS }) as Promise<
    NonNullable<T>
  >;
}
