/**
 * The port on undici's `Pool.dispatch`: the client that the lean one is compared with, in what it reads
 * and in what it costs. It is no part of the product, because undici 7 dies of an assertion that nobody
 * can catch when an upstream ends its connection under a paused response (nodejs/undici#5360).
 *
 * undici keeps queue and connections; this file keeps deadlines, the second sending and the failure
 * kinds. Until `onRequestStart` nothing of a call has left; after it, the call is in doubt.
 */
import { Pool } from 'undici';
import {
  ABORTED,
  CLOSED,
  HttpClientCounters,
  TIMEOUT,
  type HttpCall,
  type HttpClient,
  type HttpClientOptions,
  type HttpFailureKind,
  type HttpResponseListener,
} from '../../src/transport/http/http-client.ts';
import { DeadlineTimer } from '../../src/transport/http/deadline-timer.ts';
import { UndiciCall, type UndiciCallOwner } from './undici-call.ts';

export class UndiciHttpClient implements HttpClient, UndiciCallOwner {
  readonly #pool: Pool;
  readonly #options: HttpClientOptions;
  readonly #counters: HttpClientCounters;
  readonly #calls = new Set<UndiciCall>();
  readonly #timer: DeadlineTimer;
  #connections = 0;
  #isClosing = false;
  #onDrained: (() => void) | null = null;

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#counters = options.counters ?? new HttpClientCounters();
    this.#timer = new DeadlineTimer(options.clock, () => this.#onTimer());
    this.#pool = new Pool(options.url.origin, {
      connections: options.maxConnections,
      pipelining: 1,
      connectTimeout: options.connectTimeoutMs,
      autoSelectFamily: true,
      keepAliveTimeout: options.idleTimeoutMs,
      keepAliveMaxTimeout: options.idleTimeoutMs,
      keepAliveTimeoutThreshold: 1000,
      maxHeaderSize: options.headerBytesMax,
      // A call's deadline is the caller's, see `send`.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.#pool.on('connect', () => {
      this.#connections += 1;
      this.#counters.connectionsOpened += 1;
    });
    this.#pool.on('disconnect', () => (this.#connections -= 1));
    this.#pool.on('connectionError', () => (this.#counters.connectionsFailed += 1));
  }

  get pending(): number {
    return this.#calls.size;
  }

  get connectError(): string {
    return '';
  }

  get connections(): number {
    return this.#connections;
  }

  send(
    request: Uint8Array,
    start: number,
    end: number,
    listener: HttpResponseListener,
    timeoutMs: number,
    resendable: boolean,
  ): HttpCall | null {
    const { maxConnections, queueMax } = this.#options;
    if (this.#isClosing || this.#calls.size >= maxConnections + queueMax) return null;
    const bytes = Buffer.from(request.buffer, request.byteOffset, request.length);
    const call = new UndiciCall(this, bytes, start, end, listener, resendable);
    this.#calls.add(call);
    this.renewCall(call, timeoutMs);
    // Not before `send` has returned: undici may answer at once.
    setImmediate(() => this.#dispatch(call));
    return call;
  }

  async close(graceMs = 0): Promise<void> {
    this.#isClosing = true;
    if (this.#calls.size > 0 && graceMs > 0) {
      const drained = new Promise<void>((resolve) => (this.#onDrained = resolve));
      const timer = setTimeout(() => this.#onDrained?.(), graceMs);
      await drained;
      clearTimeout(timer);
    }
    for (const call of [...this.#calls]) call.fail(ABORTED);
    this.#timer.stop();
    await this.#pool.destroy();
  }

  renewCall(call: UndiciCall, timeoutMs: number): void {
    call.deadlineMs = timeoutMs > 0 ? this.#options.clock.nowMs() + timeoutMs : Infinity;
    this.#timer.ensure(call.deadlineMs);
  }

  onSent(): void {
    this.#counters.requests += 1;
  }

  onEnded(call: UndiciCall, kind: HttpFailureKind | 0): void {
    this.#calls.delete(call);
    if (kind === 0) this.#counters.responses += 1;
    else this.#counters.failures += 1;
    if (this.#calls.size === 0) this.#onDrained?.();
  }

  resend(call: UndiciCall): boolean {
    if (this.#isClosing) return false;
    this.#counters.resent += 1;
    setImmediate(() => this.#dispatch(call));
    return true;
  }

  #dispatch(call: UndiciCall): void {
    if (call.isEnded) return;
    try {
      this.#pool.dispatch(
        { method: call.method, path: call.path, headers: call.headers, body: call.body },
        call,
      );
    } catch {
      call.fail(CLOSED);
    }
  }

  #onTimer(): void {
    const now = this.#options.clock.nowMs();
    let nextMs = Infinity;
    for (const call of [...this.#calls]) {
      if (call.deadlineMs <= now) call.fail(TIMEOUT);
      else nextMs = Math.min(nextMs, call.deadlineMs);
    }
    this.#timer.ensure(nextMs);
  }
}
