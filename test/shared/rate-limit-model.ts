/**
 * What the limits shall do, in the plainest words: every call that was let through is remembered for
 * good, and sums are exact (integers beyond 2^53 as bigint).
 */
import type { RateLimitSettings } from '../../shared/rate-limit-rule.ts';

/** One key's budget. */
interface ModelBudget {
  /** Whole ms until it would be let through; 0: it would be now. */
  waitMs(nowMs: number): number;
  take(nowMs: number): void;
  isFull(nowMs: number): boolean;
}

/** Level in `windowMs`ths of a token; a millisecond adds `requests` of them. */
class ModelBucket implements ModelBudget {
  readonly #limit: RateLimitSettings;
  #level: bigint;
  #at = 0n;

  constructor(limit: RateLimitSettings) {
    this.#limit = limit;
    this.#level = this.#full();
  }

  #full(): bigint {
    return BigInt(this.#limit.burst) * BigInt(this.#limit.windowMs);
  }

  #levelAt(nowMs: number): bigint {
    const level = this.#level + (BigInt(nowMs) - this.#at) * BigInt(this.#limit.requests);
    const full = this.#full();
    return level > full ? full : level;
  }

  waitMs(nowMs: number): number {
    const missing = BigInt(this.#limit.windowMs) - this.#levelAt(nowMs);
    const perMs = BigInt(this.#limit.requests);
    return missing <= 0n ? 0 : Number((missing + perMs - 1n) / perMs);
  }

  take(nowMs: number): void {
    this.#level = this.#levelAt(nowMs) - BigInt(this.#limit.windowMs);
    this.#at = BigInt(nowMs);
  }

  isFull(nowMs: number): boolean {
    return this.#levelAt(nowMs) === this.#full();
  }
}

class ModelSliding implements ModelBudget {
  readonly #limit: RateLimitSettings;
  readonly #stamps: number[] = [];

  constructor(limit: RateLimitSettings) {
    this.#limit = limit;
  }

  waitMs(nowMs: number): number {
    const { requests, windowMs } = this.#limit;
    const inside = this.#stamps.filter((stamp) => nowMs - stamp < windowMs);
    return inside.length < requests ? 0 : inside[inside.length - requests]! + windowMs - nowMs;
  }

  take(nowMs: number): void {
    this.#stamps.push(nowMs);
  }

  isFull(nowMs: number): boolean {
    return this.#stamps.every((stamp) => nowMs - stamp >= this.#limit.windowMs);
  }
}

/** A window begins with the first call after the last one ended. */
class ModelFixed implements ModelBudget {
  readonly #limit: RateLimitSettings;
  #start = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(limit: RateLimitSettings) {
    this.#limit = limit;
  }

  waitMs(nowMs: number): number {
    const { requests, windowMs } = this.#limit;
    return this.isFull(nowMs) || this.#count < requests ? 0 : this.#start + windowMs - nowMs;
  }

  take(nowMs: number): void {
    if (this.isFull(nowMs)) {
      this.#start = nowMs;
      this.#count = 0;
    }
    this.#count += 1;
  }

  isFull(nowMs: number): boolean {
    return nowMs - this.#start >= this.#limit.windowMs;
  }
}

/** All limits of a gateway that forgets nobody. */
export class RateLimitModel {
  readonly #limits: readonly RateLimitSettings[];
  readonly #budgets = new Map<string, ModelBudget>();

  constructor(limits: readonly RateLimitSettings[]) {
    this.#limits = limits;
  }

  /** Index of the first limit that refuses and its wait, or null: all have been taken from. */
  take(client: number, tool: number, nowMs: number): { by: number; waitMs: number } | null {
    const budgets = this.#limits.map((limit) => this.#budget(limit, client, tool));
    for (const [by, budget] of budgets.entries()) {
      const waitMs = budget.waitMs(nowMs);
      if (waitMs > 0) return { by, waitMs };
    }
    for (const budget of budgets) budget.take(nowMs);
    return null;
  }

  #budget(limit: RateLimitSettings, client: number, tool: number): ModelBudget {
    const { per, slot } = limit;
    const ofClient = per === 'client' || per === 'client+tool' ? client : '-';
    const ofTool = per === 'tool' || per === 'client+tool' ? tool : '-';
    const name = `${slot} ${ofClient} ${ofTool}`;
    let budget = this.#budgets.get(name);
    if (budget === undefined) {
      budget = modelBudget(limit);
      this.#budgets.set(name, budget);
    }
    return budget;
  }
}

function modelBudget(limit: RateLimitSettings): ModelBudget {
  if (limit.algorithm === 'tokenBucket') return new ModelBucket(limit);
  return limit.algorithm === 'slidingWindow' ? new ModelSliding(limit) : new ModelFixed(limit);
}
