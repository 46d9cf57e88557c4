/** Asks all shards how they are. For people and probes, not for traffic. */
import type { Plan } from '../config/plan.ts';
import type { ShardSupervisor } from './shard-supervisor.ts';

const ANSWER_TIMEOUT_MS = 2000;
/** Questions under way at once; a further one waits for an answer already on its way. */
const QUESTIONS_MAX = 16;

interface Question {
  readonly waiting: Set<number>;
  readonly answers: unknown[];
  done(): void;
}

export class StatusAsker {
  readonly #supervisor: ShardSupervisor<Plan, unknown>;
  readonly #questions = new Map<number, Question>();
  #lastAsk = 0;
  #latest: Promise<readonly unknown[]> = Promise.resolve([]);

  constructor(supervisor: ShardSupervisor<Plan, unknown>) {
    this.#supervisor = supervisor;
  }

  /** @returns an answer per shard, null where none came */
  ask(shards: number): Promise<readonly unknown[]> {
    if (this.#questions.size >= QUESTIONS_MAX) return this.#latest;
    this.#lastAsk += 1;
    const ask = this.#lastAsk;
    const answers = new Array<unknown>(shards).fill(null);
    const waiting = new Set(this.#supervisor.postAll({ kind: 'statusAsk', ask }));
    this.#latest = new Promise((resolve) => {
      const timer = setTimeout(() => question.done(), ANSWER_TIMEOUT_MS);
      const question: Question = {
        waiting,
        answers,
        done: () => {
          clearTimeout(timer);
          this.#questions.delete(ask);
          resolve(answers);
        },
      };
      this.#questions.set(ask, question);
      if (waiting.size === 0) question.done();
    });
    return this.#latest;
  }

  onAnswer(shard: number, ask: number, status: unknown): void {
    const question = this.#questions.get(ask);
    if (question === undefined || !question.waiting.delete(shard)) return;
    question.answers[shard] = status;
    if (question.waiting.size === 0) question.done();
  }

  onDown(shard: number): void {
    for (const question of this.#questions.values()) {
      if (question.waiting.delete(shard) && question.waiting.size === 0) question.done();
    }
  }
}
