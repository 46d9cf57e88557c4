import type { EventStreamParser } from '../../src/transport/event-stream.ts';

const PAUSE_MS = 1_000;
const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 30_000;
/** As the official clients: a server that is gone is not waited for. */
const ATTEMPTS_MAX = 2;

/**
 * Where an answer's event stream broke off, if its server numbers its events: then it can be taken up
 * again with GET and `Last-Event-ID` (MCP 2025-03-26 to 2025-11-25, resumability). A server may end a
 * stream on purpose and say with `retry` when to come back; how often it does is bounded by the call's
 * deadline. A server that gives no stream any more has two chances.
 */
export class StreamResume {
  lastEventId = '';
  #pauseMs = PAUSE_MS;
  #attempts = 0;
  #timer: NodeJS.Timeout | null = null;

  /** What the stream said last of itself. A stream without events keeps what is known. */
  note(parser: EventStreamParser): void {
    if (parser.lastEventId !== '') this.lastEventId = parser.lastEventId;
    this.#attempts = 0;
    if (parser.retryMs >= 0) this.#pauseMs = parser.retryMs;
  }

  /** False: it has been tried often enough. */
  later(goOn: () => void): boolean {
    this.cancel();
    if (this.#attempts >= ATTEMPTS_MAX) return false;
    this.#attempts += 1;
    const pauseMs = Math.min(Math.max(this.#pauseMs, PAUSE_MIN_MS), PAUSE_MAX_MS);
    this.#timer = setTimeout(goOn, pauseMs);
    return true;
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
