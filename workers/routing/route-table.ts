import type { FaultCode } from '../../shared/fault.ts';
import { compileGlob } from '../../src/config/plan-glob.ts';
import type { Plan, PlanEndpoint, PlanRouteKind, PlanUpstream } from '../../src/config/plan.ts';
import type { Catalog } from '../upstream/catalog.ts';
import {
  NAME_PROMPT,
  NAME_RESOURCE,
  NAME_TOOL,
  NameRoute,
  ROUTE_DEFAULT,
  ROUTE_IMPLICIT,
} from './name-route.ts';
import type { NameKind } from './name-route.ts';
import { ToolNames } from './tool-names.ts';
import { UriTemplate } from './uri-template.ts';

/** The answer depends on a list that has not been loaded: wait for the lists, then ask again. */
export const NEEDS_LISTS = 'NEEDS_LISTS';

interface CompiledRoute {
  readonly index: number;
  readonly upstream: number;
  readonly isMatch: (name: string) => boolean;
}

/** Where catalogs come from; they belong to the shard's upstreams and outlive plans. */
export type CatalogSource = (slot: number) => Catalog | null;

/**
 * From an exposed name or URI to an upstream: explicit routes by priority and order, then the default
 * route; without any routes, every upstream serves what it lists. Calls and lists ask the same
 * function, so what is listed is what can be called. Off the hot path: the pipeline caches answers.
 */
export class RouteTable {
  readonly #plan: Plan;
  readonly #catalogs: CatalogSource;
  readonly #routes: Record<PlanRouteKind, readonly CompiledRoute[]>;
  readonly #names: readonly ToolNames[];
  readonly #templates = new Map<string, UriTemplate>();

  constructor(plan: Plan, catalogs: CatalogSource) {
    this.#plan = plan;
    this.#catalogs = catalogs;
    const compile = (kind: PlanRouteKind): CompiledRoute[] =>
      plan.routes
        .filter((route) => route.kind === kind)
        .map(({ index, upstream, glob }) => ({
          index,
          upstream,
          isMatch: compileGlob(glob),
        }));
    this.#routes = {
      tools: compile('tools'),
      resources: compile('resources'),
      prompts: compile('prompts'),
    };
    this.#names = plan.upstreams.map((upstream) => new ToolNames(plan.names, upstream));
  }

  /** What clients of this endpoint call an upstream's tool or prompt. */
  exposedName(endpoint: PlanEndpoint, upstream: PlanUpstream, kind: NameKind, own: string): string {
    if (endpoint.upstream !== null || kind === NAME_RESOURCE) return own;
    const names = this.#names[upstream.index] as ToolNames;
    return names.exposed(kind === NAME_TOOL ? 'tools' : 'prompts', own);
  }

  /**
   * Where a name goes.
   * @returns the route, a fault for names that go nowhere, or NEEDS_LISTS
   */
  resolve(
    endpoint: PlanEndpoint,
    kind: NameKind,
    name: string,
  ): NameRoute | FaultCode | typeof NEEDS_LISTS {
    if (endpoint.upstream !== null) {
      const upstream = this.#plan.upstreams[endpoint.upstream] as PlanUpstream;
      const routeIndex = this.#passThroughRoute(kind, upstream, name);
      if (routeIndex === null) return 'NAME_UNKNOWN';
      return new NameRoute(kind, upstream, routeIndex, name, name);
    }
    for (const route of this.#routes[routeKind(kind)]) {
      if (route.isMatch(name)) return this.#routeTo(kind, route.upstream, route.index, name);
    }
    const fallback = this.#plan.defaultRoute;
    if (fallback !== null) return this.#routeTo(kind, fallback.upstream, ROUTE_DEFAULT, name);
    if (this.#plan.routed) return 'NAME_UNKNOWN';
    if (kind === NAME_RESOURCE) return this.#resolveResource(name);
    return this.#plan.names.conflict === 'prefix'
      ? this.#resolvePrefixed(kind, name)
      : this.#resolveListed(kind, name);
  }

  /**
   * The route whose rules hold for a name on an upstream's own endpoint: judged by its exposed name.
   * Null: there are routes and none leads there, so it is not served on this endpoint either. Else
   * whoever may come in could call what no rule was written for.
   */
  #passThroughRoute(kind: NameKind, upstream: PlanUpstream, own: string): number | null {
    const aggregated = this.#plan.endpoints[0] as PlanEndpoint;
    const exposed = this.exposedName(aggregated, upstream, kind, own);
    for (const route of this.#routes[routeKind(kind)]) {
      if (route.upstream === upstream.index && route.isMatch(exposed)) return route.index;
    }
    if (this.#plan.defaultRoute?.upstream === upstream.index) return ROUTE_DEFAULT;
    return this.#plan.routed ? null : ROUTE_IMPLICIT;
  }

  #routeTo(kind: NameKind, index: number, routeIndex: number, name: string): NameRoute | FaultCode {
    const upstream = this.#plan.upstreams[index] as PlanUpstream;
    const own = this.#ownName(kind, index, name);
    return own === null ? 'NAME_UNKNOWN' : new NameRoute(kind, upstream, routeIndex, name, own);
  }

  #ownName(kind: NameKind, index: number, name: string): string | null {
    if (kind === NAME_RESOURCE) return name;
    return (this.#names[index] as ToolNames).own(kind === NAME_TOOL ? 'tools' : 'prompts', name);
  }

  #resolvePrefixed(kind: NameKind, name: string): NameRoute | FaultCode {
    let best = -1;
    let bestLength = -1;
    this.#names.forEach((names, index) => {
      if (names.mayOwn(name) && names.prefixLength > bestLength) {
        best = index;
        bestLength = names.prefixLength;
      }
    });
    return best < 0 ? 'NAME_UNKNOWN' : this.#routeTo(kind, best, ROUTE_IMPLICIT, name);
  }

  /** Names as they are: who lists it has it. */
  #resolveListed(kind: NameKind, name: string): NameRoute | FaultCode | typeof NEEDS_LISTS {
    const list = kind === NAME_TOOL ? 'tools' : 'prompts';
    let best: NameRoute | null = null;
    let isWaiting = false;
    for (const upstream of this.#plan.upstreams) {
      const catalog = this.#catalogs(upstream.slot);
      if (catalog === null || !catalog.isLoaded(list)) {
        isWaiting = true;
        continue;
      }
      const own = this.#ownName(kind, upstream.index, name);
      if (own === null || !catalog.list(list).byKey.has(own)) continue;
      if (best !== null && this.#plan.names.conflict !== 'priority') return 'NAME_AMBIGUOUS';
      if (best === null || upstream.priority > best.upstream.priority) {
        best = new NameRoute(kind, upstream, ROUTE_IMPLICIT, name, own);
      }
    }
    // With priority, a list that is still missing could hold the same name with more right to it; what
    // is known serves nevertheless: one slow upstream must not hold up the others' calls.
    if (best !== null) return best;
    return isWaiting ? NEEDS_LISTS : 'NAME_UNKNOWN';
  }

  #resolveResource(uri: string): NameRoute | FaultCode | typeof NEEDS_LISTS {
    let isWaiting = false;
    let byTemplate: PlanUpstream | null = null;
    for (const upstream of this.#plan.upstreams) {
      const catalog = this.#catalogs(upstream.slot);
      if (catalog === null || !catalog.isLoaded('resources') || !catalog.isLoaded('templates')) {
        isWaiting = true;
        continue;
      }
      if (catalog.list('resources').byKey.has(uri)) {
        return new NameRoute(NAME_RESOURCE, upstream, ROUTE_IMPLICIT, uri, uri);
      }
      if (byTemplate !== null) continue;
      for (const item of catalog.list('templates').items) {
        // A template as such is what completion asks about (`ref/resource`).
        if (item.key === uri || this.#template(item.key).matches(uri)) {
          byTemplate = upstream;
          break;
        }
      }
    }
    if (byTemplate !== null)
      return new NameRoute(NAME_RESOURCE, byTemplate, ROUTE_IMPLICIT, uri, uri);
    return isWaiting ? NEEDS_LISTS : 'RESOURCE_NOT_FOUND';
  }

  #template(text: string): UriTemplate {
    let template = this.#templates.get(text);
    if (template === undefined) {
      template = new UriTemplate(text);
      if (this.#templates.size >= TEMPLATES_MAX) this.#templates.clear();
      this.#templates.set(text, template);
    }
    return template;
  }
}

/** Compiled templates kept; they are cheap to compile again. */
const TEMPLATES_MAX = 4096;

function routeKind(kind: NameKind): PlanRouteKind {
  if (kind === NAME_TOOL) return 'tools';
  return kind === NAME_PROMPT ? 'prompts' : 'resources';
}
