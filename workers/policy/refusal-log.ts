/**
 * Tells an operator why credentials are refused, and an attacker nothing about our disk: at most ten
 * lines a minute, with a count of what was left out. A line has the method and a word, never a token.
 */
import type { PolicyLog } from './policy-log.ts';

const LINES_PER_WINDOW = 10;
const WINDOW_MS = 60_000;

export class RefusalLog {
  readonly #log: PolicyLog;
  #sinceMs = -Infinity;
  #lines = 0;
  #omitted = 0;

  constructor(log: PolicyLog) {
    this.#log = log;
  }

  /** @param nowMs monotonic */
  note(method: string, reason: string, nowMs: number): void {
    if (!this.#mayWrite(nowMs)) return;
    this.#log.write('info', 'credential refused', { method, reason, omitted: this.#omitted });
    this.#omitted = 0;
  }

  noteFlood(nowMs: number): void {
    if (!this.#mayWrite(nowMs)) return;
    this.#log.write('warn', 'address refused: too many wrong credentials', {
      omitted: this.#omitted,
    });
    this.#omitted = 0;
  }

  #mayWrite(nowMs: number): boolean {
    if (nowMs - this.#sinceMs >= WINDOW_MS) {
      this.#sinceMs = nowMs;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines <= LINES_PER_WINDOW) return true;
    this.#omitted += 1;
    return false;
  }
}
