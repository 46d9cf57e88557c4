import { HEADER_RETRY_AFTER, HEADER_WWW_AUTHENTICATE } from '../../shared/header-code.ts';
import type { Clock } from '../../shared/clock.ts';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import type { Exchange } from '../exchange.ts';
import { AUTH_OK, AUTH_PENDING } from '../policy/auth-verdict.ts';
import type { AuthRefusal } from '../policy/auth-verdict.ts';
import { replyFields } from '../reply-fields.ts';
import type { ReplyField } from '../reply-fields.ts';
import type { Replier } from '../reply.ts';
import type { RequestView } from '../request-view.ts';
import { DONE, NEXT, WAIT } from '../stage.ts';
import type { Stage, Verdict } from '../stage.ts';

/** Goes on after this stage with the principal that was found meanwhile. */
export type ResumeAfter = (exchange: Exchange) => void;

/**
 * Who calls. First of all, before a byte of the body is looked at: a stranger's body is not worth
 * parsing, and from here on a refusal has a name on it.
 */
export function authenticate(
  view: RequestView,
  replier: Replier,
  clock: Clock,
  counters: CounterBlock,
  resumeAfter: ResumeAfter,
): Stage {
  function refuse(exchange: Exchange, refusal: AuthRefusal): void {
    const fields: ReplyField[] = [];
    if (refusal.fault === 'UNAUTHENTICATED' || refusal.fault === 'CREDENTIAL_INVALID') {
      const { challenges } = exchange.plan;
      const challenge = challenges.unauthorized(
        refusal.fault,
        exchange.endpointIndex,
        view.host(exchange),
      );
      fields.push([HEADER_WWW_AUTHENTICATE, challenge]);
    }
    if (refusal.retryAfterMs > 0) {
      fields.push([HEADER_RETRY_AFTER, String(Math.ceil(refusal.retryAfterMs / 1000))]);
    }
    counters.add(COUNTERS.AUTH_REFUSED.id);
    replier.fault(exchange, refusal.fault, '', null, replyFields(fields));
  }

  return {
    name: 'authenticate',
    handle(exchange: Exchange): Verdict {
      const { authenticator, credentialHeaders } = exchange.plan;
      view.credentialHeaders = credentialHeaders;
      const verdict = authenticator.authenticate(view.bytes, view, clock.wallMs());
      if (verdict.kind === AUTH_OK) {
        exchange.principal = verdict;
        return NEXT;
      }
      if (verdict.kind !== AUTH_PENDING) {
        refuse(exchange, verdict);
        return DONE;
      }
      exchange.retain();
      const { number } = exchange;
      verdict.whenReady((late) => {
        // The exchange may have ended meanwhile, and its object may serve another.
        if (exchange.number !== number) return;
        if (late.kind === AUTH_OK) {
          exchange.principal = late;
          resumeAfter(exchange);
        } else refuse(exchange, late);
      });
      return WAIT;
    },
  };
}
