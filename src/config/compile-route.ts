/** The `routes` and `rateLimits` sections to the plan's, and what is wrong beyond their form. */
import type { Compilation } from './compilation.ts';
import { patternProblem } from './plan-pattern.ts';
import type {
  PlanArgumentRule,
  PlanDefaultRoute,
  PlanRateLimit,
  PlanRoute,
  PlanRouteAccess,
  PlanRouteKind,
} from './plan.ts';
import type { ConfigPath } from './problem.ts';
import type { Config } from './schema.ts';
import { SLIDING_REQUESTS_MAX, type RateLimitConfig } from './schema-limit.ts';
import type { ArgumentRuleConfig, RouteConfig } from './schema-route.ts';
import { suggest } from './suggestion.ts';

/** A limit before it has its slot. `key`: equal for equal settings in an equal place. */
export interface UnplacedLimit {
  readonly key: string;
  readonly limit: Omit<PlanRateLimit, 'slot'>;
}

export type UnplacedRoute = Omit<PlanRoute, 'rateLimit'> & {
  readonly rateLimit: UnplacedLimit | null;
};
export type UnplacedDefaultRoute = Omit<PlanDefaultRoute, 'rateLimit'> & {
  readonly rateLimit: UnplacedLimit | null;
};

export interface CompiledRoutes {
  /** In the order they are tried. */
  readonly routes: readonly UnplacedRoute[];
  readonly defaultRoute: UnplacedDefaultRoute | null;
}

const KINDS = ['tools', 'resources', 'prompts'] as const satisfies readonly PlanRouteKind[];

export function compileRoutes(config: Config, compilation: Compilation): CompiledRoutes {
  const names = Object.keys(config.upstreams);
  const routes: Omit<UnplacedRoute, 'index'>[] = [];
  let defaultRoute: UnplacedDefaultRoute | null = null;
  for (const [order, route] of (config.routes ?? []).entries()) {
    const path: ConfigPath = ['routes', order];
    const upstream = upstreamIndex(route.upstream, names, [...path, 'upstream'], compilation);
    const kinds = KINDS.filter((kind) => route[kind] !== undefined);
    if (kinds.length + (route.default === undefined ? 0 : 1) !== 1) {
      compilation.report(path, 'must have exactly one of tools, resources, prompts and default');
      continue;
    }
    const access = compileAccess(route, path, compilation);
    const [kind] = kinds;
    const rateLimit = compileRouteLimit(route, path, compilation);
    if (kind === undefined) {
      if (defaultRoute !== null) compilation.report(path, 'is a second default route');
      if (route.priority !== undefined)
        compilation.report(
          [...path, 'priority'],
          'means nothing on the default route, which comes last',
        );
      defaultRoute ??= { upstream, access, rateLimit };
      continue;
    }
    if (kind !== 'tools' && route.when !== undefined)
      compilation.report(
        [...path, 'when'],
        'is for tools only: nothing else has arguments to look at',
      );
    routes.push({
      kind,
      glob: route[kind] ?? '',
      upstream,
      priority: route.priority ?? 0,
      order,
      access,
      rateLimit,
    });
  }
  routes.sort((left, right) => right.priority - left.priority || left.order - right.order);
  reportUnreachable(routes, compilation);
  return { routes: routes.map((route, index) => ({ ...route, index })), defaultRoute };
}

/** Limits for all routes, in the order of the file. */
export function compileRateLimits(config: Config, compilation: Compilation): UnplacedLimit[] {
  return config.rateLimits.map((limit, index) =>
    compileLimit(limit, limit.match ?? null, 'all', ['rateLimits', index], compilation),
  );
}

/** Every scope without wildcard that a route asks for, sorted: what the metadata name by default. */
export function plainScopes(compiled: CompiledRoutes): string[] {
  const { routes, defaultRoute } = compiled;
  const scopes = [...routes, ...(defaultRoute === null ? [] : [defaultRoute])].flatMap(
    ({ access }) => access.requiredScopes,
  );
  return [...new Set(scopes.filter((scope) => !scope.includes('*')))].sort();
}

function upstreamIndex(
  name: string,
  names: readonly string[],
  path: ConfigPath,
  compilation: Compilation,
): number {
  const index = names.indexOf(name);
  if (
    index < 0 &&
    !compilation.isRemoved(['upstreams', name]) &&
    !compilation.isRemoved(['upstreams'])
  ) {
    const near = suggest(name, names);
    compilation.report(
      path,
      near === null ? 'names no upstream' : `names no upstream; did you mean "${near}"?`,
    );
  }
  return index;
}

/** One rule decides a name, so of two routes with one glob the later is never looked at. */
function reportUnreachable(
  routes: readonly Omit<UnplacedRoute, 'index'>[],
  compilation: Compilation,
): void {
  const seen = new Map<string, number>();
  for (const { kind, glob, order } of routes) {
    const key = `${kind} ${glob}`;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, order);
    else
      compilation.report(
        ['routes', order],
        `is never reached: ${compilation.name(['routes', first])} takes the same ${kind}`,
      );
  }
}

function compileAccess(
  route: RouteConfig,
  path: ConfigPath,
  compilation: Compilation,
): PlanRouteAccess {
  for (const [index, scope] of route.requiredScopes.entries()) {
    const problem = requiredScopeProblem(scope);
    if (problem !== null) compilation.report([...path, 'requiredScopes', index], problem);
  }
  const rules: PlanArgumentRule[] = [];
  const conditions = Object.entries(route.when?.arguments ?? {});
  if (route.when !== undefined && conditions.length === 0)
    compilation.report([...path, 'when'], 'must have at least one condition');
  if (route.default === true && route.when !== undefined)
    compilation.report([...path, 'when'], 'is for routes with tools');
  for (const [name, rule] of conditions) {
    const at = [...path, 'when', 'arguments', name];
    rules.push(...compileArgumentRules(name, rule, at, compilation));
  }
  return { requiredScopes: [...new Set(route.requiredScopes)], when: rules };
}

/** `*` and `**` stand for whole segments between colons. */
export function requiredScopeProblem(scope: string): string | null {
  const segments = scope.split(':');
  if (segments.some((segment) => segment === '')) return 'has an empty segment between colons';
  if (segments.some((segment) => segment.includes('*') && segment !== '*' && segment !== '**')) {
    return 'has a * within a segment; * and ** stand for whole segments between colons';
  }
  return null;
}

function compileArgumentRules(
  name: string,
  rule: ArgumentRuleConfig,
  at: ConfigPath,
  compilation: Compilation,
): PlanArgumentRule[] {
  const path = name.split('.');
  if (path.some((part) => part === '')) compilation.report(at, 'has an empty name between dots');
  const rules: PlanArgumentRule[] = [];
  if (rule.equals !== undefined) rules.push({ path, op: 'equals', value: rule.equals });
  if (rule.oneOf !== undefined) rules.push({ path, op: 'oneOf', values: rule.oneOf });
  if (rule.startsWith !== undefined)
    rules.push({ path, op: 'startsWith', prefix: rule.startsWith });
  if (rule.glob !== undefined) rules.push({ path, op: 'glob', glob: rule.glob });
  if (rule.pattern !== undefined) {
    const problem = patternProblem(rule.pattern);
    if (problem !== null) compilation.report([...at, 'pattern'], problem);
    rules.push({ path, op: 'pattern', pattern: rule.pattern });
  }
  if (rule.min !== undefined || rule.max !== undefined) {
    const { min = null, max = null } = rule;
    if (min !== null && max !== null && min > max)
      compilation.report([...at, 'max'], 'is below min');
    rules.push({ path, op: 'range', min, max });
  }
  if (rule.exists !== undefined) {
    if (!rule.exists && rules.length > 0)
      compilation.report([...at, 'exists'], 'is false, so the other conditions can never hold');
    rules.push({ path, op: 'exists', exists: rule.exists });
  }
  return rules;
}

function compileRouteLimit(
  route: RouteConfig,
  path: ConfigPath,
  compilation: Compilation,
): UnplacedLimit | null {
  if (route.rateLimit === undefined) return null;
  const { tools, resources, prompts, upstream } = route;
  const place = JSON.stringify({ tools, resources, prompts, upstream });
  return compileLimit(route.rateLimit, null, place, [...path, 'rateLimit'], compilation);
}

type LimitConfig = Omit<RateLimitConfig, 'match'>;

function compileLimit(
  config: LimitConfig,
  match: string | null,
  place: string,
  path: ConfigPath,
  compilation: Compilation,
): UnplacedLimit {
  const { per, algorithm, requests, windowSeconds, burst } = config;
  if (burst !== undefined && algorithm !== 'tokenBucket')
    compilation.report([...path, 'burst'], 'is for tokenBucket only');
  if (burst !== undefined && burst > requests)
    compilation.report([...path, 'burst'], 'must not exceed requests');
  if (algorithm === 'slidingWindow' && requests > SLIDING_REQUESTS_MAX) {
    compilation.report(
      [...path, 'requests'],
      `must be at most ${SLIDING_REQUESTS_MAX} for slidingWindow, which remembers every call; use tokenBucket or fixedWindow`,
    );
  }
  const methods = config.methods === undefined ? null : [...new Set(config.methods)].sort();
  const limit = {
    per,
    algorithm,
    requests,
    windowMs: windowSeconds * 1000,
    burst: burst ?? requests,
    match,
    methods,
  };
  return { key: `${place} ${JSON.stringify(limit)}`, limit };
}
