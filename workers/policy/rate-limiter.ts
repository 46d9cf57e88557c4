/**
 * Asks the shared table for a call, and says what a client that is refused should know. A call that is
 * let through gets no fields: they would cost more than the check, be old by the time they are read (other
 * shards spend the same budget), and say nothing a client needs before it is refused.
 */
import type { Clock } from '../../shared/clock.ts';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import {
  HEADER_RATELIMIT,
  HEADER_RATELIMIT_POLICY,
  HEADER_RETRY_AFTER,
} from '../../shared/header-code.ts';
import {
  LIMIT_NO_ROOM,
  LIMIT_TAKEN,
  NO_TOOL,
  type RateLimitTable,
  type RateLimitTool,
} from '../../shared/rate-limit-table.ts';
import type { PlanRateLimit } from '../../src/config/plan.ts';
import { replyFields } from '../reply-fields.ts';
import type { ReplyFields } from '../reply-fields.ts';
import { NAME_TOOL } from '../routing/name-route.ts';
import type { NameRoute } from '../routing/name-route.ts';
import type { AppliedLimits } from './plan-limits.ts';
import type { Principal } from './principal.ts';
import { writeLimitKey } from './principal.ts';

/** What a refused client is told. */
export interface LimitRefusal {
  readonly fault: 'RATE_LIMITED' | 'LIMIT_TABLE_FULL';
  /** For the log. */
  readonly detail: string;
  /** `error.data` as JSON. */
  readonly data: string;
  readonly fields: ReplyFields;
}

export class RateLimiter {
  readonly #table: RateLimitTable;
  readonly #clock: Clock;
  readonly #counters: CounterBlock;
  readonly #client: Uint32Array;
  #evictedSeen: number;
  /** The last refusal was for want of room. */
  #isFull: boolean;

  constructor(table: RateLimitTable, clock: Clock, counters: CounterBlock) {
    this.#table = table;
    this.#clock = clock;
    this.#counters = counters;
    this.#client = new Uint32Array(2);
    this.#evictedSeen = 0;
    this.#isFull = false;
  }

  /**
   * Takes the call's share of all limits, or nothing. False: ask `refusal`.
   *
   * @param at where in `bytes` the client's address stands, see `writeLimitKey`
   */
  tryTake(
    applied: AppliedLimits,
    route: NameRoute | null,
    principal: Principal,
    family: number,
    bytes: Uint8Array,
    at: number,
  ): boolean {
    writeLimitKey(principal, family, bytes, at, this.#client);
    const tool = route === null ? NO_TOOL : (route.limitTool ?? this.#toolOf(route));
    const verdict = this.#table.take(applied.rules, this.#client, tool, this.#clock.nowMs());
    if (this.#table.evictedCount !== this.#evictedSeen) this.#countEvicted();
    if (verdict === LIMIT_TAKEN) return true;
    const counter = verdict === LIMIT_NO_ROOM ? COUNTERS.RATE_TABLE_FULL : COUNTERS.RATE_LIMITED;
    this.#counters.add(counter.id);
    this.#isFull = verdict === LIMIT_NO_ROOM;
    return false;
  }

  /** Why the last `tryTake` failed. */
  refusal(applied: AppliedLimits): LimitRefusal {
    const limit = applied.limits[this.#table.refusedBy] as PlanRateLimit;
    const { waitMs } = this.#table;
    const seconds = Math.max(1, Math.ceil(waitMs / 1000));
    const data = `{"retryAfterMs":${waitMs}}`;
    const detail = `per=${limit.per} algorithm=${limit.algorithm}`;
    if (this.#isFull) {
      const fields = replyFields([[HEADER_RETRY_AFTER, String(seconds)]]);
      return { fault: 'LIMIT_TABLE_FULL', detail, data, fields };
    }
    const fields = replyFields([
      [HEADER_RETRY_AFTER, String(seconds)],
      [HEADER_RATELIMIT, `"${limit.per}";r=0;t=${seconds}`],
      [HEADER_RATELIMIT_POLICY, `"${limit.per}";q=${limit.requests};w=${limit.windowMs / 1000}`],
    ]);
    return { fault: 'RATE_LIMITED', detail, data, fields };
  }

  /** Routes that are no tool's share the budget of no tool. */
  #toolOf(route: NameRoute): RateLimitTool {
    const isTool = route.kind === NAME_TOOL;
    route.limitTool = isTool ? this.#table.toolOf(route.limitLow, route.limitHigh) : NO_TOOL;
    return route.limitTool;
  }

  #countEvicted(): void {
    const { evictedCount } = this.#table;
    this.#counters.add(COUNTERS.RATE_EVICTED.id, evictedCount - this.#evictedSeen);
    this.#evictedSeen = evictedCount;
  }
}
