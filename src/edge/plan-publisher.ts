/**
 * Brings a new plan to all shards before anything is judged by it. Shards keep the old one beside it
 * until its exchanges end, so no call is dropped. A shard that dies meanwhile no longer counts: its
 * successor is told of both.
 */
import type { FromShardMessage } from '../../shared/control-message.ts';
import type { Plan } from '../config/plan.ts';
import type { ShardSupervisor } from './shard-supervisor.ts';

/** Compiling a plan takes milliseconds; a shard that needs this long is about to be replaced anyway. */
const ANSWER_TIMEOUT_MS = 10_000;

type PlanAnswer = FromShardMessage<unknown> & { readonly kind: 'planTaken' | 'planRefused' };

/** One publication under way. */
interface Publication {
  readonly number: number;
  readonly waiting: Set<number>;
  settle(error: Error | null): void;
}

export class PlanPublisher {
  readonly #supervisor: ShardSupervisor<Plan, unknown>;
  #current: Publication | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(supervisor: ShardSupervisor<Plan, unknown>) {
    this.#supervisor = supervisor;
  }

  /**
   * @param onTaken called in the turn in which the last shard has taken it
   * @throws Error if a shard refuses it or does not answer in time
   */
  publish(plan: Plan, onTaken: () => void): Promise<void> {
    const turn = this.#last.then(() => this.#publish(plan, onTaken));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  onAnswer(shard: number, answer: PlanAnswer): void {
    const current = this.#current;
    if (current === null || answer.number !== current.number) return;
    if (answer.kind === 'planRefused') {
      current.settle(new Error(`plan refused by shard ${shard}: ${answer.reason}`));
      return;
    }
    current.waiting.delete(shard);
    if (current.waiting.size === 0) current.settle(null);
  }

  /** The shard is gone; what starts in its place is told by the supervisor. */
  onDown(shard: number): void {
    const current = this.#current;
    if (current === null || !current.waiting.delete(shard)) return;
    if (current.waiting.size === 0) current.settle(null);
  }

  async #publish(plan: Plan, onTaken: () => void): Promise<void> {
    const supervisor = this.#supervisor;
    supervisor.setNextPlan(plan);
    const posted = supervisor.postAll({ kind: 'plan', plan });
    try {
      await this.#answers(plan.number, new Set(posted));
    } catch (error) {
      supervisor.setNextPlan(null);
      supervisor.postAll({ kind: 'planDropped', number: plan.number });
      throw error;
    }
    onTaken();
    supervisor.setPlan(plan);
    supervisor.postAll({ kind: 'planCurrent', number: plan.number });
  }

  #answers(number: number, waiting: Set<number>): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const late = [...waiting].join(', ');
        this.#current?.settle(new Error(`plan not taken in time: shards=${late}`));
      }, ANSWER_TIMEOUT_MS);
      this.#current = {
        number,
        waiting,
        settle: (error) => {
          clearTimeout(timer);
          this.#current = null;
          if (error === null) resolve();
          else reject(error);
        },
      };
      if (waiting.size === 0) this.#current.settle(null);
    });
  }
}
