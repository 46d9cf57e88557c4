import type { Plan } from '../src/config/plan.ts';
import { ShardPlan } from './shard-plan.ts';
import type { ShardPlanDeps } from './shard-plan.ts';

/** The plans that exchanges may name: the current one, and older ones until the edge says they are over. */
export class PlanShelf {
  readonly #deps: ShardPlanDeps;
  readonly #byNumber = new Map<number, ShardPlan>();
  current: ShardPlan;

  constructor(first: Plan, deps: ShardPlanDeps) {
    this.#deps = deps;
    this.current = new ShardPlan(first, deps);
    this.#byNumber.set(first.number, this.current);
  }

  /** @throws Error if the plan cannot be compiled here */
  add(plan: Plan): void {
    this.current = new ShardPlan(plan, this.#deps);
    this.#byNumber.set(plan.number, this.current);
  }

  /** Another shard could not take this plan: back to the newest of the others. */
  drop(number: number): void {
    const dropped = this.#byNumber.get(number);
    if (dropped === undefined || this.#byNumber.size === 1) return;
    this.#byNumber.delete(number);
    const newest = Math.max(...this.#byNumber.keys());
    this.current = this.#byNumber.get(newest) as ShardPlan;
    dropped.close();
  }

  find(number: number): ShardPlan {
    const { current } = this;
    if (current.plan.number === number) return current;
    return this.#byNumber.get(number) ?? current;
  }

  /** No new exchange names a plan before this one. Those that run keep theirs by reference. */
  retire(before: number): void {
    for (const [number, plan] of this.#byNumber) {
      if (number >= before) continue;
      this.#byNumber.delete(number);
      plan.close();
    }
  }
}
