import type { ShardStatus, ShardUpstreamStatus } from '../src/observe/gateway-status.ts';
import type { PlanEndpoint } from '../src/config/plan.ts';
import { ERA_MODERN } from '../src/protocol/eras/era.ts';
import { NAME_TOOL } from './routing/name-route.ts';
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
  return { upstreams };
}
