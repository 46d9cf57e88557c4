/**
 * How the gateway is, for people: what every shard says of its upstreams, put together. A shard's
 * answer crosses a thread as plain data and is read with care, as it may come from a shard that dies.
 */

export type UpstreamState = 'idle' | 'connecting' | 'up' | 'down';

/** What a shard answers to `statusAsk` on the control port. */
export interface ShardStatus {
  readonly upstreams: readonly ShardUpstreamStatus[];
  /** Names that two upstreams claim, e.g. `tools/add: math, data`; empty under `names.conflict: prefix`. */
  readonly collisions: readonly string[];
}

export interface ShardUpstreamStatus {
  readonly name: string;
  readonly state: UpstreamState;
  readonly era: 'legacy' | 'modern' | null;
  /** Exposed names of its tools, as they stand in the aggregated list; null: not listed yet. */
  readonly tools: readonly string[] | null;
  /** Why it is down, without secrets; empty where there is nothing to say. */
  readonly reason: string;
}

export interface UpstreamStatus extends ShardUpstreamStatus {
  readonly kind: 'stdio' | 'http';
  /** Shards on which it is up. */
  readonly shardsUp: number;
}

/** Enough for a screen; the rest of a longer list is in the list itself. */
const TOOLS_MAX = 20_000;
/** The state of the whole is the best of any shard: one that can call it serves for all. */
const RANK: Readonly<Record<UpstreamState, number>> = { up: 3, connecting: 2, idle: 1, down: 0 };

/** Puts the answers of all shards together, in the order of the plan. `answers`: null for a shard that gave none. */
export function mergeStatus(
  upstreams: readonly { readonly name: string; readonly kind: 'stdio' | 'http' }[],
  answers: readonly unknown[],
): UpstreamStatus[] {
  const all = answers.flatMap(readShardStatus);
  return upstreams.map(({ name, kind }) => {
    const own = all.filter((status) => status.name === name);
    const best = own.reduce<ShardUpstreamStatus | null>(
      (before, status) =>
        before === null || RANK[status.state] > RANK[before.state] ? status : before,
      null,
    );
    return {
      name,
      kind,
      state: best?.state ?? 'idle',
      era: best?.era ?? null,
      tools:
        own.find(({ state, tools }) => state === 'up' && tools !== null)?.tools ??
        best?.tools ??
        null,
      reason: best?.reason ?? '',
      shardsUp: own.filter(({ state }) => state === 'up').length,
    };
  });
}

function readShardStatus(answer: unknown): ShardUpstreamStatus[] {
  const upstreams = isRecord(answer) ? answer['upstreams'] : undefined;
  if (!Array.isArray(upstreams)) return [];
  return upstreams.filter(isRecord).map((upstream) => {
    const { name, state, era, tools, reason } = upstream;
    return {
      name: typeof name === 'string' ? name : '',
      state: isState(state) ? state : 'idle',
      era: era === 'legacy' || era === 'modern' ? era : null,
      tools: Array.isArray(tools)
        ? tools.filter((tool) => typeof tool === 'string').slice(0, TOOLS_MAX)
        : null,
      reason: typeof reason === 'string' ? reason : '',
    };
  });
}

function isState(value: unknown): value is UpstreamState {
  return typeof value === 'string' && Object.hasOwn(RANK, value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
