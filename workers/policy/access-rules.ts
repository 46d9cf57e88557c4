/**
 * Who may use a route. One rule decides both a call and the list: what a caller may not call it is
 * not shown. Conditions on arguments are known only in a call, so a list ignores them.
 *
 * Scopes are judged once per route and set of scopes, and the verdict is kept with the set; a check
 * is then two loads. What `*` and `**` mean on either side stands in `scope-set.ts`.
 *
 * Arguments are judged as parsed. The caller must forward the very value it parsed, written anew: of
 * two members with one name the check sees the last, and an upstream's parser may take the first.
 */
import type { FaultCode } from '../../shared/fault.ts';
import type { Plan, PlanRouteAccess } from '../../src/config/plan.ts';
import { ArgumentRules } from './argument-rules.ts';
import type { Principal } from './principal.ts';
import { ScopePattern } from './scope-set.ts';
import type { ScopeSet } from './scope-set.ts';

const ALLOWED = 1;
const REFUSED = 2;

interface CompiledAccess {
  readonly required: readonly ScopePattern[];
  readonly arguments: ArgumentRules;
}

export class AccessRules {
  readonly #accesses: readonly CompiledAccess[];

  /** @throws Error for rules that the check at load would not have let through */
  constructor(accesses: readonly PlanRouteAccess[]) {
    this.#accesses = accesses.map((access) => ({
      required: access.requiredScopes.map((scope) => new ScopePattern(scope)),
      arguments: new ArgumentRules(access.when),
    }));
  }

  /** Rules by `PlanRoute.index`; the default route, if there is one, comes after them. */
  static ofPlan(plan: Pick<Plan, 'routes' | 'defaultRoute'>): AccessRules {
    const accesses: PlanRouteAccess[] = [];
    for (const route of plan.routes) accesses[route.index] = route.access;
    if (plan.defaultRoute !== null) accesses.push(plan.defaultRoute.access);
    return new AccessRules(accesses);
  }

  /** Whether this caller may see what the route serves, and call it if its arguments are allowed. */
  mayList(route: number, principal: Principal): boolean {
    const { scopes } = principal;
    const ruling = scopes.ruling;
    if (ruling !== null && ruling.owner === this) {
      const verdict = ruling.verdicts[route];
      if (verdict === ALLOWED) return true;
      if (verdict === REFUSED) return false;
    }
    return this.#judge(route, scopes);
  }

  /**
   * Why this caller may not call the route, before its arguments are looked at; null: it may. A caller
   * without credentials is told to bring some.
   */
  fault(route: number, principal: Principal): FaultCode | null {
    if (this.mayList(route, principal)) return null;
    return principal.isAnonymous ? 'UNAUTHENTICATED' : 'SCOPE_INSUFFICIENT';
  }

  /**
   * True: before the call goes on, parse its arguments, ask `allowsArguments`, and forward what was
   * parsed written anew, not the client's bytes.
   */
  needsArguments(route: number): boolean {
    return !(this.#accesses[route]?.arguments.isEmpty ?? true);
  }

  /** @param args the parsed `params.arguments`; undefined: absent. False: ARGUMENTS_REFUSED. */
  allowsArguments(route: number, args: unknown): boolean {
    return this.#accesses[route]?.arguments.hold(args) ?? false;
  }

  /** Every required scope that is not granted, as the settings write it. For authenticated callers only. */
  missingScopes(route: number, principal: Principal): string[] {
    const required = this.#accesses[route]?.required ?? [];
    return required.filter((scope) => !principal.scopes.meets(scope)).map((scope) => scope.text);
  }

  #judge(route: number, scopes: ScopeSet): boolean {
    const access = this.#accesses[route];
    if (access === undefined) return false; // no such route: a bug elsewhere must not open a door
    let ruling = scopes.ruling;
    if (ruling === null || ruling.owner !== this) {
      ruling = { owner: this, verdicts: new Uint8Array(this.#accesses.length) };
      scopes.ruling = ruling;
    }
    const isAllowed = access.required.every((required) => scopes.meets(required));
    ruling.verdicts[route] = isAllowed ? ALLOWED : REFUSED;
    return isAllowed;
  }
}
