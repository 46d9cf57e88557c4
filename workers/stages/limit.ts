import { METHOD_UNKNOWN } from '../../src/protocol/methods.ts';
import type { Exchange } from '../exchange.ts';
import { NO_LIMITS } from '../policy/plan-limits.ts';
import type { AppliedLimits } from '../policy/plan-limits.ts';
import type { RateLimiter } from '../policy/rate-limiter.ts';
import type { Replier } from '../reply.ts';
import type { RequestView } from '../request-view.ts';
import { DONE, NEXT } from '../stage.ts';
import type { Stage, Verdict } from '../stage.ts';

/**
 * Takes the call's share of every limit that applies, or refuses and takes nothing. After `route`, as a
 * route brings its own limit, and after `authorize`, so that a forbidden call spends nothing; before
 * `serve`, as lists cost too. Budgets are in shared memory: ten shards still spend one.
 */
export function limit(view: RequestView, replier: Replier, limiter: RateLimiter): Stage {
  /** Only limits that name a method no revision has need the method's name. */
  function ofUnknownMethod(exchange: Exchange): AppliedLimits {
    const { limits } = exchange.plan;
    const { methodStart, methodEnd } = view.peek;
    const name = exchange.bytes.toString('latin1', methodStart, methodEnd);
    return limits.ofUnknownMethod(exchange.route, name);
  }

  return {
    name: 'limit',
    handle(exchange: Exchange): Verdict {
      const { plan, route, principal } = exchange;
      const { limits } = plan;
      if (limits.isEmpty) return NEXT;
      const { methodId } = view.peek;
      const byMethod = route === null ? limits.routeless : (route.limits ?? limits.ofRoute(route));
      const applied =
        methodId === METHOD_UNKNOWN && limits.namesUnknown
          ? ofUnknownMethod(exchange)
          : (byMethod[methodId] ?? NO_LIMITS);
      if (applied.rules.length === 0) return NEXT;
      const { bytes, peerFamily, peerStart } = view;
      if (limiter.tryTake(applied, route, principal, peerFamily, bytes, peerStart)) return NEXT;
      const { fault, detail, data, fields } = limiter.refusal(applied);
      replier.fault(exchange, fault, detail, data, fields);
      return DONE;
    },
  };
}
