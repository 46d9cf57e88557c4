/**
 * The plan: the settings after every check, as plain data that can be posted to a thread. Built by
 * `compile.ts` and nowhere else. What always holds:
 *
 * - It never changes. A reload makes a new plan with the next `number`.
 * - It refers by index (`plan.upstreams[route.upstream]`), never by name.
 * - A `slot` is a place in shared memory. It follows a name over reloads: equal name, equal slot, and
 *   the slot of a name that is gone is given away last, and only after every shard took a plan without it.
 * - All times are milliseconds, all sizes bytes, all header names lower case.
 * - Tokens and API keys are there as SHA-256 only. The other secrets (JWT secrets, client secrets,
 *   environment values, header values) are in clear: log a plan through `redactPlan` only.
 *
 * It has types only, so that shards import it at no cost.
 */
import type { PlanAuth, PlanRouteAccess, PlanUpstreamAuth } from './plan-auth.ts';

export type * from './plan-auth.ts';

export interface Plan {
  /** Counts from 1; each reload that is taken adds one. Travels in every OPEN frame (u32). */
  readonly number: number;
  readonly listen: PlanListen;
  /** Worker threads, 1 to SHARDS_MAX. Not reloadable. */
  readonly shards: number;
  /** Where clients reach the gateway's root (`/`), if not where it listens. */
  readonly publicUrl: PlanPublicUrl | null;
  /** Peers whose X-Forwarded-For counts. */
  readonly trustedProxies: readonly PlanAddressRange[];
  /** Values of `Host` to accept, lower case, `name` (any port), `name:port`, or the one entry `*`. null: not configured. */
  readonly allowedHosts: readonly string[] | null;
  /** Origins to accept (`scheme://host[:port]`, lower case), or the one entry `*`. null: not configured. */
  readonly allowedOrigins: readonly string[] | null;
  readonly admin: PlanAdmin | null;
  /** `endpoints[i].index === i`. The first is the aggregated one. */
  readonly endpoints: readonly PlanEndpoint[];
  /** `upstreams[i].index === i`. */
  readonly upstreams: readonly PlanUpstream[];
  readonly names: PlanNames;
  /** Sorted as they are tried: higher `priority` first, then lower `order`. Default routes are not in it. */
  readonly routes: readonly PlanRoute[];
  /** Where what no route matches goes; also its access rules and limit. null: a name that no route matches is unknown. */
  readonly defaultRoute: PlanDefaultRoute | null;
  /** false: no `routes` at all were configured, every upstream serves what it lists. */
  readonly routed: boolean;
  readonly timeouts: PlanTimeouts;
  readonly limits: PlanLimits;
  readonly auth: PlanAuth;
  /** Limits that hold for every route; routes bring their own in `rateLimit`. All that apply must pass. */
  readonly rateLimits: readonly PlanRateLimit[];
  /** Header names (lower case, sorted, distinct) beyond the known ones that a shard needs: those of API keys. */
  readonly askedHeaders: readonly string[];
  readonly log: PlanLog;
  readonly reload: PlanReload;
}

export interface PlanListen {
  readonly host: string;
  /** 0: the system picks. */
  readonly port: number;
  /** Starts with `/`, does not end with one. */
  readonly path: string;
  /** `host` is a loopback address or `localhost`. */
  readonly loopback: boolean;
  /** Which HTTP server accepts clients. */
  readonly server: 'auto' | 'lean' | 'uws' | 'node';
}

export interface PlanAdmin {
  readonly host: string;
  readonly port: number;
}

export interface PlanPublicUrl {
  /** Without a trailing slash, e.g. `https://mcp.example/edge`. */
  readonly href: string;
  /** e.g. `https://mcp.example`. */
  readonly origin: string;
  /** Host with the port if it is not the scheme's own, lower case. */
  readonly host: string;
  /** e.g. `/edge`; empty for none. */
  readonly path: string;
}

/** A range of addresses (RFC 4632, RFC 4291 §2.3). `bytes` is 4 or 16 numbers, host bits zero. */
export interface PlanAddressRange {
  readonly family: 4 | 6;
  readonly bytes: readonly number[];
  readonly prefixBits: number;
}

export interface PlanEndpoint {
  readonly index: number;
  /** Exact path, e.g. `/mcp` or `/mcp/math`. */
  readonly path: string;
  /** Upstream index that is passed through unrenamed; null: all upstreams as one. */
  readonly upstream: number | null;
}

export type PlanUpstream = PlanStdioUpstream | PlanHttpUpstream;

export interface PlanUpstreamBase {
  readonly index: number;
  /** Stable place in shared memory, below UPSTREAMS_MAX. */
  readonly slot: number;
  /** `[a-z0-9][a-z0-9_-]*`, at most 32 characters. */
  readonly name: string;
  readonly era: 'auto' | 'legacy' | 'modern';
  /** One call, from hand-over to the last byte of its answer. */
  readonly requestTimeoutMs: number;
  /** What an aggregated list waits for this upstream. */
  readonly listTimeoutMs: number;
  /** A message from this upstream that must be held whole. */
  readonly messageBytesMax: number;
  /** What stands before its exposed names where `names` asks for a prefix; without the separator. */
  readonly prefix: string;
  /** Exposed name for an upstream's own name, before prefixing. */
  readonly rename: PlanRename;
  /** For `names.conflict: priority`: the higher one keeps the name; then the earlier upstream. */
  readonly priority: number;
  /** Which requests of this upstream reach clients. */
  readonly capabilities: PlanCapabilities;
  /** Hex SHA-256 over everything configured for it. Equal after a reload: keep its connections. */
  readonly configHash: string;
}

/** Pairs of upstream name and exposed name. */
export interface PlanRename {
  readonly tools: readonly (readonly [string, string])[];
  readonly prompts: readonly (readonly [string, string])[];
}

export interface PlanCapabilities {
  readonly sampling: boolean;
  readonly elicitation: boolean;
  readonly roots: boolean;
}

export interface PlanStdioUpstream extends PlanUpstreamBase {
  readonly kind: 'stdio';
  readonly stdio: PlanStdio;
}

export interface PlanHttpUpstream extends PlanUpstreamBase {
  readonly kind: 'http';
  readonly http: PlanHttp;
  readonly auth: PlanUpstreamAuth;
}

export interface PlanStdio {
  readonly command: string;
  readonly args: readonly string[];
  /** What is set for the child beside the safe part of our own environment. */
  readonly env: readonly (readonly [string, string])[];
  /** Absolute. */
  readonly cwd: string;
  /** In the whole gateway, however many shards there are. */
  readonly processes: number;
  /** Wait after stdin was closed, and again after SIGTERM. */
  readonly shutdownMs: number;
}

export interface PlanHttp {
  /** Absolute http: or https: URL without fragment, user or password. */
  readonly url: string;
  /** Sent with every request. */
  readonly headers: readonly (readonly [string, string])[];
  /** Calls under way per connection at once. */
  readonly pipelining: number;
  /** In the whole gateway, over all shards. */
  readonly connectionsMax: number;
  readonly connectTimeoutMs: number;
  /** An unused connection is closed after this. */
  readonly idleTimeoutMs: number;
}

export interface PlanNames {
  /**
   * What happens if two upstreams list one name. `prefix`: every name carries its upstream's prefix;
   * `priority`: the upstream with the higher priority keeps it; `fail`: refuse to be ready; `none`:
   * names as they are, a call of a doubled name fails.
   */
  readonly conflict: 'prefix' | 'priority' | 'fail' | 'none';
  /** Between prefix and name. */
  readonly separator: string;
}

export type PlanRouteKind = 'tools' | 'resources' | 'prompts';

export interface PlanRoute {
  readonly index: number;
  readonly kind: PlanRouteKind;
  /** picomatch's, over exposed names or URIs, compiled by `compileGlob` (`plan-glob.ts`). */
  readonly glob: string;
  readonly upstream: number;
  readonly priority: number;
  /** Place in the file. */
  readonly order: number;
  readonly access: PlanRouteAccess;
  readonly rateLimit: PlanRateLimit | null;
}

export interface PlanDefaultRoute {
  readonly upstream: number;
  readonly access: PlanRouteAccess;
  readonly rateLimit: PlanRateLimit | null;
}

export interface PlanTimeouts {
  readonly requestTimeoutMs: number;
  readonly listTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly sessionIdleMs: number;
}

/** Bounds that settings may lower; the ceilings stand in `shared/limits.ts`. */
export interface PlanLimits {
  /** One request body. */
  readonly bodyBytesMax: number;
  /** Request bodies under way in the edge at once. */
  readonly bodyBudgetBytes: number;
  /** Legacy sessions per shard. */
  readonly sessionsMax: number;
  /** Items an upstream may list per kind. */
  readonly listItemsMax: number;
  /** Keys (clients, tools) that rate limits remember at once. Not reloadable. */
  readonly rateLimitKeysMax: number;
  /** Calls one upstream may have under way in the whole gateway; more get 503. */
  readonly upstreamCallsMax: number;
}

export type PlanRateLimitScope = 'global' | 'client' | 'tool' | 'client+tool';
export type PlanRateLimitAlgorithm = 'tokenBucket' | 'slidingWindow' | 'fixedWindow';

export interface PlanRateLimit {
  /**
   * Stable number, below RATE_LIMITS_MAX, that keys of this limit are made from. A limit whose
   * settings are unchanged keeps it over a reload, and so its budgets; a changed one gets a new slot
   * and starts afresh.
   */
  readonly slot: number;
  readonly per: PlanRateLimitScope;
  readonly algorithm: PlanRateLimitAlgorithm;
  /** Allowed per window. */
  readonly requests: number;
  readonly windowMs: number;
  /** tokenBucket: most at once, 1 to `requests`. The other algorithms: equal to `requests`. */
  readonly burst: number;
  /** Glob over exposed tool names it holds for; null: everything. */
  readonly match: string | null;
  /** JSON-RPC methods it counts; null: every request except initialize, ping and server/discover. */
  readonly methods: readonly string[] | null;
}

export interface PlanLog {
  readonly level: PlanLogLevel;
}

export type PlanLogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface PlanReload {
  readonly watch: boolean;
}
