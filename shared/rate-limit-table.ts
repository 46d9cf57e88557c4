/**
 * Takes a call's share of all limits that apply to it, or of none.
 *
 * First each limit is looked at, the widest first: what would be taken is written into this shard's
 * spare record, where nobody sees it. If one refuses, nothing has happened. Then the new records are put
 * into force by one compare-exchange each, the narrowest first, so that hardly anything is ever to be
 * given back to the budgets that many share. If that fails, somebody else took from that budget
 * meanwhile: the limit is looked at again, and should it refuse now, what was taken is given back.
 *
 * One object per shard. A call works on nothing but it and the region: no allocation, no lock. A shard
 * that dies between two compare-exchanges has taken one unit each from some of the limits; nothing waits.
 */
import {
  RECORDS_WORD,
  readRateLimits,
  ringOfEntry,
  type RateLimitBank,
} from './rate-limit-descriptor.ts';
import {
  AT_WORD,
  DESK_UNUSED,
  HASH_WORD,
  LIMIT_WORDS,
  LOOK_STOPPED,
  PUT_STOPPED,
  RateLimitDesk,
  SEEN_WORD,
  WANTED_WORD,
} from './rate-limit-desk.ts';
import { RateLimitKeys, headCodes } from './rate-limit-keys.ts';
import type { RateLimitRule } from './rate-limit-rule.ts';
import {
  ALLOWED,
  OVERTAKEN,
  RateLimitStep,
  readFullAt,
  stepGiveBack,
  stepTake,
} from './rate-limit-step.ts';

export const LIMIT_TAKEN = 0;
/** A budget is used up: see `refusedBy` and `waitMs`. */
export const LIMIT_REFUSED = 1;
/** The key is new, and there is room for no more keys. */
export const LIMIT_NO_ROOM = 2;

/**
 * Times a limit is looked at again because others were quicker. Each time one of at most 31 others got
 * through, so this is not reached by chance; if ever, the call is refused for a millisecond.
 */
const RACES_MAX = 65_536;

/** What a `tool` limit counts by; made once per tool. */
export class RateLimitTool {
  readonly low: number;
  readonly high: number;
  readonly hash: number;

  constructor(low: number, high: number, hash: number) {
    this.low = low | 0;
    this.high = high | 0;
    this.hash = hash;
  }
}

export class RateLimitTable {
  /** Index into the rules of the limit that refused or had no room. */
  refusedBy: number;
  /** When it is worth trying again. */
  waitMs: number;
  readonly #keys: RateLimitKeys;
  readonly #step: RateLimitStep;
  readonly #desk: RateLimitDesk;
  /** Of the call at hand; `#limits` is the desk's, see there. */
  readonly #limits: Int32Array;
  #client: Uint32Array;
  #clientHash: number;
  #tool: RateLimitTool;

  /**
   * @param byteOffset of the formatted table in the region
   * @param shard of this thread; an earlier life of it has ended
   */
  constructor(region: SharedArrayBuffer, byteOffset: number, shard: number) {
    const shape = readRateLimits(region, byteOffset);
    this.refusedBy = -1;
    this.waitMs = 0;
    this.#desk = new RateLimitDesk(shape, headCodes(shape.shards, shard));
    this.#keys = new RateLimitKeys(shape, shard, this.#desk.hints);
    this.#step = new RateLimitStep(shape.words);
    this.#limits = this.#desk.limits;
    this.#client = NO_CLIENT;
    this.#clientHash = 0;
    this.#tool = NO_TOOL;
  }

  /** The tool of these 64 bits, equal in all shards. */
  toolOf(low: number, high: number): RateLimitTool {
    return new RateLimitTool(low, high, this.#keys.hashWords(low, high));
  }

  /** Keys this thread has evicted, ever. */
  get evictedCount(): number {
    return this.#keys.evictedCount;
  }

  /**
   * Takes one unit from every limit, or nothing.
   *
   * @param rules at most LIMITS_PER_CALL_MAX, no two with one slot, the widest first
   * @param client two words, see `writeLimitKey`
   * @param tool for rules that count by tool
   * @param nowMs monotonic, on one clock for all shards; fractions are fine
   */
  take(
    rules: readonly RateLimitRule[],
    client: Uint32Array,
    tool: RateLimitTool,
    nowMs: number,
  ): number {
    const done = this.#desk.take(rules, client, tool.low, tool.high, tool.hash, nowMs);
    if (done === 0) return LIMIT_TAKEN;
    if (done > 0) return this.#refuse(done - 1, LIMIT_REFUSED, this.#desk.waitMs);
    const { time } = this.#step;
    time[0] = Math.floor(nowMs);
    time[1] = Math.ceil(nowMs);
    this.#client = client;
    this.#clientHash = this.#keys.hashWords(client[0]!, client[1]!);
    this.#tool = tool;
    if (done === DESK_UNUSED) {
      for (let index = 0; index < rules.length; index += 1) this.#approach(index, rules[index]!);
      return this.#takeFrom(rules, 0);
    }
    return done <= PUT_STOPPED
      ? this.#putFrom(rules, PUT_STOPPED - done)
      : this.#takeFrom(rules, LOOK_STOPPED - done);
  }

  /** The rest of a take, with the look at this limit and those behind it to be done. */
  #takeFrom(rules: readonly RateLimitRule[], first: number): number {
    const count = rules.length;
    for (let index = first; index < count; index += 1) {
      const verdict = this.#look(index, rules[index]!);
      if (verdict !== LIMIT_TAKEN) return verdict;
    }
    return this.#putFrom(rules, count - 1);
  }

  /** The rest, with this limit and those before it to be put into force; those behind it are. */
  #putFrom(rules: readonly RateLimitRule[], last: number): number {
    const count = rules.length;
    for (let index = last; index >= 0; index -= 1) {
      const verdict = this.#put(index, rules[index]!);
      if (verdict !== LIMIT_TAKEN) {
        for (let taken = index + 1; taken < count; taken += 1) this.#giveBack(taken, rules[taken]!);
        return verdict;
      }
    }
    return LIMIT_TAKEN;
  }

  /**
   * Reads a word of the entry that will be looked at. Entries of clients that come now and then are in no
   * near cache; this way the processor fetches all of them at once. The looks would wait for one after the
   * other, as that of a sliding window has an atomic operation in it, which no later read passes.
   * The word itself is of no use: `#look` reads the head in order and notes it.
   */
  #approach(index: number, rule: RateLimitRule): void {
    const hash = this.#hashOf(rule);
    const limit = index * LIMIT_WORDS;
    this.#limits[limit + HASH_WORD] = hash;
    this.#limits[limit + SEEN_WORD] = this.#step.words[this.#keys.hintOf(hash)]!;
  }

  #hashOf(rule: RateLimitRule): number {
    let { hash } = rule;
    if (rule.usesClient) hash ^= this.#clientHash;
    if (rule.usesTool) hash = (hash + Math.imul(this.#tool.hash, 0x85eb_ca77)) | 0;
    return hash ^ (hash >>> 15);
  }

  /** Puts a prepared record into force. */
  #put(index: number, rule: RateLimitRule): number {
    const { words } = this.#step;
    const limits = this.#limits;
    const limit = index * LIMIT_WORDS;
    for (let race = 0; race < RACES_MAX; race += 1) {
      const seen = limits[limit + SEEN_WORD]!;
      const wanted = limits[limit + WANTED_WORD]!;
      if (Atomics.compareExchange(words, limits[limit + AT_WORD]!, seen, wanted) === seen) {
        return LIMIT_TAKEN;
      }
      const verdict = this.#look(index, rule);
      if (verdict !== LIMIT_TAKEN) return verdict;
    }
    return this.#refuse(index, LIMIT_REFUSED, 1);
  }

  /** Prepares a record, or refuses. */
  #look(index: number, rule: RateLimitRule): number {
    const keys = this.#keys;
    const step = this.#step;
    const bank = keys.banks[rule.bank]!;
    this.#aim(index, rule);
    for (let race = 0; race < RACES_MAX; race += 1) {
      const at = keys.find(bank, step.time[0]!);
      if (at < 0) return this.#refuse(index, LIMIT_NO_ROOM, NO_ROOM_WAIT_MS);
      if (!this.#load(bank, at)) continue;
      const waitMs = stepTake(step, rule);
      if (waitMs === ALLOWED) {
        const limits = this.#limits;
        const limit = index * LIMIT_WORDS;
        limits[limit + AT_WORD] = at;
        limits[limit + SEEN_WORD] = step.head;
        limits[limit + WANTED_WORD] = keys.nextActive(step.head, step.spare);
        return LIMIT_TAKEN;
      }
      // A refusal counts only if what it was judged by stood still.
      if (waitMs === OVERTAKEN || Atomics.load(step.words, at) !== step.head) continue;
      return this.#refuse(index, LIMIT_REFUSED, waitMs);
    }
    return this.#refuse(index, LIMIT_REFUSED, 1);
  }

  /** The key of a rule for this call. */
  #aim(index: number, rule: RateLimitRule): void {
    const keys = this.#keys;
    const { key } = keys;
    const { usesClient, usesTool } = rule;
    const tool = this.#tool;
    key[0] = rule.word;
    key[1] = usesClient ? this.#client[0]! : 0;
    key[2] = usesClient ? this.#client[1]! : 0;
    key[3] = usesTool ? tool.low : 0;
    key[4] = usesTool ? tool.high : 0;
    keys.hash = this.#limits[index * LIMIT_WORDS + HASH_WORD]!;
  }

  /** Points the step at an entry. False: it is the key's no more. */
  #load(bank: RateLimitBank, at: number): boolean {
    const keys = this.#keys;
    const step = this.#step;
    const head = Atomics.load(step.words, at);
    if (!keys.isActive(head) || !keys.hasKey(at)) {
      keys.dropHint();
      return false;
    }
    const records = at + RECORDS_WORD;
    step.at = at;
    step.head = head;
    step.from = records + keys.recordOf(head) * bank.recordWords;
    step.spare = keys.spareOf(head);
    step.to = records + step.spare * bank.recordWords;
    step.ring = ringOfEntry(bank, at);
    step.mask = bank.stamps - 1;
    return true;
  }

  #giveBack(index: number, rule: RateLimitRule): void {
    const keys = this.#keys;
    const step = this.#step;
    const bank = keys.banks[rule.bank]!;
    const at = this.#limits[index * LIMIT_WORDS + AT_WORD]!;
    const wanted = this.#limits[index * LIMIT_WORDS + WANTED_WORD]!;
    const record = at + RECORDS_WORD + keys.recordOf(wanted) * bank.recordWords;
    // Our own record: nobody else writes it, and it is not written again before this is over.
    const takenAt = readFullAt(step.words, record);
    this.#aim(index, rule);
    for (let race = 0; race < RACES_MAX; race += 1) {
      if (!this.#load(bank, at)) return;
      const { head } = step;
      const outcome = stepGiveBack(step, rule, head === wanted, takenAt);
      if (outcome === OVERTAKEN) continue;
      if (outcome !== ALLOWED) return;
      const next = keys.nextActive(head, step.spare);
      if (Atomics.compareExchange(step.words, at, head, next) === head) return;
    }
  }

  #refuse(index: number, verdict: number, waitMs: number): number {
    this.refusedBy = index;
    this.waitMs = waitMs;
    return verdict;
  }
}

/** No key tells when it leaves; flood or not, a second later some have. */
const NO_ROOM_WAIT_MS = 1000;
const NO_CLIENT = new Uint32Array(2);
/** For calls of no tool. */
export const NO_TOOL: RateLimitTool = new RateLimitTool(0, 0, 0);
