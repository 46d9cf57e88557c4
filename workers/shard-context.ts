import type { Clock } from '../shared/clock.ts';
import type { CounterBlock } from '../shared/counter-cell.ts';
import type { FaultCode } from '../shared/fault.ts';
import type { InflightTable } from '../shared/inflight-table.ts';
import type { PlanUpstream } from '../src/config/plan.ts';
import type { HttpClientCounters } from '../src/transport/http/http-client.ts';
import type { Exchange } from './exchange.ts';
import type { Principal } from './policy/principal.ts';
import type { CredentialVerdict } from './policy/upstream-credentials.ts';
import type { ShardLog } from './shard-log.ts';
import type { CallIds } from './upstream/call-id.ts';
import type { DeadlineList } from './upstream/deadline-list.ts';
import type { UpstreamEvents } from './upstream/upstream-event.ts';

/** What every room of a shard may use. One object per shard, made by `shard.ts`. */
export interface ShardContext {
  readonly index: number;
  readonly generation: number;
  readonly shards: number;
  readonly clock: Clock;
  readonly counters: CounterBlock;
  readonly inflight: InflightTable;
  readonly log: ShardLog;
  readonly callIds: CallIds;
  readonly deadlines: DeadlineList;
  /** What all HTTP clients of the shard count; carried over to the cells with each beat. */
  readonly httpCounters: HttpClientCounters;
  /** Items an upstream may list per kind; set by each plan. */
  listItemsMax: number;
  /** What upstreams have to say that belongs to no call. */
  readonly events: UpstreamEvents;
  /** The credential for an upstream under the current plan; without a principal the gateway's own. */
  credentialFor(upstream: PlanUpstream, principal: Principal | null): CredentialVerdict;
  /** The upstream refused that credential. */
  renewCredential(upstream: PlanUpstream, principal: Principal | null): void;
  /** Goes on with an exchange that a stage kept waiting. */
  resume(exchange: Exchange): void;
  /** Ends an exchange that a stage kept waiting. */
  fail(exchange: Exchange, code: FaultCode, detail: string): void;
}
