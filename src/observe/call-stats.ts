/** Call totals as `stats()` of the gateway gives them: plain numbers, times in milliseconds. */
import {
  OUTCOME_CANCELLED,
  OUTCOME_FAILED,
  OUTCOME_IS_ERROR,
  OUTCOME_OK,
  OUTCOME_REFUSED,
} from '../../shared/metric-table.ts';
import type { CallTotal } from './call-totals.ts';

/** From a call's arrival at the edge to its answer; of calls that reached their upstream or should have. */
export interface LatencyStats {
  readonly count: number;
  readonly minMs: number;
  readonly meanMs: number;
  readonly maxMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

/** All calls to one tool since the gateway started. */
export interface CallStats {
  readonly upstream: string;
  /** As the upstream calls it; `(other)` for what is no listed tool. */
  readonly tool: string;
  readonly ok: number;
  /** Answered with a result that says `isError`: the tool failed, the call did not. */
  readonly isError: number;
  /** Answered with an error, by the upstream or for it. */
  readonly failed: number;
  /** Not let through by the gateway. */
  readonly refused: number;
  readonly cancelled: number;
  /** Null while no call was timed. */
  readonly latency: LatencyStats | null;
}

export function callStats(total: CallTotal): CallStats {
  const { outcomes, upstream, tool } = total;
  return {
    upstream,
    tool,
    ok: outcomes[OUTCOME_OK]!,
    isError: outcomes[OUTCOME_IS_ERROR]!,
    failed: outcomes[OUTCOME_FAILED]!,
    refused: outcomes[OUTCOME_REFUSED]!,
    cancelled: outcomes[OUTCOME_CANCELLED]!,
    latency: total.timed === 0 ? null : latencyStats(total),
  };
}

function latencyStats(total: CallTotal): LatencyStats {
  return {
    count: total.timed,
    minMs: total.minUs / 1000,
    meanMs: total.sumUs / total.timed / 1000,
    maxMs: total.maxUs / 1000,
    p50Ms: total.percentileUs(50) / 1000,
    p90Ms: total.percentileUs(90) / 1000,
    p99Ms: total.percentileUs(99) / 1000,
    p999Ms: total.percentileUs(99.9) / 1000,
  };
}
