import type { FaultCode } from '../shared/fault.ts';
import type { Exchange } from './exchange.ts';
import type { ShardContext } from './shard-context.ts';

interface Guest {
  readonly exchange: Exchange;
  /** Exchange objects are pooled: under another number it is somebody else's by now. */
  readonly number: number;
  readonly deadlineMs: number;
}

/**
 * Exchanges that wait for one thing, each at most `timeoutMs`: in the order of their arrival, which is
 * that of their deadlines, so that one timer serves all. Clients may leave while theirs waits; what
 * remains here of it is passed over.
 */
export class WaitingRoom {
  readonly #shard: ShardContext;
  readonly #guestsMax: number;
  readonly #timeoutMs: number;
  #guests: Guest[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(shard: ShardContext, guestsMax: number, timeoutMs: number) {
    this.#shard = shard;
    this.#guestsMax = guestsMax;
    this.#timeoutMs = timeoutMs;
  }

  /** Keeps the exchange until `release`. False: there is no room. */
  enter(exchange: Exchange): boolean {
    if (this.#guests.length >= this.#guestsMax) return false;
    exchange.retain();
    const deadlineMs = this.#shard.clock.nowMs() + this.#timeoutMs;
    this.#guests.push({ exchange, number: exchange.number, deadlineMs });
    if (this.#timer === null) this.#arm(this.#timeoutMs);
    return true;
  }

  /** Lets all go on (null), or fails them. */
  release(code: FaultCode | null, detail: string): void {
    const guests = this.#guests;
    this.#guests = [];
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const guest of guests) this.#send(guest, code, detail);
  }

  #send({ exchange, number }: Guest, code: FaultCode | null, detail: string): void {
    if (exchange.number !== number) return;
    if (code === null) this.#shard.resume(exchange);
    else this.#shard.fail(exchange, code, detail);
  }

  #arm(delayMs: number): void {
    this.#timer = setTimeout(() => this.#expire(), delayMs);
  }

  #expire(): void {
    this.#timer = null;
    const now = this.#shard.clock.nowMs();
    const firstLeft = this.#guests.findIndex(({ deadlineMs }) => deadlineMs > now);
    const late = this.#guests.splice(0, firstLeft < 0 ? this.#guests.length : firstLeft);
    const [next] = this.#guests;
    if (next !== undefined) this.#arm(Math.max(1, next.deadlineMs - now));
    for (const guest of late) this.#send(guest, 'UPSTREAM_TIMEOUT', 'waited for the upstream');
  }
}
