import type { Clock } from '../shared/clock.ts';
import type { FromShardMessage, ShardTask } from '../shared/control-message.ts';
import { COUNTERS } from '../shared/counter-catalogue.ts';
import { CounterBlock } from '../shared/counter-cell.ts';
import { Doorbell } from '../shared/doorbell.ts';
import { ExchangeCells } from '../shared/exchange-cell.ts';
import { FAULTS } from '../shared/fault.ts';
import { InflightTable } from '../shared/inflight-table.ts';
import { SESSIONS_MAX } from '../shared/limits.ts';
import { MetricTable } from '../shared/metric-table.ts';
import { ProcessTable } from '../shared/process-table.ts';
import { checkRegion, shardThread } from '../shared/region-descriptor.ts';
import { RingWriter } from '../shared/ring-writer.ts';
import type { Plan } from '../src/config/plan.ts';
import type { ShardStatus } from '../src/observe/gateway-status.ts';
import { createHttpFetch } from '../src/transport/http-fetch.ts';
import { ClientMessages } from './client-messages.ts';
import { EdgeProxy } from './edge-proxy.ts';
import { EndpointFace } from './endpoint-face.ts';
import { ExchangeTable } from './exchange-table.ts';
import type { Exchange } from './exchange.ts';
import { FrameWriter } from './frame-writer.ts';
import { ListWaiter } from './list-waiter.ts';
import { ListenTable } from './listen-table.ts';
import { MetricLabels } from './metric-labels.ts';
import { Mirroring } from './mirroring.ts';
import { NewsDesk } from './news-desk.ts';
import { PeerSet } from './peer-set.ts';
import { Pipeline } from './pipeline.ts';
import { PolicyCounters } from './policy/policy-log.ts';
import { ANONYMOUS } from './policy/principal.ts';
import { RemoteKeysStore } from './policy/remote-keys.ts';
import { RelayServer } from './relay-server.ts';
import { Replier } from './reply.ts';
import { RequestView } from './request-view.ts';
import { SessionDesk } from './session/session-desk.ts';
import { SessionSealer } from './session/session-id.ts';
import { SessionTable } from './session/session-table.ts';
import { Settle } from './settle.ts';
import type { ShardContext } from './shard-context.ts';
import type { ShardLog } from './shard-log.ts';
import { ShardPlan } from './shard-plan.ts';
import type { ShardPlanDeps } from './shard-plan.ts';
import { authenticate } from './stages/authenticate.ts';
import { authorize } from './stages/authorize.ts';
import { call } from './stages/call.ts';
import { classify } from './stages/classify.ts';
import { read } from './stages/read.ts';
import { route } from './stages/route.ts';
import { serve } from './stages/serve.ts';
import { ListMerge } from './transform/list-merge.ts';
import { CallIds } from './upstream/call-id.ts';
import { DeadlineList } from './upstream/deadline-list.ts';
import { GIVEN_UP_BY_DEADLINE } from './upstream/call.ts';
import { UpstreamSet } from './upstream/upstream-set.ts';

type Post = (message: FromShardMessage<ShardStatus>) => void;

/** All that makes up a shard. */
export interface ShardParts {
  readonly pipeline: Pipeline;
  readonly exchanges: ExchangeTable;
  readonly edge: EdgeProxy;
  readonly edgeFrames: FrameWriter;
  readonly edgeDoorbell: Doorbell;
  readonly peers: PeerSet;
  readonly relay: RelayServer;
  readonly news: NewsDesk;
  readonly view: RequestView;
  readonly replier: Replier;
  readonly desk: SessionDesk;
  readonly sessions: SessionTable;
  readonly listens: ListenTable;
  readonly upstreams: UpstreamSet;
  readonly counters: CounterBlock;
  readonly policyCounters: PolicyCounters;
  readonly deadlines: DeadlineList;
  readonly context: ShardContext;
  readonly plans: PlanShelf;
  frameWriter(peer: number): FrameWriter;
  /** Adds what the policy room counted since the last call to the shared cells. */
  carryPolicyCounters(): void;
  close(): Promise<void>;
}

/** The plans that exchanges may name: the current one, and older ones until the edge says they are over. */
export class PlanShelf {
  readonly #deps: ShardPlanDeps;
  readonly #byNumber = new Map<number, ShardPlan>();
  current: ShardPlan;

  constructor(first: Plan, deps: ShardPlanDeps) {
    this.#deps = deps;
    this.current = new ShardPlan(first, deps);
    this.#byNumber.set(first.number, this.current);
  }

  /** @throws Error if the plan cannot be compiled here */
  add(plan: Plan): void {
    this.current = new ShardPlan(plan, this.#deps);
    this.#byNumber.set(plan.number, this.current);
  }

  find(number: number): ShardPlan {
    return this.#byNumber.get(number) ?? this.current;
  }

  /** No new exchange names a plan before this one. Those that run keep theirs by reference. */
  retire(before: number): void {
    for (const [number, plan] of this.#byNumber) {
      if (number >= before) continue;
      this.#byNumber.delete(number);
      plan.close();
    }
  }
}

/** Builds a shard's parts from the bottom up. */
export function buildShard(
  task: ShardTask<Plan>,
  clock: Clock,
  log: ShardLog,
  post: Post,
): ShardParts {
  const { region, layout, shardIndex, generation } = task;
  checkRegion(region, layout);
  const thread = shardThread(layout, shardIndex);
  const counters = new CounterBlock(region, layout.counters[thread] as number);
  const inflight = new InflightTable(
    region,
    layout.inflight,
    layout.shards,
    layout.threadCells[layout.edges] as number,
  );
  inflight.open(shardIndex, generation);
  const cells = new ExchangeCells(region, layout.exchangeCells[shardIndex] as number);
  const countRing = (): void => counters.add(COUNTERS.DOORBELLS.id);
  const countFull = (): void => counters.add(COUNTERS.RING_FULL.id);
  const edgeDoorbell = new Doorbell(region, layout.doorbells[0] as number);
  const outRing = new RingWriter(
    region,
    layout.ringsOut[0]?.[shardIndex] as number,
    layout.ringOutBytes,
  );
  const edgeFrames = new FrameWriter(outRing, edgeDoorbell, countRing, countFull);

  let exchanges: ExchangeTable;
  let listens: ListenTable;
  let desk: SessionDesk;
  const onDone = (exchange: Exchange): void => {
    exchange.session?.leave(exchange);
    desk.onStreamGone(exchange);
    listens.close(exchange);
    exchange.inUse = false;
    exchanges.close(exchange);
  };
  const edge = new EdgeProxy(edgeFrames, onDone);
  const replier = new Replier(edge, (_exchange, code, detail) => {
    counters.add(COUNTERS.REFUSED.id + FAULTS[code].id);
    if (detail !== '' && FAULTS[code].cause !== 'downstream')
      log.warn('call failed', { fault: code, detail });
    else if (detail !== '' && log.isEnabled('debug'))
      log.debug('call refused', { fault: code, detail });
  });

  const http = createHttpFetch({ connectionsMax: 8 });
  const policyCounters = new PolicyCounters();
  const policyLog = {
    write: (
      level: 'debug' | 'info' | 'warn' | 'error',
      message: string,
      fields: Readonly<Record<string, string | number | boolean>>,
    ): void => log[level](message, fields),
  };
  const times = { nowMs: () => clock.nowMs(), wallMs: () => clock.wallMs() };
  const remoteKeys = new RemoteKeysStore({
    fetch: http.fetch,
    log: policyLog,
    counters: policyCounters,
    ...times,
  });
  let upstreams: UpstreamSet;
  const plans = new PlanShelf(task.plan, {
    authenticator: {
      fetch: http.fetch,
      log: policyLog,
      counters: policyCounters,
      remoteKeys,
      ...times,
    },
    credentials: { fetch: http.fetch, log: policyLog, counters: policyCounters, ...times },
    catalogs: (slot) => upstreams.catalog(slot),
  });
  exchanges = new ExchangeTable(cells, plans.current, ANONYMOUS);

  const deadlines = new DeadlineList(clock, (late) => late.giveUp(GIVEN_UP_BY_DEADLINE));
  const labels = new MetricLabels(
    new MetricTable(region, layout.metrics[shardIndex] as number),
    (slot, upstream, name) => post({ kind: 'label', slot, upstream, name }),
    () => Math.round(clock.nowMs() * 1000) | 0,
  );
  let pipeline: Pipeline;
  let news: NewsDesk;
  const context: ShardContext = {
    index: shardIndex,
    generation,
    shards: layout.shards,
    clock,
    counters,
    inflight,
    log,
    callIds: new CallIds(),
    deadlines,
    get events() {
      return news;
    },
    resume: (exchange) => pipeline.resume(exchange),
    fail: (exchange, code, detail) => pipeline.fail(exchange, code, detail),
  };
  const peers = new PeerSet(layout.shards, counters, (settled) => deadlines.leave(settled));
  upstreams = new UpstreamSet(context, peers, {
    table: new ProcessTable(region, layout.processes),
  });
  const sessions = new SessionTable(SESSIONS_MAX);
  listens = new ListenTable(replier, upstreams, counters);
  news = new NewsDesk({
    sessions,
    listens,
    replier,
    peers,
    upstreams,
    counters,
    log,
    currentPlan: () => plans.current,
  });
  const view = new RequestView();
  const face = new EndpointFace(upstreams);
  desk = new SessionDesk({
    shard: context,
    view,
    replier,
    sessions,
    sealer: new SessionSealer(task.sessionKeys),
    instance: Buffer.from(task.instance),
    face,
    upstreams,
  });
  const settle = new Settle(replier, counters, deadlines, labels, () => {});
  const waiter = new ListWaiter(context, upstreams);
  const messages = new ClientMessages(replier, upstreams, counters, deadlines, (exchange) => {
    // A cancelled request gets no response (MCP, cancellation); its stream ends without one.
    if (exchange.batch !== null) exchange.batch.onAccepted(exchange);
    else if (replier.beginEvents(exchange)) replier.end(exchange);
    else replier.fault(exchange, 'CANCELLED');
  });
  pipeline = new Pipeline(
    { view, replier, edge, exchanges, messages, counters },
    {
      entry: [
        authenticate(view, replier, clock, counters, (exchange) => pipeline.resume(exchange, true)),
        read(view, replier, edge, cells, counters),
        classify(view, replier, sessions, clock, counters),
      ],
      request: [
        route(view, replier, upstreams, labels, waiter),
        authorize(view, replier, counters),
        serve({
          view,
          replier,
          face,
          desk,
          lists: new ListMerge((slot) => upstreams.catalog(slot)),
          waiter,
          listens,
          upstreams,
          counters,
        }),
        call({
          view,
          replier,
          upstreams,
          settle,
          counters,
          labels,
          mirroring: new Mirroring(),
          resume: (exchange) => pipeline.resume(exchange),
          fail: (exchange, code, detail) => pipeline.fail(exchange, code, detail),
        }),
      ],
    },
  );
  const relay = new RelayServer(context, peers, (slot) => upstreams.stdio(slot));

  return {
    pipeline,
    exchanges,
    edge,
    edgeFrames,
    edgeDoorbell,
    peers,
    relay,
    news,
    view,
    replier,
    desk,
    sessions,
    listens,
    upstreams,
    counters,
    policyCounters,
    deadlines,
    context,
    plans,
    frameWriter(peer: number): FrameWriter {
      const ring = new RingWriter(
        region,
        layout.ringsPeer[shardIndex]?.[peer] as number,
        layout.ringPeerBytes,
      );
      const bell = new Doorbell(region, layout.doorbells[shardThread(layout, peer)] as number);
      return new FrameWriter(ring, bell, countRing, countFull);
    },
    carryPolicyCounters: policyCarrier(counters, policyCounters),
    async close(): Promise<void> {
      desk.stop();
      deadlines.stop();
      await upstreams.close();
      await http.close();
    },
  };
}

function policyCarrier(counters: CounterBlock, policy: PolicyCounters): () => void {
  let seen: PolicyCounters = new PolicyCounters();
  return () => {
    const now = Object.assign(new PolicyCounters(), policy);
    counters.add(COUNTERS.AUTH_HITS.id, now.remembered - seen.remembered);
    counters.add(COUNTERS.AUTH_MISSES.id, now.firstSeen - seen.firstSeen);
    counters.add(COUNTERS.AUTH_KEYS_FETCHED.id, now.keyFetches - seen.keyFetches);
    counters.add(COUNTERS.AUTH_KEYS_FAILED.id, now.keyFetchFailures - seen.keyFetchFailures);
    counters.add(COUNTERS.UPSTREAM_TOKENS.id, now.upstreamTokens - seen.upstreamTokens);
    seen = now;
  };
}
