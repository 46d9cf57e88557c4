/** What a new plan changes, and what a running gateway cannot take. */
import type { Plan } from './plan.ts';

export interface PlanDiff {
  /** Names of upstreams. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Same name, other settings: its connections are made anew. */
  readonly changed: readonly string[];
  readonly unchanged: readonly string[];
  /** Settings that differ and need a restart, by path. Not empty: the plan must be refused. */
  readonly refused: readonly string[];
}

/** Compares by name, and upstreams by `configHash`. */
export function planDiff(before: Plan, after: Plan): PlanDiff {
  const old = new Map(before.upstreams.map(({ name, configHash }) => [name, configHash]));
  const names = after.upstreams.map(({ name }) => name);
  const kept = after.upstreams.filter(({ name }) => old.has(name));
  return {
    added: names.filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !names.includes(name)),
    changed: kept
      .filter(({ name, configHash }) => old.get(name) !== configHash)
      .map(({ name }) => name),
    unchanged: kept
      .filter(({ name, configHash }) => old.get(name) === configHash)
      .map(({ name }) => name),
    refused: refusedSettings(before, after),
  };
}

/**
 * Sockets are opened and shared memory is laid out once, at start. `listen.path` is only a matter of
 * endpoints, so it may change.
 */
const FIXED: readonly (readonly [string, (plan: Plan) => string])[] = [
  ['listen.host', (plan) => plan.listen.host],
  ['listen.port', (plan) => String(plan.listen.port)],
  ['listen.server', (plan) => plan.listen.server],
  ['shards', (plan) => String(plan.shards)],
  ['admin', (plan) => (plan.admin === null ? '' : `${plan.admin.host} ${plan.admin.port}`)],
  ['limits.rateLimitKeysMax', (plan) => String(plan.limits.rateLimitKeysMax)],
  ['limits.sessionsMax', (plan) => String(plan.limits.sessionsMax)],
];

function refusedSettings(before: Plan, after: Plan): string[] {
  return FIXED.filter(([, read]) => read(before) !== read(after)).map(([path]) => path);
}
