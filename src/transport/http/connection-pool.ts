/**
 * The connections of one lean client, and which of them takes the next call.
 *
 * Idle ones are a stack: the last one in is the first one out, so that what is not needed grows old at
 * the bottom and is closed. With pipelining a call may join others: of the connections that have room
 * it takes one that is written to in this turn anyway, else the emptiest.
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

  constructor(connectionsMax: number, idleTimeoutMs: number) {
    this.#connectionsMax = connectionsMax;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /** A connection that can take a call at once, or null. `limit` is how many calls one may carry. */
  choose(now: number, limit: number): LeanConnection | null {
    for (let idle = this.idle.pop(); idle !== undefined; idle = this.idle.pop()) {
      if (now < idle.idleUntilMs) return idle;
      idle.shut(CLOSED);
    }
    if (limit === 1) return null;
    let best: LeanConnection | null = null;
    for (const connection of this.all) {
      if (isJoinable(connection, limit) && (best === null || isBetter(connection, best))) {
        best = connection;
      }
    }
    if (best === null || this.all.length >= this.#connectionsMax) return best;
    const oldest = best.calls.first;
    return oldest !== null && now - oldest.bornMs <= JOIN_AGE_MAX_MS ? best : null;
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
    connection.idleUntilMs = now + keepMs;
    this.idle.push(connection);
  }

  /** Takes a closed connection out. */
  drop(connection: LeanConnection): void {
    if (!connection.isOpen) this.opening -= 1;
    remove(this.all, connection);
    remove(this.idle, connection);
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

function isBetter(one: LeanConnection, other: LeanConnection): boolean {
  if (one.isDirty !== other.isDirty) return one.isDirty;
  return one.isDirty ? one.load > other.load : one.load < other.load;
}

function remove(list: LeanConnection[], connection: LeanConnection): void {
  const index = list.indexOf(connection);
  if (index >= 0) list.splice(index, 1);
}
