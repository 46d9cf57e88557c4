/**
 * Collects the connections that have something to write in this turn, and writes once the turn's reads
 * are done (`turn-end.ts`). Two things come of that: calls that share a
 * connection leave in one write, and a connection whose end or reset came in this turn is known to be
 * gone before a call is written to it, which would leave that call in doubt.
 */
import type { Clock } from '../../../shared/clock.ts';
import { turnEnd } from '../turn-end.ts';
import type { LeanConnection } from './lean-connection.ts';
import type { RequestWriter } from './request-writer.ts';

export class FlushTurn {
  readonly #writer: RequestWriter;
  readonly #clock: Clock;
  readonly #run: () => void;
  /** What is marked, linked by `nextDirty`: no array to empty and fill each turn. */
  #first: LeanConnection | null = null;
  #last: LeanConnection | null = null;
  /** `#run` is called at the end of this turn. */
  #isDue = false;
  #nowMs = 0;

  constructor(writer: RequestWriter, clock: Clock) {
    this.#writer = writer;
    this.#clock = clock;
    this.#run = () => this.#flush();
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

  #flush(): void {
    this.#isDue = false;
    const nowMs = this.#nowMs;
    let connection = this.#first;
    this.#first = null;
    this.#last = null;
    while (connection !== null) {
      const next: LeanConnection | null = connection.nextDirty;
      connection.nextDirty = null;
      connection.isDirty = false;
      connection.flush(this.#writer, nowMs);
      if (connection.isResuming) {
        connection.isResuming = false;
        connection.resume();
      }
      connection = next;
    }
  }
}
