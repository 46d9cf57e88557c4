import { COUNTERS } from '../../shared/counter-catalogue.ts';
import { Fault } from '../../shared/fault.ts';
import type { ProcessTable } from '../../shared/process-table.ts';
import type { PlanStdioUpstream } from '../../src/config/plan.ts';
import {
  ERA_LEGACY,
  ERA_MODERN,
  LATEST_LEGACY,
  REVISIONS,
  isLegacyRevision,
  revisionFromName,
} from '../../src/protocol/eras/era.ts';
import {
  KIND_ERROR,
  KIND_NOTIFICATION,
  KIND_REQUEST,
} from '../../src/protocol/jsonrpc/peek-record.ts';
import type { Peek } from '../../src/protocol/jsonrpc/peek.ts';
import { METHOD_PROGRESS, METHOD_SUBSCRIPTION_ACKNOWLEDGED } from '../../src/protocol/methods.ts';
import { childEnvironment } from '../../src/transport/stdio/child-environment.ts';
import { StdioProcess } from '../../src/transport/stdio/stdio-process.ts';
import type { StdioProcessListener } from '../../src/transport/stdio/stdio-process.ts';
import type { ShardContext } from '../shard-context.ts';
import { callCounter, isCallId } from './call-id.ts';
import type { CallListener } from './call.ts';
import { GIVEN_UP_BY_CLIENT } from './call.ts';
import { cancelledText } from './cancelled.ts';
import type { UpstreamDescription } from './description.ts';
import { describe } from './description.ts';
import { MessageReader } from './message-reader.ts';
import { isModernAnswer, ownCapabilities, ownClientInfo, ownEnvelope } from './own-identity.ts';
import { OwnRequest, OwnStream, RpcError, refusalText } from './own-request.ts';
import { StdioCall } from './stdio-call.ts';
import type { StdioUpstream } from './stdio-upstream.ts';
import type { JsonObject } from './upstream.ts';

/** Bytes that may wait for a child that does not read. */
const WRITE_BUFFER_BYTES_MAX = 4 * 1024 * 1024;
/** A legacy server that knows no `server/discover` and does not answer unknown methods is given this long. */
const PROBE_TIMEOUT_MS = 3_000;
const HANDSHAKE_TIMEOUT_MS = 15_000;

/** Where children are entered so that the supervisor can end those of a dead shard. */
export interface ProcessRegistry {
  readonly table: ProcessTable;
}

/**
 * One child process of a stdio upstream, owned by this shard: its handshake, and who waits for which
 * id. All its clients share it, so ids and progress tokens are ours, and what the process says
 * outside of an answer is attributed only where exactly one session can be meant.
 */
export class StdioHost implements StdioProcessListener {
  readonly #upstream: StdioUpstream;
  readonly #plan: PlanStdioUpstream;
  readonly #shard: ShardContext;
  readonly #processes: ProcessTable;
  readonly #reader = new MessageReader();
  readonly #pending = new Map<number, StdioCall>();
  /** What its handshake found; null before. */
  description: UpstreamDescription | null = null;
  #process: StdioProcess | null = null;
  #entry = -1;
  #exited: ((reason: string) => void) | null = null;
  #reaped: (() => void) | null = null;

  constructor(
    upstream: StdioUpstream,
    plan: PlanStdioUpstream,
    shard: ShardContext,
    registry: ProcessRegistry,
  ) {
    this.#upstream = upstream;
    this.#plan = plan;
    this.#shard = shard;
    this.#processes = registry.table;
  }

  get isRunning(): boolean {
    return this.#process?.isRunning === true;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Starts the process and shakes hands. A legacy server may exit on the probe: then once more without. */
  async start(skipProbe: boolean): Promise<UpstreamDescription> {
    this.#spawn();
    const { era } = this.#plan;
    if (era !== 'legacy' && !skipProbe) {
      const found = await this.#probe();
      if (found !== null) return found;
      if (era === 'modern')
        throw new Fault('UPSTREAM_INVALID', 'upstream is configured as modern and is not');
      if (!this.isRunning) {
        this.#shard.log.info('process ended on the modern probe, starting it again as legacy', {
          upstream: this.#plan.name,
        });
        return this.start(true);
      }
    }
    const text = `{"protocolVersion":"${REVISIONS[LATEST_LEGACY]}","capabilities":${ownCapabilities(this.#plan)},"clientInfo":${ownClientInfo()}}`;
    const result = await this.own('initialize', text, HANDSHAKE_TIMEOUT_MS);
    const revision = result['protocolVersion'];
    if (typeof revision !== 'string' || !isLegacyRevision(revisionFromName(revision))) {
      throw new Fault('UPSTREAM_INVALID', 'initialize was answered with an unknown revision');
    }
    this.writeText('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    return describe(ERA_LEGACY, revision, result, this.#shard.clock.wallMs());
  }

  /** A request of the gateway's own. `params` is JSON. */
  own(method: string, params: string, timeoutMs: number): Promise<JsonObject> {
    const own = new OwnRequest();
    const call = this.send(method, params, own);
    if (call === null)
      return Promise.reject(new Fault('UPSTREAM_REFUSED', 'process does not read'));
    this.#shard.deadlines.enter(call, this.#shard.clock.nowMs(), timeoutMs, timeoutMs);
    return own.promise;
  }

  /** The same without an end: null if the process does not read. */
  send(method: string, params: string, listener: CallListener): StdioCall | null {
    const call = this.begin(listener);
    const id = call.idToken.toString('latin1', 0, call.idToken.length);
    const line = Buffer.from(
      `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${params}}`,
    );
    if (this.write(line, 0, line.length)) return call;
    this.abandon(call);
    return null;
  }

  /** Takes an id for a call and enters it. The caller writes the message with that id. */
  begin(listener: CallListener): StdioCall {
    const token = Buffer.allocUnsafe(16);
    const counter = this.#shard.callIds.next(token);
    const call = new StdioCall(this, counter, token);
    call.listener = listener;
    call.upstreamSlot = this.#plan.slot;
    this.#pending.set(counter, call);
    this.#shard.inflight.add(this.#shard.index, this.#plan.slot);
    this.#shard.counters.add(COUNTERS.UPSTREAM_REQUESTS.id);
    return call;
  }

  /** Undoes `begin` for a message that could not be written. */
  abandon(call: StdioCall): void {
    call.settle();
    this.#finish(call);
  }

  /** One message, without line breaks. False: the process does not read. */
  write(bytes: Buffer, start: number, end: number): boolean {
    return this.#process?.write(bytes, start, end) ?? false;
  }

  writeText(text: string): void {
    const line = Buffer.from(text);
    this.write(line, 0, line.length);
  }

  giveUp(call: StdioCall, reason: number): void {
    const listener = call.settle();
    this.#finish(call);
    this.writeText(
      cancelledText(call.idToken, reason === GIVEN_UP_BY_CLIENT ? 'client' : 'deadline'),
    );
    if (listener !== null && reason !== GIVEN_UP_BY_CLIENT) {
      listener.onFault(call, 'UPSTREAM_TIMEOUT', 1, 'deadline');
    }
  }

  async shutdown(): Promise<void> {
    this.#exited = null;
    this.#reaped = null;
    this.#failAll('process is shut down');
    await this.#process?.shutdown();
  }

  kill(): void {
    this.#process?.kill();
  }

  /**
   * Told when the process is gone; its last lines, and then `onExited`, still come: somebody it started
   * may hold its stdout open.
   */
  set onReaped(callback: () => void) {
    this.#reaped = callback;
  }

  /** Told when the process ended by itself and its calls have failed. */
  set onExited(callback: (reason: string) => void) {
    this.#exited = callback;
  }

  // Process.

  onLine(bytes: Buffer, start: number, end: number): void {
    if (start === end) return;
    this.#reader.read(bytes, start, end, (message, from, to, record) => {
      if (record === null) this.#shard.counters.add(COUNTERS.STDIO_NOISE.id);
      else this.#onMessage(message, from, to, record);
    });
  }

  onOversizedLine(head: Buffer, tail: Buffer): void {
    const call = this.#callNamedIn(tail) ?? this.#callNamedIn(head);
    this.#shard.log.warn('line exceeds messageBytesMax', { upstream: this.#plan.name });
    if (call === null) return;
    const listener = call.settle();
    this.#finish(call);
    listener?.onFault(call, 'UPSTREAM_TOO_LARGE', 2, 'answer exceeds messageBytesMax');
  }

  onExit(code: number | null, signal: string | null): void {
    this.#shard.counters.add(COUNTERS.STDIO_EXITS.id);
    const reason =
      signal === null ? `process exited with code ${code}` : `process was ended by ${signal}`;
    this.#failAll(reason);
    this.#exited?.(reason);
  }

  onStderr(text: string): void {
    this.#shard.log.debug('stderr', { upstream: this.#plan.name, line: text });
  }

  #spawn(): void {
    const { stdio, name, slot, messageBytesMax } = this.#plan;
    const { index, generation } = this.#shard;
    this.#entry = this.#processes.claim(index, generation, slot);
    if (this.#entry < 0) throw new Fault('UPSTREAM_REFUSED', 'too many child processes');
    const entry = this.#entry;
    this.#process = new StdioProcess(
      {
        command: stdio.command,
        args: stdio.args,
        env: childEnvironment(stdio.env),
        cwd: stdio.cwd,
        maxMessageBytes: messageBytesMax,
        writeBufferBytesMax: WRITE_BUFFER_BYTES_MAX,
        shutdownMs: stdio.shutdownMs,
        onSpawned: (pid) => this.#processes.setPid(entry, pid),
        onReaped: () => {
          this.#processes.release(entry);
          this.#reaped?.();
        },
      },
      this,
    );
    try {
      this.#process.start();
    } catch (error) {
      this.#processes.release(entry);
      this.#process = null;
      throw error;
    }
    this.#shard.counters.add(COUNTERS.STDIO_STARTS.id);
    this.#shard.log.info('process started', { upstream: name, pid: this.#process.pid });
  }

  /** null: not modern, or gone. */
  async #probe(): Promise<UpstreamDescription | null> {
    try {
      const result = await this.own(
        'server/discover',
        `{"_meta":${ownEnvelope()}}`,
        PROBE_TIMEOUT_MS,
      );
      if (!isModernAnswer(result)) return null;
      const news = `{"_meta":${ownEnvelope()},"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}}`;
      this.send('subscriptions/listen', news, new OwnStream());
      return describe(ERA_MODERN, '2026-07-28', result, this.#shard.clock.wallMs());
    } catch (error) {
      if (error instanceof RpcError && error.code === -32022) {
        throw new Fault('UPSTREAM_INVALID', 'no modern revision in common');
      }
      return null;
    }
  }

  #onMessage(bytes: Buffer, start: number, end: number, record: Peek): void {
    if (record.kind === KIND_NOTIFICATION) {
      this.#onNotification(bytes, start, end, record);
      return;
    }
    if (record.kind === KIND_REQUEST) {
      this.#onServerRequest(bytes, start, end, record);
      return;
    }
    const call = this.#pendingAt(bytes, record.idStart, record.idEnd);
    if (call === null) {
      this.#shard.counters.add(COUNTERS.ANSWERS_LATE.id);
      if (record.kind === KIND_ERROR && record.idStart < 0 && this.#pending.size === 1) {
        // An error that could not name its request, and only one request it can be about.
        const [only] = this.#pending.values();
        if (only !== undefined) this.#answer(only, bytes, start, end, record);
      }
      return;
    }
    this.#answer(call, bytes, start, end, record);
  }

  #answer(call: StdioCall, bytes: Buffer, start: number, end: number, record: Peek): void {
    const listener = call.settle();
    this.#finish(call);
    listener?.onResponse(call, bytes, start, end, record);
  }

  #onNotification(bytes: Buffer, start: number, end: number, record: Peek): void {
    const { events, counters } = this.#shard;
    counters.add(COUNTERS.UPSTREAM_NOTIFICATIONS.id);
    if (this.#reader.isNews(this.#upstream, record, bytes, null, events)) return;
    if (record.methodId === METHOD_SUBSCRIPTION_ACKNOWLEDGED) return;
    if (record.methodId === METHOD_PROGRESS) {
      const call = this.#pendingAt(bytes, record.progressTokenStart, record.progressTokenEnd);
      if (call === null) counters.add(COUNTERS.NOTIFICATIONS_UNATTRIBUTED.id);
      else call.listener?.onNotification(call, bytes, start, end, record);
      return;
    }
    const stream = this.#pendingAt(bytes, record.subscriptionIdStart, record.subscriptionIdEnd);
    const call = stream ?? this.#onlyCall(false);
    if (call !== null) call.listener?.onNotification(call, bytes, start, end, record);
    else events.onNotification(this.#upstream, bytes, start, end, record, null);
  }

  #onServerRequest(bytes: Buffer, start: number, end: number, record: Peek): void {
    const { counters } = this.#shard;
    counters.add(COUNTERS.UPSTREAM_SERVER_REQUESTS.id);
    const call = this.#onlyCall(true);
    if (call !== null && call.listener !== null) {
      call.listener.onServerRequest(call, bytes, start, end, record);
      return;
    }
    counters.add(COUNTERS.REQUESTS_UNATTRIBUTED.id);
    this.writeText(refusalText(bytes.toString('latin1', record.idStart, record.idEnd)));
  }

  /**
   * A call of the only session that has any here: it is the one that is meant. Nothing on this link
   * says so, hence with two sessions nobody is.
   */
  #onlyCall(mustAnswer: boolean): StdioCall | null {
    let found: StdioCall | null = null;
    for (const call of this.#pending.values()) {
      if (call.sessionKey === 0) continue;
      if (found !== null && (mustAnswer || found.sessionKey !== call.sessionKey)) return null;
      found = call;
    }
    return found;
  }

  #pendingAt(bytes: Buffer, start: number, end: number): StdioCall | null {
    if (start < 0) return null;
    const call = this.#pending.get(callCounter(bytes, start, end));
    // The counter alone is not enough: the prefix is what a stray id cannot have.
    return call !== undefined && isCallId(call.idToken, bytes, start, end) ? call : null;
  }

  #callNamedIn(piece: Buffer): StdioCall | null {
    for (const match of piece
      .toString('latin1', 0, piece.length)
      .matchAll(/"id"\s*:\s*(\d{16})(?!\d)/g)) {
      const token = Buffer.from(match[1] as string, 'latin1');
      const call = this.#pendingAt(token, 0, token.length);
      if (call !== null) return call;
    }
    return null;
  }

  #finish(call: StdioCall): void {
    if (!this.#pending.delete(call.counter)) return;
    this.#shard.deadlines.leave(call);
    this.#shard.inflight.remove(this.#shard.index, this.#plan.slot);
  }

  #failAll(reason: string): void {
    for (const call of [...this.#pending.values()]) {
      const listener = call.settle();
      this.#finish(call);
      listener?.onFault(call, 'UPSTREAM_CLOSED', 1, reason);
    }
  }
}
