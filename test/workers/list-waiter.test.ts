/** Who waits for lists, and how long. The upstream is one whose lists the test hands out. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Plan, PlanEndpoint } from '../../src/config/plan.ts';
import { SERVER_TOOLS } from '../../src/protocol/methods.ts';
import type { Exchange } from '../../workers/exchange.ts';
import { ListWaiter } from '../../workers/list-waiter.ts';
import type { ShardContext } from '../../workers/shard-context.ts';
import { CatalogLoader } from '../../workers/upstream/catalog-loader.ts';
import { Catalog } from '../../workers/upstream/catalog.ts';
import type { UpstreamSet } from '../../workers/upstream/upstream-set.ts';
import type { JsonObject, Upstream } from '../../workers/upstream/upstream.ts';

const LIST_TIMEOUT_MS = 5_000;
const KINDS = ['tools'] as const;

class Rig {
  readonly asked: ((tools: readonly string[]) => void)[] = [];
  readonly resumed: Exchange[] = [];
  readonly catalog = new Catalog();
  readonly loader: CatalogLoader;
  readonly waiter: ListWaiter;
  readonly plan: Plan;
  readonly endpoint = { upstream: null } as unknown as PlanEndpoint;
  #nowMs = 0;

  constructor() {
    const plan = { name: 'up', slot: 0, listTimeoutMs: LIST_TIMEOUT_MS, requestTimeoutMs: 60_000 };
    this.plan = { upstreams: [plan] } as unknown as Plan;
    const upstream = {
      plan,
      isUp: true,
      description: { capabilities: SERVER_TOOLS },
      catalog: this.catalog,
      request: () =>
        new Promise<JsonObject>((resolve) => {
          this.asked.push((names) => resolve({ tools: names.map((name) => ({ name })), ttlMs: 1000 })); // prettier-ignore
        }),
      whenUp: (then: (code: null) => void) => then(null),
    } as unknown as Upstream;
    const shard = {
      clock: { nowMs: () => (this.#nowMs += 10_000) },
      listItemsMax: 100,
      events: { onCatalog: () => undefined },
      counters: { add: () => undefined },
      log: { warn: () => undefined },
      resume: (exchange: Exchange) => this.resumed.push(exchange),
    } as unknown as ShardContext;
    this.loader = new CatalogLoader(upstream, shard);
    Object.assign(upstream, { loader: this.loader });
    this.waiter = new ListWaiter(shard, { get: () => upstream } as unknown as UpstreamSet);
  }

  get isReady(): boolean {
    return this.waiter.isReady(this.plan, this.endpoint, KINDS);
  }

  get names(): string[] {
    return this.catalog.list('tools').items.map(({ key }) => key);
  }

  /** Answers the question for the list that is open. */
  async answer(...names: string[]): Promise<void> {
    this.asked.shift()?.(names);
    await vi.advanceTimersByTimeAsync(0);
  }

  async loaded(): Promise<void> {
    this.loader.refresh('tools');
    await this.answer('old');
  }

  wait(): Exchange {
    const { plan, endpoint } = this;
    const exchange = { number: 7, plan: { plan, endpoint: () => endpoint }, endpointIndex: 0 };
    this.waiter.wait(exchange as unknown as Exchange, KINDS);
    return exchange as unknown as Exchange;
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a list', () => {
  it('is waited for until it is there for the first time', async () => {
    const rig = new Rig();
    expect(rig.isReady).toBe(false);
    rig.loader.refresh('tools');
    const exchange = rig.wait();
    expect(rig.resumed).toEqual([]);
    await rig.answer('a');
    expect(rig.resumed).toEqual([exchange]);
    expect(rig.isReady).toBe(true);
  });

  it('that its upstream said has changed is waited for', async () => {
    const rig = new Rig();
    await rig.loaded();
    rig.loader.renew('tools', false);
    expect(rig.isReady).toBe(false);
    const exchange = rig.wait();
    await rig.answer('old', 'new');
    expect(rig.resumed).toEqual([exchange]);
    expect(rig.names).toEqual(['old', 'new']);
    expect(rig.isReady).toBe(true);
  });

  it('that changes while it is being loaded is waited for to the end of the load after', async () => {
    const rig = new Rig();
    await rig.loaded();
    rig.loader.refresh('tools');
    expect(rig.isReady).toBe(true);
    rig.loader.renew('tools', true);
    expect(rig.isReady).toBe(false);
    const exchange = rig.wait();
    await rig.answer('old');
    expect(rig.resumed).toEqual([]);
    expect(rig.isReady).toBe(false);
    await rig.answer('new');
    expect(rig.resumed).toEqual([exchange]);
    expect(rig.names).toEqual(['new']);
  });

  it('that is only old is answered as it is, while the new one loads', async () => {
    const rig = new Rig();
    await rig.loaded();
    rig.loader.refreshIfOld('tools');
    expect(rig.asked).toHaveLength(1);
    expect(rig.isReady).toBe(true);
  });

  it('that changed and does not come is answered as it was after a second', async () => {
    const rig = new Rig();
    await rig.loaded();
    rig.loader.renew('tools', false);
    const exchange = rig.wait();
    await vi.advanceTimersByTimeAsync(999);
    expect(rig.resumed).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(rig.resumed).toEqual([exchange]);
    expect(rig.names).toEqual(['old']);
  });

  it('that never came is given up after the time its upstream has', async () => {
    const rig = new Rig();
    rig.loader.refresh('tools');
    const exchange = rig.wait();
    await vi.advanceTimersByTimeAsync(LIST_TIMEOUT_MS - 1);
    expect(rig.resumed).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(rig.resumed).toEqual([exchange]);
  });
});
