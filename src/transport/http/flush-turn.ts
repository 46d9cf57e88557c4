/**
 * Collects the connections that have something to write in this turn, and writes once the turn's reads
 * are done (`setImmediate` runs right after them). Two things come of that: calls that share a
 * connection leave in one write, and a connection whose end or reset came in this turn is known to be
 * gone before a call is written to it, which would leave that call in doubt.
 */
import type { LeanConnection } from './lean-connection.ts';
import type { RequestWriter } from './request-writer.ts';

export class FlushTurn {
  readonly #writer: RequestWriter;
  readonly #run: () => void;
  /** What is marked, linked by `nextDirty`: no array to empty and fill each turn. */
  #first: LeanConnection | null = null;
  #last: LeanConnection | null = null;
  /** Something is marked: `#run` is called at the end of this turn. */
  isDue = false;
  /** The time of this turn, while `isDue`: read once for all calls of it. */
  nowMs = 0;

  constructor(writer: RequestWriter) {
    this.#writer = writer;
    this.#run = () => this.#flush();
  }

  /** The connection has calls to write, or is to be read on. */
  mark(connection: LeanConnection, nowMs: number): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    if (this.#last === null) this.#first = connection;
    else this.#last.nextDirty = connection;
    this.#last = connection;
    if (this.isDue) return;
    this.isDue = true;
    this.nowMs = nowMs;
    setImmediate(this.#run);
  }

  #flush(): void {
    this.isDue = false;
    const { nowMs } = this;
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
