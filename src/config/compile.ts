/**
 * Checked settings to the plan. Judges what takes more than one value (names, ranges, keys against
 * algorithms) and turns names into indexes. Nothing is taken from the slot registries unless the
 * whole plan is good.
 */
import { availableParallelism } from 'node:os';
import { SHARDS_MAX, UPSTREAMS_MAX } from '../../shared/limits.ts';
import { isLoopbackHost, parseAddressRange } from './address-range.ts';
import type { CheckedConfig } from './check.ts';
import { Compilation } from './compilation.ts';
import { compileAuth } from './compile-auth.ts';
import {
  compileRateLimits,
  compileRoutes,
  plainScopes,
  type CompiledRoutes,
  type UnplacedLimit,
} from './compile-route.ts';
import { compileUpstreams, type UnplacedUpstream } from './compile-upstream.ts';
import type { Plan, PlanAddressRange, PlanEndpoint, PlanPublicUrl, PlanRateLimit } from './plan.ts';
import { ConfigError } from './problem.ts';
import { RATE_LIMITS_MAX, type Config } from './schema.ts';
import { SlotRegistry } from './slot-registry.ts';
import { withoutSlash } from './url-rules.ts';

/** Stable places in shared memory; one pair per gateway. */
export class PlanSlots {
  readonly upstreams: SlotRegistry = new SlotRegistry(UPSTREAMS_MAX);
  readonly rateLimits: SlotRegistry = new SlotRegistry(RATE_LIMITS_MAX);

  /** Retires what only older plans used. Call it when every shard took this one. */
  keepOnly(plan: Plan): void {
    this.upstreams.keepOnly(new Set(plan.upstreams.map((upstream) => upstream.slot)));
    this.rateLimits.keepOnly(new Set(rateLimitsOf(plan).map((limit) => limit.slot)));
  }
}

/** Every limit of a plan: the common ones, the routes' and the default route's. */
export function rateLimitsOf(plan: Plan): PlanRateLimit[] {
  const own = [...plan.routes, ...(plan.defaultRoute === null ? [] : [plan.defaultRoute])];
  return [
    ...plan.rateLimits,
    ...own.flatMap(({ rateLimit }) => (rateLimit === null ? [] : [rateLimit])),
  ];
}

export interface CompileOptions {
  /** Number of the new plan. */
  readonly number: number;
  readonly slots: PlanSlots;
  /** For the default of `shards`. Default: what the system says. */
  readonly cores?: number;
}

export interface CompiledConfig {
  readonly plan: Plan;
  /** What is no problem but should be known. */
  readonly notices: readonly string[];
}

/** @throws ConfigError with every problem, those of the schema included. */
export function compileConfig(checked: CheckedConfig, options: CompileOptions): CompiledConfig {
  const { file } = checked.source;
  if (checked.config === null) throw new ConfigError(file, checked.problems);
  const { config } = checked;
  const compilation = new Compilation(checked);
  if (Object.keys(config.upstreams).length === 0 && !compilation.hasRemoved('upstreams')) {
    compilation.report(['upstreams'], 'must name at least one upstream');
  }
  const routes = compileRoutes(config, compilation);
  const rateLimits = compileRateLimits(config, compilation);
  const upstreams = compileUpstreams(config, compilation);
  const auth = compileAuth(config, plainScopes(routes), compilation);
  const loopback = checkListen(config, compilation);
  const settings = {
    ...compileEntrance(config, compilation),
    names: config.names,
    timeouts: config.timeouts,
    limits: config.limits,
    auth,
    askedHeaders: [
      ...new Set(
        auth.methods.flatMap((method) => (method.kind === 'apiKey' ? [method.header] : [])),
      ),
    ].sort(),
    log: config.log,
    reload: config.reload,
  };
  if (compilation.problems.length > 0) throw new ConfigError(file, sorted(compilation));
  noticeUnused(config, routes, upstreams, compilation);
  const plan: Plan = {
    number: options.number,
    listen: { ...config.listen, loopback },
    shards: config.shards ?? defaultShards(options.cores ?? availableParallelism()),
    endpoints: compileEndpoints(config),
    routed: config.routes !== undefined,
    ...settings,
    ...placed(upstreams, routes, rateLimits, options.slots, compilation),
  };
  return { plan: deepFrozen(plan), notices: compilation.notices };
}

function defaultShards(cores: number): number {
  return Math.min(SHARDS_MAX, Math.max(1, cores - 1));
}

/** In the order of the file; problems without a place last. */
function sorted({ problems }: Compilation) {
  const rank = (value: number | null): number => value ?? Infinity;
  return [...problems].sort((left, right) => {
    const lines = rank(left.line) - rank(right.line);
    if (lines !== 0 && !Number.isNaN(lines)) return lines;
    const columns = rank(left.column) - rank(right.column);
    return Number.isNaN(columns) ? 0 : columns;
  });
}

/** Answered by the edge itself at these paths. */
const RESERVED_PATHS = new Set(['/healthz', '/readyz', '/metrics']);

function checkListen(config: Config, compilation: Compilation): boolean {
  const { listen, admin } = config;
  const loopback = isLoopbackHost(listen.host);
  if (!loopback && config.auth === undefined && !compilation.isRemoved(['auth'])) {
    compilation.report(
      ['listen', 'host'],
      'is not a loopback address, and there is no auth: everyone who can connect could call every tool. Add auth, or write `auth: none` if that is meant',
    );
  }
  if (
    admin !== undefined &&
    admin.port !== 0 &&
    admin.port === listen.port &&
    admin.host === listen.host
  ) {
    compilation.report(['admin', 'port'], 'is the port of listen too');
  }
  for (const { path, upstream } of compileEndpoints(config)) {
    if (!RESERVED_PATHS.has(path) && path !== '/.well-known' && !path.startsWith('/.well-known/'))
      continue;
    if (upstream === null)
      compilation.report(['listen', 'path'], 'is a path of the gateway itself');
    else
      compilation.report(
        ['upstreams', Object.keys(config.upstreams)[upstream] ?? ''],
        `would be served at ${path}, a path of the gateway itself`,
      );
  }
  return loopback;
}

function compileEndpoints(config: Config): PlanEndpoint[] {
  const { path } = config.listen;
  const base = path === '/' ? '' : path;
  const own = Object.keys(config.upstreams).map((name, index) => ({
    index: index + 1,
    path: `${base}/${name}`,
    upstream: index,
  }));
  return [{ index: 0, path, upstream: null }, ...own];
}

type Entrance = Pick<
  Plan,
  'publicUrl' | 'trustedProxies' | 'allowedHosts' | 'allowedOrigins' | 'admin'
>;

function compileEntrance(config: Config, compilation: Compilation): Entrance {
  return {
    publicUrl:
      config.publicUrl === undefined ? null : compilePublicUrl(config.publicUrl, compilation),
    trustedProxies: config.trustedProxies
      .map((range) => parseAddressRange(range))
      .filter((range): range is PlanAddressRange => range !== null),
    allowedHosts:
      config.allowedHosts?.map((host, index) => compileHost(host, index, compilation)) ?? null,
    allowedOrigins:
      config.allowedOrigins?.map((origin, index) => compileOrigin(origin, index, compilation)) ??
      null,
    admin: config.admin ?? null,
  };
}

function compilePublicUrl(text: string, compilation: Compilation): PlanPublicUrl {
  const url = new URL(text);
  if (url.search !== '') compilation.report(['publicUrl'], 'must not have a query');
  const path = withoutSlash(url.pathname);
  return { href: url.origin + path, origin: url.origin, host: url.host, path };
}

function compileHost(text: string, index: number, compilation: Compilation): string {
  const host = text.toLowerCase();
  if (!/^(?:\*|(?:[0-9a-z._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?)$/.test(host)) {
    compilation.report(
      ['allowedHosts', index],
      'must be a host name, HOST:PORT, [ADDRESS] for IPv6, or *',
    );
  }
  return host;
}

function compileOrigin(text: string, index: number, compilation: Compilation): string {
  if (text === '*') return text;
  const origin = URL.canParse(text) ? new URL(text).origin : 'null';
  // Origins of extensions and apps have schemes of their own, for which URL knows no origin.
  const own = /^[a-z][a-z0-9+.-]*:\/\/[0-9a-z._-]+(?::\d{1,5})?$/.test(text.toLowerCase())
    ? text.toLowerCase()
    : null;
  const found =
    origin === 'null'
      ? own
      : origin === withoutSlash(text.toLowerCase()) || own !== null
        ? origin
        : null;
  if (found === null)
    compilation.report(
      ['allowedOrigins', index],
      'must be an origin, SCHEME://HOST[:PORT] without a path, or *',
    );
  return found ?? text;
}

function noticeUnused(
  config: Config,
  { routes, defaultRoute }: CompiledRoutes,
  upstreams: readonly UnplacedUpstream[],
  compilation: Compilation,
): void {
  if (config.routes === undefined) return;
  const used = new Set([...routes.map((route) => route.upstream), defaultRoute?.upstream]);
  for (const { name, index } of upstreams) {
    if (!used.has(index)) compilation.notices.push(`no route leads to upstream ${name}`);
  }
}

type Placed = Pick<Plan, 'upstreams' | 'routes' | 'defaultRoute' | 'rateLimits'>;

function placed(
  upstreams: readonly UnplacedUpstream[],
  compiled: CompiledRoutes,
  common: readonly UnplacedLimit[],
  slots: PlanSlots,
  compilation: Compilation,
): Placed {
  const { routes, defaultRoute } = compiled;
  const own = [...routes, ...(defaultRoute === null ? [] : [defaultRoute])].flatMap(
    ({ rateLimit }) => (rateLimit === null ? [] : [rateLimit]),
  );
  const limits = [...common, ...own];
  const keys = distinct(limits.map(({ key }) => key));
  const names = upstreams.map(({ name }) => name);
  if (!slots.upstreams.hasRoom(names)) {
    compilation.report(
      ['upstreams'],
      `are too many beside those of earlier settings still in use: at most ${UPSTREAMS_MAX}`,
    );
  }
  if (!slots.rateLimits.hasRoom(keys)) {
    compilation.report(
      ['rateLimits'],
      `are too many, with those of routes and of earlier settings still in use: at most ${RATE_LIMITS_MAX}`,
    );
  }
  if (compilation.problems.length > 0) {
    throw new ConfigError(compilation.checked.source.file, compilation.problems);
  }
  const upstreamSlots = slots.upstreams.tryTake(names) ?? [];
  const limitSlots = slots.rateLimits.tryTake(keys) ?? [];
  const bySource = new Map(
    limits.map((limit, index) => [limit, { slot: limitSlots[index] ?? 0, ...limit.limit }]),
  );
  const placeLimit = (limit: UnplacedLimit | null): PlanRateLimit | null =>
    limit === null ? null : (bySource.get(limit) ?? null);
  return {
    upstreams: upstreams.map((upstream, index) => ({
      ...upstream,
      slot: upstreamSlots[index] ?? 0,
    })),
    routes: routes.map((route) => ({ ...route, rateLimit: placeLimit(route.rateLimit) })),
    defaultRoute:
      defaultRoute === null
        ? null
        : { ...defaultRoute, rateLimit: placeLimit(defaultRoute.rateLimit) },
    rateLimits: common.map(placeLimit).filter((limit): limit is PlanRateLimit => limit !== null),
  };
}

/** Equal keys are told apart by their number, so that two equal limits have two budgets. */
function distinct(keys: readonly string[]): string[] {
  const counts = new Map<string, number>();
  return keys.map((key) => {
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return `${key} ${count}`;
  });
}

function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFrozen(item);
  }
  return value;
}
