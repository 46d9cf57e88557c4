import type { Clock } from '../shared/clock.ts';
import type { FromShardMessage, ShardTask } from '../shared/control-message.ts';
import { COUNTERS } from '../shared/counter-catalogue.ts';
import type { CounterBlock } from '../shared/counter-cell.ts';
import { FAULTS } from '../shared/fault.ts';
import type { FaultCode } from '../shared/fault.ts';
import { SESSIONS_MAX } from '../shared/limits.ts';
import type { Plan } from '../src/config/plan.ts';
import type { ShardStatus } from '../src/observe/gateway-status.ts';
import { ClientMessages } from './client-messages.ts';
import { EdgeProxy } from './edge-proxy.ts';
import { EndpointFace } from './endpoint-face.ts';
import { ExchangeTable } from './exchange-table.ts';
import type { Exchange } from './exchange.ts';
import { HttpClientCounters } from '../src/transport/http/http-client.ts';
import type { FrameWriter } from './frame-writer.ts';
import { ListWaiter } from './list-waiter.ts';
import { ListenTable } from './listen-table.ts';
import { MetricLabels } from './metric-labels.ts';
import { Mirroring } from './mirroring.ts';
import { NewsDesk } from './news-desk.ts';
import { PeerSet } from './peer-set.ts';
import { PlanShelf } from './plan-shelf.ts';
import { PolicyParts } from './policy-parts.ts';
import { Pipeline } from './pipeline.ts';
import { ANONYMOUS } from './policy/principal.ts';
import { RateLimiter } from './policy/rate-limiter.ts';
import { RelayServer } from './relay-server.ts';
import { Replier } from './reply.ts';
import { RequestView } from './request-view.ts';
import { SessionDesk } from './session/session-desk.ts';
import { SessionSealer } from './session/session-id.ts';
import { SessionTable } from './session/session-table.ts';
import { Settle } from './settle.ts';
import type { ShardContext } from './shard-context.ts';
import type { ShardLog } from './shard-log.ts';
import { ShardMemory } from './shard-memory.ts';
import { authenticate } from './stages/authenticate.ts';
import { authorize } from './stages/authorize.ts';
import { Call } from './stages/call.ts';
import { Classify } from './stages/classify.ts';
import { limit } from './stages/limit.ts';
import { read } from './stages/read.ts';
import { route } from './stages/route.ts';
import { serve } from './stages/serve.ts';
import { ListMerge } from './transform/list-merge.ts';
import type { Catalog } from './upstream/catalog.ts';
import { CallIds } from './upstream/call-id.ts';
import { DeadlineList } from './upstream/deadline-list.ts';
import { GIVEN_UP_BY_DEADLINE } from './upstream/call.ts';
import { TurnClock } from './turn-clock.ts';
import { UpstreamSet } from './upstream/upstream-set.ts';

type Post = (message: FromShardMessage<ShardStatus>) => void;

/**
 * All that makes up a shard, built from the bottom up. Rooms that need each other (an upstream's news
 * and the desk that hears them) meet here, by reference to this object.
 */
export class ShardParts {
  readonly clock: TurnClock;
  readonly memory: ShardMemory;
  readonly counters: CounterBlock;
  readonly view = new RequestView();
  readonly edgeFrames: FrameWriter;
  readonly edge: EdgeProxy;
  readonly replier: Replier;
  readonly policy: PolicyParts;
  readonly plans: PlanShelf;
  readonly exchanges: ExchangeTable;
  readonly deadlines: DeadlineList;
  readonly labels: MetricLabels;
  readonly context: ShardContext;
  readonly peers: PeerSet;
  readonly upstreams: UpstreamSet;
  readonly sessions = new SessionTable(SESSIONS_MAX);
  readonly listens: ListenTable;
  readonly news: NewsDesk;
  readonly face: EndpointFace;
  readonly desk: SessionDesk;
  readonly settle: Settle;
  readonly relay: RelayServer;
  readonly pipeline: Pipeline;

  constructor(task: ShardTask<Plan>, platformClock: Clock, log: ShardLog, post: Post) {
    const clock = new TurnClock(platformClock);
    this.clock = clock;
    const memory = new ShardMemory(task);
    const { counters } = memory;
    this.memory = memory;
    this.counters = counters;
    this.edgeFrames = memory.edgeFrames(() => this.exchanges.isQuiet);
    this.edge = new EdgeProxy(this.edgeFrames, (exchange) => this.#onDone(exchange));
    this.replier = new Replier(this.edge, (exchange, code, detail) => {
      counters.add(COUNTERS.REFUSED.id + FAULTS[code].id);
      this.labels.fault(exchange, code);
      logFault(log, code, detail);
    });
    this.policy = new PolicyParts(clock, log, counters);
    const catalogs = (slot: number): Catalog | null => this.upstreams.catalog(slot);
    this.plans = new PlanShelf(task.plan, { ...this.policy.deps, catalogs });
    this.exchanges = new ExchangeTable(this.plans.current, ANONYMOUS);
    this.deadlines = new DeadlineList(clock, (late) => late.giveUp(GIVEN_UP_BY_DEADLINE));
    this.labels = new MetricLabels(
      memory.metrics,
      (slot, upstream, name) => post({ kind: 'label', slot, upstream, name }),
      () => Math.round(platformClock.nowMs() * 1000) | 0,
    );
    this.news = new NewsDesk(this, log);
    this.context = this.#makeContext(task, clock, log);
    this.peers = new PeerSet(task.layout.shards, counters, (call) => this.deadlines.leave(call));
    this.upstreams = new UpstreamSet(this.context, this.peers, { table: memory.processes });
    this.listens = new ListenTable(this.replier, this.upstreams, counters);
    this.face = new EndpointFace(this.upstreams);
    this.desk = new SessionDesk(this, {
      shard: this.context,
      sealer: new SessionSealer(task.sessionKeys),
      instance: Buffer.from(task.instance),
    });
    this.settle = new Settle(this.replier, counters, this.deadlines, this.labels);
    this.relay = new RelayServer(this.context, this.peers, (slot) => this.upstreams.stdio(slot));
    this.pipeline = buildPipeline(this, clock, platformClock);
  }

  async close(): Promise<void> {
    this.desk.stop();
    this.deadlines.stop();
    await this.upstreams.close();
    await this.policy.close();
  }

  #makeContext(task: ShardTask<Plan>, clock: Clock, log: ShardLog): ShardContext {
    // Without accessors: an object literal that has one is a hash table to the engine, and each look at a
    // member of this one, some ten a call, would be a search.
    return {
      index: task.shardIndex,
      generation: task.generation,
      shards: task.layout.shards,
      clock,
      counters: this.counters,
      inflight: this.memory.inflight,
      log,
      callIds: new CallIds(),
      deadlines: this.deadlines,
      httpCounters: new HttpClientCounters(),
      listItemsMax: task.plan.limits.listItemsMax,
      events: this.news,
      credentialFor: (upstream, principal) => this.plans.current.credentialFor(upstream, principal),
      renewCredential: (upstream, principal) =>
        this.plans.current.renewCredential(upstream, principal),
      resume: (exchange) => this.pipeline.resume(exchange),
      fail: (exchange, code, detail) => this.pipeline.fail(exchange, code, detail),
    };
  }

  #onDone(exchange: Exchange): void {
    exchange.session?.leave(exchange);
    exchange.ownBatch?.close();
    this.desk.onStreamGone(exchange);
    this.listens.close(exchange);
    exchange.inUse = false;
    this.exchanges.close(exchange);
  }
}

/** Faults that are not the client's doing are news; the others only for who debugs. */
function logFault(log: ShardLog, fault: FaultCode, detail: string): void {
  if (detail === '') return;
  if (FAULTS[fault].cause !== 'downstream') log.warn('call failed', { fault, detail });
  else if (log.isEnabled('debug')) log.debug('call refused', { fault, detail });
}

/** The order of the stages. Whatever is cheap and refuses much comes early; each says why it is where it is. */
function buildPipeline(parts: ShardParts, clock: Clock, platformClock: Clock): Pipeline {
  const { view, replier, edge, exchanges, counters, upstreams, labels } = parts;
  const waiter = new ListWaiter(parts.context, upstreams);
  const messages = new ClientMessages(replier, upstreams, counters, parts.deadlines, labels);
  const lists = new ListMerge((slot) => upstreams.catalog(slot));
  const mirroring = new Mirroring();
  const { desk, face, listens, settle } = parts;
  // Shards share budgets, so their times must agree: one that is milliseconds behind sees a bucket that
  // another shard has just used as emptier than it is, and refuses what there is room for.
  const limiter = new RateLimiter(parts.memory.rateLimits, platformClock, counters);
  return new Pipeline(
    { view, replier, edge, exchanges, messages, counters },
    {
      entry: [
        authenticate(view, replier, clock, counters, (exchange) =>
          parts.pipeline.resume(exchange, true),
        ),
        read(view, replier, edge, parts.memory.cells, counters),
        new Classify(parts, clock),
      ],
      request: [
        route(view, replier, upstreams, labels, waiter),
        authorize(view, replier, counters),
        limit(view, replier, limiter),
        serve({ view, replier, face, desk, lists, waiter, listens, upstreams, counters }),
        new Call({
          view,
          replier,
          upstreams,
          settle,
          counters,
          inflight: parts.memory.inflight,
          mirroring,
          resume: (exchange) => parts.pipeline.resume(exchange),
          fail: (exchange, code, detail) => parts.pipeline.fail(exchange, code, detail),
        }),
      ],
    },
  );
}
