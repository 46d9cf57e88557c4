/**
 * The loops over bytes that JavaScript does one or eight at a time, sixteen at a time (WebAssembly
 * SIMD). AssemblyScript, compiled by `scripts/kernel.mjs` into `../code.ts`; `../byte-kernel.ts` is the way in.
 *
 * Addresses are offsets into the region. Callers have checked that every range lies within bytes they
 * may touch: nothing here does. Ranges may be empty; those of a copy do not overlap.
 */

const QUOTE: i8 = 0x22;
const BACKSLASH: i8 = 0x5c;
const BLANK: i8 = 0x20;
const DELETE: i8 = 0x7f;

export function copy(from: usize, to: usize, length: i32): void {
  if (length >= 16) {
    const last = length - 16;
    let at = 0;
    for (; at + 48 < last; at += 64) {
      v128.store(to + at, v128.load(from + at));
      v128.store(to + at, v128.load(from + at, 16), 16);
      v128.store(to + at, v128.load(from + at, 32), 32);
      v128.store(to + at, v128.load(from + at, 48), 48);
    }
    for (; at < last; at += 16) v128.store(to + at, v128.load(from + at));
    // The last sixteen once more, with what there is before them.
    v128.store(to + last, v128.load(from + last));
  } else if (length >= 8) {
    const last = length - 8;
    store<u64>(to, load<u64>(from));
    store<u64>(to + last, load<u64>(from + last));
  } else {
    for (let at = 0; at < length; at += 1) store<u8>(to + at, load<u8>(from + at));
  }
}

/** Stores a word so that whoever sees it sees all that was written before. */
export function publish(at: usize, word: i32): void {
  atomic.store<i32>(at, word);
}

/** Whether two ranges are alike, 1 or 0. How long it takes depends on the length alone. */
export function equal(one: usize, other: usize, length: i32): i32 {
  if (length >= 16) {
    const last = length - 16;
    let odd = v128.xor(v128.load(one + last), v128.load(other + last));
    let at = 0;
    for (; at + 48 < last; at += 64) {
      const first = v128.xor(v128.load(one + at), v128.load(other + at));
      const second = v128.xor(v128.load(one + at, 16), v128.load(other + at, 16));
      const third = v128.xor(v128.load(one + at, 32), v128.load(other + at, 32));
      const fourth = v128.xor(v128.load(one + at, 48), v128.load(other + at, 48));
      odd = v128.or(odd, v128.or(v128.or(first, second), v128.or(third, fourth)));
    }
    for (; at < last; at += 16) {
      odd = v128.or(odd, v128.xor(v128.load(one + at), v128.load(other + at)));
    }
    return v128.any_true(odd) ? 0 : 1;
  }
  if (length >= 8) {
    const last = length - 8;
    const first = load<u64>(one) ^ load<u64>(other);
    return (first | (load<u64>(one + last) ^ load<u64>(other + last))) == 0 ? 1 : 0;
  }
  let odd: u32 = 0;
  for (let at = 0; at < length; at += 1) odd |= load<u8>(one + at) ^ load<u8>(other + at);
  return odd == 0 ? 1 : 0;
}

/** Where the first byte stands that is neither visible ASCII nor a blank; `end` if none does. */
export function visibleEnd(start: usize, end: usize): usize {
  let at = start;
  for (; at + 16 <= end; at += 16) {
    const bytes = v128.load(at);
    // Compared as signed, whatever is above 0x7f is below a blank.
    const odd = v128.or(
      i8x16.lt_s(bytes, i8x16.splat(BLANK)),
      i8x16.eq(bytes, i8x16.splat(DELETE)),
    );
    const mask = i8x16.bitmask(odd);
    if (mask != 0) return at + ctz(mask);
  }
  for (; at < end; at += 1) {
    const byte = load<i8>(at);
    if (byte < BLANK || byte == DELETE) return at;
  }
  return end;
}

/** The same, and a quote or a backslash ends it too: what a JSON string has between its odd parts. */
export function plainEnd(start: usize, end: usize): usize {
  let at = start;
  for (; at + 16 <= end; at += 16) {
    const bytes = v128.load(at);
    const outside = v128.or(
      i8x16.lt_s(bytes, i8x16.splat(BLANK)),
      i8x16.eq(bytes, i8x16.splat(DELETE)),
    );
    const marks = v128.or(
      i8x16.eq(bytes, i8x16.splat(QUOTE)),
      i8x16.eq(bytes, i8x16.splat(BACKSLASH)),
    );
    const mask = i8x16.bitmask(v128.or(outside, marks));
    if (mask != 0) return at + ctz(mask);
  }
  for (; at < end; at += 1) {
    const byte = load<i8>(at);
    if (byte < BLANK || byte == DELETE || byte == QUOTE || byte == BACKSLASH) return at;
  }
  return end;
}
