/** Reads the regular expressions that `plan-pattern.ts` describes. Everything else is refused by name. */

/** A pattern that is not one, or one that is not supported. The message continues "the pattern …". */
export class PatternProblem extends Error {
  override readonly name = 'PatternProblem';
}

/** `ranges`: pairs of first and last code point, sorted, apart from each other. */
export type PatternNode =
  | { readonly kind: 'class'; readonly ranges: readonly number[] }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly items: readonly PatternNode[] }
  | {
      readonly kind: 'repeat';
      readonly item: PatternNode;
      readonly min: number;
      readonly max: number;
    };

const POINT_MAX = 0x10ffff;
const REPEAT_MAX = 1000;

const DIGIT = [0x30, 0x39];
const WORD = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];
/** WhiteSpace and LineTerminator of ECMA-262. */
const SPACE = [
  9, 13, 32, 32, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f, 0x205f,
  0x205f, 0x3000, 0x3000, 0xfeff, 0xfeff,
];
const LINE_END = [10, 10, 13, 13, 0x2028, 0x2029];

const CLASS_ESCAPES = new Map<string, readonly number[]>([
  ['d', DIGIT],
  ['w', WORD],
  ['s', SPACE],
  ['D', inverted(DIGIT)],
  ['W', inverted(WORD)],
  ['S', inverted(SPACE)],
]);
const CONTROL_ESCAPES = new Map([
  ['t', 9],
  ['n', 10],
  ['v', 11],
  ['f', 12],
  ['r', 13],
  ['0', 0],
]);

export class PatternParser {
  readonly #points: readonly string[];
  #at = 0;

  constructor(pattern: string) {
    this.#points = [...pattern];
  }

  /** @throws PatternProblem */
  parse(): PatternNode {
    if (this.#peek() === '^') this.#at += 1;
    const node = this.#choice();
    if (this.#at < this.#points.length) throw new PatternProblem('has a ) without its (');
    return node;
  }

  #peek(): string | undefined {
    return this.#points[this.#at];
  }

  #tryTake(text: string): boolean {
    for (let i = 0; i < text.length; i += 1)
      if (this.#points[this.#at + i] !== text[i]) return false;
    this.#at += text.length;
    return true;
  }

  #choice(): PatternNode {
    const items = [this.#sequence()];
    while (this.#tryTake('|')) items.push(this.#sequence());
    const [first] = items;
    return items.length === 1 && first !== undefined ? first : { kind: 'choice', items };
  }

  #sequence(): PatternNode {
    const items: PatternNode[] = [];
    for (
      let point = this.#peek();
      point !== undefined && point !== '|' && point !== ')';
      point = this.#peek()
    ) {
      if (point === '$' && this.#at === this.#points.length - 1) {
        this.#at += 1;
        break;
      }
      items.push(this.#quantified(this.#atom()));
    }
    return { kind: 'sequence', items };
  }

  #atom(): PatternNode {
    const point = this.#points[this.#at] ?? '';
    this.#at += 1;
    switch (point) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'class', ranges: this.#class() };
      case '.':
        return { kind: 'class', ranges: inverted(LINE_END) };
      case '\\':
        return { kind: 'class', ranges: this.#escape() };
      case '^':
      case '$':
        throw new PatternProblem(
          `has ${point} in the middle; a pattern always covers the whole text`,
        );
      case '*':
      case '+':
      case '?':
        throw new PatternProblem(`has ${point} with nothing before it`);
      case '{':
      case '}':
      case ']':
        throw new PatternProblem(`has a bare ${point}; write \\${point}`);
      default:
        return { kind: 'class', ranges: single(point) };
    }
  }

  #group(): PatternNode {
    if (this.#peek() === '?' && !this.#tryTake('?:')) {
      throw new PatternProblem('has look-around or a named group, which are not supported');
    }
    const node = this.#choice();
    if (!this.#tryTake(')')) throw new PatternProblem('has a ( without its )');
    return node;
  }

  #quantified(item: PatternNode): PatternNode {
    const bounds = this.#bounds();
    if (bounds === null) return item;
    this.#tryTake('?'); // lazy or not, the answer is the same
    const [min, max] = bounds;
    const again = this.#peek();
    if (again === '*' || again === '+' || again === '?')
      throw new PatternProblem('repeats a repetition; use a group');
    return { kind: 'repeat', item, min, max };
  }

  #bounds(): readonly [number, number] | null {
    if (this.#tryTake('*')) return [0, Infinity];
    if (this.#tryTake('+')) return [1, Infinity];
    if (this.#tryTake('?')) return [0, 1];
    if (!this.#tryTake('{')) return null;
    const min = this.#number();
    let max = min;
    if (this.#tryTake(',')) max = this.#peek() === '}' ? Infinity : this.#number();
    if (!this.#tryTake('}') || min > max)
      throw new PatternProblem('has a {…} that is no repetition');
    return [min, max];
  }

  #number(): number {
    let digits = '';
    for (
      let point = this.#peek();
      point !== undefined && /^[0-9]$/.test(point);
      point = this.#peek()
    ) {
      digits += point;
      this.#at += 1;
    }
    const value = Number(digits);
    if (digits === '' || value > REPEAT_MAX)
      throw new PatternProblem(`has a {…} that is no repetition of at most ${REPEAT_MAX}`);
    return value;
  }

  #class(): readonly number[] {
    const negated = this.#tryTake('^');
    const ranges: number[] = [];
    while (!this.#tryTake(']')) {
      if (this.#peek() === undefined) throw new PatternProblem('has a [ without its ]');
      const from = this.#classItem();
      if (this.#peek() !== '-' || this.#points[this.#at + 1] === ']') {
        ranges.push(...from);
        continue;
      }
      this.#at += 1;
      if (this.#peek() === undefined) throw new PatternProblem('has a [ without its ]');
      const to = this.#classItem();
      const [first, firstEnd] = from;
      const [last, lastEnd] = to;
      if (from.length !== 2 || to.length !== 2 || first === undefined || last === undefined) {
        throw new PatternProblem('has a range that is none');
      }
      if (first !== firstEnd || last !== lastEnd || first > last)
        throw new PatternProblem('has a range that is none');
      ranges.push(first, last);
    }
    return negated ? inverted(normalized(ranges)) : normalized(ranges);
  }

  #classItem(): readonly number[] {
    const point = this.#points[this.#at] ?? '';
    this.#at += 1;
    return point === '\\' ? this.#escape(true) : single(point);
  }

  #escape(inClass = false): readonly number[] {
    const point = this.#points[this.#at];
    if (point === undefined) throw new PatternProblem('ends with a \\');
    this.#at += 1;
    const known = CLASS_ESCAPES.get(point);
    if (known !== undefined) return known;
    const control = CONTROL_ESCAPES.get(point);
    if (control !== undefined && !(point === '0' && /^[0-9]$/.test(this.#peek() ?? '')))
      return [control, control];
    if (point === 'x') return this.#hex(2);
    if (point === 'u') return this.#tryTake('{') ? this.#hexBraced() : this.#hex(4);
    if (/^[0-9A-Za-z_]$/.test(point))
      throw new PatternProblem(`has \\${point}, which is not supported`);
    if (point === '-' && !inClass) return single(point);
    return single(point);
  }

  #hex(digits: number): readonly number[] {
    const text = this.#points.slice(this.#at, this.#at + digits).join('');
    if (!new RegExp(`^[0-9a-fA-F]{${digits}}$`).test(text))
      throw new PatternProblem('has a \\x or \\u without its digits');
    this.#at += digits;
    const value = Number.parseInt(text, 16);
    return [value, value];
  }

  #hexBraced(): readonly number[] {
    const end = this.#points.indexOf('}', this.#at);
    const text = end < 0 ? '' : this.#points.slice(this.#at, end).join('');
    const value = /^[0-9a-fA-F]{1,6}$/.test(text) ? Number.parseInt(text, 16) : Infinity;
    if (value > POINT_MAX) throw new PatternProblem('has a \\u{…} that is no character');
    this.#at = end + 1;
    return [value, value];
  }
}

function single(point: string): readonly number[] {
  const value = point.codePointAt(0) ?? 0;
  return [value, value];
}

/** Sorted, overlapping and touching ranges made one. */
function normalized(ranges: readonly number[]): number[] {
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) pairs.push([ranges[i] ?? 0, ranges[i + 1] ?? 0]);
  pairs.sort((left, right) => left[0] - right[0]);
  const merged: [number, number][] = [];
  for (const [first, last] of pairs) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged.flat();
}

/** Everything that is in none of these ranges, which are sorted and apart. */
function inverted(ranges: readonly number[]): number[] {
  const gaps: number[] = [];
  let from = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const first = ranges[i] ?? 0;
    if (first > from) gaps.push(from, first - 1);
    from = (ranges[i + 1] ?? 0) + 1;
  }
  if (from <= POINT_MAX) gaps.push(from, POINT_MAX);
  return gaps;
}
