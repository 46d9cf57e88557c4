/** The package's public surface. */
import type { ConfigInput } from './config/schema.ts';
import { Edge, type EdgeStats } from './edge/edge.ts';
import { Gateway, type GatewayOptions } from './gateway.ts';

export { ConfigError, describeProblems, type ConfigProblem } from './config/problem.ts';
export type { ConfigInput } from './config/schema.ts';
export type { ConfigOverrides } from './config/load.ts';
export type { PlanDiff } from './config/plan-diff.ts';
export type { ReloadOutcome } from './config/reload.ts';
export type { EdgeStats } from './edge/edge.ts';
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
  return new Gateway(config, options, {
    edge: (plan, logger) => new Edge(plan, { logger }),
    admin: () => null,
  });
}
