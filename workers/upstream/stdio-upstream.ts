import { Fault } from '../../shared/fault.ts';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { PlanStdioUpstream } from '../../src/config/plan.ts';
import type { Exchange } from '../exchange.ts';
import type { PeerSet } from '../peer-set.ts';
import type { Session } from '../session/session.ts';
import type { ShardContext } from '../shard-context.ts';
import type { CallListener, UpstreamCall } from './call.ts';
import type { UpstreamDescription } from './description.ts';
import type { Outgoing } from './outgoing.ts';
import { OwnRequest, OwnStream } from './own-request.ts';
import { RelayCall } from './relay-call.ts';
import { StdioHost } from './stdio-host.ts';
import type { ProcessRegistry } from './stdio-host.ts';
import { Upstream } from './upstream.ts';
import type { JsonObject, Readiness } from './upstream.ts';
import { SERVER_LOGGING, methodFromName } from '../../src/protocol/methods.ts';
import { withEnvelope } from './own-identity.ts';
import { ERA_LEGACY, ERA_MODERN } from '../../src/protocol/eras/era.ts';

/** How long a shard waits for the owner to say what the process speaks. */
const DESCRIBE_TIMEOUT_MS = 20_000;
/** Owners pause between starts of a process that keeps dying, like the attempts in `upstream.ts`. */
const PROGRESS_CAP_FACTOR = 10;
const SCRATCH_BYTES = 64 * 1024;

/**
 * An upstream whose servers are child processes. Process k belongs to shard (slot + k) mod shards;
 * that shard talks to it, every other one hands its calls over. All shards know the owner from the plan
 * alone.
 */
export class StdioUpstream extends Upstream {
  readonly #stdio: PlanStdioUpstream;
  readonly #peers: PeerSet;
  readonly #hosts: (StdioHost | null)[];
  readonly #registry: ProcessRegistry;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #next = 0;
  #hasLogLevel = false;
  #described: ((description: UpstreamDescription | null) => void) | null = null;

  constructor(
    plan: PlanStdioUpstream,
    shard: ShardContext,
    peers: PeerSet,
    registry: ProcessRegistry,
  ) {
    super(plan, shard);
    this.#stdio = plan;
    this.#peers = peers;
    this.#registry = registry;
    this.#hosts = new Array<StdioHost | null>(plan.stdio.processes).fill(null);
  }

  override get running(): number {
    let running = this.#peers.callsTo(this.slot);
    for (const host of this.#hosts) running += host?.pendingCount ?? 0;
    return running;
  }

  /** The shard that owns a process. */
  ownerOf(process: number): number {
    return (this.slot + process) % this.shard.shards;
  }

  /** This shard listens for news of process 0 on behalf of all. */
  get isOwner(): boolean {
    return this.#hosts.some((_, process) => this.ownerOf(process) === this.shard.index);
  }

  host(process: number): StdioHost | null {
    return this.#hosts[process] ?? null;
  }

  protected override async connect(): Promise<UpstreamDescription> {
    this.#hasLogLevel = false;
    let description: UpstreamDescription | null = null;
    for (let process = 0; process < this.#hosts.length; process += 1) {
      if (this.ownerOf(process) !== this.shard.index) continue;
      const running = this.#hosts[process];
      if (running?.isRunning === true && running.description !== null) {
        description ??= running.description;
        continue;
      }
      const host = new StdioHost(this, this.#stdio, this.shard, this.#registry);
      this.#hosts[process] = host;
      try {
        description = await host.start(
          this.description !== null && this.description.era !== ERA_MODERN,
        );
      } catch (error) {
        host.kill();
        this.#hosts[process] = null;
        throw error;
      }
      host.description = description;
      host.onReaped = () => this.#onReaped(process, host);
      host.onExited = (reason) => this.#onExited(reason);
    }
    // One that ended behind its handshake, or ran before and ended meanwhile, is started by the next attempt.
    for (const [process, host] of this.#hosts.entries()) {
      if (this.ownerOf(process) === this.shard.index && host?.isRunning !== true)
        throw new Fault('UPSTREAM_REFUSED', 'process exited during the handshake');
    }
    return description ?? this.#askOwner();
  }

  /** The owner told what its process speaks; null: it is down. */
  onDescribed(description: UpstreamDescription | null, reason: string): void {
    if (this.isOwner) return;
    const described = this.#described;
    this.#described = null;
    if (described !== null) described(description);
    else if (description === null) this.markDown(reason);
    else if (!this.isUp) this.start();
    else this.description = description;
  }

  onOwnerJoined(shard: number): void {
    if (!this.isOwner && this.ownerOf(0) === shard) {
      if (this.isConnecting) this.#peers.askDescription(shard, this.slot);
      else if (!this.isUp) this.start();
    }
  }

  onOwnerLeft(shard: number): void {
    if (this.isOwner || this.ownerOf(0) !== shard) return;
    this.#described?.(null);
    this.#described = null;
    this.markDown('the owning shard stopped');
  }

  override prepare(exchange: Exchange): Readiness {
    return this.waitUntilUp(exchange);
  }

  override call(outgoing: Outgoing, listener: CallListener): UpstreamCall | null {
    const process = this.#pick(outgoing.exchange?.session ?? null);
    const { timeoutMs, exchange } = outgoing;
    const host = this.#hosts[process] ?? null;
    const call =
      host === null
        ? this.#relay(process, outgoing, listener)
        : this.#local(host, outgoing, listener);
    if (call === null) return null;
    call.exchange = exchange;
    call.session = exchange?.session ?? null;
    call.methodId = outgoing.methodId;
    this.shard.deadlines.enter(
      call,
      this.shard.clock.nowMs(),
      timeoutMs,
      timeoutMs * PROGRESS_CAP_FACTOR,
    );
    return call;
  }

  #local(host: StdioHost, outgoing: Outgoing, listener: CallListener): UpstreamCall | null {
    const call = host.begin(listener);
    const { exchange } = outgoing;
    call.clientCapabilities = exchange?.session?.capabilities ?? 0;
    call.sessionKey = exchange?.session ? this.#sessionKey(exchange.session) : -call.counter;
    outgoing.idToken = call.idToken;
    const room = outgoing.bytesMax();
    const line = room <= SCRATCH_BYTES ? this.#scratch : Buffer.allocUnsafe(room);
    const length = outgoing.writeLine(line, 0);
    if (host.write(line, 0, length)) return call;
    host.abandon(call);
    return null;
  }

  #relay(process: number, outgoing: Outgoing, listener: CallListener): UpstreamCall | null {
    const owner = this.ownerOf(process);
    if (owner === this.shard.index || !this.#peers.isJoined(owner)) return null;
    const call = new RelayCall(this.#peers, owner);
    call.listener = listener;
    call.upstreamSlot = this.slot;
    const { exchange } = outgoing;
    outgoing.idToken = Buffer.allocUnsafe(16);
    this.shard.callIds.next(outgoing.idToken);
    const room = outgoing.bytesMax();
    const line = room <= SCRATCH_BYTES ? this.#scratch : Buffer.allocUnsafe(room);
    const length = outgoing.writeLine(line, 0);
    const session = exchange?.session ?? null;
    this.#peers.open(call, {
      slot: this.slot,
      process,
      methodId: outgoing.methodId,
      clientCapabilities: session?.capabilities ?? 0,
      sessionKey: session === null ? -1 : this.#sessionKey(session),
      isNotification: false,
      message: line,
      length,
    });
    this.shard.counters.add(COUNTERS.RELAYED_OUT.id);
    return call;
  }

  override request(method: string, params: JsonObject, timeoutMs: number): Promise<JsonObject> {
    const own = new OwnRequest();
    const call = this.stream(method, params, own);
    if (call === null) return Promise.reject(new Fault('UPSTREAM_REFUSED', 'no process'));
    this.shard.deadlines.enter(call, this.shard.clock.nowMs(), timeoutMs, timeoutMs);
    return own.promise;
  }

  override stream(method: string, params: JsonObject, listener: CallListener): UpstreamCall | null {
    const body = JSON.stringify(
      this.description?.era === ERA_MODERN ? withEnvelope(params) : params,
    );
    const host = this.#hosts.find((candidate) => candidate?.isRunning === true) ?? null;
    if (host !== null) return host.send(method, body, listener);
    const owner = this.ownerOf(0);
    if (owner === this.shard.index || !this.#peers.isJoined(owner)) return null;
    const call = new RelayCall(this.#peers, owner);
    call.listener = listener;
    call.upstreamSlot = this.slot;
    call.methodId = methodFromName(method);
    const id = Buffer.alloc(16);
    this.shard.callIds.next(id);
    const message = Buffer.from(
      `{"jsonrpc":"2.0","id":${id.toString('latin1', 0, 16)},"method":${JSON.stringify(method)},"params":${body}}`,
    );
    this.#peers.open(call, {
      slot: this.slot,
      process: 0,
      methodId: call.methodId,
      clientCapabilities: 0,
      sessionKey: 0,
      isNotification: false,
      message,
      length: message.length,
    });
    this.shard.counters.add(COUNTERS.RELAYED_OUT.id);
    return call;
  }

  /** The process is shared, so it sends everything and each session is sent what it asked for. */
  override setLogLevel(): void {
    const { description } = this;
    if (description?.era !== ERA_LEGACY || (description.capabilities & SERVER_LOGGING) === 0)
      return;
    if (this.#hasLogLevel) return;
    this.#hasLogLevel = true;
    this.stream('logging/setLevel', { level: 'debug' }, new OwnStream());
  }

  override notify(_session: Session | null, message: Buffer): void {
    this.#hosts.forEach((host, process) => {
      if (host !== null) {
        host.write(message, 0, message.length);
        return;
      }
      const owner = this.ownerOf(process);
      if (owner !== this.shard.index && this.#peers.isJoined(owner)) {
        this.#peers.notify(owner, this.slot, process, message);
      }
    });
  }

  /** The process is shared: nothing in it belongs to one session but what it subscribed to. */
  override forget(): void {}

  protected override async closeLink(): Promise<void> {
    await Promise.all(this.#hosts.map(async (host) => host?.shutdown()));
  }

  /** A process stays with a session; callers without one take what is nearest. */
  #pick(session: Session | null): number {
    const count = this.#hosts.length;
    if (count === 1) return 0;
    if (session !== null) return session.slot % count;
    for (let i = 0; i < count; i += 1) {
      const process = (this.#next + i) % count;
      if (this.#hosts[process]?.isRunning === true) {
        this.#next = process + 1;
        return process;
      }
    }
    this.#next = (this.#next + 1) % count;
    return this.#next;
  }

  /** Unlike any session's of another shard, and never 0. */
  #sessionKey(session: Session): number {
    return (session.slot + 1) * 64 + this.shard.index;
  }

  /** Calls wait for the next process from now on, not from when the last line of this one was read. */
  #onReaped(process: number, host: StdioHost): void {
    if (this.#hosts[process] !== host || this.isClosed) return;
    this.#hosts[process] = null;
    this.markDown('process ended');
  }

  #onExited(reason: string): void {
    if (this.isClosed) return;
    this.shard.counters.add(COUNTERS.UPSTREAM_RECONNECTS.id);
    this.shard.log.warn('process ended', { upstream: this.plan.name, reason });
  }

  #askOwner(): Promise<UpstreamDescription> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#described = null;
        reject(new Fault('UPSTREAM_TIMEOUT', 'the owning shard does not answer'));
      }, DESCRIBE_TIMEOUT_MS);
      this.#described = (description) => {
        clearTimeout(timer);
        if (description === null) reject(new Fault('UPSTREAM_REFUSED', 'process is down'));
        else resolve(description);
      };
      this.#peers.askDescription(this.ownerOf(0), this.slot);
    });
  }

  /** Whether `prepare` would say READY. */
  get isReady(): boolean {
    return this.isUp && this.description !== null;
  }
}
