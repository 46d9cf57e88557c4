/**
 * Opaque tokens, which only the one who issued them can judge. One request per token, however many
 * exchanges wait for it; at most REMOTE_CHECKS_MAX requests at once, more wait their turn, and those
 * whose address turned out to be a flood by then are dropped unasked. A refused token is remembered
 * for a few seconds, in bounds. No answer, or one that says nothing, is AUTH_UNAVAILABLE and not
 * remembered.
 */
import type { FetchAnswer, FetchRequest, HttpFetch } from '../../src/transport/http-fetch.ts';
import { loggableUrl } from '../../src/transport/http-fetch.ts';
import type { Accepted, AuthMethod, AuthWait, AuthWaiter, MethodVerdict } from './auth-method.ts';
import { REFUSED_INVALID, REFUSED_UNAVAILABLE } from './auth-verdict.ts';
import type { AuthRefusal } from './auth-verdict.ts';
import { SOURCE_BEARER } from './credential.ts';
import type { Credential } from './credential.ts';
import { REMOTE_CHECKS_MAX, REMOTE_REFUSED_MAX, REMOTE_REFUSED_MS } from './policy-limits.ts';
import type { PolicyCounters, PolicyLog } from './policy-log.ts';
import { releaseInTurns } from './turn-release.ts';

/** Whom to ask, and how to read the answer. */
export interface TokenProvider {
  readonly label: string;
  recognizes(credential: Credential): boolean;
  request(credential: Credential): FetchRequest;
  /**
   * @returns the identity, or in a word why the token is refused
   * @throws Error if the answer does not tell; its message holds nothing of the answer's body
   */
  read(answer: FetchAnswer, nowWallMs: number): Accepted | string;
}

export interface RemoteCheckDeps {
  readonly fetch: HttpFetch;
  readonly log: PolicyLog;
  readonly counters: PolicyCounters;
  /** Monotonic ms. */
  nowMs(): number;
  wallMs(): number;
}

/** One token being asked about, and who waits for it. */
class Flight implements AuthWait {
  readonly wait = true;
  readonly credential: Credential;
  readonly name: string;
  readonly #onJoined: (flight: Flight) => void;
  waiters: AuthWaiter[];

  constructor(credential: Credential, name: string, onJoined: (flight: Flight) => void) {
    this.credential = credential;
    this.name = name;
    this.#onJoined = onJoined;
    this.waiters = [];
  }

  join(waiter: AuthWaiter): void {
    this.waiters.push(waiter);
    if (this.waiters.length === 1) this.#onJoined(this);
  }
}

export class RemoteCheck implements AuthMethod {
  readonly label: string;
  readonly source = SOURCE_BEARER;
  readonly #provider: TokenProvider;
  readonly #deps: RemoteCheckDeps;
  readonly #flights = new Map<string, Flight>();
  /** Refused tokens by digest, with the monotonic time until which that holds; oldest first. */
  readonly #refused = new Map<string, number>();
  #queue: Flight[] = [];
  #asking = 0;
  #isClosed = false;

  constructor(provider: TokenProvider, deps: RemoteCheckDeps) {
    this.label = provider.label;
    this.#provider = provider;
    this.#deps = deps;
  }

  check(credential: Credential, _nowWallMs: number, mayWait: boolean): MethodVerdict | null {
    if (!this.#provider.recognizes(credential)) return null;
    const name = credential.digest().toString('base64');
    const refusedUntilMs = this.#refused.get(name);
    if (refusedUntilMs !== undefined) {
      if (this.#deps.nowMs() < refusedUntilMs) {
        credential.reason = 'refused-before';
        return REFUSED_INVALID;
      }
      this.#refused.delete(name);
    }
    if (!mayWait || this.#isClosed) return REFUSED_UNAVAILABLE;
    return (
      this.#flights.get(name) ?? new Flight(credential, name, (flight) => this.#enqueue(flight))
    );
  }

  close(): void {
    this.#isClosed = true;
    const waiting = this.#queue;
    this.#queue = [];
    for (const flight of waiting) this.#land(flight, REFUSED_UNAVAILABLE);
  }

  #enqueue(flight: Flight): void {
    this.#flights.set(flight.name, flight);
    this.#queue.push(flight);
    this.#pump();
  }

  #pump(): void {
    while (this.#asking < REMOTE_CHECKS_MAX) {
      const flight = this.#queue.shift();
      if (flight === undefined) return;
      if (this.#isWanted(flight)) void this.#ask(flight);
    }
  }

  /** Sorts out who need not be served, as the wait in the queue may have been long. */
  #isWanted(flight: Flight): boolean {
    flight.waiters = flight.waiters.filter(
      (waiter) => !waiter.isCancelled && !waiter.refuseIfFlooding(),
    );
    if (flight.waiters.length > 0) return true;
    this.#flights.delete(flight.name);
    return false;
  }

  async #ask(flight: Flight): Promise<void> {
    this.#asking += 1;
    this.#deps.counters.remoteChecks += 1;
    let verdict: Accepted | AuthRefusal;
    try {
      const answer = await this.#deps.fetch(this.#provider.request(flight.credential));
      const read = this.#provider.read(answer, this.#deps.wallMs());
      verdict = typeof read === 'string' ? this.#refuse(flight, read) : read;
    } catch (error) {
      this.#deps.counters.remoteCheckFailures += 1;
      this.#deps.log.write('warn', 'token check failed', {
        method: this.label,
        reason: error instanceof Error ? error.message : 'unknown',
      });
      verdict = REFUSED_UNAVAILABLE;
    }
    this.#asking -= 1;
    this.#land(flight, verdict);
    this.#pump();
  }

  #refuse(flight: Flight, reason: string): AuthRefusal {
    flight.credential.reason = reason;
    if (this.#refused.size >= REMOTE_REFUSED_MAX) {
      const oldest = this.#refused.keys().next().value;
      if (oldest !== undefined) this.#refused.delete(oldest);
    }
    this.#refused.set(flight.name, this.#deps.nowMs() + REMOTE_REFUSED_MS);
    return REFUSED_INVALID;
  }

  /**
   * Who waits is told in a later turn, and an accepted token is remembered when the first one is. Until then
   * the flight is joined as before, or the token would be asked about once more.
   */
  #land(flight: Flight, verdict: Accepted | AuthRefusal): void {
    if (flight.waiters.length === 0) this.#flights.delete(flight.name);
    releaseInTurns(flight.waiters, (waiter) => {
      if (this.#flights.get(flight.name) === flight) this.#flights.delete(flight.name);
      waiter.settle(verdict);
    });
  }
}

/** For `TokenProvider.read`: what an answer that tells nothing is called in the log. */
export function unexpectedAnswer(url: string, status: number): Error {
  return new Error(`${loggableUrl(url)} status=${status}`);
}
