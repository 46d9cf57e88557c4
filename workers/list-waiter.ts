import type { Plan, PlanEndpoint, PlanUpstream } from '../src/config/plan.ts';
import { COUNTERS } from '../shared/counter-catalogue.ts';
import type { Exchange } from './exchange.ts';
import type { ShardContext } from './shard-context.ts';
import { CATALOG_KINDS } from './upstream/catalog.ts';
import type { CatalogKind } from './upstream/catalog.ts';
import type { UpstreamSet } from './upstream/upstream-set.ts';

/** Who has an old list is not waited for longer, whatever its upstream does while it loads the new one. */
const RENEWAL_WAIT_MS = 1_000;

/**
 * Lets an exchange wait for lists that are being loaded, but for no upstream longer than that upstream's
 * `listTimeoutMs`: who is late is left out, which costs the others nothing.
 *
 * A list that its upstream said has changed is waited for too: another shard may have told the client
 * of the change already, and who then asks must not get the list of before.
 */
export class ListWaiter {
  readonly #shard: ShardContext;
  readonly #upstreams: UpstreamSet;

  constructor(shard: ShardContext, upstreams: UpstreamSet) {
    this.#shard = shard;
    this.#upstreams = upstreams;
  }

  /** Whether all lists of these kinds are there, and none is known to be old. */
  isReady(plan: Plan, endpoint: PlanEndpoint, kinds: readonly CatalogKind[]): boolean {
    return this.#missing(plan, endpoint, kinds).length === 0;
  }

  /** Resumes the (retained) exchange once its lists are there or late. */
  wait(exchange: Exchange, kinds: readonly CatalogKind[] = CATALOG_KINDS): void {
    const { number } = exchange;
    const { plan } = exchange.plan;
    const endpoint = exchange.plan.endpoint(exchange.endpointIndex);
    const missing = this.#missing(plan, endpoint, kinds);
    let open = missing.length;
    const finish = (): void => {
      open -= 1;
      if (open === 0 && exchange.number === number) this.#shard.resume(exchange);
    };
    if (open === 0) {
      open = 1;
      queueMicrotask(finish);
      return;
    }
    for (const upstream of missing) this.#waitFor(upstream, kinds, finish);
  }

  #waitFor(plan: PlanUpstream, kinds: readonly CatalogKind[], finish: () => void): void {
    let isOver = false;
    const upstream = this.#upstreams.get(plan.slot);
    const isMissing = (): boolean =>
      kinds.some((kind) => upstream?.catalog.isLoaded(kind) !== true);
    const waitMs = isMissing() ? plan.listTimeoutMs : Math.min(plan.listTimeoutMs, RENEWAL_WAIT_MS);
    const end = (isLate: boolean): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      if (isLate && isMissing()) {
        this.#shard.counters.add(COUNTERS.LIST_UPSTREAMS_SKIPPED.id);
        this.#shard.log.warn('list is answered without an upstream', { upstream: plan.name });
      }
      finish();
    };
    const timer = setTimeout(() => end(true), waitMs);
    if (upstream === null) {
      end(true);
      return;
    }
    upstream.whenUp((code) => {
      if (code !== null) end(true);
      else void upstream.loader.settled(kinds).then(() => end(isMissing()));
    });
  }

  #missing(plan: Plan, endpoint: PlanEndpoint, kinds: readonly CatalogKind[]): PlanUpstream[] {
    const wanted =
      endpoint.upstream === null
        ? plan.upstreams
        : [plan.upstreams[endpoint.upstream] as PlanUpstream];
    return wanted.filter((upstream) => {
      const { catalog, loader } = this.#upstreams.get(upstream.slot) ?? {};
      return kinds.some((kind) => catalog?.isLoaded(kind) !== true || loader?.isRenewing(kind));
    });
  }
}
