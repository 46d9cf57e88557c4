import type { FaultCode } from '../../shared/fault.ts';
import { Fault } from '../../shared/fault.ts';
import type { PlanUpstream } from '../../src/config/plan.ts';
import type { UpstreamState } from '../../src/observe/gateway-status.ts';
import type { Exchange } from '../exchange.ts';
import type { Session } from '../session/session.ts';
import type { ShardContext } from '../shard-context.ts';
import { WaitingRoom } from '../waiting-room.ts';
import type { CallListener, UpstreamCall } from './call.ts';
import { Catalog } from './catalog.ts';
import { CatalogLoader } from './catalog-loader.ts';
import type { UpstreamDescription } from './description.ts';
import type { Outgoing } from './outgoing.ts';

/** `prepare`: go on and call. */
export const READY = 1;
/** `prepare`: the exchange waits here and will be resumed or failed. */
export const PREPARING = 2;
export type Readiness = typeof READY | typeof PREPARING | FaultCode;

export type JsonObject = Readonly<Record<string, unknown>>;

/** Exchanges that wait for one upstream to come up. */
const WAITING_MAX = 4096;

/** First and longest pause between attempts to reach an upstream, ms. Full jitter is applied. */
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 10_000;
/** A caller brings an attempt forward if the last one is at least this long ago. */
const BACKOFF_CALLER_MS = 500;

/**
 * One configured upstream as one shard sees it. Finds out what it speaks, keeps trying while it cannot
 * be reached, and holds exchanges that came too early. The kinds of link are below.
 *
 *      start ──▶ CONNECTING ──describe──▶ UP
 *                 ▲      │                 │ markDown (connection refused, process exit)
 *          backoff│      │fault            ▼
 *                 └──── DOWN ◀─────────────┘
 */
export abstract class Upstream {
  readonly plan: PlanUpstream;
  readonly slot: number;
  readonly catalog: Catalog;
  readonly loader: CatalogLoader;
  description: UpstreamDescription | null = null;
  /** Why it is down, for status and logs. */
  downReason = '';
  protected readonly shard: ShardContext;
  protected isClosed = false;
  #state: UpstreamState = 'idle';
  readonly #waiting: WaitingRoom;
  #onUp: ((code: FaultCode | null) => void)[] = [];
  #attempts = 0;
  #lastAttemptMs = -Infinity;
  #timer: NodeJS.Timeout | null = null;

  constructor(plan: PlanUpstream, shard: ShardContext) {
    this.plan = plan;
    this.slot = plan.slot;
    this.shard = shard;
    this.#waiting = new WaitingRoom(shard, WAITING_MAX, plan.requestTimeoutMs);
    this.catalog = new Catalog();
    this.loader = new CatalogLoader(this, shard);
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  protected get isConnecting(): boolean {
    return this.#state === 'connecting';
  }

  get stateName(): UpstreamState {
    return this.#state;
  }

  start(): void {
    this.#attempt();
  }

  /** Finds out what the upstream speaks. Throws a Fault. */
  protected abstract connect(): Promise<UpstreamDescription>;

  /** Whether a call of this exchange can be made now (`READY`), later, or not. */
  abstract prepare(exchange: Exchange): Readiness;

  /** Makes the call; only after `prepare` said READY, in the same turn. null: no room for it. */
  abstract call(outgoing: Outgoing, listener: CallListener): UpstreamCall | null;

  /** A request of the gateway's own. Rejects with a Fault, or an `RpcError` that the upstream answered. */
  abstract request(method: string, params: JsonObject, timeoutMs: number): Promise<JsonObject>;

  /** A request of the gateway's own that may stay open: a listen stream. null: not possible now. */
  abstract stream(method: string, params: JsonObject, listener: CallListener): UpstreamCall | null;

  /** A notification or response in the name of a downstream session (or of all, where links are shared). */
  abstract notify(session: Session | null, message: Buffer): void;

  /** A legacy session wants log messages of that level (index) and above. */
  abstract setLogLevel(session: Session, level: number): void;

  /** Calls under way on this shard. */
  abstract get running(): number;

  /** A downstream session is gone: what was opened for it goes too. */
  abstract forget(session: Session): void;

  /** Ends everything; calls under way fail. */
  async close(): Promise<void> {
    this.isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.loader.stop();
    this.#release('UPSTREAM_REFUSED', 'upstream was removed');
    await this.closeLink();
  }

  protected abstract closeLink(): Promise<void>;

  /** The link is lost. Goes on trying to get it back. */
  protected markDown(reason: string): void {
    // While an attempt is under way, its end decides.
    if (this.isClosed || this.#state !== 'up') return;
    this.#state = 'down';
    this.downReason = reason;
    this.#attempts = 0;
    this.shard.events.onDown(this, reason);
    this.#schedule();
  }

  /** The exchange waits until the upstream is up; READY if it is. */
  protected waitUntilUp(exchange: Exchange): Readiness {
    if (this.#state === 'up') return READY;
    if (this.isClosed) return 'UPSTREAM_REFUSED';
    if (!this.#bringForward()) return 'UPSTREAM_REFUSED';
    return this.#waiting.enter(exchange) ? PREPARING : 'BUSY';
  }

  /** Calls back once the upstream is up (null) or an attempt has failed. */
  whenUp(callback: (code: FaultCode | null) => void): void {
    if (this.#state === 'up') callback(null);
    else if (this.isClosed || !this.#bringForward()) callback('UPSTREAM_REFUSED');
    else this.#onUp.push(callback);
  }

  /** Whether an attempt is under way, starting one if the last is old enough. */
  #bringForward(): boolean {
    if (this.#state === 'connecting') return true;
    if (this.shard.clock.nowMs() - this.#lastAttemptMs < BACKOFF_CALLER_MS && this.#attempts > 0)
      return false;
    this.#attempt();
    return true;
  }

  #schedule(): void {
    if (this.#timer !== null || this.isClosed) return;
    const ceiling = Math.min(BACKOFF_FIRST_MS * 2 ** this.#attempts, BACKOFF_MAX_MS);
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#attempt();
      },
      ceiling * (0.5 + Math.random() / 2),
    );
  }

  #attempt(): void {
    if (this.#state === 'connecting' || this.#state === 'up' || this.isClosed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#state = 'connecting';
    this.#lastAttemptMs = this.shard.clock.nowMs();
    this.#attempts += 1;
    this.connect().then(
      (description) => this.#succeed(description),
      (error: unknown) => this.#fail(error),
    );
  }

  #succeed(description: UpstreamDescription): void {
    if (this.isClosed) return;
    this.description = description;
    this.#state = 'up';
    this.#attempts = 0;
    this.downReason = '';
    this.shard.events.onReady(this);
    this.loader.refreshAll();
    this.#release(null, '');
  }

  #fail(error: unknown): void {
    if (this.isClosed) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#state = 'down';
    if (this.downReason !== reason) {
      this.downReason = reason;
      this.shard.events.onDown(this, reason);
    }
    this.#release(error instanceof Fault ? error.code : 'UPSTREAM_REFUSED', reason);
    this.#schedule();
  }

  #release(code: FaultCode | null, detail: string): void {
    const callbacks = this.#onUp;
    this.#onUp = [];
    for (const callback of callbacks) callback(code);
    this.#waiting.release(code, detail);
  }
}
