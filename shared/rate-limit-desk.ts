/**
 * What a take works on beside the table, in one piece of memory of this thread: the call's limits, where
 * hashes led to, and rules as words. Where the region has a kernel, it lies in the thread's scratch, and
 * `take` lets the kernel do what is usual (`kernel/assembly/limits.ts`, which has the offsets too). Else
 * it is ordinary memory, and the JavaScript of `rate-limit-table.ts` does all.
 *
 *      0       64                    2368                          14,656               80,192
 *      | words | 72 limits of a call | 192 rules, a line each      | hints               |
 *
 * A rule knows its place, and the place its rule: only if both agree is a place used, so what stands there
 * was written for that very rule. Rules come and go with plans, and nobody says when one has gone. So they
 * get the free places first, and when there are none left, now and then a newcomer gets the oldest: rules
 * that are still in use come back that way, and calls with one that has no place go without the kernel.
 */
import { assert } from './assert.ts';
import { kernelOf, takeBytes, type ByteKernel } from './kernel/byte-kernel.ts';
import type { RateLimitBank, RateLimitShape } from './rate-limit-descriptor.ts';
import { HINTS, type HeadCodes } from './rate-limit-keys.ts';
import { SLIDING_WINDOW, type RateLimitRule } from './rate-limit-rule.ts';

/** Limits that may apply to one call: 64 common ones and the route's, with room. */
export const LIMITS_PER_CALL_MAX = 72;

/** What `take` answers if it did nothing; see `LOOK_STOPPED` and `PUT_STOPPED` for the rest. */
export const DESK_UNUSED = -1000;
/** Less by the index of a limit: all before it were looked at. */
export const LOOK_STOPPED = -1;
/** Less by the index of a limit: all were looked at, and those behind it are in force. */
export const PUT_STOPPED = -129;

/** Words that all calls share; the wait of a refusal comes first, as a double. */
const SEED_WORD = 2;
const TABLE_WORD = 4;
const HINTS_WORD = 5;
const CODE_MASK_WORD = 6;
const ACTIVE_CODE_WORD = 7;
const OWN_RECORD_WORD = 8;

/** One limit of the call at hand: address of the rule, hash, index of the head, head seen, head to be. */
const LIMITS_WORD = 16;
export const LIMIT_WORDS = 8;
export const HASH_WORD = 1;
export const AT_WORD = 2;
export const SEEN_WORD = 3;
export const WANTED_WORD = 4;

const RULES_WORD: number = LIMITS_WORD + LIMITS_PER_CALL_MAX * LIMIT_WORDS;
const RULE_WORDS = 16;
export const RULES_MAX = 192;

const DESK_HINTS_WORD: number = RULES_WORD + RULES_MAX * RULE_WORDS;
const DESK_BYTES: number = (DESK_HINTS_WORD + HINTS) * 4;

/** With all places given, one in so many calls that miss theirs gets one: writing it costs as much as they do. */
const MISSES_PER_PLACE = 16;

export class RateLimitDesk {
  /** Of `LIMIT_WORDS` each, in the order of the call's rules. */
  readonly limits: Int32Array;
  readonly hints: Int32Array;
  readonly #kernel: ByteKernel | null;
  readonly #address: number;
  readonly #waitMs: Float64Array;
  readonly #rules: Int32Array;
  readonly #rulesAddress: number;
  readonly #banks: readonly RateLimitBank[];
  readonly #table: number;
  /** By place. */
  readonly #owners: (RateLimitRule | null)[];
  /** The rules that `limits` says. */
  #laid: readonly RateLimitRule[] | null;
  #given: number;
  #misses: number;

  constructor(shape: RateLimitShape, codes: HeadCodes) {
    const { buffer, byteOffset } = shape.words;
    const kernel = kernelOf(buffer);
    const bytes = kernel === null ? new Uint8Array(DESK_BYTES) : takeBytes(DESK_BYTES);
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, DESK_BYTES / 4);
    words.fill(0); // an earlier life of this thread had it
    this.#kernel = bytes.buffer === buffer ? kernel : null;
    this.#address = bytes.byteOffset;
    this.#waitMs = new Float64Array(bytes.buffer, bytes.byteOffset, 1);
    this.limits = words.subarray(LIMITS_WORD, RULES_WORD);
    this.#rules = words.subarray(RULES_WORD, DESK_HINTS_WORD);
    this.#rulesAddress = this.#rules.byteOffset;
    this.hints = words.subarray(DESK_HINTS_WORD);
    this.#banks = shape.layout.banks;
    this.#table = byteOffset;
    this.#owners = new Array<RateLimitRule | null>(RULES_MAX).fill(null);
    this.#laid = null;
    this.#given = 0;
    this.#misses = 0;
    words[SEED_WORD] = shape.seed[0]!;
    words[SEED_WORD + 1] = shape.seed[1]!;
    words[TABLE_WORD] = byteOffset;
    words[HINTS_WORD] = this.hints.byteOffset;
    words[CODE_MASK_WORD] = (1 << codes.shift) - 1;
    words[ACTIVE_CODE_WORD] = codes.active;
    words[OWN_RECORD_WORD] = codes.own - codes.active;
  }

  /** Of the limit that refused, if `take` says that one did. */
  get waitMs(): number {
    return this.#waitMs[0]!;
  }

  /**
   * Does what the kernel can. 0: taken from all. 1 + index: refused by that limit. Else how far it got:
   * DESK_UNUSED, LOOK_STOPPED - index or PUT_STOPPED - index.
   */
  take(
    rules: readonly RateLimitRule[],
    client: Uint32Array,
    toolLow: number,
    toolHigh: number,
    toolHash: number,
    nowMs: number,
  ): number {
    const kernel = this.#kernel;
    const count = rules.length;
    if (kernel === null || count > LIMITS_PER_CALL_MAX) return DESK_UNUSED;
    if (rules !== this.#laid && !this.#lay(rules)) return this.#enrol(rules);
    const clientLow = client[0]! | 0;
    const clientHigh = client[1]! | 0;
    return kernel.takeLimits(
      this.#address,
      count,
      clientLow,
      clientHigh,
      toolLow,
      toolHigh,
      toolHash,
      nowMs,
    );
  }

  /** Says to the kernel which rules these are. False: some of them have no place. */
  #lay(rules: readonly RateLimitRule[]): boolean {
    this.#laid = null;
    for (let index = 0; index < rules.length; index += 1) {
      const rule = rules[index]!;
      const { place } = rule;
      if (this.#owners[place] !== rule) return false;
      this.limits[index * LIMIT_WORDS] = this.#rulesAddress + place * (RULE_WORDS * 4);
    }
    this.#laid = rules;
    return true;
  }

  /** Gives places to those of a call's rules that have none, for the next call. */
  #enrol(rules: readonly RateLimitRule[]): number {
    const owners = this.#owners;
    for (const rule of rules) {
      if (owners[rule.place] === rule) continue;
      if (this.#given >= RULES_MAX) {
        this.#misses += 1;
        if (this.#misses % MISSES_PER_PLACE !== 0) continue;
      }
      const place = this.#given % RULES_MAX;
      this.#given += 1;
      this.#write(place, rule);
      this.#laid = null;
      owners[place] = rule;
      rule.place = place;
    }
    return DESK_UNUSED;
  }

  #write(place: number, rule: RateLimitRule): void {
    const bank = this.#banks[rule.bank]!;
    const isSliding = rule.algorithm === SLIDING_WINDOW;
    const table = this.#table;
    const special = isSliding
      ? [bank.entryWords * 4, table + bank.rings * 4, bank.stamps, rule.tickBits]
      : [rule.parts, rule.costMs, rule.costParts, rule.depthMs, rule.depthParts];
    const words = [
      rule.hash,
      rule.word,
      rule.usesClient ? -1 : 0,
      rule.usesTool ? -1 : 0,
      rule.algorithm,
      bank.recordWords * 4,
      table + bank.entries * 4,
      (bank.rings - bank.entries) * 4,
      rule.requests,
      rule.windowMs,
      ...special,
    ];
    assert(words.length <= RULE_WORDS, 'a rule fits its place');
    this.#rules.set(words, place * RULE_WORDS);
  }
}
