/**
 * Keeps one thread per shard running.
 *
 *   starting ──ready──▶ running ──ended, threw, hung──▶ lost ──thread gone, rings reset──▶ starting
 *                          │                                                               (backoff)
 *                          └──stop──▶ stopped
 *
 * What always holds:
 * - A generation is given up once. Its number is raised at that moment; whatever in shared memory names
 *   the old one belongs to nobody.
 * - Nothing of a lost shard (rings, cells, processes) is touched before its thread has ended.
 * - A beat is missed only by ticks of this thread: an edge that was itself held up, or a suspended
 *   machine, kills nobody.
 */
import type { Clock } from '../../shared/clock.ts';
import type { FromShardMessage, ShardTask, ToShardMessage } from '../../shared/control-message.ts';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import { ProcessTable } from '../../shared/process-table.ts';
import { resetRing } from '../../shared/ring-descriptor.ts';
import { shardThread } from '../../shared/region-descriptor.ts';
import type { RegionLayout } from '../../shared/region-descriptor.ts';
import { THREAD_DOWN, ThreadCell } from '../../shared/thread-cell.ts';
import type { EdgeLogger } from './edge-logger.ts';
import { killAll, killOwned } from './orphan-processes.ts';
import { PeerJoins } from './peer-joins.ts';
import type { PeerJoinsOwner } from './peer-joins.ts';
import { ShardRun } from './shard-run.ts';
import type { ShardResourceLimits, ShardRunListener } from './shard-run.ts';

/** The edge ticks this often; a shard beats as often. */
export const TICK_MS = 1000;
/** Ticks without a beat after which a shard counts as hung. */
const BEATS_MISSED_MAX = 3;
/** A tick this late means the edge itself was held up: nobody is judged. */
const TICK_LATE_MS: number = TICK_MS * 1.5;
/** From the start of a thread to its `ready`. */
const READY_TIMEOUT_MS = 30_000;
/** A thread that does not end in this time is stuck in native code and runs no more JavaScript. */
const KILL_TIMEOUT_MS = 1000;
/** How long a start waits for peers to leave the rings; those that are later are joined later. */
const QUIET_TIMEOUT_MS = 250;
/** A life this long clears the count of failures: the start after it does not wait. */
const HEALTHY_MS = 10_000;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5000;

export type ShardPhase = 'starting' | 'running' | 'lost' | 'stopped';

/** What the edge does when a shard's life changes. Called in this order for each generation. */
export interface SupervisorHooks<Status> {
  /** Its rings are empty; make the edge's ends. */
  onStarting(shard: number, generation: number): void;
  onReady(shard: number, generation: number): void;
  onMessage(shard: number, message: FromShardMessage<Status>): void;
  /** Give it nothing new. Its thread may still run. */
  onDown(shard: number): void;
  /** Its thread has ended: read its ring to the end, answer for it, drop the edge's ends. */
  onGone(shard: number, generation: number): void;
}

export interface SupervisorOptions<Plan, Status> {
  readonly url: URL;
  readonly region: SharedArrayBuffer;
  readonly layout: RegionLayout;
  readonly clock: Clock;
  readonly counters: CounterBlock;
  readonly logger: EdgeLogger;
  readonly hooks: SupervisorHooks<Status>;
  /** What a task that starts now gets beside what is its own. */
  readonly task: () => Pick<
    ShardTask<Plan>,
    'memory' | 'clockBaseMs' | 'logLevel' | 'instance' | 'sessionKeys'
  >;
  readonly resourceLimits?: ShardResourceLimits;
}

/** One shard's state. */
class ShardLife<Plan, Status> {
  readonly shard: number;
  readonly cell: ThreadCell;
  run: ShardRun<Plan, Status> | null = null;
  phase: ShardPhase = 'stopped';
  startedMs = 0;
  beats = 0;
  beatsMissed = 0;
  failures = 0;
  restarts = 0;

  constructor(shard: number, cell: ThreadCell) {
    this.shard = shard;
    this.cell = cell;
  }
}

export class ShardSupervisor<Plan extends { readonly number: number }, Status>
  implements ShardRunListener<Status>, PeerJoinsOwner
{
  readonly #options: SupervisorOptions<Plan, Status>;
  readonly #lives: readonly ShardLife<Plan, Status>[];
  readonly #joins: PeerJoins;
  readonly #processes: ProcessTable;
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Threads that are being ended. */
  readonly #ending = new Set<Promise<void>>();
  #plan: Plan;
  /** A plan that is being published: shards that start meanwhile get it behind the current one. */
  #nextPlan: Plan | null = null;
  #lastTickMs = 0;
  #isStopping = false;
  #onFirstReady: ((error: Error | null) => void) | null = null;

  constructor(plan: Plan, options: SupervisorOptions<Plan, Status>) {
    this.#plan = plan;
    this.#options = options;
    const { layout, region } = options;
    this.#joins = new PeerJoins(layout.shards, this);
    this.#processes = new ProcessTable(region, layout.processes);
    this.#lives = Array.from({ length: layout.shards }, (_, shard) => {
      const cell = new ThreadCell(region, layout.threadCells[shardThread(layout, shard)]!);
      return new ShardLife<Plan, Status>(shard, cell);
    });
  }

  /** @returns when every shard is ready @throws Error if one ends before it was */
  start(): Promise<void> {
    this.#joins.startedAll(1);
    this.#lastTickMs = this.#options.clock.nowMs();
    const ready = new Promise<void>((resolve, reject) => {
      this.#onFirstReady = (error) => {
        if (error !== null) reject(error);
        else if (this.#lives.every((life) => life.phase === 'running')) resolve();
        else return;
        this.#onFirstReady = null;
      };
    });
    for (const life of this.#lives) {
      const peers = this.#lives.map((peer) => (peer === life ? 0 : 1));
      this.#launch(life, peers);
    }
    return ready;
  }

  /** Judges beats. Call it every TICK_MS. */
  tick(): void {
    const nowMs = this.#options.clock.nowMs();
    const isLate = nowMs - this.#lastTickMs > TICK_LATE_MS;
    this.#lastTickMs = nowMs;
    for (const life of this.#lives) {
      const beats = life.cell.beats;
      if (beats !== life.beats || isLate) life.beatsMissed = 0;
      else life.beatsMissed += 1;
      life.beats = beats;
      const run = life.run;
      if (run === null) continue;
      if (life.phase === 'running' && life.beatsMissed >= BEATS_MISSED_MAX) {
        void this.#giveUp(life, run, new Error('no beat'));
      } else if (life.phase === 'starting' && nowMs - life.startedMs > READY_TIMEOUT_MS) {
        void this.#giveUp(life, run, new Error('not ready in time'));
      }
    }
  }

  phase(shard: number): ShardPhase {
    return this.#lives[shard]?.phase ?? 'stopped';
  }

  generation(shard: number): number {
    return this.#lives[shard]?.cell.generation ?? 0;
  }

  restarts(shard: number): number {
    return this.#lives[shard]?.restarts ?? 0;
  }

  /** Posts to a shard that starts or runs. @returns whether there is one */
  post(shard: number, message: ToShardMessage<Plan>): boolean {
    const run = this.#lives[shard]?.run;
    if (run === undefined || run === null) return false;
    run.post(message);
    return true;
  }

  /** Posts to all shards that start or run. @returns them */
  postAll(message: ToShardMessage<Plan>): number[] {
    return this.#lives.filter((life) => this.post(life.shard, message)).map((life) => life.shard);
  }

  /** Shards that start from now on are told of this plan too, behind the current one; null: of none. */
  setNextPlan(plan: Plan | null): void {
    this.#nextPlan = plan;
  }

  /** Shards that start from now on start with this plan. */
  setPlan(plan: Plan): void {
    this.#plan = plan;
    this.#nextPlan = null;
  }

  /**
   * Ends all shards: asks, waits, then kills, children included. No shard starts again.
   *
   * @param timeoutMs how long they may take to stop by themselves
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.postAll({ kind: 'stop' });
    const runs = this.#lives.map((life) => life.run).filter((run) => run !== null);
    await within(timeoutMs, Promise.all(runs.map((run) => run.ended)));
    const endings = [...this.#ending, ...runs.map((run) => run.kill())];
    await within(KILL_TIMEOUT_MS, Promise.all(endings));
    this.#onFirstReady?.(new Error('stopped before every shard was ready'));
    const killed = killAll(this.#processes);
    if (killed > 0) this.#options.logger.warn({ killed }, 'child processes outlived their shards');
    for (const life of this.#lives) life.phase = 'stopped';
  }

  // ShardRunListener

  onMessage(run: object, message: FromShardMessage<Status>): void {
    const life = this.#lives.find((candidate) => candidate.run === run);
    if (life === undefined) return;
    if (message.kind === 'ready') this.#onReady(life);
    else if (message.kind === 'peerLeft') this.#joins.left(life.shard, message.shard);
    else this.#options.hooks.onMessage(life.shard, message);
  }

  onEnded(run: object, error: Error | null): void {
    const life = this.#lives.find((candidate) => candidate.run === run);
    if (life === undefined || life.run === null || this.#isStopping) return;
    void this.#giveUp(life, life.run, error ?? new Error('its task returned'));
  }

  // PeerJoinsOwner

  resetPair(one: number, other: number): void {
    const { region, layout } = this.#options;
    resetRing(region, layout.ringsPeer[one]![other]!);
    resetRing(region, layout.ringsPeer[other]![one]!);
  }

  postLost(shard: number, peer: number, generation: number): void {
    this.post(shard, { kind: 'peerLost', shard: peer, generation });
  }

  postJoined(shard: number, peer: number, generation: number): void {
    this.post(shard, { kind: 'peerJoined', shard: peer, generation });
  }

  #onReady(life: ShardLife<Plan, Status>): void {
    if (life.phase !== 'starting') return;
    life.phase = 'running';
    life.beatsMissed = 0;
    const generation = life.cell.generation;
    const tookMs = Math.round(this.#options.clock.nowMs() - life.startedMs);
    this.#options.logger.info({ shard: life.shard, generation, tookMs }, 'shard is ready');
    this.#options.hooks.onReady(life.shard, generation);
    this.#onFirstReady?.(null);
  }

  #launch(life: ShardLife<Plan, Status>, peers: readonly number[]): void {
    const { url, region, layout, task, hooks, counters, clock, resourceLimits } = this.#options;
    const generation = life.cell.generation;
    hooks.onStarting(life.shard, generation);
    counters.add(COUNTERS.SHARD_STARTS.id);
    life.phase = 'starting';
    life.startedMs = clock.nowMs();
    life.run = new ShardRun<Plan, Status>(
      url,
      { ...task(), shardIndex: life.shard, generation, region, layout, plan: this.#plan, peers },
      this,
      resourceLimits,
    );
    if (this.#nextPlan !== null) life.run.post({ kind: 'plan', plan: this.#nextPlan });
  }

  async #giveUp(
    life: ShardLife<Plan, Status>,
    run: ShardRun<Plan, Status>,
    error: Error,
  ): Promise<void> {
    if (life.run !== run) return; // given up already
    const { counters, logger, hooks, clock, region, layout } = this.#options;
    const { shard } = life;
    const generation = life.cell.generation;
    life.run = null;
    life.phase = 'lost';
    life.cell.raiseGeneration();
    counters.add(COUNTERS.SHARD_DEATHS.id);
    logger.error({ shard, generation, error }, 'shard is lost');
    hooks.onDown(shard);
    const ending = run.kill();
    this.#ending.add(ending);
    await within(KILL_TIMEOUT_MS, ending);
    this.#ending.delete(ending);

    const killed = killOwned(this.#processes, shard, generation);
    counters.add(COUNTERS.PROCESSES_KILLED.id, killed);
    hooks.onGone(shard, generation);
    life.cell.state = THREAD_DOWN;
    resetRing(region, layout.ringsIn[0]![shard]!);
    resetRing(region, layout.ringsOut[0]![shard]!);
    this.#joins.lost(shard);
    if (this.#onFirstReady !== null) {
      this.#onFirstReady(new Error(`shard ${shard} did not start`, { cause: error }));
      return;
    }
    life.failures = clock.nowMs() - life.startedMs > HEALTHY_MS ? 1 : life.failures + 1;
    await this.#pause(backoffMs(life.failures));
    await this.#quiet(shard);
    if (this.#isStopping) return;
    life.restarts += 1;
    this.#launch(life, this.#joins.started(shard, life.cell.generation));
  }

  /** Waits until no peer touches the shard's rings, but not for ever. */
  async #quiet(shard: number): Promise<void> {
    const untilMs = this.#options.clock.nowMs() + QUIET_TIMEOUT_MS;
    while (!this.#joins.isQuiet(shard) && this.#options.clock.nowMs() < untilMs) {
      await this.#pause(5);
      if (this.#isStopping) return;
    }
  }

  #pause(ms: number): Promise<void> {
    if (this.#isStopping || ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        resolve();
      }, ms);
      this.#timers.add(timer);
    });
  }
}

function backoffMs(failures: number): number {
  if (failures <= 1) return 0;
  return Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 2), BACKOFF_MAX_MS);
}

/** Waits for `work`, at most so long. Leaves no timer behind. */
async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
