/**
 * Runs a load. Closed loop: so many calls under way, the next one as one ends. Open loop: a call falls
 * due every 1/rate seconds, and its latency counts from that moment, also when it was sent late because
 * the endpoint or this process was behind: a stall is seen by every call that it would have hit
 * ("coordinated omission" is what hides it otherwise).
 *
 * Timers are good to a millisecond only, so shortly before a call is due this looks at the clock in
 * every turn of the event loop: an open-loop load keeps a core busy.
 */
import { createClock } from '../../shared/clock.ts';
import { LatencyRecord } from '../observe/latency-record.ts';
import { createHttpClient } from '../transport/http/create-http-client.ts';
import type { HttpClient } from '../transport/http/http-client.ts';
import { BenchAnswer, type BenchAnswerOwner } from './bench-answer.ts';
import type { BenchPlan, BenchReport, BenchTally } from './bench-plan.ts';
import type { RequestTemplate } from './bench-request.ts';
import { BenchTarget, sendTemplate } from './bench-target.ts';

const HEADER_BYTES_MAX = 64 * 1024;
const IDLE_TIMEOUT_MS = 60_000;
/** Calls that may wait for a connection that is being opened. */
const QUEUE_MAX = 65_536;
/** Kinds of errors that are told apart; a server makes up codes as it likes. */
const ERROR_KINDS_MAX = 64;
/** Closer than this to the next call, no timer is fine enough. */
const SPIN_MS = 2;
/** Calls sent in one turn before answers are read again. */
const SENDS_PER_TURN_MAX = 256;

export class BenchRun implements BenchAnswerOwner {
  readonly #plan: BenchPlan;
  readonly #clock = createClock(performance, performance.timeOrigin);
  readonly #client: HttpClient;
  readonly #target: BenchTarget;
  readonly #latency = new LatencyRecord();
  readonly #errors = new Map<string, number>();
  readonly #free: BenchAnswer[] = [];
  readonly #running = new Set<BenchAnswer>();
  #templates: readonly RequestTemplate[] = [];
  #turn = 0;
  #ok = 0;
  #failed = 0;
  #bytesIn = 0;
  #startMs = 0;
  #measuredFromMs = 0;
  #endMs = Infinity;
  #stoppedMs = 0;
  /** Open loop: calls fallen due so far. */
  #due = 0;
  #unsent = 0;
  #isInterrupted = false;
  #tick: NodeJS.Timeout | null = null;
  #onDone: () => void = () => undefined;

  constructor(plan: BenchPlan) {
    this.#plan = plan;
    this.#client = createHttpClient({
      url: plan.url,
      maxConnections: plan.concurrency,
      pipelining: 1,
      connectTimeoutMs: plan.timeoutMs,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      headerBytesMax: HEADER_BYTES_MAX,
      queueMax: QUEUE_MAX,
      clock: this.#clock,
    });
    this.#target = new BenchTarget(plan, this.#client);
  }

  /** What there is so far. */
  get tally(): BenchTally {
    const errors = Object.fromEntries([...this.#errors].sort((a, b) => b[1] - a[1]));
    return { calls: this.#ok + this.#failed, ok: this.#ok, failed: this.#failed, errors };
  }

  get latencyUs(): BenchReport['latencyUs'] {
    return this.#latency.summary();
  }

  /** @throws BenchError if the endpoint does not answer as an MCP server */
  async run(): Promise<BenchReport> {
    try {
      await this.#target.open();
      this.#templates = this.#target.templates;
      if (!this.#isInterrupted) await this.#load();
      await this.#target.close();
    } finally {
      await this.#client.close();
    }
    return this.#report();
  }

  /** Ends the load now; `run` resolves with what there is. */
  stop(): void {
    this.#isInterrupted = true;
    this.#end();
  }

  onAnswered(answer: BenchAnswer, error: string): void {
    this.#running.delete(answer);
    if (answer.isMeasured) this.#count(answer, error);
    this.#free.push(answer);
    if (this.#stoppedMs > 0) {
      if (this.#running.size === 0) this.#onDone();
      return;
    }
    if (this.#plan.rate === null) this.#sendOne(this.#clock.nowMs());
  }

  #load(): Promise<void> {
    const { rate, concurrency, warmUpMs, durationMs } = this.#plan;
    const done = new Promise<void>((resolve) => (this.#onDone = resolve));
    this.#startMs = this.#clock.nowMs();
    this.#measuredFromMs = this.#startMs + warmUpMs;
    this.#endMs = this.#measuredFromMs + durationMs;
    this.#tick = setTimeout(() => this.#end(), warmUpMs + durationMs);
    if (rate === null) {
      for (let call = 0; call < concurrency; call += 1) this.#sendOne(this.#startMs);
    } else {
      this.#pace(rate);
    }
    return done;
  }

  /** Sends what has fallen due, and comes back when the next call is. */
  #pace(rate: number): void {
    if (this.#stoppedMs > 0) return;
    const now = this.#clock.nowMs();
    const dueAt = (call: number): number => this.#startMs + (call * 1000) / rate;
    for (let sent = 0; sent < SENDS_PER_TURN_MAX; sent += 1) {
      if (dueAt(this.#due) > now || this.#running.size >= this.#plan.concurrency) break;
      this.#sendOne(dueAt(this.#due));
      this.#due += 1;
    }
    const waitMs = dueAt(this.#due) - now;
    if (waitMs > SPIN_MS) setTimeout(() => this.#pace(rate), waitMs - SPIN_MS);
    else setImmediate(() => this.#pace(rate));
  }

  #sendOne(dueMs: number): void {
    if (dueMs >= this.#endMs) return;
    const template = this.#templates[this.#turn % this.#templates.length] as RequestTemplate;
    this.#turn += 1;
    const answer = this.#free.pop() ?? new BenchAnswer(this, template.bytes.length);
    answer.dueMs = dueMs;
    answer.isMeasured = dueMs >= this.#measuredFromMs;
    this.#running.add(answer);
    const { ids } = this.#target;
    if (!sendTemplate(this.#client, answer, template, ids, this.#plan.timeoutMs))
      this.#refuse(answer);
  }

  /** The client takes no more; heard in a later turn, as all answers are. */
  #refuse(answer: BenchAnswer): void {
    setImmediate(() => this.onAnswered(answer, 'not sent'));
  }

  #count(answer: BenchAnswer, error: string): void {
    this.#bytesIn += answer.bytesIn;
    if (error === '') {
      this.#ok += 1;
      this.#latency.add((this.#clock.nowMs() - answer.dueMs) * 1000);
      return;
    }
    this.#failed += 1;
    const kind = this.#errors.has(error) || this.#errors.size < ERROR_KINDS_MAX ? error : 'other';
    this.#errors.set(kind, (this.#errors.get(kind) ?? 0) + 1);
  }

  /** No more calls; those under way may finish within their timeout. */
  #end(): void {
    if (this.#tick !== null) clearTimeout(this.#tick);
    if (this.#stoppedMs > 0) return;
    this.#stoppedMs = this.#clock.nowMs();
    const { rate } = this.#plan;
    if (rate !== null && this.#startMs > 0) {
      const lastDue = Math.min(this.#stoppedMs, this.#endMs) - this.#startMs;
      this.#unsent = Math.max(0, Math.floor((lastDue * rate) / 1000) - this.#due);
    }
    if (this.#isInterrupted) {
      for (const answer of this.#running) answer.call?.abort();
      this.#running.clear();
    }
    if (this.#running.size === 0) this.#onDone();
  }

  #report(): BenchReport {
    const { url, rate, concurrency } = this.#plan;
    const untilMs = Math.min(this.#stoppedMs, this.#endMs);
    const seconds = this.#startMs === 0 ? 0 : Math.max(0, untilMs - this.#measuredFromMs) / 1000;
    return {
      url: `${url.origin}${url.pathname}`,
      era: this.#target.era,
      rate,
      concurrency,
      sessions: this.#target.sessions,
      seconds,
      perSecond: seconds === 0 ? 0 : this.#ok / seconds,
      ...this.tally,
      bytesIn: this.#bytesIn,
      unsent: this.#unsent,
      latencyUs: this.latencyUs,
      isInterrupted: this.#isInterrupted,
    };
  }
}
