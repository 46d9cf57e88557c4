import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import { HEADER_WWW_AUTHENTICATE } from '../../shared/header-code.ts';
import { isUnambiguous } from '../../src/protocol/jsonrpc/unambiguous.ts';
import type { Exchange } from '../exchange.ts';
import { replyFields } from '../reply-fields.ts';
import type { Replier } from '../reply.ts';
import type { RequestView } from '../request-view.ts';
import { DONE, NEXT } from '../stage.ts';
import type { Stage, Verdict } from '../stage.ts';

/**
 * May this caller call what the route serves, with these arguments. After `route`; before `limit`, so
 * that a forbidden call spends nothing. Lists ask the same rules (`list-merge.ts`).
 */
export function authorize(view: RequestView, replier: Replier, counters: CounterBlock): Stage {
  function refuseScope(exchange: Exchange, index: number): Verdict {
    const { access, challenges } = exchange.plan;
    counters.add(COUNTERS.ACCESS_DENIED.id);
    const { principal, endpointIndex } = exchange;
    if (principal.isAnonymous) {
      const challenge = challenges.unauthorized(
        'UNAUTHENTICATED',
        endpointIndex,
        view.host(exchange),
      );
      replier.fault(
        exchange,
        'UNAUTHENTICATED',
        '',
        null,
        replyFields([[HEADER_WWW_AUTHENTICATE, challenge]]),
      );
      return DONE;
    }
    const missing = access.missingScopes(index, principal);
    const challenge = challenges.insufficientScope(missing, endpointIndex, view.host(exchange));
    const fields = replyFields([[HEADER_WWW_AUTHENTICATE, challenge]]);
    replier.fault(
      exchange,
      'SCOPE_INSUFFICIENT',
      missing.join(' '),
      JSON.stringify({ requiredScopes: missing }),
      fields,
    );
    return DONE;
  }

  return {
    name: 'authorize',
    handle(exchange: Exchange): Verdict {
      const { route, plan } = exchange;
      if (route === null) return NEXT;
      const index = plan.accessIndex(route);
      if (index < 0) return NEXT;
      if (!plan.access.mayList(index, exchange.principal)) return refuseScope(exchange, index);
      if (!plan.access.needsArguments(index)) return NEXT;
      const { argumentsStart: start, argumentsEnd: end } = view.peek;
      // The rule judges what JSON.parse reads; the upstream's parser must read the same.
      if (start >= 0 && !isUnambiguous(exchange.bytes, start, end)) {
        replier.fault(exchange, 'AMBIGUOUS_MEMBER', 'arguments');
        return DONE;
      }
      const args: unknown =
        start < 0 ? undefined : JSON.parse(exchange.bytes.toString('utf8', start, end));
      if (plan.access.allowsArguments(index, args)) return NEXT;
      counters.add(COUNTERS.ACCESS_DENIED.id);
      replier.fault(exchange, 'ARGUMENTS_REFUSED');
      return DONE;
    },
  };
}
