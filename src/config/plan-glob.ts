/**
 * Globs over exposed names, URIs and arguments: the one place that says what a glob matches, used by
 * the check at load and by the shards.
 *
 * picomatch is made for file paths; for names these rules hold. `*` matches anything, also `/`, a
 * leading dot and nothing at all, so that `data://*` is every URI of that scheme and `math_*` every
 * name that begins so; `**` is the same. `?` is one character other than `/`. `{a,b}`, `[a-z]`,
 * `[!a-z]` and `\` (next character as it is) work as usual. Parentheses and a leading `!` are refused.
 * Line breaks and the segments `.` and `..` match like anything else: a route with scopes must not be
 * walked around by a name that its glob passes over.
 *
 * A client chooses the text. picomatch's regular expressions take time that grows with
 * (length) ^ (wildcards), so they match only globs with one wildcard, which most are; the others become
 * a pattern of `plan-pattern.ts`, which takes linear time. Both say the same (see the tests).
 */
import picomatch from 'picomatch';
import { globPattern, GlobProblem } from './plan-glob-parser.ts';
import { compilePattern, patternProblem } from './plan-pattern.ts';

export const GLOB_OPTIONS = {
  bash: true,
  dot: true,
  flags: 's',
  noextglob: true,
  nonegate: true,
  windows: false,
} as const;

export const GLOB_LENGTH_MAX = 256;

/** What is wrong with a glob, or null. */
export function globProblem(glob: string): string | null {
  if (glob.length === 0) return 'is an empty glob';
  if (glob.length > GLOB_LENGTH_MAX) return `is a glob of more than ${GLOB_LENGTH_MAX} characters`;
  try {
    return patternProblem(globPattern(glob), GLOB_PATTERN_MAX);
  } catch (error) {
    if (error instanceof GlobProblem) return error.message;
    throw error;
  }
}

/** Compiles a glob that `globProblem` found nothing wrong with. The matcher belongs to one thread. */
export function compileGlob(glob: string): (text: string) => boolean {
  if (/^\*+$/.test(glob)) return () => true;
  if (!/[*?[{\\]/.test(glob)) return (text) => text === glob;
  const limits = { patternMax: GLOB_PATTERN_MAX, textMax: Infinity };
  const automaton = compilePattern(globPattern(glob), limits);
  const single = glob.replace(/\*+/g, '*');
  if (!PLAIN_GLOB.test(single)) return (text) => automaton.test(text);
  const pattern = picomatch.makeRe(single, GLOB_OPTIONS);
  return (text) => (DOT_SEGMENT.test(text) ? automaton.test(text) : pattern.test(text));
}

/** A glob of GLOB_LENGTH_MAX characters, each of which becomes at most eight. */
const GLOB_PATTERN_MAX = GLOB_LENGTH_MAX * 8;

/**
 * One `*` at most, and characters that mean themselves: what picomatch matches in linear time and, but
 * for `.` and `..`, which its wildcards pass over, exactly as described above. Not `?`: for picomatch it
 * is half of a character beyond U+FFFF.
 */
const PLAIN_GLOB = /^[0-9A-Za-z_:-][0-9A-Za-z_:/.-]*\*?[0-9A-Za-z_:/.-]*$/;
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/;
