/**
 * A call's share of all its rate limits, where all is as usual: `RateLimitTable.take` without its rare
 * ways. Every entry is where the hash led to before, is active and the key's, its algorithm says yes, and
 * nobody else changes it meanwhile. Where one of these fails, this says how far it got, and the JavaScript
 * goes on from there: nothing that was done has to be done again or undone.
 *
 *   desk | call | limits of the call | rules | hints |          see `../../rate-limit-desk.ts`
 *
 * What is read and written in which order is as in `rate-limit-table.ts` and `rate-limit-step.ts`, which
 * say why. Times are whole milliseconds below 2^53, so 64-bit integers are exactly the doubles there.
 *
 * All addresses come from this thread's desk. An entry may be another key's by now, but it is an entry.
 */

// The desk, in bytes; the same numbers stand in `rate-limit-desk.ts`.
const WAIT_MS: usize = 0;
const SEED_LOW: usize = 8;
const SEED_HIGH: usize = 12;
const TABLE: usize = 16;
const HINTS: usize = 20;
const CODE_MASK: usize = 24;
const ACTIVE_CODE: usize = 28;
const OWN_RECORD: usize = 32;
const LIMITS: usize = 64;

// One limit of the call at hand.
const LIMIT_BYTES: usize = 32;
const RULE: usize = 0;
const HASH: usize = 4;
const AT: usize = 8;
const SEEN: usize = 12;
const WANTED: usize = 16;

// A rule. What only one algorithm needs lies where others have theirs.
const RULE_HASH: usize = 0;
const KEY_WORD: usize = 4;
const CLIENT_MASK: usize = 8;
const TOOL_MASK: usize = 12;
const ALGORITHM: usize = 16;
const RECORD_BYTES: usize = 20;
const ENTRIES: usize = 24;
const ENTRIES_BYTES: usize = 28;
const REQUESTS: usize = 32;
const WINDOW_MS: usize = 36;
const PARTS: usize = 40;
const COST_MS: usize = 44;
const COST_PARTS: usize = 48;
const DEPTH_MS: usize = 52;
const DEPTH_PARTS: usize = 56;
const ENTRY_BYTES: usize = 40;
const RINGS: usize = 44;
const STAMPS: usize = 48;
const TICK_BITS: usize = 52;

const SLIDING_WINDOW: i32 = 1;
const FIXED_WINDOW: i32 = 2;

// The table. An entry: head, five words of key, records.
const HINT_MASK: i32 = 16_383;
const KEY: usize = 4;
const RECORDS: usize = 24;
const STATE: usize = 8;
const USED: usize = 12;

/** What a step says; more: refused, and for how many ms. */
const ALLOWED: i64 = 0;
const OVERTAKEN: i64 = -1;

/** Less by the index of the limit: its look is to be done again, and all after it; nothing is in force. */
const LOOK_STOPPED: i32 = -1;
/** Less by the index of the limit: somebody was quicker there; those behind it are in force. */
const PUT_STOPPED: i32 = -129;

/** 0: taken from all. 1 + index: refused by that limit, see WAIT_MS. Below 0: see above. */
export function takeLimits(
  desk: usize,
  count: i32,
  clientLow: i32,
  clientHigh: i32,
  toolLow: i32,
  toolHigh: i32,
  toolHash: i32,
  nowMs: f64,
): i32 {
  const limits = desk + LIMITS;
  const end = limits + <usize>count * LIMIT_BYTES;
  approach(desk, limits, end, hashWords(desk, clientLow, clientHigh), toolHash * <i32>0x85eb_ca77);
  const floorMs = <i64>floor(nowMs);
  const ceilMs = <i64>ceil(nowMs);
  const table = <usize>load<u32>(desk, TABLE);
  const codeMask = load<i32>(desk, CODE_MASK);
  const activeCode = load<i32>(desk, ACTIVE_CODE);
  const own = load<i32>(desk, OWN_RECORD);
  for (let limit = limits; limit < end; limit += LIMIT_BYTES) {
    const rule = <usize>load<u32>(limit, RULE);
    const entry = table + ((<usize>load<u32>(limit, AT)) << 2);
    if (!isIn(rule, entry)) return stoppedAt(LOOK_STOPPED, limits, limit);
    const head = atomic.load<i32>(entry);
    const record = (head & codeMask) - activeCode;
    const clientMask = load<i32>(rule, CLIENT_MASK);
    const toolMask = load<i32>(rule, TOOL_MASK);
    const odd =
      (load<i32>(entry, KEY) ^ load<i32>(rule, KEY_WORD)) |
      (load<i32>(entry, KEY + 4) ^ (clientLow & clientMask)) |
      (load<i32>(entry, KEY + 8) ^ (clientHigh & clientMask)) |
      (load<i32>(entry, KEY + 12) ^ (toolLow & toolMask)) |
      (load<i32>(entry, KEY + 16) ^ (toolHigh & toolMask));
    if (record < 0 || odd != 0) return stoppedAt(LOOK_STOPPED, limits, limit);
    const spare = record == own ? own + 1 : own;
    const recordBytes = load<i32>(rule, RECORD_BYTES);
    const from = entry + RECORDS + <usize>(record * recordBytes);
    const to = entry + RECORDS + <usize>(spare * recordBytes);
    const algorithm = load<i32>(rule, ALGORITHM);
    const waitMs =
      algorithm == SLIDING_WINDOW
        ? takeSliding(rule, entry, head, from, to, floorMs, ceilMs)
        : algorithm == FIXED_WINDOW
          ? takeFixed(rule, from, to, floorMs, ceilMs)
          : takeToken(rule, from, to, floorMs, ceilMs);
    if (waitMs != ALLOWED) {
      // A refusal counts only if what it was judged by stood still.
      if (waitMs == OVERTAKEN || atomic.load<i32>(entry) != head) {
        return stoppedAt(LOOK_STOPPED, limits, limit);
      }
      store<f64>(desk, <f64>waitMs, WAIT_MS);
      return 1 - stoppedAt(0, limits, limit);
    }
    store<i32>(limit, head, SEEN);
    // The version one up, and this shard's record.
    store<i32>(limit, ((head | codeMask) + 1) | (activeCode + spare), WANTED);
  }
  for (let limit = end; limit > limits;) {
    limit -= LIMIT_BYTES;
    const seen = load<i32>(limit, SEEN);
    const entry = table + ((<usize>load<u32>(limit, AT)) << 2);
    if (atomic.cmpxchg<i32>(entry, seen, load<i32>(limit, WANTED)) != seen) {
      return stoppedAt(PUT_STOPPED, limits, limit);
    }
  }
  return 0;
}

/** Whether this is an entry of the rule's bank; a hint may be another rule's, or none (0). */
function isIn(rule: usize, entry: usize): bool {
  return entry - <usize>load<u32>(rule, ENTRIES) < <usize>load<u32>(rule, ENTRIES_BYTES);
}

function stoppedAt(what: i32, limits: usize, limit: usize): i32 {
  return what - <i32>((limit - limits) / LIMIT_BYTES);
}

/** Finds the entries, and reads a word of each so that they are fetched all at once. */
function approach(desk: usize, limits: usize, end: usize, client: i32, tool: i32): void {
  const table = <usize>load<u32>(desk, TABLE);
  const hints = <usize>load<u32>(desk, HINTS);
  for (let limit = limits; limit < end; limit += LIMIT_BYTES) {
    const rule = <usize>load<u32>(limit, RULE);
    let hash = load<i32>(rule, RULE_HASH) ^ (client & load<i32>(rule, CLIENT_MASK));
    hash += tool & load<i32>(rule, TOOL_MASK);
    hash ^= hash >>> 15;
    const at = load<u32>(hints + ((<usize>(hash & HINT_MASK)) << 2));
    store<i32>(limit, hash, HASH);
    store<u32>(limit, at, AT);
    store<i32>(limit, load<i32>(table + ((<usize>at) << 2)), SEEN);
  }
}

function takeToken(rule: usize, from: usize, to: usize, floorMs: i64, ceilMs: i64): i64 {
  const parts = load<i32>(rule, PARTS);
  const fullAt = load<i64>(from);
  const isRefilled = fullAt <= ceilMs;
  let nextMs = (isRefilled ? ceilMs : fullAt) + <i64>load<i32>(rule, COST_MS);
  let nextLess = (isRefilled ? 0 : load<i32>(from, STATE)) - load<i32>(rule, COST_PARTS);
  if (nextLess < 0) {
    nextMs += 1;
    nextLess += parts;
  }
  if (fullAt > floorMs) {
    const excessMs = nextMs - floorMs - <i64>load<i32>(rule, DEPTH_MS);
    // Both are below `parts`, at most 1e9: the sum fits.
    const isLess = nextLess + load<i32>(rule, DEPTH_PARTS) < parts;
    if (excessMs > 1 || (excessMs == 1 && isLess)) return excessMs - (isLess ? 0 : 1);
  }
  store<i64>(to, nextMs);
  store<i32>(to, nextLess, STATE);
  return ALLOWED;
}

function takeFixed(rule: usize, from: usize, to: usize, floorMs: i64, ceilMs: i64): i64 {
  const fullAt = load<i64>(from);
  if (fullAt <= floorMs) {
    store<i64>(to, ceilMs + <i64>load<i32>(rule, WINDOW_MS));
    store<i32>(to, 1, STATE);
    return ALLOWED;
  }
  const count = load<i32>(from, STATE);
  if (count >= load<i32>(rule, REQUESTS)) return fullAt - floorMs;
  store<i64>(to, fullAt);
  store<i32>(to, count + 1, STATE);
  return ALLOWED;
}

function takeSliding(
  rule: usize,
  entry: usize,
  head: i32,
  from: usize,
  to: usize,
  floorMs: i64,
  ceilMs: i64,
): i64 {
  const windowMs = <i64>load<i32>(rule, WINDOW_MS);
  const fullAt = load<i64>(from);
  const number = load<i32>(from, STATE);
  if (fullAt + windowMs <= floorMs) {
    writeSliding(to, ceilMs + windowMs, number + 1, 1);
    return ALLOWED;
  }
  const lastMs = fullAt - windowMs;
  const last = <i32>lastMs;
  const ring = ringOf(rule, entry);
  const mask = load<i32>(rule, STAMPS) - 1;
  const state = load<i32>(from, USED);
  let used = state >> 1;
  if ((state & 1) != 0) {
    // The pending stamp goes into the ring, unless the place is another stamp's by now.
    const slot = stampAt(ring, mask, number - 1);
    const seen = atomic.load<i32>(slot);
    if (atomic.load<i32>(entry) != head) return OVERTAKEN;
    if (seen != last && atomic.cmpxchg<i32>(slot, seen, last) != seen) return OVERTAKEN;
  }
  const overMs = fullAt - floorMs;
  const requests = load<i32>(rule, REQUESTS);
  if (used == requests || (last ^ (<i32>ceilMs)) >> load<i32>(rule, TICK_BITS) != 0) {
    used -= countOlder(ring, mask, number - used, used, last, overMs + windowMs);
  }
  if (used == requests) {
    const age = <i64>(last - load<i32>(stampAt(ring, mask, number - used)));
    if (age < overMs) return overMs - age;
    used -= 1;
  }
  writeSliding(to, max<i64>(lastMs, ceilMs) + windowMs, number + 1, used + 1);
  return ALLOWED;
}

function ringOf(rule: usize, entry: usize): usize {
  const place = (entry - <usize>load<u32>(rule, ENTRIES)) / <usize>load<u32>(rule, ENTRY_BYTES);
  return <usize>load<u32>(rule, RINGS) + ((place * <usize>load<u32>(rule, STAMPS)) << 2);
}

/** A record with a pending stamp. */
function writeSliding(to: usize, fullAt: i64, number: i32, used: i32): void {
  store<i64>(to, fullAt);
  store<i32>(to, number, STATE);
  store<i32>(to, (used << 1) | 1, USED);
}

function stampAt(ring: usize, mask: i32, number: i32): usize {
  return ring + ((<usize>(number & mask)) << 2);
}

/** How many of the `used` stamps from `first` on are at least `olderMs` older than the last. */
function countOlder(ring: usize, mask: i32, first: i32, used: i32, last: i32, olderMs: i64): i32 {
  if (used == 0 || <i64>(last - load<i32>(stampAt(ring, mask, first))) < olderMs) return 0;
  let older = 1;
  let end = used;
  while (older < end) {
    const middle = (older + end) >> 1;
    const age = last - load<i32>(stampAt(ring, mask, first + middle));
    if (<i64>age >= olderMs) older = middle + 1;
    else end = middle;
  }
  return older;
}

/** As `RateLimitKeys.hashWords`. */
function hashWords(desk: usize, low: i32, high: i32): i32 {
  return mix((low ^ load<i32>(desk, SEED_LOW)) + mix(high ^ load<i32>(desk, SEED_HIGH)));
}

function mix(value: i32): i32 {
  let hash = (value ^ (value >>> 16)) * <i32>0x85eb_ca6b;
  hash = (hash ^ (hash >>> 13)) * <i32>0xc2b2_ae35;
  return hash ^ (hash >>> 16);
}
