import type { Plan, PlanEndpoint, PlanUpstream } from '../src/config/plan.ts';
import { AccessRules } from './policy/access-rules.ts';
import { Authenticator } from './policy/authenticator.ts';
import type { AuthenticatorDeps } from './policy/authenticator.ts';
import { Challenges } from './policy/challenge.ts';
import { PlanLimits } from './policy/plan-limits.ts';
import type { Principal } from './policy/principal.ts';
import { UpstreamCredentials } from './policy/upstream-credentials.ts';
import type { CredentialVerdict, UpstreamCredentialsDeps } from './policy/upstream-credentials.ts';
import { ByteMap } from './routing/byte-map.ts';
import { ROUTE_DEFAULT, ROUTE_IMPLICIT } from './routing/name-route.ts';
import type { NameRoute } from './routing/name-route.ts';
import { RouteTable } from './routing/route-table.ts';
import type { CatalogSource } from './routing/route-table.ts';

/** Names whose route is remembered; a flood of others empties the memory, never grows it. */
const REMEMBERED_ROUTES_MAX = 4096;

/** What a plan's parts need of their shard. */
export interface ShardPlanDeps {
  readonly authenticator: AuthenticatorDeps;
  readonly credentials: UpstreamCredentialsDeps;
  readonly catalogs: CatalogSource;
}

/** A plan as compiled on one shard. An exchange keeps the one it began with. */
export class ShardPlan {
  readonly plan: Plan;
  readonly routes: RouteTable;
  readonly remembered: ByteMap<NameRoute>;
  readonly authenticator: Authenticator;
  readonly credentialHeaders: readonly Buffer[];
  readonly access: AccessRules;
  /** Any route asks for scopes: lists depend on who asks. */
  readonly hasAccessRules: boolean;
  readonly limits: PlanLimits;
  readonly challenges: Challenges;
  readonly credentials: UpstreamCredentials;
  /** Exchanges that began under it and have not ended. */
  uses = 0;

  /** @throws Error for keys or rules that cannot be used here; the plan is then refused */
  constructor(plan: Plan, deps: ShardPlanDeps) {
    this.plan = plan;
    this.routes = new RouteTable(plan, deps.catalogs);
    this.remembered = new ByteMap(REMEMBERED_ROUTES_MAX);
    this.access = AccessRules.ofPlan(plan);
    this.hasAccessRules =
      plan.routes.some(({ access }) => access.requiredScopes.length > 0) ||
      (plan.defaultRoute?.access.requiredScopes.length ?? 0) > 0;
    this.limits = new PlanLimits(plan, ({ upstream, kind, own }) =>
      this.routes.exposedName(this.endpoint(0), upstream, kind, own),
    );
    this.challenges = new Challenges(plan);
    this.credentials = new UpstreamCredentials(plan, deps.credentials);
    // Last: it takes references to key sets, which a plan that fails here must not hold.
    this.authenticator = new Authenticator(plan.auth, deps.authenticator);
    this.credentialHeaders = this.authenticator.headers.map((name) => Buffer.from(name, 'latin1'));
  }

  endpoint(index: number): PlanEndpoint {
    return (this.plan.endpoints[index] ?? this.plan.endpoints[0]) as PlanEndpoint;
  }

  /** Rules that hold for a route: an index into `access`; -1 where there are none. */
  accessIndex(route: NameRoute): number {
    if (route.routeIndex === ROUTE_IMPLICIT) return -1;
    return route.routeIndex === ROUTE_DEFAULT ? this.plan.routes.length : route.routeIndex;
  }

  /** Whether this caller may see and use what the route serves. */
  mayUse(route: NameRoute, principal: Principal): boolean {
    const index = this.accessIndex(route);
    return index < 0 || this.access.mayList(index, principal);
  }

  /**
   * The credential for an upstream that may have been opened under an earlier plan.
   * @param principal null: for a message of the gateway's own
   */
  credentialFor(upstream: PlanUpstream, principal: Principal | null): CredentialVerdict {
    const index = this.#indexOf(upstream);
    return index < 0 ? 'UPSTREAM_AUTH' : this.credentials.headerFor(index, principal);
  }

  /** The upstream refused that credential. */
  renewCredential(upstream: PlanUpstream, principal: Principal | null): void {
    this.credentials.invalidate(this.#indexOf(upstream), principal);
  }

  /** -1: it is not in this plan, or is another one under the same name, whose credential it must not get. */
  #indexOf({ slot, configHash }: PlanUpstream): number {
    return this.plan.upstreams.findIndex(
      (upstream) => upstream.slot === slot && upstream.configHash === configHash,
    );
  }

  close(): void {
    this.authenticator.close();
    this.credentials.close();
  }
}
