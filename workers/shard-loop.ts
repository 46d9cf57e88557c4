import type { FromShardMessage, ShardTask, ToShardMessage } from '../shared/control-message.ts';
import { COUNTERS } from '../shared/counter-catalogue.ts';
import { DoorbellWaiter } from '../shared/doorbell.ts';
import {
  CANCEL_CLIENT_GONE,
  FLAG_FIN,
  FRAME_CANCEL,
  FRAME_CREDIT,
  FRAME_DATA,
  FRAME_OPEN,
} from '../shared/frame-kind.ts';
import { OPEN_DELETE, OPEN_GET } from '../shared/open-codec.ts';
import { shardThread } from '../shared/region-descriptor.ts';
import { FRAMES_OFFSET } from '../shared/ring-descriptor.ts';
import type { FrameHandler } from '../shared/ring-reader.ts';
import { RingReader } from '../shared/ring-reader.ts';
import { THREAD_READY, ThreadCell } from '../shared/thread-cell.ts';
import { turnEnd } from '../src/transport/turn-end.ts';
import type { Plan } from '../src/config/plan.ts';
import type { ShardStatus } from '../src/observe/gateway-status.ts';
import { ERA_MODERN } from '../src/protocol/eras/era.ts';
import { PeerFrames } from './peer-frames.ts';
import type { Exchange } from './exchange.ts';
import type { ShardLog } from './shard-log.ts';
import type { ShardParts } from './shard-parts.ts';
import { shardStatus } from './shard-status.ts';
import { GIVEN_UP_BY_CLIENT } from './upstream/call.ts';

/** Frames of one ring in one turn; then sockets get theirs. */
const FRAMES_PER_TURN = 64;
const BEAT_MS = 1_000;
/** Comments on silent event streams, so that intermediaries do not close them. */
const KEEP_ALIVE_MS = 15_000;

/**
 * A shard's turn: write what waited, read the edge's ring and the peers' rings, park. Sockets and
 * timers run between turns. A turn that read something is followed by another look before parking, so
 * that a busy shard is not woken by system calls. One that has a single exchange does at once what would wait
 * for the end of the turn, and parks: with nobody to join it, each step would only make the answer later.
 */
export class ShardLoop implements FrameHandler {
  readonly #task: ShardTask<Plan>;
  readonly #parts: ShardParts;
  readonly #log: ShardLog;
  readonly #post: (message: FromShardMessage<ShardStatus>) => void;
  readonly #resolve: () => void;
  readonly #cell: ThreadCell;
  readonly #reader: RingReader;
  readonly #waiter: DoorbellWaiter;
  readonly #peers: (PeerFrames | null)[];
  readonly #turn = (): void => this.#onTurn();
  #beat: NodeJS.Timeout | null = null;
  #keepAlive: NodeJS.Timeout | null = null;
  #isStopped = false;
  #carriedConnections = 0;
  #carriedRequests = 0;

  constructor(
    task: ShardTask<Plan>,
    parts: ShardParts,
    log: ShardLog,
    post: (message: FromShardMessage<ShardStatus>) => void,
    resolve: () => void,
  ) {
    const { region, layout, shardIndex } = task;
    const thread = shardThread(layout, shardIndex);
    this.#task = task;
    this.#parts = parts;
    this.#log = log;
    this.#post = post;
    this.#resolve = resolve;
    this.#cell = new ThreadCell(region, layout.threadCells[thread] as number);
    this.#reader = this.#openReader(layout.ringsIn[0]?.[shardIndex] as number, layout.ringInBytes);
    this.#peers = new Array<PeerFrames | null>(layout.shards).fill(null);
    this.#waiter = new DoorbellWaiter(
      region,
      layout.doorbells[thread] as number,
      () => this.#hasWork(),
      () => {
        this.#parts.counters.add(COUNTERS.WAKEUPS.id);
        this.#onTurn();
      },
    );
  }

  start(): void {
    this.#task.peers.forEach((generation, shard) => {
      if (generation > 0 && shard !== this.#task.shardIndex) this.#join(shard);
    });
    this.#cell.beat();
    this.#beat = setInterval(() => {
      this.#cell.beat();
      this.#carryCounters();
    }, BEAT_MS);
    this.#keepAlive = setInterval(() => this.#parts.news.keepAlive(), KEEP_ALIVE_MS);
    this.#applyPlan(this.#task.plan);
    this.#cell.state = THREAD_READY;
    this.#post({ kind: 'ready', generation: this.#task.generation });
    this.#waiter.park();
  }

  onControl(message: ToShardMessage<Plan>): void {
    switch (message.kind) {
      case 'plan':
        this.#onPlan(message.plan);
        break;
      case 'planCurrent':
        this.#parts.plans.retire(message.number);
        break;
      case 'planDropped':
        this.#parts.plans.drop(message.number);
        this.#applyPlan(this.#parts.plans.current.plan);
        break;
      case 'peerJoined':
        this.#join(message.shard);
        break;
      case 'peerLost':
        this.#leave(message.shard);
        this.#post({ kind: 'peerLeft', shard: message.shard, generation: message.generation });
        break;
      case 'logLevel':
        this.#log.setLevel(message.level);
        break;
      case 'statusAsk':
        this.#post({ kind: 'status', ask: message.ask, status: shardStatus(this.#parts) });
        break;
      case 'drain':
        this.#parts.listens.drain();
        this.#endStreams();
        break;
      case 'stop':
        void this.#stop();
        break;
    }
  }

  onFrame(
    kind: number,
    flags: number,
    number: number,
    aux: number,
    raw: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { exchanges, edge } = this.#parts;
    const bytes = raw as Buffer;
    if (kind === FRAME_OPEN) {
      this.#onOpen(number, flags, aux, bytes, start, end);
      return;
    }
    const exchange = exchanges.find(number);
    if (exchange === null) return;
    if (kind === FRAME_DATA) this.#onData(exchange, flags, bytes, start, end);
    else if (kind === FRAME_CREDIT) edge.onCredit(exchange, aux);
    else if (kind === FRAME_CANCEL) this.#onCancel(exchange, aux);
  }

  #onOpen(
    number: number,
    flags: number,
    total: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { exchanges, view, plans, replier, clock } = this.#parts;
    clock.step();
    const exchange = exchanges.open(number);
    exchange.inUse = true;
    exchange.frame = bytes;
    exchange.frameStart = start;
    exchange.frameEnd = end;
    if (!view.load(exchange)) {
      replier.fault(exchange, 'INTERNAL_ERROR', 'open frame is malformed');
      return;
    }
    const { open } = view;
    exchange.plan = plans.find(open.planNumber);
    exchange.endpointIndex = open.endpoint;
    exchange.arrivalUs = open.arrivalUs;
    exchange.bytes = bytes;
    exchange.messageStart = open.bodyStart;
    exchange.messageEnd = open.bodyEnd;
    if ((flags & FLAG_FIN) !== 0) {
      this.#begin(exchange);
      return;
    }
    // The rest of the body follows in DATA frames: gather all of it in one buffer.
    const head = open.bodyStart - start;
    const whole = Buffer.allocUnsafeSlow(head + total);
    bytes.copy(whole, 0, start, end);
    exchange.isRetained = true;
    exchange.frame = whole;
    exchange.bytes = whole;
    exchange.frameStart = 0;
    exchange.frameEnd = end - start;
    exchange.messageStart = head;
  }

  #onData(exchange: Exchange, flags: number, bytes: Buffer, start: number, end: number): void {
    const { view } = this.#parts;
    bytes.copy(exchange.frame, exchange.frameEnd, start, end);
    exchange.frameEnd += end - start;
    if ((flags & FLAG_FIN) === 0) return;
    exchange.messageEnd = exchange.frameEnd;
    view.load(exchange);
    this.#begin(exchange);
  }

  #begin(exchange: Exchange): void {
    const { pipeline, view, desk } = this.#parts;
    const { method } = view.open;
    if (method !== OPEN_GET && method !== OPEN_DELETE) {
      pipeline.start(exchange);
      return;
    }
    pipeline.authenticate(exchange, (authenticated) => {
      if (method === OPEN_GET) desk.openStream(authenticated);
      else desk.close(authenticated);
    });
  }

  /** The client went away, or reads too slowly to be waited for. */
  #onCancel(exchange: Exchange, reason: number): void {
    const { edge, counters, labels, listens } = this.#parts;
    exchange.clientGone = true;
    counters.add(COUNTERS.CANCELLED.id);
    labels.cancelled(exchange);
    listens.close(exchange);
    for (const owner of exchange.ownBatch?.open ?? [exchange]) {
      const { call } = owner;
      if (call === null) continue;
      owner.call = null;
      call.exchange = null;
      // Modern: closing the stream is the cancellation. Legacy: it is not (Streamable HTTP up to
      // 2025-11-25), so the upstream goes on and its answer is dropped.
      if (exchange.era === ERA_MODERN || reason !== CANCEL_CLIENT_GONE)
        call.giveUp(GIVEN_UP_BY_CLIENT);
    }
    edge.abort(exchange, 'CANCELLED');
  }

  #onPlan(plan: Plan): void {
    try {
      this.#parts.plans.add(plan);
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'cannot be compiled';
      this.#post({ kind: 'planRefused', number: plan.number, reason });
      return;
    }
    this.#applyPlan(plan);
    this.#post({ kind: 'planTaken', number: plan.number });
  }

  #applyPlan(plan: Plan): void {
    this.#parts.desk.sessionIdleMs = plan.timeouts.sessionIdleMs;
    this.#parts.context.listItemsMax = plan.limits.listItemsMax;
    this.#parts.upstreams.apply(plan);
    this.#log.setLevel(plan.log.level);
    this.#cell.planTaken = plan.number;
  }

  #onTurn(): void {
    if (this.#isStopped) return;
    const { edgeFrames, exchanges, counters, peers } = this.#parts;
    counters.add(COUNTERS.TURNS.id);
    if (edgeFrames.queued > 0) edgeFrames.flush();
    peers.flush();
    const fromEdge = this.#readEdge();
    let frames = fromEdge;
    if (frames > 0 && this.#reader.takeStarved()) this.#parts.memory.edgeDoorbell.ring();
    for (let shard = 0; shard < this.#peers.length; shard += 1) {
      const peer = this.#peers[shard];
      if (peer === null || peer === undefined) continue;
      const read = peer.reader.read(peer, FRAMES_PER_TURN);
      frames += read;
      if (read > 0 && peer.reader.takeStarved()) peers.writer(shard)?.ring();
    }
    counters.add(COUNTERS.FRAMES_READ.id, frames);
    // What peers send is of their exchanges, which may be many.
    const isAlone = frames === 1 && fromEdge === 1 && exchanges.isQuiet;
    if (isAlone) turnEnd.runEarly();
    if (frames > 0 && !isAlone) setImmediate(this.#turn);
    else this.#waiter.park();
  }

  /** Time stands still meanwhile, by and large: the calls of a turn need no clock each. */
  #readEdge(): number {
    const { clock } = this.#parts;
    clock.hold();
    try {
      return this.#reader.read(this, FRAMES_PER_TURN);
    } finally {
      clock.release();
    }
  }

  #hasWork(): boolean {
    const { edgeFrames, peers } = this.#parts;
    if (!this.#reader.isEmpty() || edgeFrames.canFlush || peers.hasBacklog) return true;
    return this.#peers.some((peer) => peer !== null && !peer.reader.isEmpty());
  }

  #openReader(offset: number, capacity: number): RingReader {
    const { region } = this.#task;
    // A Buffer over the ring, so that everything downstream sees one kind of bytes.
    const bytes = Buffer.from(region, offset + FRAMES_OFFSET, capacity);
    return new RingReader(region, offset, capacity, bytes);
  }

  #join(shard: number): void {
    const { layout, shardIndex } = this.#task;
    const reader = this.#openReader(
      layout.ringsPeer[shard]?.[shardIndex] as number,
      layout.ringPeerBytes,
    );
    this.#peers[shard] = new PeerFrames(this.#parts, shard, reader);
    this.#parts.peers.join(shard, this.#parts.memory.peerFrames(shard));
    this.#parts.upstreams.onPeerJoined(shard);
  }

  #leave(shard: number): void {
    this.#peers[shard] = null;
    this.#parts.peers.leave(shard);
    this.#parts.relay.leave(shard);
    this.#parts.upstreams.onPeerLeft(shard);
  }

  #endStreams(): void {
    this.#parts.sessions.forEach(({ stream }) => {
      if (stream !== null) this.#parts.replier.end(stream);
    });
  }

  #carryCounters(): void {
    this.#parts.policy.tick();
    const { httpCounters } = this.#parts.context;
    const { counters } = this.#parts;
    const opened = httpCounters.connectionsOpened - this.#carriedConnections;
    const sent = httpCounters.requests - this.#carriedRequests;
    counters.add(COUNTERS.UPSTREAM_CONNECTIONS.id, opened);
    counters.add(COUNTERS.UPSTREAM_REUSED.id, Math.max(0, sent - opened));
    this.#carriedConnections += opened;
    this.#carriedRequests += sent;
  }

  async #stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (this.#beat !== null) clearInterval(this.#beat);
    if (this.#keepAlive !== null) clearInterval(this.#keepAlive);
    this.#waiter.stop();
    await this.#parts.close();
    this.#post({ kind: 'stopped' });
    this.#task.controlPort.close();
    this.#resolve();
  }
}
