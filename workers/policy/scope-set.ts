/**
 * Scopes, and what it means that one is granted.
 *
 * A scope is segments between colons: `read:data:orders`. In what is required and in what is granted
 * alike, a segment `*` stands for exactly one segment of any text and `**` for any number of them,
 * also none. A `*` within a longer segment is just a character.
 *
 * A granted pattern stands for holding every scope it matches. A required pattern asks for holding
 * at least one scope it matches. So a requirement is met if one granted pattern and the required one
 * have a scope in common:
 *
 *   granted      required     met        granted      required     met
 *   tools:add    tools:add    yes        calc:x       calc:*       yes: holds one calc scope
 *   tools:*      tools:add    yes        calc:*       calc:*       yes
 *   tools:*      tools:a:b    no         calc:x:y     calc:*       no: `*` is one segment
 *   tools:**     tools:a:b    yes        calc:x:y     calc:**      yes
 *   **           anything     yes        a:*          *:b          yes: holds a:b
 *
 * Wildcards in a token's own scopes count as well: an issuer that grants scopes nobody registered
 * would grant everything. Comparison is exact, upper and lower case differ.
 */
import {
  SCOPE_CHARS_MAX,
  SCOPE_SEGMENTS_MAX,
  SCOPE_SETS_MAX,
  SCOPES_MAX,
} from './policy-limits.ts';

/** `scope-token` of RFC 6749 §3.3: visible ASCII without `"` and `\`. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** A scope cut at its colons, or whole if it has no wildcard or too many segments for one. */
export class ScopePattern {
  readonly text: string;
  readonly segments: readonly string[];
  readonly hasWildcard: boolean;

  constructor(text: string) {
    const segments = text.split(':');
    const bounded = segments.length <= SCOPE_SEGMENTS_MAX;
    this.text = text;
    this.segments = bounded ? segments : [text];
    this.hasWildcard = bounded && segments.some((segment) => segment === '*' || segment === '**');
  }
}

/** Whether some scope matches both. */
export function haveCommonScope(a: ScopePattern, b: ScopePattern): boolean {
  if (a.text === b.text) return true;
  if (!a.hasWildcard && !b.hasWildcard) return false;
  return intersect(a.segments, b.segments);
}

/**
 * `reachable[j]`: the first i segments of a and the first j of b have a sequence in common. One row
 * per segment of a, so at most 16 × 16 steps whatever the wildcards.
 */
function intersect(a: readonly string[], b: readonly string[]): boolean {
  let row: boolean[] = [true];
  for (let j = 0; j < b.length; j += 1) row.push(row[j] === true && b[j] === '**');
  for (const left of a) {
    const next: boolean[] = [left === '**' && row[0] === true];
    for (let j = 0; j < b.length; j += 1) {
      const right = b[j] ?? '';
      const before = row[j] === true;
      const same = left === right || left === '*' || right === '*';
      const anyLeft = left === '**' && (row[j + 1] === true || next[j] === true);
      const anyRight = right === '**' && (next[j] === true || row[j + 1] === true);
      next.push((before && (same || left === '**' || right === '**')) || anyLeft || anyRight);
    }
    row = next;
  }
  return row[b.length] === true;
}

/**
 * What one caller was granted. Immutable but for `ruling`, a memory of what access rules made of it
 * (see `access-rules.ts`): many principals share one set, so each set is judged once per route.
 */
export class ScopeSet {
  /** Distinct, sorted. */
  readonly names: readonly string[];
  /** The names with a space between: equal sets have equal texts. */
  readonly text: string;
  readonly patterns: readonly ScopePattern[];
  ruling: ScopeRuling | null;

  /** @param names valid scopes, see `cleanScopes` */
  constructor(names: readonly string[]) {
    this.names = [...new Set(names)].sort();
    this.text = this.names.join(' ');
    this.patterns = this.names.map((name) => new ScopePattern(name));
    this.ruling = null;
  }

  /** Whether one of these scopes meets the requirement. */
  meets(required: ScopePattern): boolean {
    for (const granted of this.patterns) if (haveCommonScope(granted, required)) return true;
    return false;
  }
}

/** One verdict per route, made by `owner`; 0 is not judged yet. */
export interface ScopeRuling {
  readonly owner: object;
  readonly verdicts: Uint8Array;
}

export const NO_SCOPES: ScopeSet = new ScopeSet([]);

/**
 * The scopes among `values` that can be ones. null if there are too many: leaving some out would
 * hide from the caller what it was granted.
 */
export function cleanScopes(values: readonly unknown[]): string[] | null {
  const scopes: string[] = [];
  for (const value of values) {
    if (typeof value !== 'string' || value.length > SCOPE_CHARS_MAX || !SCOPE_TOKEN.test(value))
      continue;
    if (scopes.length === SCOPES_MAX) return null;
    scopes.push(value);
  }
  return scopes;
}

/** Keeps one set for all principals with the same scopes. Full, it makes sets that nobody shares. */
export class ScopeSetTable {
  readonly #sets = new Map<string, ScopeSet>();

  /** @param names valid scopes, see `cleanScopes` */
  of(names: readonly string[]): ScopeSet {
    if (names.length === 0) return NO_SCOPES;
    const made = new ScopeSet(names);
    const known = this.#sets.get(made.text);
    if (known !== undefined) return known;
    if (this.#sets.size < SCOPE_SETS_MAX) this.#sets.set(made.text, made);
    return made;
  }
}
