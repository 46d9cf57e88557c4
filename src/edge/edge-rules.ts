/** What the acceptor needs of a plan, compiled once per plan. */
import { readU32 } from '../../shared/little-endian.ts';
import type { Plan, PlanAddressRange } from '../config/plan.ts';
import { ResourceMetadata } from '../config/plan-resource-metadata.ts';
import { OriginRules } from './origin-rules.ts';

const PLAN_NUMBER_OFFSET = 4;

export class EdgeRules {
  readonly planNumber: number;
  readonly bodyBytesMax: number;
  readonly askedHeaders: readonly string[];
  readonly trustedProxies: readonly PlanAddressRange[];
  /** Whether a shard could ask for the client's address. */
  readonly needsAddress: boolean;
  readonly #origins: OriginRules;
  readonly #mainPath: string;
  readonly #endpoints: ReadonlyMap<string, number>;
  readonly #metadata: ResourceMetadata;

  constructor(plan: Plan) {
    this.planNumber = plan.number;
    this.bodyBytesMax = plan.limits.bodyBytesMax;
    this.askedHeaders = plan.askedHeaders;
    this.trustedProxies = plan.trustedProxies;
    this.needsAddress = needsAddress(plan);
    this.#origins = new OriginRules({
      listenHost: plan.listen.host,
      isLoopback: plan.listen.loopback,
      allowedHosts: plan.allowedHosts,
      allowedOrigins: plan.allowedOrigins,
      publicUrl: plan.publicUrl,
    });
    this.#mainPath = plan.endpoints[0]?.path ?? '';
    this.#metadata = new ResourceMetadata(plan);
    this.#endpoints = new Map(plan.endpoints.map((endpoint) => [endpoint.path, endpoint.index]));
  }

  /** Index of the endpoint at this path, or -1. */
  endpointAt(path: string): number {
    // Most requests are for the first; comparing is cheaper than hashing a fresh string.
    if (path === this.#mainPath) return 0;
    return this.#endpoints.get(path) ?? -1;
  }

  /** The protected resource metadata at this path (RFC 9728 §3), or null. */
  resourceMetadata(path: string, host: string): Buffer | null {
    return this.#metadata.find(path, host === '' ? null : host);
  }

  /** Whether an encoded open head was made under this plan. */
  isCurrent(head: Uint8Array): boolean {
    return readU32(head, PLAN_NUMBER_OFFSET) === this.planNumber;
  }

  isHostAllowed(host: string): boolean {
    return this.#origins.isHostAllowed(host);
  }

  isOriginAllowed(origin: string): boolean {
    return this.#origins.isOriginAllowed(origin);
  }
}

/** A shard looks at addresses to limit callers without a name and to count wrong credentials. */
function needsAddress(plan: Plan): boolean {
  return plan.auth.mode === 'methods' || hasLimits(plan);
}

function hasLimits(plan: Plan): boolean {
  const { rateLimits, routes, defaultRoute } = plan;
  if (rateLimits.length > 0) return true;
  if (defaultRoute !== null && defaultRoute.rateLimit !== null) return true;
  return routes.some((route) => route.rateLimit !== null);
}
