/** The package's public surface. */
import { AdminServer } from './admin/admin-server.ts';
import type { AdminSource } from './admin/admin-server.ts';
import type { ConfigInput } from './config/schema.ts';
import { Edge } from './edge/edge.ts';
import type { EdgeStats } from './edge/edge-state.ts';
import { Gateway, type GatewayOptions } from './gateway.ts';
import { MetricsText } from './observe/prometheus.ts';
import { VERSION } from './version.ts';

export { ConfigError, describeProblems, type ConfigProblem } from './config/problem.ts';
export type { ConfigInput } from './config/schema.ts';
export type { ConfigOverrides } from './config/load.ts';
export type { PlanDiff } from './config/plan-diff.ts';
export type { ReloadOutcome } from './config/reload.ts';
export type { EdgeStats } from './edge/edge-state.ts';
export type { CallStats, LatencyStats } from './observe/call-stats.ts';
export type { Gateway, GatewayAddress, GatewayOptions, GatewayStatus } from './gateway.ts';
export type { UpstreamStatus } from './observe/gateway-status.ts';

/**
 * A gateway from a settings file (YAML, JSON, or an `mcpServers` file) or from an object of the same
 * form. Nothing runs before `start()`.
 *
 * @throws ConfigError with every problem of the settings
 */
export function createGateway(
  config: string | ConfigInput,
  options: GatewayOptions = {},
): Gateway<EdgeStats> {
  return new Gateway<EdgeStats, Edge>(config, options, {
    edge: (plan, logger) => new Edge(plan, { logger }),
    admin: (listen, edge, logger) => new AdminServer(listen, adminSource(edge), logger),
  });
}

function adminSource(edge: Edge): AdminSource {
  const metrics = new MetricsText(edge.scrape, () => ({ version: VERSION, http: edge.httpServer }));
  return {
    plan: () => edge.plan,
    readiness: () => edge.readiness(),
    metrics: () => metrics.text(),
    onRequest: () => edge.count('ADMIN_REQUESTS'),
  };
}
