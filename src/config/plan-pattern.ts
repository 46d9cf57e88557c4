/**
 * Regular expressions over arguments, in time that grows with the length of the text and never
 * faster: the text is a client's, and JavaScript's own RegExp can be made to take minutes by it.
 *
 * The pattern is turned into a nondeterministic automaton (Thompson) that is walked in all its states
 * at once. A pattern matches the text as a whole, as if `^(?:` and `)$` stood around it, and reads
 * code points (JavaScript's flag `u`). Known are literals, `.`, classes, `\d \w \s` and their
 * opposites, groups, `|`, `* + ? {m} {m,} {m,n}`; anchors only at the ends, where they change nothing.
 * References, look-around, `\b`, `\p` and named groups are refused.
 */
import { PatternParser, PatternProblem, type PatternNode } from './plan-pattern-parser.ts';

export const PATTERN_LENGTH_MAX = 512;
/** Longer texts do not match at all: an argument that is checked is a name or a path. */
export const PATTERN_TEXT_MAX = 8192;
/** A text of n characters costs at most n × states steps. */
const STATES_MAX = 1024;

/** What is wrong with a pattern, or null. */
export function patternProblem(
  pattern: string,
  patternMax: number = PATTERN_LENGTH_MAX,
): string | null {
  try {
    compileStates(pattern, patternMax);
    return null;
  } catch (error) {
    if (error instanceof PatternProblem) return error.message;
    throw error;
  }
}

/**
 * Compiles a pattern that `patternProblem` found nothing wrong with. The matcher keeps its lists
 * between calls, so it belongs to one thread and allocates nothing per text.
 */
export function compilePattern(pattern: string, limits: PatternLimits = {}): PatternMatcher {
  const { patternMax = PATTERN_LENGTH_MAX, textMax = PATTERN_TEXT_MAX } = limits;
  return new PatternMatcher(compileStates(pattern, patternMax), textMax);
}

/** In characters (UTF-16 units). */
export interface PatternLimits {
  readonly patternMax?: number;
  /** Longer texts do not match. */
  readonly textMax?: number;
}

/** `ranges` null: an empty step to `next` and, unless -1, `other`. `next` -1: the end. */
interface State {
  readonly ranges: readonly number[] | null;
  next: number;
  other: number;
}

export class PatternMatcher {
  readonly #states: readonly State[];
  readonly #textMax: number;
  readonly #current: Int32Array;
  readonly #following: Int32Array;
  readonly #stack: Int32Array;
  /** The step at which a state was last entered. */
  readonly #marks: Uint32Array;
  #step = 0;

  constructor(states: readonly State[], textMax: number) {
    this.#states = states;
    this.#textMax = textMax;
    this.#current = new Int32Array(states.length);
    this.#following = new Int32Array(states.length);
    this.#stack = new Int32Array(states.length * 2 + 2);
    this.#marks = new Uint32Array(states.length);
  }

  /** Whether the whole text matches. */
  test(text: string): boolean {
    if (text.length > this.#textMax) return false;
    if (this.#step > 0xff00_0000) this.#forgetMarks();
    let current = this.#current;
    let following = this.#following;
    this.#step += 1;
    let count = this.#enter(0, current, 0);
    for (let at = 0; at < text.length && count > 0; at += 1) {
      const point = text.codePointAt(at) ?? 0;
      if (point > 0xffff) at += 1;
      this.#step += 1;
      let next = 0;
      for (let i = 0; i < count; i += 1) {
        const state = this.#states[current[i] ?? 0];
        if (state?.ranges && inRanges(state.ranges, point))
          next = this.#enter(state.next, following, next);
      }
      [current, following] = [following, current];
      count = next;
    }
    for (let i = 0; i < count; i += 1) {
      const state = this.#states[current[i] ?? 0];
      if (state?.ranges === null) return true; // only the end is kept without ranges
    }
    return false;
  }

  /** Adds a state, and all that empty steps lead to, to a list. Returns the list's new length. */
  #enter(start: number, list: Int32Array, length: number): number {
    const stack = this.#stack;
    stack[0] = start;
    let depth = 1;
    let count = length;
    while (depth > 0) {
      depth -= 1;
      const index = stack[depth] ?? 0;
      if (this.#marks[index] === this.#step) continue;
      this.#marks[index] = this.#step;
      const state = this.#states[index];
      if (state === undefined) continue;
      if (state.ranges !== null || state.next < 0) {
        list[count] = index;
        count += 1;
        continue;
      }
      stack[depth] = state.next;
      depth += 1;
      if (state.other >= 0) {
        stack[depth] = state.other;
        depth += 1;
      }
    }
    return count;
  }

  #forgetMarks(): void {
    this.#marks.fill(0);
    this.#step = 0;
  }
}

/** Pairs of first and last code point, sorted. */
function inRanges(ranges: readonly number[], point: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    if (point < (ranges[i] ?? 0)) return false;
    if (point <= (ranges[i + 1] ?? 0)) return true;
  }
  return false;
}

/** State 0 is the start. */
function compileStates(pattern: string, patternMax: number): State[] {
  if (pattern.length > patternMax) {
    throw new PatternProblem(`is a pattern of more than ${patternMax} characters`);
  }
  const states: State[] = [{ ranges: null, next: 0, other: -1 }];
  const end = add(states, { ranges: null, next: -1, other: -1 });
  const first = build(new PatternParser(pattern).parse(), end, states);
  states[0] = { ranges: null, next: first, other: -1 };
  return states;
}

function add(states: State[], state: State): number {
  if (states.length >= STATES_MAX)
    throw new PatternProblem('is too large once its repetitions are written out');
  return states.push(state) - 1;
}

/** Adds the states of a node that go on to `next`; returns the first of them. */
function build(node: PatternNode, next: number, states: State[]): number {
  switch (node.kind) {
    case 'class':
      return add(states, { ranges: node.ranges, next, other: -1 });
    case 'sequence':
      return node.items.reduceRight((following, item) => build(item, following, states), next);
    case 'choice':
      return node.items
        .map((item) => build(item, next, states))
        .reduceRight((other, first) => add(states, { ranges: null, next: first, other }));
    case 'repeat':
      return buildRepeat(node.item, node.min, node.max, next, states);
  }
}

function buildRepeat(
  item: PatternNode,
  min: number,
  max: number,
  next: number,
  states: State[],
): number {
  let first = next;
  if (max === Infinity) {
    const loop = add(states, { ranges: null, next: -1, other: next });
    const body = build(item, loop, states);
    const state = states[loop];
    if (state !== undefined) state.next = body;
    first = loop;
  } else {
    for (let count = min; count < max; count += 1) {
      // Leaving early goes to the very end: what is optional comes after what is not.
      first = add(states, { ranges: null, next: build(item, first, states), other: next });
    }
  }
  for (let count = 0; count < min; count += 1) first = build(item, first, states);
  return first;
}
