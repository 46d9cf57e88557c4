/**
 * The connections of one lean client, and which of them takes the next call.
 *
 * Idle ones are a stack: the last one in is the first one out, so that what is not needed grows old at
 * the bottom and is closed. With pipelining a call joins those of this turn on their connection, so that
 * they leave in one write and few connections are in use. Where it cannot, it takes an idle one; where
 * there is none, the emptiest of those that have room.
 */
import { CLOSED } from './http-client.ts';
import type { LeanConnection } from './lean-connection.ts';

/** A connection is closed this long before the upstream would close it, or at half time if that is less. */
const KEEP_ALIVE_MARGIN_MS = 1000;
/** Behind a call older than this another one waits too long; a turn and a fast upstream take 1 to 5. */
const JOIN_AGE_MAX_MS = 10;

export class ConnectionPool {
  /** Every connection that is not closed. */
  readonly all: LeanConnection[] = [];
  readonly idle: LeanConnection[] = [];
  /** Connections that are being opened. */
  opening = 0;
  readonly #connectionsMax: number;
  readonly #idleTimeoutMs: number;
  /** Took the last call; while it is dirty, that was in this turn. */
  #filling: LeanConnection | null = null;

  constructor(connectionsMax: number, idleTimeoutMs: number) {
    this.#connectionsMax = connectionsMax;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /**
   * A connection that can take a call at once, or null.
   *
   * @param limit how many calls one may carry
   * @param depth how many it may carry while others can be used
   */
  choose(now: number, limit: number, depth: number): LeanConnection | null {
    const filling = this.#filling;
    if (depth > 1 && filling !== null && filling.isDirty && isJoinable(filling, depth)) {
      if (isYoung(filling, now)) return filling;
    }
    this.#filling = this.#chooseIdle(now) ?? this.#chooseUsed(now, limit, depth);
    return this.#filling;
  }

  #chooseIdle(now: number): LeanConnection | null {
    for (let idle = this.idle.pop(); idle !== undefined; idle = this.idle.pop()) {
      if (now < idle.idleUntilMs) return idle;
      idle.shut(CLOSED);
    }
    return null;
  }

  #chooseUsed(now: number, limit: number, depth: number): LeanConnection | null {
    const isFull = this.all.length >= this.#connectionsMax;
    const room = isFull ? limit : depth;
    if (room === 1) return null;
    let best: LeanConnection | null = null;
    for (const connection of this.all) {
      if (isJoinable(connection, room) && (best === null || isBetter(connection, best))) {
        best = connection;
      }
    }
    return best === null || isFull || isYoung(best, now) ? best : null;
  }

  /** True if one more may be opened. An idle one makes room: calls that need a fresh one pass it by. */
  makeRoom(): boolean {
    while (this.all.length >= this.#connectionsMax) {
      const oldest = this.idle.shift();
      if (oldest === undefined) return false;
      oldest.shut(CLOSED);
    }
    return true;
  }

  add(connection: LeanConnection): void {
    this.opening += 1;
    this.all.push(connection);
  }

  /** Puts a connection without calls aside, until the upstream might close it. */
  rest(connection: LeanConnection, now: number): void {
    let keepMs = this.#idleTimeoutMs;
    if (connection.keepAliveSeconds >= 0) {
      const offeredMs = connection.keepAliveSeconds * 1000;
      keepMs = Math.min(keepMs, offeredMs - Math.min(KEEP_ALIVE_MARGIN_MS, offeredMs / 2));
    }
    connection.restedMs = now;
    connection.idleUntilMs = now + keepMs;
    this.idle.push(connection);
  }

  /** Takes a closed connection out. */
  drop(connection: LeanConnection): void {
    if (!connection.isOpen) this.opening -= 1;
    remove(this.all, connection);
    remove(this.idle, connection);
    if (this.#filling === connection) this.#filling = null;
  }

  /** True if some connection will come to serve the queue by itself: not one held by a stream. */
  canServe(): boolean {
    if (this.opening > 0) return true;
    return this.all.some((one) => one.isOpen && !one.isRetiring && !one.isStreaming);
  }
}

function isJoinable(connection: LeanConnection, limit: number): boolean {
  if (!connection.isOpen || connection.isRetiring) return false;
  return !connection.isStreaming && !connection.isPaused && connection.load < limit;
}

function isYoung(connection: LeanConnection, now: number): boolean {
  const oldest = connection.calls.first;
  return oldest !== null && now - oldest.bornMs <= JOIN_AGE_MAX_MS;
}

function isBetter(one: LeanConnection, other: LeanConnection): boolean {
  if (one.isDirty !== other.isDirty) return one.isDirty;
  return one.isDirty ? one.load > other.load : one.load < other.load;
}

function remove(list: LeanConnection[], connection: LeanConnection): void {
  const index = list.indexOf(connection);
  if (index >= 0) list.splice(index, 1);
}
