import type { Clock } from '../shared/clock.ts';
import { COUNTERS } from '../shared/counter-catalogue.ts';
import type { CounterBlock } from '../shared/counter-cell.ts';
import { createHttpFetch } from '../src/transport/http-fetch.ts';
import type { HttpFetchPort } from '../src/transport/http-fetch.ts';
import { PolicyCounters } from './policy/policy-log.ts';
import { RemoteKeysStore } from './policy/remote-keys.ts';
import type { ShardLog } from './shard-log.ts';
import type { ShardPlanDeps } from './shard-plan.ts';

/** Connections to one issuer at once. */
const FETCH_CONNECTIONS_MAX = 8;

/** What the policy room needs of its shard: a way out to issuers, a log, times, counters. */
export class PolicyParts {
  readonly deps: Omit<ShardPlanDeps, 'catalogs'>;
  readonly #http: HttpFetchPort;
  readonly #policy = new PolicyCounters();
  readonly #counters: CounterBlock;
  readonly #remoteKeys: RemoteKeysStore;
  #carried = new PolicyCounters();

  constructor(clock: Clock, log: ShardLog, counters: CounterBlock) {
    this.#counters = counters;
    this.#http = createHttpFetch({ connectionsMax: FETCH_CONNECTIONS_MAX });
    const common = {
      fetch: this.#http.fetch,
      log: {
        write: (
          level: 'debug' | 'info' | 'warn' | 'error',
          message: string,
          fields: Readonly<Record<string, string | number | boolean>>,
        ): void => log[level](message, fields),
      },
      counters: this.#policy,
      nowMs: (): number => clock.nowMs(),
      wallMs: (): number => clock.wallMs(),
    };
    this.#remoteKeys = new RemoteKeysStore(common);
    this.deps = {
      authenticator: { ...common, remoteKeys: this.#remoteKeys },
      credentials: common,
    };
  }

  /** Once a second: refreshes keys ahead of time, and adds what was counted here to the shared cells. */
  tick(): void {
    this.#remoteKeys.tick();
    const now = Object.assign(new PolicyCounters(), this.#policy);
    const seen = this.#carried;
    const counters = this.#counters;
    counters.add(COUNTERS.AUTH_HITS.id, now.remembered - seen.remembered);
    counters.add(COUNTERS.AUTH_MISSES.id, now.firstSeen - seen.firstSeen);
    counters.add(COUNTERS.AUTH_KEYS_FETCHED.id, now.keyFetches - seen.keyFetches);
    counters.add(COUNTERS.AUTH_KEYS_FAILED.id, now.keyFetchFailures - seen.keyFetchFailures);
    counters.add(COUNTERS.UPSTREAM_TOKENS.id, now.upstreamTokens - seen.upstreamTokens);
    this.#carried = now;
  }

  async close(): Promise<void> {
    await this.#http.close();
  }
}
