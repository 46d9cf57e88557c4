/**
 * New settings for a running gateway. One reload at a time: load, compare, hand to all shards, retire
 * what only the old plan used. Whatever goes wrong, the old plan stays in force.
 */
import type { CompiledConfig, PlanSlots } from './compile.ts';
import type { Plan } from './plan.ts';
import { planDiff, type PlanDiff } from './plan-diff.ts';
import { ConfigError } from './problem.ts';

/** Plan numbers are u32 in frames; a gateway that reloads every second gets there in 136 years. */
const PLAN_NUMBER_MAX = 0xffff_ffff;

export interface ReloaderOptions {
  /** In force now. */
  readonly plan: Plan;
  readonly slots: PlanSlots;
  /** Resolves when every shard works by the new plan; rejects if it is not taken. */
  readonly apply: (plan: Plan, diff: PlanDiff) => Promise<void>;
}

/** Makes the plan with this number, or throws a ConfigError. */
export type PlanSource = (number: number) => CompiledConfig;

export interface ReloadOutcome {
  readonly plan: Plan;
  readonly diff: PlanDiff;
  readonly notices: readonly string[];
}

export class Reloader {
  readonly #slots: PlanSlots;
  readonly #apply: ReloaderOptions['apply'];
  #plan: Plan;
  #lastNumber: number;
  #tail: Promise<unknown> = Promise.resolve();
  /** A reload from the same source that has not begun yet: a second wish for it is the same wish. */
  #waiting: { readonly source: PlanSource; readonly outcome: Promise<ReloadOutcome> } | null = null;

  constructor({ plan, slots, apply }: ReloaderOptions) {
    this.#plan = plan;
    this.#lastNumber = plan.number;
    this.#slots = slots;
    this.#apply = apply;
  }

  /** The plan in force. */
  get plan(): Plan {
    return this.#plan;
  }

  /**
   * Loads and applies. The source is asked when its turn comes, not before.
   *
   * @throws ConfigError if the settings have problems or change what needs a restart
   * @throws Error if a shard does not take the plan
   */
  reload(source: PlanSource): Promise<ReloadOutcome> {
    if (this.#waiting?.source === source) return this.#waiting.outcome;
    const outcome = this.#tail.then(() => {
      if (this.#waiting?.outcome === outcome) this.#waiting = null;
      return this.#reload(source);
    });
    this.#waiting = { source, outcome };
    this.#tail = outcome.catch(() => undefined);
    return outcome;
  }

  async #reload(source: PlanSource): Promise<ReloadOutcome> {
    // A number is never used twice, also when shards refused the plan that had it.
    this.#lastNumber = this.#lastNumber >= PLAN_NUMBER_MAX ? 1 : this.#lastNumber + 1;
    const { plan, notices } = source(this.#lastNumber);
    const diff = planDiff(this.#plan, plan);
    try {
      if (diff.refused.length > 0) throw refusal(diff);
      await this.#apply(plan, diff);
    } catch (error) {
      this.#slots.keepOnly(this.#plan);
      throw error;
    }
    this.#plan = plan;
    this.#slots.keepOnly(plan);
    return { plan, diff, notices };
  }
}

function refusal({ refused }: PlanDiff): ConfigError {
  const problems = refused.map((path) => ({
    path,
    message: 'cannot change while the gateway runs; restart it',
    line: null,
    column: null,
  }));
  return new ConfigError(null, problems);
}
