/**
 * What leaves the process as numbers, read from shared memory: no shard is asked, so a scrape costs
 * calls nothing, and a shard that hangs still shows. The edge polls once a second, so that no cell
 * wraps unseen; a reader of numbers calls the rest whenever it likes.
 */
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import { CounterReader } from '../../shared/counter-cell.ts';
import { InflightTable } from '../../shared/inflight-table.ts';
import { ProcessTable } from '../../shared/process-table.ts';
import { shardThread } from '../../shared/region-descriptor.ts';
import type { RegionLayout } from '../../shared/region-descriptor.ts';
import { HEAD_OFFSET, TAIL_OFFSET } from '../../shared/ring-descriptor.ts';
import type { PlanUpstream } from '../config/plan.ts';
import { CallTotals } from './call-totals.ts';
import type { CallTotal } from './call-totals.ts';

/** What of a plan has a place in the numbers. */
export interface ScrapedPlan {
  readonly number: number;
  readonly upstreams: readonly Pick<PlanUpstream, 'name' | 'slot' | 'kind'>[];
}

/** The edge's own state, asked at the moment of a scrape. */
export interface EdgeGauges {
  readonly isReady: boolean;
  readonly openExchanges: number;
  readonly bodyBytes: number;
  readonly stalledSockets: number;
  readonly shards: readonly {
    readonly index: number;
    readonly phase: string;
    readonly generation: number;
    readonly restarts: number;
    readonly openExchanges: number;
  }[];
}

export type RingName = 'in' | 'out' | 'peer';

/** Bytes that wait in the rings of one kind that end at, or begin with, a shard. */
export interface RingUse {
  readonly ring: RingName;
  readonly shard: number;
  readonly usedBytes: number;
  readonly capacityBytes: number;
}

export class Scrape {
  /** Who counts, by thread number: `edge`, `shard-0`, … */
  readonly threads: readonly string[];
  readonly #region: SharedArrayBuffer;
  readonly #layout: RegionLayout;
  readonly #gauges: () => EdgeGauges;
  readonly #counters: readonly CounterReader[];
  readonly #calls: CallTotals;
  readonly #inflight: InflightTable;
  readonly #processes: ProcessTable;
  /** Per shard: sessions that were open when a life of it ended; they ended with it. */
  readonly #sessionsLost: number[];
  #plan: ScrapedPlan;
  #tickLateMs = 0;

  constructor(
    region: SharedArrayBuffer,
    layout: RegionLayout,
    plan: ScrapedPlan,
    gauges: () => EdgeGauges,
  ) {
    const { edges, shards, threads } = layout;
    this.#region = region;
    this.#layout = layout;
    this.#plan = plan;
    this.#gauges = gauges;
    this.threads = Array.from({ length: threads }, (_, thread) =>
      thread < edges ? 'edge' : `shard-${thread - edges}`,
    );
    this.#counters = layout.counters.map((at) => new CounterReader(region, at));
    this.#calls = new CallTotals(region, layout);
    const shardCells = layout.threadCells[shardThread(layout, 0)]!;
    this.#inflight = new InflightTable(region, layout.inflight, shards, shardCells);
    this.#processes = new ProcessTable(region, layout.processes);
    this.#sessionsLost = new Array<number>(shards).fill(0);
  }

  /** Call it every second. @param lateMs how much later than that it was this time */
  poll(lateMs: number): void {
    this.#tickLateMs = Math.max(0, lateMs);
    for (const counters of this.#counters) counters.poll();
    this.#calls.poll();
  }

  setPlan(plan: ScrapedPlan): void {
    this.#plan = plan;
  }

  /** A shard says what a row of its metric table stands for. */
  onLabel(shard: number, row: number, upstream: string, tool: string): void {
    this.#calls.onLabel(shard, row, upstream, tool);
  }

  /** A shard's thread has ended. */
  onShardGone(shard: number): void {
    this.#calls.onShardGone(shard);
    this.#sessionsLost[shard]! += this.sessions(shard);
  }

  /** Total of a counter's cell on one thread. */
  counter(thread: number, cell: number): number {
    return this.#counters[thread]!.read(cell);
  }

  calls(): readonly CallTotal[] {
    return this.#calls.read();
  }

  gauges(): EdgeGauges {
    return this.#gauges();
  }

  get planNumber(): number {
    return this.#plan.number;
  }

  /** How late the edge's last tick was: what a call may have had to wait for its thread. */
  get tickLateMs(): number {
    return this.#tickLateMs;
  }

  /** Legacy sessions a shard holds. */
  sessions(shard: number): number {
    const thread = shardThread(this.#layout, shard);
    const ended =
      this.counter(thread, COUNTERS.SESSIONS_CLOSED.id) +
      this.counter(thread, COUNTERS.SESSIONS_EXPIRED.id) +
      this.#sessionsLost[shard]!;
    return Math.max(0, this.counter(thread, COUNTERS.SESSIONS_OPENED.id) - ended);
  }

  rings(): RingUse[] {
    const { shards, ringsIn, ringsOut, ringsPeer } = this.#layout;
    const { ringInBytes, ringOutBytes, ringPeerBytes } = this.#layout;
    const uses: RingUse[] = [];
    for (let shard = 0; shard < shards; shard += 1) {
      const add = (ring: RingName, at: readonly number[], capacity: number): void => {
        const usedBytes = at.reduce((sum, offset) => sum + this.#usedBytes(offset, capacity), 0);
        uses.push({ ring, shard, usedBytes, capacityBytes: capacity * at.length });
      };
      add('in', [ringsIn[0]![shard]!], ringInBytes);
      add('out', [ringsOut[0]![shard]!], ringOutBytes);
      const peers = ringsPeer[shard]!.filter((offset) => offset >= 0);
      if (peers.length > 0) add('peer', peers, ringPeerBytes);
    }
    return uses;
  }

  /** By upstream of the current plan. */
  inflight(): { readonly upstream: string; readonly count: number }[] {
    return this.#plan.upstreams.map(({ name, slot }) => ({
      upstream: name,
      count: this.#inflight.sum(slot),
    }));
  }

  /** Child processes by upstream; those of upstreams that are gone from the plan are under ''. */
  processes(): { readonly upstream: string; readonly count: number }[] {
    const counts = new Map<string, number>();
    for (const { name, kind } of this.#plan.upstreams) if (kind === 'stdio') counts.set(name, 0);
    const names = new Map(this.#plan.upstreams.map(({ name, slot }) => [slot, name]));
    let entry = this.#processes.nextTaken(0);
    while (entry >= 0) {
      const name = names.get(this.#processes.upstream(entry)) ?? '';
      counts.set(name, (counts.get(name) ?? 0) + 1);
      entry = this.#processes.nextTaken(entry + 1);
    }
    return [...counts].map(([upstream, count]) => ({ upstream, count }));
  }

  /**
   * Head first: it never passes the tail, so a tail that is read later is not behind it. It may be
   * further ahead than the ring is long, as both go on meanwhile.
   */
  #usedBytes(ring: number, capacity: number): number {
    const head = Atomics.load(new Int32Array(this.#region, ring + HEAD_OFFSET, 1), 0);
    const tail = Atomics.load(new Int32Array(this.#region, ring + TAIL_OFFSET, 1), 0);
    return Math.min((tail - head) >>> 0, capacity);
  }
}
