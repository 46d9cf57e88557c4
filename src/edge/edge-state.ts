/** What the edge says of itself. */
import type { CallStats } from '../observe/call-stats.ts';
import type { ShardPhase } from './shard-supervisor.ts';

export interface ShardReadiness {
  readonly index: number;
  readonly phase: ShardPhase;
  readonly generation: number;
  readonly restarts: number;
  readonly openExchanges: number;
}

export interface Readiness {
  /** Every shard runs and nothing is being stopped. */
  readonly ready: boolean;
  readonly shards: readonly ShardReadiness[];
}

export interface EdgeStats {
  readonly openExchanges: number;
  /** Request body bytes held by the edge. */
  readonly bodyBytes: number;
  /** Clients whose socket is full and takes nothing. */
  readonly stalledSockets: number;
  readonly planNumber: number;
  /** Since the start, by upstream and tool. */
  readonly calls: readonly CallStats[];
}

/** Counters of this thread that others count. */
export type EdgeCounter = 'RELOADS' | 'RELOADS_FAILED' | 'ADMIN_REQUESTS';
