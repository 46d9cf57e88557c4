/**
 * The three algorithms, each as one step: from the record that counts to the one that would, were the
 * call let through. Steps write nothing but the new record, which counts only once its shard has put it
 * into the head; so a step that was overtaken has not happened.
 *
 * Time is whole milliseconds. A call's time is rounded to its disadvantage, up where it is remembered
 * and down where it is compared, so that what holds for the rounded times holds for the real ones.
 *
 * First two words of a record: when its budget is full again, as a 64-bit number of milliseconds, so
 * nothing wraps. Then
 * - token bucket: `parts`ths of a ms by which the bucket is full earlier than that. (The sum is the
 *   "theoretical arrival time" of the cell rate algorithm, ITU-T I.371.)
 * - fixed window: calls let through in this window.
 * - sliding window: number of the next call; stamps in use and whether the last one is pending.
 *
 * A sliding window keeps its last `requests` stamps and judges by the oldest of them alone. Those that
 * are over stay for one window more: another thread may still be at work on a call with an earlier time,
 * for which they are not. After that they go with the first call of another tick, a fraction of a
 * window, as 32 bits tell ages only up to 24 days; so none gets older than three windows. The stamps lie in
 * its ring, low 32 bits each, but for the last one. That one is in the record ("full at" less the
 * window), and whoever comes next writes it into the ring before it publishes a record of its own.
 * `docs/decisions/0008-rate-limits.md` has the proofs.
 */
import type { RateLimitRule } from './rate-limit-rule.ts';
import { FIXED_WINDOW, SLIDING_WINDOW } from './rate-limit-rule.ts';

/** The head moved on meanwhile: look again. */
export const OVERTAKEN = -1;
/** The new record is written. Greater values: refused, and for how many ms. */
export const ALLOWED = 0;

/** Where a step works; one per thread, filled for each step. Indexes are words into `words`. */
export class RateLimitStep {
  readonly words: Int32Array;
  /** Index of the head, and its value when it was read. */
  at: number;
  head: number;
  /** The record that counts, and the spare one of this shard. */
  from: number;
  to: number;
  /** Which record `to` is. */
  spare: number;
  ring: number;
  mask: number;
  /** The call's time, rounded down and up. */
  readonly time: Float64Array;

  constructor(words: Int32Array) {
    this.words = words;
    this.at = 0;
    this.head = 0;
    this.from = 0;
    this.to = 0;
    this.spare = 0;
    this.ring = 0;
    this.mask = 0;
    this.time = new Float64Array(2);
  }
}

const TWO_32 = 4_294_967_296;
const STATE = 2;
const USED = 3;

export function readFullAt(words: Int32Array, record: number): number {
  return words[record + 1]! * TWO_32 + (words[record]! >>> 0);
}

function writeFullAt(words: Int32Array, record: number, ms: number): void {
  words[record] = ms | 0;
  words[record + 1] = Math.floor(ms / TWO_32);
}

/** A budget nothing was taken from. */
export function writeFresh(words: Int32Array, record: number, recordWords: number): void {
  for (let word = record; word < record + recordWords; word += 1) words[word] = 0;
}

/** ALLOWED, OVERTAKEN, or the ms to wait. */
export function stepTake(step: RateLimitStep, rule: RateLimitRule): number {
  if (rule.algorithm === SLIDING_WINDOW) return takeSliding(step, rule);
  return rule.algorithm === FIXED_WINDOW ? takeFixed(step, rule) : takeToken(step, rule);
}

function takeToken(step: RateLimitStep, rule: RateLimitRule): number {
  const { words, from, to, time } = step;
  const { parts, costParts } = rule;
  const floorMs = time[0]!;
  const ceilMs = time[1]!;
  const fullAt = readFullAt(words, from);
  const isRefilled = fullAt <= ceilMs;
  const startMs = isRefilled ? ceilMs : fullAt;
  const startLess = isRefilled ? 0 : words[from + STATE]!;
  let nextMs = startMs + rule.costMs;
  let nextLess = startLess - costParts;
  if (nextLess < 0) {
    nextMs += 1;
    nextLess += parts;
  }
  // A bucket that is full now has room for one call whatever the rounding says.
  if (fullAt > floorMs) {
    const excessMs = nextMs - floorMs - rule.depthMs;
    const less = nextLess + rule.depthParts;
    if (excessMs > 1 || (excessMs === 1 && less < parts)) return excessMs - (less < parts ? 0 : 1);
  }
  writeFullAt(words, to, nextMs);
  words[to + STATE] = nextLess;
  return ALLOWED;
}

function takeFixed(step: RateLimitStep, rule: RateLimitRule): number {
  const { words, from, to, time } = step;
  const floorMs = time[0]!;
  const fullAt = readFullAt(words, from);
  if (fullAt <= floorMs) {
    writeFullAt(words, to, time[1]! + rule.windowMs);
    words[to + STATE] = 1;
    return ALLOWED;
  }
  const count = words[from + STATE]!;
  if (count >= rule.requests) return fullAt - floorMs;
  words[to] = words[from]!;
  words[to + 1] = words[from + 1]!;
  words[to + STATE] = count + 1;
  return ALLOWED;
}

function takeSliding(step: RateLimitStep, rule: RateLimitRule): number {
  const { words, from, to, time } = step;
  const floorMs = time[0]!;
  const ceilMs = time[1]!;
  const { windowMs } = rule;
  const fullAt = readFullAt(words, from);
  const number = words[from + STATE]!;
  if (fullAt + windowMs <= floorMs) {
    writeSliding(words, to, ceilMs + windowMs, (number + 1) | 0, 1, true);
    return ALLOWED;
  }
  const lastMs = fullAt - windowMs;
  const last = lastMs | 0;
  let used = words[from + USED]! >> 1;
  if ((words[from + USED]! & 1) !== 0 && !writeStamp(step, (number - 1) | 0, last)) {
    return OVERTAKEN;
  }
  // A stamp is over when it is at least this much older than the last one; negative once all are.
  const overMs = fullAt - floorMs;
  // Stamps that no call will ask for are dropped once a tick, or if room is wanted: to look for them at
  // each call would read half a dozen cold lines of the ring.
  if (used === rule.requests || (last ^ ceilMs) >> rule.tickBits !== 0) {
    used -= countOlder(step, (number - used) | 0, used, last, overMs + windowMs);
  }
  if (used === rule.requests) {
    const age = ageOf(step, (number - used) | 0, last);
    if (age < overMs) return overMs - age;
    used -= 1;
  }
  const stampMs = lastMs > ceilMs ? lastMs : ceilMs;
  writeSliding(words, to, stampMs + windowMs, (number + 1) | 0, used + 1, true);
  return ALLOWED;
}

function writeSliding(
  words: Int32Array,
  to: number,
  fullAt: number,
  number: number,
  used: number,
  isPending: boolean,
): void {
  writeFullAt(words, to, fullAt);
  words[to + STATE] = number;
  words[to + USED] = (used << 1) | (isPending ? 1 : 0);
}

/** Puts the pending stamp into the ring. False: the head moved on, so it may be another's place by now. */
function writeStamp(step: RateLimitStep, number: number, stamp: number): boolean {
  const { words, at, head } = step;
  const slot = step.ring + (number & step.mask);
  for (;;) {
    const seen = Atomics.load(words, slot);
    if (Atomics.load(words, at) !== head) return false;
    if (seen === stamp) return true;
    if (Atomics.compareExchange(words, slot, seen, stamp) === seen) return true;
  }
}

function ageOf(step: RateLimitStep, number: number, last: number): number {
  return (last - step.words[step.ring + (number & step.mask)]!) | 0;
}

/** How many of the `used` stamps from `first` on are at least `olderMs` older than the last. */
function countOlder(
  step: RateLimitStep,
  first: number,
  used: number,
  last: number,
  olderMs: number,
): number {
  if (used === 0 || ageOf(step, first, last) < olderMs) return 0;
  let older = 1;
  let end = used;
  // Stamps are in order: halve.
  while (older < end) {
    const middle = (older + end) >> 1;
    if (ageOf(step, (first + middle) | 0, last) >= olderMs) older = middle + 1;
    else end = middle;
  }
  return older;
}

/**
 * Undoes a take as far as that is exact; never more.
 *
 * @param isLast nobody has taken since: the head is still the one of that take
 * @param takenAt "full at" of the record of that take
 * @returns ALLOWED: the new record is written. OVERTAKEN: look again. 1: there is nothing to undo, as the
 *   unit has come back by itself, or cannot be told from others' any more
 */
export function stepGiveBack(
  step: RateLimitStep,
  rule: RateLimitRule,
  isLast: boolean,
  takenAt: number,
): number {
  if (rule.algorithm === SLIDING_WINDOW) return giveBackSliding(step, rule, takenAt);
  return rule.algorithm === FIXED_WINDOW
    ? giveBackFixed(step, takenAt)
    : giveBackToken(step, rule, isLast);
}

/** After another's take a bucket may have been full in between, and then the unit is there again. */
function giveBackToken(step: RateLimitStep, rule: RateLimitRule, isLast: boolean): number {
  if (!isLast) return 1;
  const { words, from, to } = step;
  let fullAt = readFullAt(words, from) - rule.costMs;
  let less = words[from + STATE]! + rule.costParts;
  if (less >= rule.parts) {
    fullAt -= 1;
    less -= rule.parts;
  }
  writeFullAt(words, to, fullAt);
  words[to + STATE] = less;
  return ALLOWED;
}

function giveBackFixed(step: RateLimitStep, takenAt: number): number {
  const { words, from, to } = step;
  if (readFullAt(words, from) !== takenAt) return 1;
  const count = words[from + STATE]! - 1;
  // A window that the undone call began has not begun.
  writeFullAt(words, to, count === 0 ? 0 : takenAt);
  words[to + STATE] = count;
  return ALLOWED;
}

/** Equal stamps are alike, so the last one goes if it is equal. The record keeps its time. */
function giveBackSliding(step: RateLimitStep, rule: RateLimitRule, takenAt: number): number {
  const { words, from, to } = step;
  const number = words[from + STATE]!;
  const used = words[from + USED]! >> 1;
  const fullAt = readFullAt(words, from);
  if (fullAt !== takenAt || used === 0) return 1;
  const last = (number - 1) | 0;
  const isPending = (words[from + USED]! & 1) !== 0;
  if (!isPending && ageOf(step, last, (takenAt - rule.windowMs) | 0) !== 0) return 1;
  writeSliding(words, to, fullAt, last, used - 1, false);
  return ALLOWED;
}
