/**
 * The HTTP/1.1 client of the hot path, on `node:net`, and on `node:tls` for https://.
 *
 * - A call goes to the connection that was idle last, else waits in one queue while a connection is
 *   opened. Writes happen in `setImmediate`, after all reads of the turn: the calls of a turn that
 *   share a connection leave in one write, and a connection whose end has come in is not written to.
 * - No promise, closure or timer per call. One timer stands at the earliest moment at which anything
 *   can be due, and there is none while there are neither calls nor connections.
 * - A call that met a connection which closed before a byte of response is sent once more, on a
 *   connection that is new or has just answered, if it certainly was not sent or is resendable.
 *   On a connection that had never answered the upstream itself is in doubt: only unsent calls move.
 * - With `pipelining` the calls of a turn join on one connection, and others one in use if its oldest
 *   call is young; where answers are slow (`join-depth.ts`), only when no other connection may be opened.
 *   An upstream that closes under waiting calls is not pipelined to for a while: those calls, if not
 *   resendable, ended in doubt because of it.
 */
import type { Clock } from '../../../shared/clock.ts';
import {
  ABORTED,
  CLOSED,
  CONNECT_REFUSED,
  CONNECT_TIMEOUT,
  HttpClientCounters,
  PROTOCOL,
  TIMEOUT,
  TOO_LARGE,
  type HttpCall,
  type HttpClient,
  type HttpClientOptions,
  type HttpFailureKind,
  type HttpResponseListener,
} from './http-client.ts';
import { ConnectionPool } from './connection-pool.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import { JoinDepth } from './join-depth.ts';
import {
  CALL_ASSIGNED,
  CALL_ENDED,
  CALL_QUEUED,
  CallList,
  DROP_RESPONSE,
  LeanCall,
  type CallOwner,
} from './lean-call.ts';
import { LostCalls } from './lost-calls.ts';
import { LeanConnection, type ConnectionOwner } from './lean-connection.ts';
import { SocketTarget } from './lean-socket.ts';
import { FlushTurn } from './flush-turn.ts';
import { RequestWriter } from './request-writer.ts';
import { ResponseHead } from './response-head.ts';

/** Long enough that an upstream which closes early costs little, short enough to recover from a restart. */
const PIPELINING_STOP_MS = 600_000;

export class LeanHttpClient implements HttpClient, CallOwner, ConnectionOwner {
  readonly headerBytesMax: number;
  readonly head = new ResponseHead();
  readonly #options: HttpClientOptions;
  readonly #clock: Clock;
  readonly #target: SocketTarget;
  readonly #counters: HttpClientCounters;
  readonly #turn: FlushTurn;
  readonly #timer: DeadlineTimer;
  readonly #pool: ConnectionPool;
  readonly #depth: JoinDepth;
  readonly #queue = new CallList();
  #pending = 0;
  /** Sockets whose descriptor is not gone yet. */
  #sockets = 0;
  #pipeliningFromMs = 0;
  #connectError = '';
  #isClosing = false;
  #onClosed: (() => void) | null = null;

  constructor(options: HttpClientOptions) {
    this.headerBytesMax = options.headerBytesMax;
    this.#options = options;
    this.#clock = options.clock;
    this.#target = new SocketTarget(options.url, options.tls);
    this.#counters = options.counters ?? new HttpClientCounters();
    this.#pool = new ConnectionPool(options.maxConnections, options.idleTimeoutMs);
    this.#depth = new JoinDepth(options.pipelining);
    this.#turn = new FlushTurn(new RequestWriter(this.#counters), options.clock);
    this.#timer = new DeadlineTimer(options.clock, () => this.#onTimer());
  }

  get pending(): number {
    return this.#pending;
  }

  get connections(): number {
    return this.#pool.all.length;
  }

  get connectError(): string {
    return this.#connectError;
  }

  send(
    request: Uint8Array,
    start: number,
    end: number,
    listener: HttpResponseListener,
    timeoutMs: number,
    resendable: boolean,
    isLasting = false,
    spent: HttpCall | null = null,
  ): HttpCall | null {
    if (this.#isClosing) return null;
    const now = this.#turn.nowMs();
    const limit = this.#pipelining(now);
    const { maxConnections, queueMax } = this.#options;
    if (this.#pending >= maxConnections * limit + queueMax) return null;
    const deadlineMs = timeoutMs > 0 ? now + timeoutMs : Infinity;
    const old = spent as LeanCall | null;
    const call = old?.isSpent === true ? old : new LeanCall(this);
    call.begin(request, start, end, listener, now, deadlineMs, resendable, isLasting);
    const connection = this.#queue.count === 0 ? this.#choose(call, now, limit) : null;
    this.#pending += 1;
    this.#timer.ensure(deadlineMs);
    if (connection !== null) {
      this.#assign(connection, call);
    } else {
      this.#queue.pushBack(call);
      this.#pump(now);
    }
    return call;
  }

  async close(graceMs = 0): Promise<void> {
    this.#isClosing = true;
    for (const connection of [...this.#pool.idle]) connection.shut(CLOSED);
    const closed = new Promise<void>((resolve) => {
      const before = this.#onClosed;
      this.#onClosed = () => {
        before?.();
        resolve();
      };
    });
    if (this.#pending > 0 && graceMs > 0) {
      const timer = setTimeout(() => this.#abortAll(), graceMs);
      this.#settleClose();
      await closed;
      clearTimeout(timer);
      return;
    }
    this.#abortAll();
    this.#settleClose();
    await closed;
  }

  abortCall(call: LeanCall): void {
    this.#giveUp(call);
  }

  resumeCall(call: LeanCall): void {
    const connection = call.connection;
    if (connection === null || !connection.isPaused || connection.calls.first !== call) return;
    connection.isResuming = true;
    this.#turn.mark(connection);
  }

  renewCall(call: LeanCall, timeoutMs: number): void {
    call.deadlineMs = timeoutMs > 0 ? this.#clock.nowMs() + timeoutMs : Infinity;
    this.#timer.ensure(call.deadlineMs);
  }

  onConnected(connection: LeanConnection): void {
    this.#pool.opening -= 1;
    this.#counters.connectionsOpened += 1;
    this.onRoom(connection);
  }

  onRoom(connection: LeanConnection): void {
    if (this.#queue.count > 0) this.#serveFrom(connection);
    if (connection.load > 0) return;
    if (this.#isClosing) {
      connection.shut(CLOSED);
      return;
    }
    this.#pool.rest(connection, this.#turn.nowMs());
    this.#timer.ensure(connection.idleUntilMs);
  }

  onAnswered(call: LeanCall): void {
    this.#pending -= 1;
    this.#counters.responses += 1;
    if (this.#options.pipelining > 1 && !call.isLasting) {
      this.#depth.onAnswered(call.sentMs, this.#turn.nowMs());
    }
    if (this.#isClosing) this.#settleClose();
  }

  onLost(connection: LeanConnection, kind: HttpFailureKind): void {
    this.#pool.drop(connection);
    if (kind === PROTOCOL || kind === TOO_LARGE) this.#counters.protocolErrors += 1;
    if (!connection.isOpen) {
      this.#counters.connectionsFailed += 1;
      this.#connectError = connection.errorCode;
      // No further attempt for calls that stay: they wait for a connection that is open.
      this.#failUnserved(connectFailure(kind, connection.errorCode));
      return;
    }
    if (connection.calls.count > 0) this.#settleCalls(connection, kind);
    if (this.#queue.count > 0) this.#pump(this.#clock.nowMs());
  }

  onSocketClosed(): void {
    this.#sockets -= 1;
    if (this.#isClosing) this.#settleClose();
  }

  #pipelining(now: number): number {
    return now < this.#pipeliningFromMs ? 1 : this.#options.pipelining;
  }

  #choose(call: LeanCall, now: number, limit: number): LeanConnection | null {
    if (call.isLasting) return this.#pool.choose(now, 1, 1);
    return this.#pool.choose(now, limit, Math.min(limit, this.#depth.current));
  }

  #assign(connection: LeanConnection, call: LeanCall): void {
    connection.assign(call);
    this.#turn.mark(connection);
  }

  /** Gives a connection that has room what it can take of the queue. */
  #serveFrom(connection: LeanConnection): void {
    const now = this.#turn.nowMs();
    const limit = this.#pipelining(now);
    for (let call = this.#queue.first; call !== null; call = this.#queue.first) {
      if (connection.isStreaming || connection.load >= (call.isLasting ? 1 : limit)) break;
      this.#queue.remove(call);
      this.#assign(connection, call);
    }
    // Calls that could have shared it were counted on it; one that may last stands between them.
    if (connection.isStreaming || this.#queue.first?.isLasting === true) this.#openMore(now, limit);
  }

  /** Serves the queue from what is there, and opens connections for what is left of it. */
  #pump(now: number): void {
    const limit = this.#pipelining(now);
    for (let call = this.#queue.first; call !== null; call = this.#queue.first) {
      const connection = call.needsFresh ? null : this.#choose(call, now, limit);
      if (connection === null) break;
      this.#queue.remove(call);
      this.#assign(connection, call);
    }
    this.#openMore(now, limit);
  }

  #openMore(now: number, limit: number): void {
    while (this.#pool.opening * limit < this.#queue.count && this.#pool.makeRoom()) {
      const deadlineMs = now + this.#options.connectTimeoutMs;
      this.#sockets += 1;
      this.#pool.add(new LeanConnection(this, this.#target, deadlineMs));
      this.#timer.ensure(deadlineMs);
    }
  }

  #settleCalls(connection: LeanConnection, kind: HttpFailureKind): void {
    const lost = new LostCalls(connection, kind);
    for (const call of lost.again) this.#queue.pushFront(call);
    this.#counters.resent += lost.resent;
    if (lost.wasAhead) this.#stopPipelining();
    for (const call of lost.failed) this.#fail(call, call === lost.head ? kind : CLOSED);
  }

  #stopPipelining(): void {
    this.#pipeliningFromMs = this.#clock.nowMs() + PIPELINING_STOP_MS;
    this.#counters.pipeliningStops += 1;
  }

  /** No connection could be opened. Calls that open connections will get to stay, the rest fails now. */
  #failUnserved(kind: HttpFailureKind): void {
    if (this.#queue.count === 0 || this.#pool.canServe()) return;
    const unserved: LeanCall[] = [];
    for (let call = this.#queue.first; call !== null; call = this.#queue.first) {
      this.#queue.remove(call);
      call.state = CALL_ASSIGNED; // in no list from here on, whatever a listener does
      unserved.push(call);
    }
    for (const call of unserved) this.#fail(call, kind);
  }

  /** Ends a call that is in no list. */
  #fail(call: LeanCall, kind: HttpFailureKind): void {
    if (call.state === CALL_ENDED) return;
    const executed = call.executed();
    call.state = CALL_ENDED;
    this.#pending -= 1;
    this.#counters.failures += 1;
    call.listener.onFailure(kind, executed);
    if (this.#isClosing) this.#settleClose();
  }

  /** Ends a call without a word to its listener, wherever it is. */
  #giveUp(call: LeanCall): void {
    this.#pending -= 1;
    const connection = call.connection;
    if (connection === null || connection.isClosed) {
      // Queued, or about to hear of a failure.
      if (call.state === CALL_QUEUED) this.#queue.remove(call);
      call.state = CALL_ENDED;
    } else if (call.state === CALL_ASSIGNED) {
      connection.unassign(call);
      call.state = CALL_ENDED;
      if (connection.load === 0 && !connection.isRetiring) this.onRoom(connection);
    } else {
      this.#giveUpSent(call, connection);
    }
    if (this.#isClosing) this.#settleClose();
  }

  #giveUpSent(call: LeanCall, connection: LeanConnection): void {
    call.isGivenUp = true;
    call.listener = DROP_RESPONSE;
    connection.givenUp += 1;
    connection.isRetiring = true;
    if (connection.givenUp === connection.writtenCount()) {
      // Calls that were about to join it go elsewhere; that is no fault of theirs or the upstream's.
      for (let last = connection.calls.last; last?.state === CALL_ASSIGNED;) {
        connection.unassign(last);
        last.attempts -= 1;
        last.state = CALL_QUEUED;
        this.#queue.pushFront(last);
        last = connection.calls.last;
      }
      connection.shut(CLOSED);
      if (this.#queue.count > 0) this.#pump(this.#clock.nowMs());
    } else if (connection.isPaused && connection.calls.first === call) {
      connection.isResuming = true;
      this.#turn.mark(connection);
    }
  }

  #onTimer(): void {
    const now = this.#clock.nowMs();
    const due: LeanCall[] = [];
    let nextMs = this.#queue.collectDue(now, due);
    for (const connection of [...this.#pool.all]) {
      if (connection.connectDeadlineMs <= now) connection.shut(CONNECT_TIMEOUT);
      else nextMs = Math.min(nextMs, connection.connectDeadlineMs);
      nextMs = Math.min(nextMs, connection.calls.collectDue(now, due));
    }
    for (const idle of [...this.#pool.idle]) {
      if (idle.idleUntilMs <= now) idle.shut(CLOSED);
      else nextMs = Math.min(nextMs, idle.idleUntilMs);
    }
    for (const call of due) this.#expire(call, TIMEOUT);
    this.#timer.ensure(nextMs);
  }

  #abortAll(): void {
    const all: LeanCall[] = [];
    this.#queue.collectDue(Infinity, all);
    for (const connection of this.#pool.all) connection.calls.collectDue(Infinity, all);
    for (const call of all) this.#expire(call, ABORTED);
    for (const connection of [...this.#pool.all]) connection.shut(CLOSED);
  }

  #expire(call: LeanCall, kind: HttpFailureKind): void {
    if (call.state === CALL_ENDED || call.isGivenUp) return;
    const listener = call.listener;
    const executed = call.executed();
    this.#giveUp(call);
    this.#counters.failures += 1;
    listener.onFailure(kind, executed);
  }

  #settleClose(): void {
    if (this.#pending > 0) return;
    for (const connection of [...this.#pool.all]) connection.shut(CLOSED);
    this.#timer.stop();
    if (this.#sockets === 0) this.#onClosed?.();
  }
}

function connectFailure(kind: HttpFailureKind, errorCode: string): HttpFailureKind {
  return kind === CONNECT_TIMEOUT || errorCode === 'ETIMEDOUT' ? CONNECT_TIMEOUT : CONNECT_REFUSED;
}
