/**
 * Time as a port. Everything that measures or waits takes a `Clock`, so that tests drive it.
 * Monotonic: a step of the wall clock changes nothing here. Wall time is a separate method and is
 * used only where a protocol names a date (token expiry, log lines).
 */
export interface Clock {
  /** Monotonic milliseconds, fractional, since an arbitrary start that all threads share. */
  nowMs(): number;
  /** Milliseconds since 1970-01-01 UTC. */
  wallMs(): number;
}

/** What the platform offers; typed here because `shared/` knows no platform. */
interface PlatformPerformance {
  now(): number;
  readonly timeOrigin: number;
}

/**
 * The process's own clock. `timeOrigin` differs per thread, so it is added: readings of two threads
 * of one process compare. `baseMs` is the edge's `timeOrigin`, handed to every shard, and keeps the
 * numbers small enough for 32-bit microsecond arithmetic to be cheap.
 */
export function createClock(performance: PlatformPerformance, baseMs: number): Clock {
  const shift = performance.timeOrigin - baseMs;
  return {
    nowMs: () => performance.now() + shift,
    wallMs: () => Date.now(),
  };
}
