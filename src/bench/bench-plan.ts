/** What a load is made of, and what came of it. */
import type { LatencySummary } from '../observe/latency-record.ts';

export type BenchEra = 'auto' | 'legacy' | 'modern';

/** One kind of call in the mix; they take turns. */
export interface BenchTool {
  readonly name: string;
  /** JSON text of an object. */
  readonly argumentsText: string;
}

export interface BenchPlan {
  readonly url: URL;
  readonly era: BenchEra;
  /** Calls a second, whatever the answers take (open loop); null: as fast as `concurrency` allows. */
  readonly rate: number | null;
  /** Closed loop: calls under way. Open loop: the most that may be under way. */
  readonly concurrency: number;
  readonly durationMs: number;
  /** Not measured, before the duration begins. */
  readonly warmUpMs: number;
  readonly timeoutMs: number;
  /** Legacy sessions that share the calls. */
  readonly sessions: number;
  /** Empty: `tools/list`, which changes nothing anywhere. */
  readonly tools: readonly BenchTool[];
  readonly headers: readonly (readonly [string, string])[];
  /** Bearer tokens; calls (or sessions) take them in turn. */
  readonly tokens: readonly string[];
}

export interface BenchTally {
  readonly calls: number;
  readonly ok: number;
  readonly failed: number;
  /** Count per kind: `HTTP 503`, `error -32602`, `isError`, `timeout`, `closed`, … */
  readonly errors: Readonly<Record<string, number>>;
}

export interface BenchReport extends BenchTally {
  readonly url: string;
  readonly era: 'legacy' | 'modern';
  readonly rate: number | null;
  readonly concurrency: number;
  readonly sessions: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly bytesIn: number;
  /** Open loop: calls that were due and not sent when the time was over. */
  readonly unsent: number;
  /** Of calls that succeeded, in microseconds; open loop: since the moment the call was due. */
  readonly latencyUs: LatencySummary;
  readonly isInterrupted: boolean;
}

/** The endpoint does not answer as an MCP server does; nothing was measured. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}
