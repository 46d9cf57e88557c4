/**
 * Collects the connections that have something to write in this turn, and writes once the turn's reads
 * are done (`turn-end.ts`). Two things come of that: calls that share a connection leave in one write, and a
 * connection whose end or reset came in this turn is known to be gone before a call is written to it, which
 * would leave that call in doubt.
 */
import type { Clock } from '../../../shared/clock.ts';
import { turnEnd, type TurnTask } from '../turn-end.ts';
import type { LeanConnection } from './lean-connection.ts';
import type { RequestWriter } from './request-writer.ts';

/** A connection that has been idle for less is hardly about to be closed. */
const FRESH_MS = 1000;

export class FlushTurn {
  readonly #writer: RequestWriter;
  readonly #clock: Clock;
  readonly #run: TurnTask;
  /** What is marked, linked by `nextDirty`: no array to empty and fill each turn. */
  #first: LeanConnection | null = null;
  #last: LeanConnection | null = null;
  /** `#run` is called at the end of this turn. */
  #isDue = false;
  #nowMs = 0;

  constructor(writer: RequestWriter, clock: Clock) {
    this.#writer = writer;
    this.#clock = clock;
    this.#run = (isEarly) => this.#flush(isEarly);
  }

  /** The time of this turn: reading the clock costs as much as the rest of a call's bookkeeping. */
  nowMs(): number {
    if (!this.#isDue) {
      this.#isDue = true;
      this.#nowMs = this.#clock.nowMs();
      turnEnd.add(this.#run);
    }
    return this.#nowMs;
  }

  /** The connection has calls to write, or is to be read on. */
  mark(connection: LeanConnection): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    if (this.#last === null) this.#first = connection;
    else this.#last.nextDirty = connection;
    this.#last = connection;
    this.nowMs();
  }

  #flush(isEarly: boolean): void {
    this.#isDue = false;
    const nowMs = this.#nowMs;
    let connection = this.#first;
    this.#first = null;
    this.#last = null;
    while (connection !== null) {
      const next: LeanConnection | null = connection.nextDirty;
      connection.nextDirty = null;
      connection.isDirty = false;
      // Upstreams close what has been idle for seconds: whether this one did is known at the end of the turn.
      if (isEarly && nowMs - connection.restedMs > FRESH_MS) {
        this.mark(connection);
        connection = next;
        continue;
      }
      connection.flush(this.#writer, nowMs);
      if (connection.isResuming) {
        connection.isResuming = false;
        connection.resume();
      }
      connection = next;
    }
  }
}
