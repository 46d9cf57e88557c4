/**
 * Globs over exposed names and URIs: the one place that says what a pattern matches, used by the
 * check at load and by the shards.
 *
 * picomatch is made for file paths. For names: `*` also matches `/`, a leading dot and nothing at
 * all, so that `data://*` is every URI of that scheme and `math_*` every name that begins so. `?` is
 * one character other than `/`. `{a,b}`, `[a-z]` and `\` (next character as it is) work; parentheses
 * and a leading `!` are refused (`(a+)+` would let a client's name take minutes to match).
 * Names that hold a line break or `.` and `..` segments match like any other: a route with scopes
 * must not be walked around by a name that no pattern matches.
 */
import picomatch from 'picomatch';

export const GLOB_OPTIONS = {
  bash: true,
  dot: true,
  flags: 's',
  noextglob: true,
  nonegate: true,
  windows: false,
} as const;

export const GLOB_LENGTH_MAX = 256;
/** The time to match grows with (length of name) ^ (wildcards) in the worst case. */
export const GLOB_WILDCARDS_MAX = 6;

/** What is wrong with a glob, or null. */
export function globProblem(glob: string): string | null {
  if (glob.length === 0) return 'is an empty glob';
  if (glob.length > GLOB_LENGTH_MAX) return `is a glob of more than ${GLOB_LENGTH_MAX} characters`;
  const bare = glob.replace(/\\./gs, '');
  if (/[()]/.test(bare)) return 'has parentheses; use {a,b} for alternatives';
  if (bare.startsWith('!')) return 'starts with "!"; negation is not supported';
  if ((bare.match(/\*+/g) ?? []).length > GLOB_WILDCARDS_MAX) {
    return `has more than ${GLOB_WILDCARDS_MAX} wildcards`;
  }
  try {
    picomatch.makeRe(glob, GLOB_OPTIONS);
    return null;
  } catch {
    return 'is not a valid glob';
  }
}

/** Argument globs are matched in linear time, as a pattern of at most PATTERN_LENGTH_MAX characters. */
const ARGUMENT_GLOB_LENGTH_MAX = 100;

/** What is wrong with a glob over argument values, or null. */
export function argumentGlobProblem(glob: string): string | null {
  const problem = globProblem(glob);
  if (problem !== null) return problem;
  if (glob.length > ARGUMENT_GLOB_LENGTH_MAX)
    return `is a glob of more than ${ARGUMENT_GLOB_LENGTH_MAX} characters`;
  if (/\\$/.test(glob.replace(/\\\\/g, ''))) return 'ends with a \\';
  const bare = glob.replace(/\\./gs, '').replace(/\[[!^]?\]?[^\]]*\]/g, '');
  if (bare.includes('[')) return 'has a [ without its ]';
  let depth = 0;
  for (const character of bare) {
    if (character === '{') depth += 1;
    else if (character === '}' && depth > 0) depth -= 1;
  }
  if (depth > 0) return 'has a { without its }';
  if (/\{[^{}]*\.\.[^{}]*\}/.test(bare)) return 'has a range in braces; list the values';
  return null;
}

/**
 * Compiles a glob that `globProblem` found nothing wrong with. The returned function allocates
 * nothing unless the text has segments that begin with a dot.
 */
export function compileGlob(glob: string): (text: string) => boolean {
  if (/^\*+$/.test(glob)) return () => true;
  if (!/[*?[{\\]/.test(glob)) return (text) => text === glob;
  const pattern = picomatch.makeRe(glob, GLOB_OPTIONS);
  return (text) => pattern.test(text) || (DOT_SEGMENT.test(text) && pattern.test(undotted(text)));
}

const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/;

/** picomatch never lets a wildcard match `.` or `..`; for matching only, those read as letters. */
function undotted(text: string): string {
  return text
    .split('/')
    .map((segment) => (segment === '.' ? 'd' : segment === '..' ? 'dd' : segment))
    .join('/');
}
