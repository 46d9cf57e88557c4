import type { PlanNames, PlanUpstream } from '../../src/config/plan.ts';

export type NamedKind = 'tools' | 'prompts';

/**
 * Between an upstream's own names and the names that clients see on the aggregated endpoint. An
 * upstream's own endpoint (`/mcp/NAME`) never uses this: it passes names through.
 */
export class ToolNames {
  readonly #prefix: string;
  readonly #exposed: Record<NamedKind, Map<string, string>>;
  readonly #own: Record<NamedKind, Map<string, string>>;

  constructor(names: PlanNames, upstream: PlanUpstream) {
    const isPrefixed = names.conflict === 'prefix' && upstream.prefix !== '';
    this.#prefix = isPrefixed ? upstream.prefix + names.separator : '';
    this.#exposed = {
      tools: new Map(upstream.rename.tools),
      prompts: new Map(upstream.rename.prompts),
    };
    this.#own = { tools: invert(upstream.rename.tools), prompts: invert(upstream.rename.prompts) };
  }

  /** What clients call it. */
  exposed(kind: NamedKind, own: string): string {
    return this.#prefix + (this.#exposed[kind].get(own) ?? own);
  }

  /** Whether an exposed name can be this upstream's; always true where names carry no prefix. */
  mayOwn(exposed: string): boolean {
    return exposed.startsWith(this.#prefix) && exposed.length > this.#prefix.length;
  }

  /** Length of the prefix, to prefer the longest match (`a_` and `a_b_`). */
  get prefixLength(): number {
    return this.#prefix.length;
  }

  /**
   * The upstream's own name for an exposed one. A name without the prefix (it was routed here by a
   * glob or by default) is passed as it is. A name that was renamed away is not reachable by its own
   * name: null.
   */
  own(kind: NamedKind, exposed: string): string | null {
    const bare = this.mayOwn(exposed) ? exposed.slice(this.#prefix.length) : exposed;
    const own = this.#own[kind].get(bare);
    if (own !== undefined) return own;
    return this.#exposed[kind].has(bare) ? null : bare;
  }
}

function invert(pairs: readonly (readonly [string, string])[]): Map<string, string> {
  return new Map(pairs.map(([own, exposed]) => [exposed, own]));
}
