import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import { FAULTS } from '../../shared/fault.ts';
import type { FaultCode } from '../../shared/fault.ts';
import type { InflightTable } from '../../shared/inflight-table.ts';
import { ERA_LEGACY, ERA_MODERN } from '../../src/protocol/eras/era.ts';
import { METHODS, METHOD_TOOLS_CALL } from '../../src/protocol/methods.ts';
import type { Exchange } from '../exchange.ts';
import type { Mirroring, MirroringProblem } from '../mirroring.ts';
import { PendingCredential } from '../policy/upstream-credentials.ts';
import type { Replier } from '../reply.ts';
import type { NameRoute } from '../routing/name-route.ts';
import type { RequestView } from '../request-view.ts';
import type { Settle } from '../settle.ts';
import { DONE, WAIT } from '../stage.ts';
import type { Stage, Verdict } from '../stage.ts';
import { Outgoing } from '../upstream/outgoing.ts';
import { bareEnvelope } from '../upstream/own-identity.ts';
import { PREPARING, READY } from '../upstream/upstream.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { UpstreamSet } from '../upstream/upstream-set.ts';

/** What `call` needs of the shard. */
export interface CallParts {
  readonly view: RequestView;
  readonly replier: Replier;
  readonly upstreams: UpstreamSet;
  readonly settle: Settle;
  readonly counters: CounterBlock;
  readonly inflight: InflightTable;
  readonly mirroring: Mirroring;
  /** Goes on at this stage. */
  resume(exchange: Exchange): void;
  fail(exchange: Exchange, code: 'UPSTREAM_AUTH' | 'BUSY', detail: string): void;
}

/**
 * Sends the message to its upstream, in the upstream's era, under an id of ours. Last: the exchange is
 * parked until the upstream answers (`settle.ts`).
 */
export class Call implements Stage {
  readonly name = 'call';
  readonly #parts: CallParts;
  readonly #outgoing = new Outgoing();

  constructor(parts: CallParts) {
    this.#parts = parts;
  }

  handle(exchange: Exchange): Verdict {
    const { upstreams, view } = this.#parts;
    const { route } = exchange;
    if (route === null) return this.#refuse(exchange, 'METHOD_NOT_FOUND', 'no route');
    const upstream = upstreams.get(route.slot);
    if (upstream === null) {
      return this.#refuse(exchange, 'UPSTREAM_REFUSED', 'upstream was removed');
    }
    const readiness = upstream.prepare(exchange);
    if (readiness === PREPARING) return WAIT;
    if (readiness !== READY) return this.#refuse(exchange, readiness, upstream.downReason);
    if (!isServed(upstream, view.peek.methodId)) {
      return this.#refuse(exchange, 'METHOD_NOT_FOUND', 'capability');
    }
    return this.#fill(exchange, route, upstream) ?? this.#send(exchange, upstream);
  }

  /** Makes the outgoing message; a verdict where it cannot be made (now). */
  #fill(exchange: Exchange, route: NameRoute, upstream: Upstream): Verdict | null {
    const outgoing = this.#outgoing;
    const { view, mirroring, counters } = this.#parts;
    const record = view.peek;
    const era = upstream.description?.era ?? ERA_LEGACY;
    outgoing.of(exchange, record, route, era);
    outgoing.timeoutMs = upstream.plan.requestTimeoutMs;
    if (record.methodId === METHOD_TOOLS_CALL) {
      const problem = mirroring.apply(exchange, view, upstream, route, era, outgoing);
      if (problem !== null) return this.#refuseMirrored(exchange, problem);
    }
    if (era !== exchange.era) counters.add(COUNTERS.BRIDGED.id);
    // Nothing can be asked of the client in the course of a bridged call, so nothing is declared.
    if (era === ERA_MODERN && exchange.era !== ERA_MODERN) outgoing.envelope = bareEnvelope();
    exchange.isModernUpstream = era === ERA_MODERN;
    const { credentials } = exchange.plan;
    const credential = credentials.headerFor(route.upstream.index, exchange.principal);
    if (credential instanceof PendingCredential) return this.#wait(exchange, credential);
    if (typeof credential === 'string') {
      return this.#refuse(exchange, credential, 'upstream credential');
    }
    outgoing.credential = credential;
    return null;
  }

  #send(exchange: Exchange, upstream: Upstream): Verdict {
    const { inflight } = this.#parts;
    if (inflight.glance(upstream.slot) >= exchange.plan.plan.limits.upstreamCallsMax) {
      return this.#refuse(exchange, 'BUSY', 'upstreamCallsMax');
    }
    const made = upstream.call(this.#outgoing, this.#parts.settle);
    if (made === null) return this.#refuse(exchange, 'BUSY', 'no room at the upstream');
    exchange.call = made;
    if (exchange.session !== null) exchange.session.enter(exchange);
    return WAIT;
  }

  #wait(exchange: Exchange, pending: PendingCredential): Verdict {
    exchange.retain();
    const { number } = exchange;
    pending.whenReady((header) => {
      if (exchange.number !== number) return;
      if (typeof header === 'string') this.#parts.fail(exchange, header, 'upstream credential');
      else this.#parts.resume(exchange);
    });
    return WAIT;
  }

  #refuse(exchange: Exchange, code: FaultCode, detail: string): Verdict {
    this.#parts.replier.fault(exchange, code, detail);
    return DONE;
  }

  #refuseMirrored(exchange: Exchange, problem: MirroringProblem): Verdict {
    const { fault, message, data } = problem;
    const text = `${FAULTS[fault].message}: ${message}`;
    this.#parts.replier.fault(exchange, fault, message, data, null, text);
    return DONE;
  }
}

/** A method that the upstream did not advertise is unknown there (2026-07-28, discovery). */
function isServed(upstream: Upstream, methodId: number): boolean {
  const needed = METHODS[methodId]?.capability ?? 0;
  return needed === 0 || ((upstream.description?.capabilities ?? 0) & needed) === needed;
}
