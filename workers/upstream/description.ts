import {
  SERVER_COMPLETIONS,
  SERVER_LOGGING,
  SERVER_PROMPTS,
  SERVER_PROMPTS_LIST_CHANGED,
  SERVER_RESOURCES,
  SERVER_RESOURCES_LIST_CHANGED,
  SERVER_RESOURCES_SUBSCRIBE,
  SERVER_TOOLS,
  SERVER_TOOLS_LIST_CHANGED,
} from '../../src/protocol/methods.ts';

/** What an upstream said about itself, in `server/discover` or `initialize`. Plain data: it is posted between shards. */
export interface UpstreamDescription {
  /** ERA_LEGACY or ERA_MODERN. */
  readonly era: number;
  /** Negotiated revision, e.g. `2025-11-25`. */
  readonly revision: string;
  /** SERVER_* bits of `src/protocol/methods.ts`. */
  readonly capabilities: number;
  /** As the upstream wrote them, re-serialised. */
  readonly serverInfoJson: string;
  readonly instructions: string;
  /** Wall time of this finding: an era is never believed for ever. */
  readonly foundAtMs: number;
}

const INSTRUCTIONS_MAX = 16 * 1024;

function has(value: unknown, key: string): boolean {
  return (
    typeof value === 'object' && value !== null && (value as Record<string, unknown>)[key] === true
  );
}

/** SERVER_* bits of a capabilities object; anything malformed counts as absent. */
export function capabilityBits(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const { tools, resources, prompts, completions, logging } = value as Record<string, unknown>;
  let bits = 0;
  if (isObject(tools))
    bits |= SERVER_TOOLS | (has(tools, 'listChanged') ? SERVER_TOOLS_LIST_CHANGED : 0);
  if (isObject(resources)) {
    bits |= SERVER_RESOURCES;
    if (has(resources, 'subscribe')) bits |= SERVER_RESOURCES_SUBSCRIBE;
    if (has(resources, 'listChanged')) bits |= SERVER_RESOURCES_LIST_CHANGED;
  }
  if (isObject(prompts))
    bits |= SERVER_PROMPTS | (has(prompts, 'listChanged') ? SERVER_PROMPTS_LIST_CHANGED : 0);
  if (isObject(completions)) bits |= SERVER_COMPLETIONS;
  if (isObject(logging)) bits |= SERVER_LOGGING;
  return bits;
}

/** A description from an InitializeResult or a DiscoverResult. */
export function describe(
  era: number,
  revision: string,
  result: Readonly<Record<string, unknown>>,
  foundAtMs: number,
): UpstreamDescription {
  const meta = result['_meta'];
  const info =
    result['serverInfo'] ??
    (isObject(meta) ? meta['io.modelcontextprotocol/serverInfo'] : undefined) ??
    null;
  const instructions = result['instructions'];
  return {
    era,
    revision,
    capabilities: capabilityBits(result['capabilities']),
    serverInfoJson: JSON.stringify(info).slice(0, INSTRUCTIONS_MAX),
    instructions: typeof instructions === 'string' ? instructions.slice(0, INSTRUCTIONS_MAX) : '',
    foundAtMs,
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
