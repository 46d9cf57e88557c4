/**
 * The main thread's part of the gateway. Builds the parts, starts them in order, stops them in reverse:
 *
 *   http server ──▶ acceptor ──▶ picker ──▶ shard proxies ══ring in══▶ shards
 *        ▲                                                                │
 *        └──────── reply writers ◀── reply pump ◀═════════ring out════════┘
 *                                       supervisor: threads, beats, restarts, peers
 */
import { randomBytes } from 'node:crypto';
import { createClock } from '../../shared/clock.ts';
import type { Clock } from '../../shared/clock.ts';
import type { ControlSessionKey, FromShardMessage } from '../../shared/control-message.ts';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import { CounterBlock } from '../../shared/counter-cell.ts';
import { Doorbell } from '../../shared/doorbell.ts';
import { ExchangeCells } from '../../shared/exchange-cell.ts';
import { HEADER_BYTES_MAX } from '../../shared/limits.ts';
import { PlanCell } from '../../shared/plan-cell.ts';
import type { KernelMemory } from '../../shared/kernel/byte-kernel.ts';
import { shardThread } from '../../shared/region-descriptor.ts';
import type { RegionLayout, RegionShape } from '../../shared/region-descriptor.ts';
import { RingReader } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';
import type { Plan } from '../config/plan.ts';
import { callStats } from '../observe/call-stats.ts';
import { Scrape } from '../observe/scrape.ts';
import type { EdgeGauges } from '../observe/scrape.ts';
import { BodyBudget } from './body-budget.ts';
import { drain } from './drain.ts';
import { logShardLine } from './edge-logger.ts';
import type { EdgeLogger } from './edge-logger.ts';
import type { EdgeCounter, EdgeStats, Readiness } from './edge-state.ts';
import { openRegion } from './edge-region.ts';
import { healthDocument } from './health.ts';
import { HttpAcceptor } from './http-acceptor.ts';
import type { DocumentSource, EdgeDocument } from './http-acceptor.ts';
import { createHttpServer } from './http-server.ts';
import type { HttpServer, HttpServerOptions } from './http-server.ts';
import { PlanPublisher } from './plan-publisher.ts';
import { PumpedShard, ReplyPump } from './reply-pump.ts';
import { ReplyWriter } from './reply-writer.ts';
import { ShardPicker } from './shard-picker.ts';
import { ShardProxy } from './shard-proxy.ts';
import type { ShardResourceLimits } from './shard-run.ts';
import { ShardSupervisor, TICK_MS } from './shard-supervisor.ts';
import type { SupervisorHooks } from './shard-supervisor.ts';
import { StatusAsker } from './status-asker.ts';
import { tellUnreadIds } from './unread-ids.ts';

const SESSION_KEY_BYTES = 32;
const INSTANCE_BYTES = 8;
const SLOW_CLIENT_MS = 60_000;
const HEADERS_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 60_000;

/** What happened to a shard. */
export interface ShardEvent {
  readonly kind: 'ready' | 'lost';
  readonly shard: number;
  readonly generation: number;
}

export interface EdgeOptions {
  readonly logger: EdgeLogger;
  /** The built `workers/shard.js`. */
  readonly shardUrl?: URL;
  readonly clock?: Clock;
  /** Further tables in the region, and ring sizes. */
  readonly region?: Omit<RegionShape, 'shards'>;
  /** Keys that seal session ids; left out, one that lives as long as this process. */
  readonly sessionKeys?: readonly ControlSessionKey[];
  readonly resourceLimits?: ShardResourceLimits;
  /** Documents beside `/healthz` and `/readyz`, answered to GET. */
  readonly documents?: DocumentSource;
  /** A client that does not read while bytes wait for it is dropped after this. */
  readonly slowClientMs?: number;
  readonly onShardEvent?: (event: ShardEvent) => void;
}

export class Edge implements SupervisorHooks<unknown> {
  readonly region: SharedArrayBuffer;
  readonly layout: RegionLayout;
  /** All numbers, for whoever shows them. */
  readonly scrape: Scrape;
  readonly #options: EdgeOptions;
  readonly #clock: Clock;
  readonly #counters: CounterBlock;
  readonly #planCell: PlanCell;
  readonly #budget: BodyBudget;
  readonly #shards: readonly PumpedShard[];
  readonly #pump: ReplyPump;
  readonly #acceptor: HttpAcceptor;
  readonly #supervisor: ShardSupervisor<Plan, unknown>;
  readonly #publisher: PlanPublisher;
  readonly #asker: StatusAsker;
  #plan: Plan;
  readonly #memory: KernelMemory | null;
  #server: HttpServer | null = null;
  #ticker: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | null = null;
  #lastTickMs = 0;

  constructor(plan: Plan, options: EdgeOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#clock = options.clock ?? createClock(performance, performance.timeOrigin);
    const { region, layout, memory } = openRegion(plan, options.region);
    this.region = region;
    this.layout = layout;
    this.#memory = memory;
    this.scrape = new Scrape(this.region, this.layout, plan, () => this.#gauges());
    this.#counters = new CounterBlock(this.region, this.layout.counters[0]!);
    this.#planCell = new PlanCell(this.region, this.layout.plan);
    this.#budget = new BodyBudget(plan.limits.bodyBudgetBytes);
    this.#shards = Array.from({ length: plan.shards }, (_, shard) => this.#makeShard(shard));
    this.#pump = new ReplyPump(
      this.region,
      this.layout.doorbells[0]!,
      this.#shards,
      this.#counters,
      this.#clock,
    );
    this.#acceptor = new HttpAcceptor({
      plan,
      clock: this.#clock,
      counters: this.#counters,
      budget: this.#budget,
      picker: new ShardPicker(this.#shards.map((shard) => shard.proxy)),
      shards: this.#shards,
      documents: (path) => this.#document(path),
    });
    this.#supervisor = this.#makeSupervisor(plan);
    this.#publisher = new PlanPublisher(this.#supervisor);
    this.#asker = new StatusAsker(this.#supervisor);
  }

  /**
   * Starts the shards, then listens.
   *
   * @returns the address taken
   * @throws Error if a shard does not start or the port cannot be had (`code` EADDRINUSE, …)
   */
  async start(): Promise<{ host: string; port: number }> {
    try {
      this.#planCell.publish(this.#plan.number);
      this.#pump.start();
      this.#lastTickMs = this.#clock.nowMs();
      this.#ticker = setInterval(() => this.#tick(), TICK_MS);
      await this.#supervisor.start();
      this.#server = await createHttpServer(this.#serverOptions());
      const address = await this.#server.listen();
      this.#options.logger.info({ server: this.#server.description }, 'accepts clients');
      if (this.#stopping !== null) throw new Error('stopped while it started');
      return address;
    } catch (error) {
      await this.#shutDown(START_FAILED_TIMEOUT_MS);
      throw error;
    }
  }

  /**
   * Gives every shard the new plan, then judges requests by it. The old one lives on in shards until the
   * exchanges that began under it end. Calls queue up behind each other.
   *
   * @throws Error if a shard refuses the plan or does not answer; then the old plan stays
   */
  async applyPlan(plan: Plan): Promise<void> {
    if (plan.shards !== this.#plan.shards) throw new Error('plan: the number of shards is fixed');
    await this.#publisher.publish(plan, () => {
      this.#plan = plan;
      this.#planCell.publish(plan.number);
      this.#acceptor.setPlan(plan);
      this.scrape.setPlan(plan);
    });
    this.#supervisor.postAll({ kind: 'logLevel', level: plan.log.level });
  }

  /** Each shard's own account of its upstreams; null for one that is down or does not answer in time. */
  status(): Promise<readonly unknown[]> {
    return this.#asker.ask(this.#shards.length);
  }

  stats(): EdgeStats {
    const { openExchanges, bodyBytes, stalledSockets } = this.#gauges();
    const calls = this.scrape.calls().map(callStats);
    return { openExchanges, bodyBytes, stalledSockets, planNumber: this.#plan.number, calls };
  }

  /** The settings in force, secrets and all. */
  get plan(): Plan {
    return this.#plan;
  }

  /** The HTTP server that carries the main listener; empty before it listens. */
  get httpServer(): string {
    return this.#server?.implementation ?? '';
  }

  /** Counts what happened on this thread, outside of the edge. */
  count(counter: EdgeCounter): void {
    this.#counters.add(COUNTERS[counter].id);
  }

  get openExchanges(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.proxy.openCount, 0);
  }

  readiness(): Readiness {
    const shards = this.#shards.map(({ proxy }) => ({
      index: proxy.index,
      phase: this.#supervisor.phase(proxy.index),
      generation: this.#supervisor.generation(proxy.index),
      restarts: this.#supervisor.restarts(proxy.index),
      openExchanges: proxy.openCount,
    }));
    const ready = this.#stopping === null && shards.every((shard) => shard.phase === 'running');
    return { ready, shards };
  }

  /**
   * Accepts no more connections, lets what runs finish, then stops everything. What is still open after
   * `timeoutMs` is cut. No timer, thread or socket is left.
   */
  drainAndStop(timeoutMs: number): Promise<void> {
    this.#stopping ??= this.#drainAndStop(timeoutMs);
    return this.#stopping;
  }

  // SupervisorHooks

  onStarting(shard: number, generation: number): void {
    const pumped = this.#shards[shard]!;
    const { ringsIn, ringsOut, ringInBytes, ringOutBytes } = this.layout;
    pumped.proxy.attach(generation, new RingWriter(this.region, ringsIn[0]![shard]!, ringInBytes));
    pumped.reader = new RingReader(this.region, ringsOut[0]![shard]!, ringOutBytes);
  }

  onReady(shard: number, generation: number): void {
    this.#shards[shard]!.proxy.isRunning = true;
    this.#options.onShardEvent?.({ kind: 'ready', shard, generation });
  }

  onDown(shard: number): void {
    this.#shards[shard]!.proxy.isRunning = false;
    this.#publisher.onDown(shard);
    this.#asker.onDown(shard);
  }

  onGone(shard: number, generation: number): void {
    const pumped = this.#shards[shard]!;
    this.#readToEnd(pumped);
    pumped.proxy.detach();
    const orphans = pumped.writer.failAll('SHARD_LOST');
    this.#counters.add(COUNTERS.EXCHANGES_ORPHANED.id, orphans);
    this.scrape.onShardGone(shard);
    this.#options.logger.warn({ shard, generation, orphans }, 'answered for a lost shard');
    this.#options.onShardEvent?.({ kind: 'lost', shard, generation });
  }

  onMessage(shard: number, message: FromShardMessage<unknown>): void {
    switch (message.kind) {
      case 'planTaken':
      case 'planRefused':
        this.#publisher.onAnswer(shard, message);
        return;
      case 'status':
        this.#asker.onAnswer(shard, message.ask, message.status);
        return;
      case 'log':
        logShardLine(this.#options.logger, shard, message);
        return;
      case 'label':
        this.scrape.onLabel(shard, message.slot, message.upstream, message.name);
        return;
      default: // the supervisor's
    }
  }

  /** What a dead shard committed is still delivered. If it died of a mad ring, that must not end us. */
  #readToEnd(shard: PumpedShard): void {
    const { ringsIn, ringInBytes } = this.layout;
    const unread = ringsIn[0]![shard.proxy.index]!;
    try {
      this.#pump.drainLost(shard);
      tellUnreadIds(new RingReader(this.region, unread, ringInBytes), shard.proxy.table);
    } catch (error) {
      shard.reader = null;
      this.#options.logger.error(
        { shard: shard.proxy.index, error },
        'ring of a lost shard is broken',
      );
    }
  }

  #makeShard(shard: number): PumpedShard {
    const { layout, region } = this;
    const doorbell = new Doorbell(region, layout.doorbells[shardThread(layout, shard)]!);
    const proxy = new ShardProxy(shard, doorbell, this.#budget, this.#counters, layout.ringInBytes);
    const cells = new ExchangeCells(region, layout.exchangeCells[shard]!);
    const writer = new ReplyWriter(proxy, cells, this.#counters);
    return new PumpedShard(proxy, writer);
  }

  #makeSupervisor(plan: Plan): ShardSupervisor<Plan, unknown> {
    const { shardUrl, sessionKeys, resourceLimits, logger } = this.#options;
    const instance = new Uint8Array(randomBytes(INSTANCE_BYTES));
    const keys = sessionKeys ?? [{ id: 1, secret: new Uint8Array(randomBytes(SESSION_KEY_BYTES)) }];
    return new ShardSupervisor<Plan, unknown>(plan, {
      url: shardUrl ?? new URL('../../workers/shard.js', import.meta.url),
      region: this.region,
      layout: this.layout,
      clock: this.#clock,
      counters: this.#counters,
      logger,
      hooks: this,
      task: () => ({
        memory: this.#memory,
        clockBaseMs: performance.timeOrigin,
        logLevel: this.#plan.log.level,
        instance,
        sessionKeys: keys,
      }),
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
    });
  }

  #serverOptions(): HttpServerOptions {
    const { listen, limits, timeouts } = this.#plan;
    return {
      host: listen.host,
      port: listen.port,
      bodyBytesMax: limits.bodyBytesMax,
      headerBytesMax: HEADER_BYTES_MAX,
      headersTimeoutMs: HEADERS_TIMEOUT_MS,
      bodyTimeoutMs: timeouts.bodyTimeoutMs,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      listener: this.#acceptor,
      usualPaths: this.#plan.endpoints.map((endpoint) => endpoint.path),
      implementation: listen.server,
      onAcceptError: ({ message }) =>
        this.#options.logger.warn({ message }, 'cannot accept a client'),
      ...this.#acceptor.serverCounts,
    };
  }

  #tick(): void {
    this.#supervisor.tick();
    const nowMs = this.#clock.nowMs();
    this.scrape.poll(nowMs - this.#lastTickMs - TICK_MS);
    this.#lastTickMs = nowMs;
    const limitMs = this.#options.slowClientMs ?? SLOW_CLIENT_MS;
    for (const shard of this.#shards) shard.writer.dropSlowClients(nowMs, limitMs);
  }

  #document(path: string): EdgeDocument | null {
    const health = healthDocument(path, () => this.readiness());
    if (health === null) return this.#options.documents?.(path) ?? null;
    this.count('ADMIN_REQUESTS');
    return health;
  }

  #gauges(): EdgeGauges {
    const { ready: isReady, shards } = this.readiness();
    const stalledSockets = this.#shards.reduce((sum, { writer }) => sum + writer.stalledCount, 0);
    const { openExchanges } = this;
    return { isReady, shards, openExchanges, bodyBytes: this.#budget.bytes, stalledSockets };
  }

  async #drainAndStop(timeoutMs: number): Promise<void> {
    const server = this.#server;
    await drain({
      stopAccepting: () => {
        server?.stopAccepting();
      },
      tellShards: () => void this.#supervisor.postAll({ kind: 'drain' }),
      openCount: () => this.openExchanges,
      refuseNew: () => this.#acceptor.drain(),
      timeoutMs,
    });
    await this.#shutDown(STOP_TIMEOUT_MS);
  }

  async #shutDown(shardTimeoutMs: number): Promise<void> {
    await this.#supervisor.stop(shardTimeoutMs);
    clearInterval(this.#ticker);
    for (const shard of this.#shards) {
      this.#readToEnd(shard);
      shard.proxy.detach();
      shard.writer.failAll('DRAINING');
    }
    this.#pump.stop();
    this.#server?.close();
    this.#server = null;
  }
}

const STOP_TIMEOUT_MS = 5000;
/** What shards get to end their child processes in order where the start fails, as at a port in use. */
const START_FAILED_TIMEOUT_MS = 1000;
