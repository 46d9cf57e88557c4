/**
 * Conditions on the arguments of a call, compiled once per plan. All of a route must hold.
 *
 * They fail closed: an argument that is missing, or not of the type a condition is about, satisfies
 * only `exists: false`. Only own members of objects are followed, arrays are not entered. Strings
 * longer than ARGUMENT_CHARS_MAX satisfy no startsWith, glob or pattern.
 *
 * Paths: where a startsWith, glob or pattern has a `/` or `\` in it, a value with a `..` segment never
 * satisfies it: `/srv/../etc/passwd` begins with `/srv/` and lies elsewhere. `/`, `\` and their
 * percent-encoded forms part segments, `%2e` is a dot. Nothing else is normalised (no symbolic links,
 * no case), and `startsWith: /srv` is also the beginning of `/srv-old`: end a folder with its slash.
 */
import type { PlanArgumentRule, PlanArgumentValue } from '../../src/config/plan.ts';
import { compileGlob } from '../../src/config/plan-glob.ts';
import { compilePattern } from '../../src/config/plan-pattern.ts';
import { ARGUMENT_CHARS_MAX, PATH_DEPTH_MAX } from './policy-limits.ts';

/** Judges one value; undefined: there is none. */
type Condition = (value: unknown) => boolean;

interface CompiledRule {
  readonly path: readonly string[];
  readonly holds: Condition;
}

export class ArgumentRules {
  readonly #rules: readonly CompiledRule[];

  /** @throws Error for a rule that the check at load would not have let through */
  constructor(rules: readonly PlanArgumentRule[]) {
    this.#rules = rules.map((rule) => {
      if (rule.path.length === 0 || rule.path.length > PATH_DEPTH_MAX)
        throw new Error('bad argument path');
      return { path: rule.path, holds: conditionOf(rule) };
    });
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** @param args the parsed `params.arguments`; undefined: the call has none */
  hold(args: unknown): boolean {
    for (const rule of this.#rules) if (!rule.holds(valueAt(args, rule.path))) return false;
    return true;
  }
}

function valueAt(args: unknown, path: readonly string[]): unknown {
  let value: unknown = args;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    if (!Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}

function conditionOf(rule: PlanArgumentRule): Condition {
  switch (rule.op) {
    case 'equals':
      return oneOf([rule.value]);
    case 'oneOf':
      return oneOf(rule.values);
    case 'startsWith': {
      const { prefix } = rule;
      return textCondition(prefix, (text) => text.startsWith(prefix));
    }
    case 'glob':
      return textCondition(rule.glob, compileGlob(rule.glob));
    case 'pattern': {
      const matcher = compilePattern(rule.pattern);
      return textCondition(rule.pattern, (text) => matcher.test(text));
    }
    case 'range': {
      const min = rule.min ?? -Infinity;
      const max = rule.max ?? Infinity;
      return (value) =>
        typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max;
    }
    case 'exists':
      return rule.exists ? (value) => value !== undefined : (value) => value === undefined;
  }
}

function oneOf(values: readonly PlanArgumentValue[]): Condition {
  return (value) => values.some((allowed) => allowed === value);
}

function textCondition(rule: string, matches: (text: string) => boolean): Condition {
  const isPath = /[/\\]/.test(rule);
  return (value) => {
    if (typeof value !== 'string' || value.length > ARGUMENT_CHARS_MAX) return false;
    return !(isPath && hasParentSegment(value)) && matches(value);
  };
}

const PARENT_SEGMENT = /(?:^|[/\\]|%2f|%5c)(?:\.|%2e){2}(?:$|[/\\]|%2f|%5c)/i;

/** Whether a path would climb: a whole segment `..`, also written with percent-encoding. */
export function hasParentSegment(path: string): boolean {
  return PARENT_SEGMENT.test(path);
}
