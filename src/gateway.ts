/**
 * The gateway as one object: settings, edge, admin listener, log and reload put together. Everything
 * the settings file can say, code can say by the same names.
 */
import type { ConfigInput } from './config/schema.ts';
import { PlanSlots, type CompiledConfig } from './config/compile.ts';
import type { Environment } from './config/environment.ts';
import { FileWatch } from './config/file-watch.ts';
import { loadFile, loadObject, type ConfigOverrides } from './config/load.ts';
import type { Plan, PlanAdmin } from './config/plan.ts';
import { ConfigError } from './config/problem.ts';
import { redactPlan } from './config/redact-plan.ts';
import { Reloader, type PlanSource, type ReloadOutcome } from './config/reload.ts';
import { createLogger, type Logger } from './observe/log.ts';
import { mergeStatus, type UpstreamStatus } from './observe/gateway-status.ts';
import { mergeCollisions, settledCollisions } from './observe/name-collision.ts';

/** What the gateway needs of the edge; `src/edge/edge.ts` fills it. */
export interface GatewayEdge<Stats> {
  start(): Promise<{ readonly host: string; readonly port: number }>;
  applyPlan(plan: Plan): Promise<void>;
  /** One answer per shard; null where none came. */
  status(): Promise<readonly unknown[]>;
  stats(): Stats;
  readiness(): { readonly ready: boolean };
  /** Counts what the gateway did. */
  count(counter: 'RELOADS' | 'RELOADS_FAILED'): void;
  drainAndStop(timeoutMs: number): Promise<void>;
}

/** A listener of its own for metrics and probes. */
export interface GatewayAdmin {
  start(): Promise<{ readonly host: string; readonly port: number }>;
  stop(): Promise<void>;
}

/** How the parts are made. */
export interface GatewayParts<Stats, Front extends GatewayEdge<Stats> = GatewayEdge<Stats>> {
  edge(plan: Plan, logger: Logger): Front;
  /** Called if the settings have `admin`. Null: this build has none. */
  admin(plan: PlanAdmin, edge: Front, logger: Logger): GatewayAdmin | null;
}

export interface GatewayOptions {
  /** Left out: JSON lines on stderr, at `log.level`. */
  readonly logger?: Logger;
  /** Put in place of the file's settings, also on reload. */
  readonly overrides?: ConfigOverrides;
  /** For `${NAME}` in a file. Left out: that of the process. */
  readonly environment?: Environment;
  /** Where relative paths of settings from code start. Left out: the working directory. */
  readonly folder?: string;
}

export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
  /** Endpoint of all upstreams, as reached from this machine. */
  readonly url: string;
  readonly admin: { readonly host: string; readonly port: number; readonly url: string } | null;
}

export interface GatewayStatus {
  /** Every shard runs and nothing is being stopped. */
  readonly ready: boolean;
  readonly plan: number;
  readonly shards: number;
  readonly upstreams: readonly UpstreamStatus[];
}

type Phase = 'new' | 'running' | 'closed';

export class Gateway<Stats, Front extends GatewayEdge<Stats> = GatewayEdge<Stats>> {
  readonly #options: GatewayOptions;
  readonly #parts: GatewayParts<Stats, Front>;
  readonly #slots = new PlanSlots();
  readonly #logger: Logger;
  readonly #file: string | null;
  readonly #reloader: Reloader;
  readonly #notices: readonly string[];
  #source: PlanSource;
  #edge: Front;
  #admin: GatewayAdmin | null = null;
  /** What `start` got. */
  #bound: { readonly listen: Bound; readonly admin: Bound | null } | null = null;
  #watch: FileWatch | null = null;
  #phase: Phase = 'new';
  #closing: Promise<void> | null = null;

  /** @throws ConfigError with every problem of the settings */
  constructor(
    config: string | ConfigInput,
    options: GatewayOptions,
    parts: GatewayParts<Stats, Front>,
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#file = typeof config === 'string' ? config : null;
    this.#source = this.#sourceOf(config);
    const { plan, notices } = this.#source(1);
    this.#notices = notices;
    this.#logger = options.logger ?? createLogger(plan.log.level);
    this.#edge = parts.edge(plan, this.#logger);
    this.#reloader = new Reloader({ plan, slots: this.#slots, apply: (next) => this.#apply(next) });
  }

  /** The settings in force, without secrets. */
  get plan(): Plan {
    return redactPlan(this.#reloader.plan);
  }

  /**
   * Starts shards and listeners. Resolves once calls are taken; upstreams may still be connecting.
   *
   * @throws Error if it was started before, a shard does not start, or a port cannot be had
   */
  async start(): Promise<GatewayAddress> {
    if (this.#phase !== 'new')
      throw new Error(`the gateway cannot be started: it is ${this.#phase}`);
    this.#phase = 'running';
    const { plan } = this.#reloader;
    for (const notice of this.#notices) this.#logger.warn(notice);
    if (plan.auth.mode === 'unstated') {
      this.#logger.warn(
        { host: plan.listen.host },
        'no auth is configured: everyone on this machine may call everything',
      );
    }
    try {
      const bound = await this.#edge.start();
      this.#admin = plan.admin && this.#parts.admin(plan.admin, this.#edge, this.#logger);
      const admin = (await this.#admin?.start()) ?? null;
      if (plan.admin !== null && admin === null)
        this.#logger.warn('this build has no admin listener');
      this.#bound = { listen: bound, admin };
      await this.#refuseCollisions(plan);
      this.#startWatch(plan);
    } catch (error) {
      await this.close(0);
      throw error;
    }
    const address = this.address();
    this.#logger.info(
      { url: address.url, shards: plan.shards, upstreams: plan.upstreams.length, json: 'scanner' },
      'started',
    );
    return address;
  }

  /** Under `names.conflict: fail` a name that two upstreams claim stops the start. */
  async #refuseCollisions(plan: Plan): Promise<void> {
    if (plan.names.conflict !== 'fail') return;
    const timeoutMs = plan.timeouts.listTimeoutMs;
    const collisions = await settledCollisions({ pending: () => this.#pending(plan) }, timeoutMs);
    if (collisions.length === 0) return;
    throw new Error(`names collide (names.conflict: fail): ${collisions.join('; ')}`);
  }

  async #pending(plan: Plan): Promise<{ isSettled: boolean; collisions: string[] }> {
    const answers = await this.#edge.status();
    const upstreams = mergeStatus(plan.upstreams, answers);
    const isSettled = upstreams.every(
      ({ state, tools }) => state === 'down' || (state === 'up' && tools !== null),
    );
    return { isSettled, collisions: mergeCollisions(answers) };
  }

  /** @throws Error before `start` has resolved */
  address(): GatewayAddress {
    if (this.#bound === null) throw new Error('the gateway is not started');
    return addressOf(this.#reloader.plan, this.#bound.listen, this.#bound.admin);
  }

  /**
   * Takes new settings without dropping a call. Without an argument the file is read again; settings
   * given here are also what the next reload without an argument uses.
   *
   * @throws ConfigError if they have problems or change what needs a restart; then the old ones stay
   * @throws Error if a shard does not take them; then the old ones stay
   */
  async reload(config?: string | ConfigInput): Promise<ReloadOutcome> {
    if (this.#phase !== 'running')
      throw new Error(`the gateway cannot reload: it is ${this.#phase}`);
    const source = config === undefined ? this.#source : this.#sourceOf(config);
    try {
      const outcome = await this.#reloader.reload(source);
      this.#source = source;
      this.#edge.count('RELOADS');
      this.#logReload(outcome);
      return outcome;
    } catch (error) {
      this.#edge.count('RELOADS_FAILED');
      const problems =
        error instanceof ConfigError ? error.problems : [{ message: messageOf(error) }];
      this.#logger.error({ problems }, 'new settings were not taken, the old ones stay');
      throw error;
    }
  }

  /** The edge's counts, and all calls since the start by upstream and tool. */
  stats(): Stats {
    return this.#edge.stats();
  }

  /** Asks every shard; takes up to two seconds if one does not answer. */
  async status(): Promise<GatewayStatus> {
    const { plan } = this.#reloader;
    const answers = await this.#edge.status();
    return {
      ready: this.#phase === 'running' && this.#edge.readiness().ready,
      plan: plan.number,
      shards: plan.shards,
      upstreams: mergeStatus(plan.upstreams, answers),
    };
  }

  /**
   * Takes no new calls, lets those under way finish, stops everything. Can be called at any time and
   * again; the first call decides the time.
   *
   * @param drainTimeoutMs left out: `timeouts.drainTimeoutMs`
   */
  close(drainTimeoutMs?: number): Promise<void> {
    this.#closing ??= this.#close(drainTimeoutMs ?? this.#reloader.plan.timeouts.drainTimeoutMs);
    return this.#closing;
  }

  async #close(drainTimeoutMs: number): Promise<void> {
    const wasStarted = this.#phase !== 'new';
    this.#phase = 'closed';
    this.#watch?.close();
    this.#watch = null;
    if (!wasStarted) return;
    await this.#edge.drainAndStop(drainTimeoutMs);
    await this.#admin?.stop();
    this.#logger.info('stopped');
  }

  async #apply(plan: Plan): Promise<void> {
    await this.#edge.applyPlan(plan);
    if (this.#options.logger === undefined) this.#logger.level = plan.log.level;
    if (plan.reload.watch !== (this.#watch !== null)) this.#startWatch(plan);
  }

  #startWatch(plan: Plan): void {
    this.#watch?.close();
    this.#watch = null;
    if (!plan.reload.watch || this.#file === null || this.#phase !== 'running') return;
    this.#watch = new FileWatch(
      this.#file,
      () => void this.reload().catch(() => undefined), // logged there
      (error) => this.#logger.error({ error }, 'the settings file is not watched any more'),
    );
  }

  #sourceOf(config: string | ConfigInput): PlanSource {
    const { overrides = {}, environment = process.env, folder } = this.#options;
    const options = { slots: this.#slots, overrides, environment };
    return (number: number): CompiledConfig =>
      typeof config === 'string'
        ? loadFile(config, { ...options, number })
        : loadObject(config, { ...options, number }, folder);
  }

  #logReload({ plan, diff, notices }: ReloadOutcome): void {
    for (const notice of notices) this.#logger.warn(notice);
    const { added, removed, changed } = diff;
    this.#logger.info({ plan: plan.number, added, removed, changed }, 'new settings are in force');
  }
}

interface Bound {
  readonly host: string;
  readonly port: number;
}

function addressOf({ listen }: Plan, bound: Bound, admin: Bound | null): GatewayAddress {
  const at = ({ host, port }: Bound): string => `http://${reachableHost(host)}:${port}`;
  return {
    ...bound,
    url: at(bound) + listen.path,
    admin: admin === null ? null : { ...admin, url: at(admin) },
  };
}

/** "Every address" is none to connect to. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::' || host === '[::]') return '[::1]';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
