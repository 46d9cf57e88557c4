/**
 * `${NAME}` and `${NAME:-default}` in settings, taken from the environment after the file was parsed:
 * a value can never add keys, however it looks. `$${` stands for a literal `${`. As in a shell, the
 * default counts where the variable is unset or empty; without a default an unset one is a problem and
 * an empty one is empty.
 *
 * A text that is nothing but one reference is remembered, so that `port: ${PORT}` can become a number
 * where the schema wants one.
 */
import type { ConfigPath } from './problem.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Substitution {
  readonly value: unknown;
  /** Keys (`pathKey`) of texts that were one whole reference. */
  readonly whole: ReadonlySet<string>;
  readonly problems: readonly { readonly path: ConfigPath; readonly message: string }[];
}

/** Deeper settings than this are no settings. */
export const CONFIG_DEPTH_MAX = 32;

const REFERENCE = /\$\$\{|\$\{([^{}]*)\}|\$\{/g;
const NAME = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]{0,255})(?::-(.*))?$/s;

/**
 * A copy with every reference replaced, in values and not in keys. Without an environment (settings
 * from code, which have `process.env` at hand) texts stay as they are. Never throws.
 */
export function substitute(value: unknown, environment: Environment | null): Substitution {
  const whole = new Set<string>();
  const problems: { path: ConfigPath; message: string }[] = [];
  const walk = (node: unknown, path: (string | number)[]): unknown => {
    if (typeof node === 'string') {
      if (environment === null || !node.includes('${')) return node;
      if (/^\$\{[^{}]*\}$/.test(node)) whole.add(pathKey(path));
      return expand(node, environment, (message) => problems.push({ path, message }));
    }
    if (typeof node !== 'object' || node === null) return node;
    if (path.length >= CONFIG_DEPTH_MAX) {
      problems.push({ path, message: `is nested deeper than ${CONFIG_DEPTH_MAX}` });
      return null;
    }
    // The schema passes this key over in silence, and every other unknown key is an error.
    if (Object.hasOwn(node, '__proto__'))
      problems.push({ path: [...path, '__proto__'], message: 'unknown key' });
    if (Array.isArray(node)) return node.map((item, index) => walk(item, [...path, index]));
    return Object.fromEntries(
      Object.entries(node).map(([key, item]) => [key, walk(item, [...path, key])]),
    );
  };
  return { value: walk(value, []), whole, problems };
}

/** A path as one text, to keep it in a set. */
export function pathKey(path: ConfigPath): string {
  return JSON.stringify(path);
}

function expand(text: string, environment: Environment, report: (message: string) => void): string {
  return text.replace(REFERENCE, (found: string, inner: string | undefined) => {
    if (found === '$${') return '${';
    const match = inner === undefined ? null : NAME.exec(inner);
    if (match === null) {
      report('has "${" without a name; write "$${" for the characters themselves');
      return '';
    }
    const [, name = '', fallback] = match;
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value;
    if (value === undefined) report(`needs the environment variable ${name}, which is not set`);
    return value ?? '';
  });
}
