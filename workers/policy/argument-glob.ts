/**
 * Globs over argument values. They read as globs over names do (`plan-glob.ts`), but are turned into
 * a pattern of `plan-pattern.ts`: an argument is a client's text of any shape, and picomatch's regular
 * expressions take time that grows with (length) ^ (wildcards).
 *
 * `*` matches anything, also nothing and `/`; `?` one character other than `/`; `[a-z]` one of these,
 * `[!a-z]` or `[^a-z]` one other than these and `/`; `{a,b}` either, nested too; `**` as a
 * whole segment any number of segments; `\` takes the next character as it is. Everything else stands
 * for itself.
 */
import { compilePattern } from '../../src/config/plan-pattern.ts';
import type { PatternMatcher } from '../../src/config/plan-pattern.ts';

/** @throws Error for a glob that is cut off or holds a range in braces (`{1..3}`) */
export function compileArgumentGlob(glob: string): PatternMatcher {
  return compilePattern(new GlobReader(glob).pattern());
}

class GlobReader {
  readonly #points: readonly string[];
  #at: number;

  constructor(glob: string) {
    this.#points = [...glob];
    this.#at = 0;
  }

  pattern(): string {
    return this.#sequence(false);
  }

  #sequence(inBraces: boolean): string {
    let pattern = '';
    while (this.#at < this.#points.length) {
      const point = this.#points[this.#at] ?? '';
      if (inBraces && (point === ',' || point === '}')) break;
      this.#at += 1;
      pattern += this.#item(point);
    }
    return pattern;
  }

  #item(point: string): string {
    switch (point) {
      case '*':
        return this.#stars();
      case '?':
        return `[^/]{${this.#runOf('?')}}`;
      case '[':
        return this.#class();
      case '{':
        return this.#braces();
      case '\\':
        if (this.#at >= this.#points.length) throw new Error('the glob ends with a \\');
        this.#at += 1;
        return literal(this.#points[this.#at - 1] ?? '');
      default:
        return literal(point);
    }
  }

  /** `**` and a slash at the start of a segment are any number of whole segments, also none. */
  #stars(): string {
    const before = this.#points[this.#at - 2];
    const isSegment = this.#runOf('*') > 1 && (before === undefined || before === '/');
    if (!isSegment || this.#points[this.#at] !== '/') return '[^]*';
    this.#at += 1;
    return '(?:[^]*\\/)?';
  }

  /** Takes the rest of a run of one character; returns the length of all of it. */
  #runOf(point: string): number {
    let length = 1;
    for (; this.#points[this.#at] === point; this.#at += 1) length += 1;
    return length;
  }

  #class(): string {
    const isNegated = this.#points[this.#at] === '!' || this.#points[this.#at] === '^';
    if (isNegated) this.#at += 1;
    let inside = '';
    for (let isFirst = true; ; isFirst = false) {
      const point = this.#points[this.#at];
      if (point === undefined) throw new Error('the glob has a [ without its ]');
      this.#at += 1;
      if (point === ']' && !isFirst) break;
      if (point === '\\') {
        inside += literal(this.#points[this.#at] ?? '');
        this.#at += 1;
      } else {
        inside += point === '-' ? '-' : literal(point);
      }
    }
    return isNegated ? `[^/${inside}]` : `[${inside}]`;
  }

  #braces(): string {
    const choices: string[] = [];
    for (;;) {
      const choice = this.#sequence(true);
      if (choice.includes('\\.\\.')) throw new Error('the glob has a range in braces');
      choices.push(choice);
      const point = this.#points[this.#at];
      if (point === undefined) throw new Error('the glob has a { without its }');
      this.#at += 1;
      if (point === '}') break;
    }
    // `{a}` is no choice: those braces are characters.
    return choices.length === 1 ? `\\{${choices[0] ?? ''}\\}` : `(?:${choices.join('|')})`;
  }
}

/** Letters and digits stand for themselves, a backslash before anything else takes it as it is. */
function literal(point: string): string {
  return /^[0-9A-Za-z_]$/.test(point) || point > '\u007f' ? point : `\\${point}`;
}
