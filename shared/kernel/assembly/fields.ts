/**
 * The fields of a header block (`shared/header-field.ts` has the layout), found in one call, and those of
 * them held against the message that they mirror.
 */
import { equal, visibleEnd } from './bytes';

const CODES: u32 = 32;
const OTHER: u32 = 0;
const FIELD_BYTES: usize = 4;
const STARTS: usize = 4;
const ENDS: usize = 132;

/** Codes of the fields that mirror a message, and the places of what they mirror in its record. */
const VERSION: usize = 2;
const METHOD: usize = 3;
const NAME: usize = 4;
const MIRRORS: u32 = (1 << VERSION) | (1 << METHOD) | (1 << NAME);
const METHOD_PLACE: usize = 16;
const NAME_PLACE: usize = 24;
const VERSION_PLACE: usize = 32;

const BLANK: u8 = 0x20;
/** Begins a name that stands for other bytes. */
const SENTINEL: u8 = 0x3d;

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

/**
 * Whether version, method and name are among the fields that `readFields` found, and each is, byte for
 * byte, what the record (`src/protocol/jsonrpc/peek-record.ts`) has a place for. 0 as well for what is not
 * visible ASCII or might stand for something else: JavaScript looks at that.
 */
export function fieldsAgree(base: usize, found: usize, record: usize): i32 {
  if ((load<u32>(found) & MIRRORS) != MIRRORS) return 0;
  if (agrees(base, found, VERSION, record + VERSION_PLACE) == 0) return 0;
  if (agrees(base, found, METHOD, record + METHOD_PLACE) == 0) return 0;
  return agrees(base, found, NAME, record + NAME_PLACE);
}

function agrees(base: usize, found: usize, code: usize, place: usize): i32 {
  const field = base + load<u32>(found + (code << 2), STARTS);
  const end = base + load<u32>(found + (code << 2), ENDS);
  const at = load<i32>(place);
  const length = load<i32>(place, 4) - at;
  if (at < 0 || length <= 0 || <i32>(end - field) != length) return 0;
  const first = load<u8>(field);
  if (first == BLANK || first == SENTINEL || load<u8>(end - 1) == BLANK) return 0;
  return visibleEnd(field, end) == end ? equal(field, base + at, length) : 0;
}
