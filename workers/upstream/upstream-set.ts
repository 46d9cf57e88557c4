import type { Plan, PlanUpstream } from '../../src/config/plan.ts';
import type { PeerSet } from '../peer-set.ts';
import type { Session } from '../session/session.ts';
import type { ShardContext } from '../shard-context.ts';
import type { Catalog } from './catalog.ts';
import { HttpUpstream } from './http-upstream.ts';
import type { ProcessRegistry } from './stdio-host.ts';
import { StdioUpstream } from './stdio-upstream.ts';
import type { Upstream } from './upstream.ts';

/** How long the calls of an upstream that a reload removed may go on. */
const RETIRE_MS = 60_000;
const RETIRE_CHECK_MS = 100;

/**
 * The upstreams of a shard by slot. They outlive plans: a reload keeps those whose settings are equal
 * (`configHash`), with their connections, sessions and processes.
 */
export class UpstreamSet {
  readonly #shard: ShardContext;
  readonly #peers: PeerSet;
  readonly #registry: ProcessRegistry;
  readonly #bySlot = new Map<number, Upstream>();
  /** The same, for the look that each call costs. */
  #table: (Upstream | undefined)[] = [];
  readonly #retired = new Map<Upstream, NodeJS.Timeout>();

  constructor(shard: ShardContext, peers: PeerSet, registry: ProcessRegistry) {
    this.#shard = shard;
    this.#peers = peers;
    this.#registry = registry;
  }

  get(slot: number): Upstream | null {
    return this.#table[slot] ?? null;
  }

  stdio(slot: number): StdioUpstream | null {
    const upstream = this.#bySlot.get(slot);
    return upstream instanceof StdioUpstream ? upstream : null;
  }

  catalog(slot: number): Catalog | null {
    return this.#bySlot.get(slot)?.catalog ?? null;
  }

  all(): IterableIterator<Upstream> {
    return this.#bySlot.values();
  }

  /** Opens what is new or changed and retires what is gone: running calls there may finish. */
  apply(plan: Plan): void {
    const wanted = new Map(plan.upstreams.map((upstream) => [upstream.slot, upstream]));
    for (const [slot, upstream] of this.#bySlot) {
      const next = wanted.get(slot);
      if (next?.configHash === upstream.plan.configHash && next.name === upstream.plan.name)
        continue;
      this.#bySlot.delete(slot);
      this.#table[slot] = undefined;
      this.#retire(upstream);
    }
    for (const next of plan.upstreams) {
      if (this.#bySlot.has(next.slot)) continue;
      const upstream = this.#open(next);
      this.#bySlot.set(next.slot, upstream);
      this.#table[next.slot] = upstream;
      upstream.start();
    }
  }

  /** A shard is there (again): stdio upstreams that it owns can be asked what they speak. */
  onPeerJoined(shard: number): void {
    for (const upstream of this.#bySlot.values()) {
      if (upstream instanceof StdioUpstream) upstream.onOwnerJoined(shard);
    }
  }

  onPeerLeft(shard: number): void {
    for (const upstream of this.#bySlot.values()) {
      if (upstream instanceof StdioUpstream) upstream.onOwnerLeft(shard);
    }
  }

  forget(session: Session): void {
    for (const upstream of this.#bySlot.values()) upstream.forget(session);
  }

  async close(): Promise<void> {
    for (const timer of this.#retired.values()) clearInterval(timer);
    const all = [...this.#bySlot.values(), ...this.#retired.keys()];
    this.#bySlot.clear();
    this.#table = [];
    this.#retired.clear();
    await Promise.all(all.map((upstream) => upstream.close()));
  }

  #open(plan: PlanUpstream): Upstream {
    return plan.kind === 'http'
      ? new HttpUpstream(plan, this.#shard)
      : new StdioUpstream(plan, this.#shard, this.#peers, this.#registry);
  }

  #retire(upstream: Upstream): void {
    const close = (): void => {
      clearInterval(timer);
      this.#retired.delete(upstream);
      void upstream.close();
    };
    const until = this.#shard.clock.nowMs() + RETIRE_MS;
    const timer = setInterval(() => {
      if (upstream.running === 0 || this.#shard.clock.nowMs() >= until) close();
    }, RETIRE_CHECK_MS);
    this.#retired.set(upstream, timer);
  }
}
