/**
 * Which rate limits apply to which calls, worked out once per route and method, so that a call finds its
 * list by two loads.
 *
 * - A limit counts requests, but for initialize, ping and server/discover; `methods` narrows it.
 * - Limits by tool, and those with `match`, are for tools alone: a client may make up any number of
 *   URIs, and each would be a budget of its own. A limit by tool that a route of prompts or resources
 *   brings counts all calls of that route together.
 * - `match` judges by the name on the aggregated endpoint, whichever endpoint was called.
 * - A route's own limit takes the place of the common ones with the same `per`, for calls it counts.
 *
 * Lists are in the order `RateLimitTable.take` wants: the widest first.
 */
import { LIMITS_PER_CALL_MAX } from '../../shared/rate-limit-desk.ts';
import { RateLimitRule } from '../../shared/rate-limit-rule.ts';
import { compileGlob } from '../../src/config/plan-glob.ts';
import type { Plan, PlanRateLimit, PlanRateLimitScope } from '../../src/config/plan.ts';
import {
  METHODS_COUNT,
  METHOD_DISCOVER,
  METHOD_INITIALIZE,
  METHOD_PING,
  METHOD_UNKNOWN,
  methodFromName,
} from '../../src/protocol/methods.ts';
import { NAME_TOOL, ROUTE_DEFAULT } from '../routing/name-route.ts';
import type { NameRoute } from '../routing/name-route.ts';

/** The limits of one kind of call. `rules[i]` was made from `limits[i]`. */
export interface AppliedLimits {
  readonly rules: readonly RateLimitRule[];
  readonly limits: readonly PlanRateLimit[];
}

/** By method number. */
export type LimitsByMethod = readonly AppliedLimits[];

const WIDTH: Readonly<Record<PlanRateLimitScope, number>> = {
  global: 0,
  tool: 1,
  client: 2,
  'client+tool': 3,
};
const UNCOUNTED: readonly number[] = [METHOD_INITIALIZE, METHOD_PING, METHOD_DISCOVER];

class CompiledLimit {
  readonly limit: PlanRateLimit;
  readonly rule: RateLimitRule;
  readonly isMatch: ((name: string) => boolean) | null;
  readonly isForTools: boolean;

  constructor(limit: PlanRateLimit) {
    this.limit = limit;
    this.rule = new RateLimitRule(limit);
    this.isMatch = limit.match === null ? null : compileGlob(limit.match);
    this.isForTools = limit.match !== null || this.rule.usesTool;
  }

  counts(methodId: number, name: string): boolean {
    const { methods } = this.limit;
    if (UNCOUNTED.includes(methodId)) return false;
    if (methods === null) return true;
    return methods.some((method) => {
      const id = methodFromName(method);
      return id === METHOD_UNKNOWN
        ? methodId === METHOD_UNKNOWN && method === name
        : id === methodId;
    });
  }
}

export class PlanLimits {
  /** No call is limited. */
  readonly isEmpty: boolean;
  /** Some limit names a method that no revision has, so unknown methods are judged by their name. */
  readonly namesUnknown: boolean;
  readonly #plan: Plan;
  readonly #common: readonly CompiledLimit[];
  readonly #own = new Map<PlanRateLimit, CompiledLimit>();
  /** One object for all calls that the same limits apply to: who works on it sees that it did before. */
  readonly #shared: AppliedLimits[] = [];
  readonly #exposedName: (route: NameRoute) => string;
  /** For calls that go to no route. */
  readonly routeless: LimitsByMethod;

  /** @param exposedName what the aggregated endpoint calls a route's tool */
  constructor(plan: Plan, exposedName: (route: NameRoute) => string) {
    this.#plan = plan;
    this.#exposedName = exposedName;
    this.#common = plan.rateLimits.map((limit) => new CompiledLimit(limit));
    const own = [...plan.routes, ...(plan.defaultRoute === null ? [] : [plan.defaultRoute])];
    for (const { rateLimit } of own) {
      if (rateLimit !== null) this.#own.set(rateLimit, new CompiledLimit(rateLimit));
    }
    const all = [...this.#common, ...this.#own.values()];
    this.isEmpty = all.length === 0;
    this.namesUnknown = all.some(
      ({ limit }) =>
        limit.methods?.some((name) => methodFromName(name) === METHOD_UNKNOWN) ?? false,
    );
    this.routeless = this.#byMethod(null);
  }

  /** The lists of a route, kept with it: a route object belongs to one plan. */
  ofRoute(route: NameRoute): LimitsByMethod {
    route.limits ??= this.#byMethod(route);
    return route.limits;
  }

  /** The list for a method that no revision has. */
  ofUnknownMethod(route: NameRoute | null, name: string): AppliedLimits {
    return this.#applied(route, METHOD_UNKNOWN, name);
  }

  #byMethod(route: NameRoute | null): LimitsByMethod {
    return Array.from({ length: METHODS_COUNT }, (_, methodId) =>
      this.#applied(route, methodId, ''),
    );
  }

  #applied(route: NameRoute | null, methodId: number, name: string): AppliedLimits {
    const own = this.#ownLimit(route);
    const isOwnCounted = own !== null && own.counts(methodId, name);
    const chosen = this.#common.filter(
      (compiled) =>
        compiled.counts(methodId, name) &&
        !(isOwnCounted && own.limit.per === compiled.limit.per) &&
        this.#isFor(compiled, route),
    );
    if (isOwnCounted) chosen.push(own);
    if (chosen.length === 0) return NO_LIMITS;
    if (chosen.length > LIMITS_PER_CALL_MAX) throw new Error('rate limits: too many for one call');
    chosen.sort((a, b) => WIDTH[a.limit.per] - WIDTH[b.limit.per]);
    const known = this.#shared.find(
      ({ rules }) =>
        rules.length === chosen.length &&
        rules.every((rule, index) => rule === chosen[index]!.rule),
    );
    if (known !== undefined) return known;
    const applied = {
      rules: chosen.map(({ rule }) => rule),
      limits: chosen.map(({ limit }) => limit),
    };
    this.#shared.push(applied);
    return applied;
  }

  #isFor(compiled: CompiledLimit, route: NameRoute | null): boolean {
    if (!compiled.isForTools) return true;
    if (route === null || route.kind !== NAME_TOOL) return false;
    return compiled.isMatch === null || compiled.isMatch(this.#exposedName(route));
  }

  #ownLimit(route: NameRoute | null): CompiledLimit | null {
    if (route === null) return null;
    const plan = this.#plan;
    const limit =
      route.routeIndex === ROUTE_DEFAULT
        ? plan.defaultRoute?.rateLimit
        : plan.routes[route.routeIndex]?.rateLimit;
    return limit === null || limit === undefined ? null : (this.#own.get(limit) ?? null);
  }
}

export const NO_LIMITS: AppliedLimits = { rules: [], limits: [] };
