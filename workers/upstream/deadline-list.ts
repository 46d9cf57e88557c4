import type { Clock } from '../../shared/clock.ts';
import type { UpstreamCall } from './call.ts';

/** How often deadlines are looked at while there are calls. A call ends at most this late. */
const TICK_MS = 250;

/**
 * All calls of a shard that have a deadline, in a doubly linked list: entering and leaving cost a few
 * stores and no timer. One interval looks at them while there are any; an idle shard has none.
 * 16,384 calls, the most there can be, take some 50 µs a tick.
 */
export class DeadlineList {
  readonly #clock: Clock;
  readonly #onExpired: (call: UpstreamCall) => void;
  #first: UpstreamCall | null = null;
  #timer: NodeJS.Timeout | null = null;
  #idleTicks = 0;

  constructor(clock: Clock, onExpired: (call: UpstreamCall) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** @param timeoutMs from now; @param capMs latest end from now, however much progress there is */
  enter(call: UpstreamCall, nowMs: number, timeoutMs: number, capMs: number): void {
    call.timeoutMs = timeoutMs;
    call.deadlineMs = nowMs + timeoutMs;
    call.deadlineCapMs = nowMs + capMs;
    call.previous = null;
    call.next = this.#first;
    if (this.#first !== null) this.#first.previous = call;
    this.#first = call;
    call.isListed = true;
    if (this.#timer === null) this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  leave(call: UpstreamCall): void {
    if (!call.isListed) return;
    call.isListed = false;
    if (call.previous === null) this.#first = call.next;
    else call.previous.next = call.next;
    if (call.next !== null) call.next.previous = call.previous;
    call.previous = null;
    call.next = null;
  }

  /** Progress: the call gets its whole time again, within the cap. */
  extend(call: UpstreamCall): void {
    call.deadlineMs = Math.min(this.#clock.nowMs() + call.timeoutMs, call.deadlineCapMs);
  }

  /** Gives up what is late. Called by the interval, and by tests. */
  tick(): void {
    if (this.#first === null) {
      // A shard between two calls of a busy client need not stop and start its timer.
      this.#idleTicks += 1;
      if (this.#idleTicks > 8) this.stop();
      return;
    }
    this.#idleTicks = 0;
    const now = this.#clock.nowMs();
    let call: UpstreamCall | null = this.#first;
    while (call !== null) {
      const next: UpstreamCall | null = call.next;
      const limit = call.serverRequests > 0 ? call.deadlineCapMs : call.deadlineMs;
      if (now >= limit) {
        this.leave(call);
        this.#onExpired(call);
      }
      call = next;
    }
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#idleTicks = 0;
  }
}
