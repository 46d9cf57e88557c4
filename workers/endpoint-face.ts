import { LATEST_LEGACY, LATEST_MODERN, REVISIONS } from '../src/protocol/eras/era.ts';
import {
  SERVER_COMPLETIONS,
  SERVER_LOGGING,
  SERVER_PROMPTS,
  SERVER_RESOURCES,
  SERVER_RESOURCES_SUBSCRIBE,
  SERVER_TOOLS,
} from '../src/protocol/methods.ts';
import type { PlanEndpoint, PlanUpstream } from '../src/config/plan.ts';
import { VERSION } from '../src/version.ts';
import type { ShardPlan } from './shard-plan.ts';
import type { UpstreamSet } from './upstream/upstream-set.ts';

const SERVER_INFO = JSON.stringify({ name: 'sluice', title: 'Sluice', version: VERSION });
/** What `server/discover` may be kept for: capabilities change when an upstream comes up. */
const DISCOVER_TTL_MS = 5_000;

/**
 * What an endpoint says of itself: capabilities are the union of its upstreams', as each message is
 * routed to one that has them. Changes of lists are always announced: they also come from reloads.
 */
export class EndpointFace {
  readonly #upstreams: UpstreamSet;

  constructor(upstreams: UpstreamSet) {
    this.#upstreams = upstreams;
  }

  /** SERVER_* bits. An upstream that has not been reached yet counts as having everything listed. */
  capabilities(shardPlan: ShardPlan, endpoint: PlanEndpoint): number {
    let bits = 0;
    for (const { slot } of upstreamsOf(shardPlan, endpoint)) {
      const description = this.#upstreams.get(slot)?.description;
      bits |= description?.capabilities ?? UNKNOWN_CAPABILITIES;
    }
    return bits;
  }

  /** InitializeResult for a revision (MCP ≤ 2025-11-25, lifecycle). */
  initializeResult(shardPlan: ShardPlan, endpoint: PlanEndpoint, revision: number): Buffer {
    const bits = this.capabilities(shardPlan, endpoint);
    // `completions` was given a name of its own in 2025-03-26.
    const capabilities = capabilitiesJson(bits, revision > 0);
    return Buffer.from(
      `{"protocolVersion":"${REVISIONS[revision] ?? REVISIONS[LATEST_LEGACY]}","capabilities":${capabilities},"serverInfo":${SERVER_INFO}${this.#instructions(shardPlan, endpoint)}}`,
    );
  }

  /** DiscoverResult (2026-07-28, discovery). */
  discoverResult(shardPlan: ShardPlan, endpoint: PlanEndpoint): Buffer {
    const capabilities = capabilitiesJson(this.capabilities(shardPlan, endpoint), true);
    return Buffer.from(
      `{"supportedVersions":["${REVISIONS[LATEST_MODERN]}"],"capabilities":${capabilities}${this.#instructions(shardPlan, endpoint)},"resultType":"complete","ttlMs":${DISCOVER_TTL_MS},"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":${SERVER_INFO}}}`,
    );
  }

  #instructions(shardPlan: ShardPlan, endpoint: PlanEndpoint): string {
    const texts: string[] = [];
    const upstreams = upstreamsOf(shardPlan, endpoint);
    for (const { slot, name } of upstreams) {
      const text = this.#upstreams.get(slot)?.description?.instructions ?? '';
      if (text !== '') texts.push(upstreams.length === 1 ? text : `${name}: ${text}`);
    }
    return texts.length === 0 ? '' : `,"instructions":${JSON.stringify(texts.join('\n\n'))}`;
  }
}

const UNKNOWN_CAPABILITIES = SERVER_TOOLS;

function upstreamsOf(shardPlan: ShardPlan, endpoint: PlanEndpoint): readonly PlanUpstream[] {
  const { upstreams } = shardPlan.plan;
  return endpoint.upstream === null ? upstreams : [upstreams[endpoint.upstream] as PlanUpstream];
}

function capabilitiesJson(bits: number, hasCompletions: boolean): string {
  const listChanged = { listChanged: true };
  const subscribe = (bits & SERVER_RESOURCES_SUBSCRIBE) !== 0 ? { subscribe: true } : {};
  return JSON.stringify({
    ...((bits & SERVER_TOOLS) !== 0 ? { tools: listChanged } : {}),
    ...((bits & SERVER_RESOURCES) !== 0 ? { resources: { ...listChanged, ...subscribe } } : {}),
    ...((bits & SERVER_PROMPTS) !== 0 ? { prompts: listChanged } : {}),
    ...((bits & SERVER_LOGGING) !== 0 ? { logging: {} } : {}),
    ...(hasCompletions && (bits & SERVER_COMPLETIONS) !== 0 ? { completions: {} } : {}),
  });
}
