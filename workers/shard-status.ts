import type { ShardStatus, ShardUpstreamStatus } from '../src/observe/gateway-status.ts';
import type { PlanEndpoint } from '../src/config/plan.ts';
import { ERA_MODERN } from '../src/protocol/eras/era.ts';
import { NAME_PROMPT, NAME_TOOL } from './routing/name-route.ts';
import type { PlanShelf } from './plan-shelf.ts';
import type { UpstreamSet } from './upstream/upstream-set.ts';

/** How this shard's upstreams are, for people. */
export function shardStatus(parts: {
  readonly plans: PlanShelf;
  readonly upstreams: UpstreamSet;
}): ShardStatus {
  const { plan, routes } = parts.plans.current;
  const aggregated = plan.endpoints[0] as PlanEndpoint;
  const upstreams = plan.upstreams.map((planned): ShardUpstreamStatus => {
    const upstream = parts.upstreams.get(planned.slot);
    const catalog = upstream?.catalog;
    const isLoaded = catalog?.isLoaded('tools') === true;
    return {
      name: planned.name,
      state: upstream?.stateName ?? 'idle',
      era:
        upstream?.description === null || upstream === null
          ? null
          : upstream.description.era === ERA_MODERN
            ? 'modern'
            : 'legacy',
      tools: isLoaded
        ? catalog
            .list('tools')
            .items.map(({ key }) => routes.exposedName(aggregated, planned, NAME_TOOL, key))
        : null,
      reason: upstream?.downReason ?? '',
    };
  });
  return { upstreams, collisions: collisions(parts) };
}

/** Names that two upstreams claim on the aggregated endpoint. With prefixes there are none. */
function collisions(parts: {
  readonly plans: PlanShelf;
  readonly upstreams: UpstreamSet;
}): string[] {
  const { plan, routes } = parts.plans.current;
  const { conflict } = plan.names;
  if (plan.routed || (conflict !== 'fail' && conflict !== 'none')) return [];
  const aggregated = plan.endpoints[0] as PlanEndpoint;
  const found: string[] = [];
  for (const kind of ['tools', 'prompts'] as const) {
    const owners = new Map<string, string[]>();
    for (const planned of plan.upstreams) {
      const items = parts.upstreams.catalog(planned.slot)?.list(kind).items ?? [];
      for (const { key } of items) {
        const nameKind = kind === 'tools' ? NAME_TOOL : NAME_PROMPT;
        const name = routes.exposedName(aggregated, planned, nameKind, key);
        owners.set(name, [...(owners.get(name) ?? []), planned.name]);
      }
    }
    for (const [name, upstreams] of owners) {
      if (upstreams.length > 1) found.push(`${kind}/${name}: ${upstreams.join(', ')}`);
    }
  }
  return found.slice(0, COLLISIONS_MAX);
}

/** Enough to see what is wrong. */
const COLLISIONS_MAX = 100;
