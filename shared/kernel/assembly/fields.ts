/** The fields of a header block (`shared/header-field.ts` has the layout), found in one call. */

const CODES: u32 = 32;
const OTHER: u32 = 0;
const FIELD_BYTES: usize = 4;
const STARTS: usize = 4;
const ENDS: usize = 132;

/**
 * Reads `count` fields of `[start, end)`. At `out`: the set of codes that there are; from STARTS and ENDS
 * on, by code, where the first value lies, as offsets from `base`.
 *
 * @returns 1; 0 if the block is malformed
 */
export function readFields(base: usize, start: usize, end: usize, count: i32, out: usize): i32 {
  let codes: u32 = 0;
  let at = start;
  for (let fields = 0; fields < count; fields += 1) {
    // May have stepped past the end: no field is longer than 65 KB, and nothing there is read.
    if (at + FIELD_BYTES > end) return 0;
    const field = load<u32>(at);
    const code = field & 0xff;
    const nameBytes = (field >>> 8) & 0xff;
    if (code >= CODES || (code == OTHER) != nameBytes > 0) return 0;
    const valueStart = at + FIELD_BYTES + nameBytes;
    at = valueStart + (field >>> 16);
    if (code == OTHER) continue;
    const bit: u32 = 1 << code;
    if ((codes & bit) != 0) continue;
    codes |= bit;
    const place = out + ((<usize>code) << 2);
    store<u32>(place, valueStart - base, STARTS);
    store<u32>(place, at - base, ENDS);
  }
  store<u32>(out, codes);
  return at == end ? 1 : 0;
}
