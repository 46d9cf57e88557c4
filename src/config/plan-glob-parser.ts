/** Turns a glob (see `plan-glob.ts`) into a pattern (see `plan-pattern.ts`). */

/** A glob that is not one, or one that is not supported. The message continues "the glob …". */
export class GlobProblem extends Error {
  override readonly name = 'GlobProblem';
}

const BRACES_DEPTH_MAX = 4;

/** @throws GlobProblem */
export function globPattern(glob: string): string {
  return new GlobParser(glob).parse();
}

class GlobParser {
  readonly #points: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(glob: string) {
    this.#points = [...glob];
  }

  parse(): string {
    if (this.#points[0] === '!')
      throw new GlobProblem('starts with "!"; negation is not supported');
    return this.#sequence();
  }

  #sequence(): string {
    let pattern = '';
    for (let point = this.#points[this.#at]; point !== undefined; point = this.#points[this.#at]) {
      if (this.#depth > 0 && (point === ',' || point === '}')) break;
      this.#at += 1;
      pattern += this.#item(point);
    }
    return pattern;
  }

  #item(point: string): string {
    switch (point) {
      case '*':
        while (this.#points[this.#at] === '*') this.#at += 1;
        return '[^]*';
      case '?':
        return '[^/]';
      case '[':
        return this.#class();
      case '{':
        return this.#braces();
      case '\\':
        return this.#escaped();
      case '(':
      case ')':
        throw new GlobProblem('has parentheses; use {a,b} for alternatives');
      default:
        return literal(point);
    }
  }

  #escaped(): string {
    const point = this.#points[this.#at];
    if (point === undefined) throw new GlobProblem('ends with a \\');
    this.#at += 1;
    return literal(point);
  }

  /** A `]` that comes first is a member. */
  #class(): string {
    const isNegated = this.#points[this.#at] === '!' || this.#points[this.#at] === '^';
    if (isNegated) this.#at += 1;
    let members = '';
    for (let isFirst = true; ; isFirst = false) {
      const point = this.#points[this.#at];
      if (point === undefined) throw new GlobProblem('has a [ without its ]');
      this.#at += 1;
      if (point === ']' && !isFirst) break;
      if (point === '[') throw new GlobProblem('has a [ within [ ]; write \\[');
      if (point === '\\') members += this.#escaped();
      else members += point === '-' ? '-' : literal(point);
    }
    return isNegated ? `[^${members}]` : `[${members}]`;
  }

  #braces(): string {
    this.#depth += 1;
    if (this.#depth > BRACES_DEPTH_MAX) throw new GlobProblem('has braces nested too deeply');
    const from = this.#at;
    const choices = [this.#sequence()];
    while (this.#points[this.#at] === ',') {
      this.#at += 1;
      choices.push(this.#sequence());
    }
    if (this.#points[this.#at] !== '}') throw new GlobProblem('has a { without its }');
    const inside = this.#points.slice(from, this.#at).join('');
    this.#at += 1;
    this.#depth -= 1;
    if (choices.length > 1) return `(?:${choices.join('|')})`;
    // `{id}` is no choice: those braces are characters, as in a URI template.
    if (inside.includes('..')) throw new GlobProblem('has a range in braces; list the values');
    return `\\{${choices[0] ?? ''}\\}`;
  }
}

/** Letters and digits stand for themselves, a backslash before anything else takes it as it is. */
function literal(point: string): string {
  return /^[0-9A-Za-z_]$/.test(point) || point > '\u007f' ? point : `\\${point}`;
}
