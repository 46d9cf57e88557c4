/**
 * Header fields in a frame, the same in both directions:
 *
 *      0      1            2             4            4 + name bytes
 *      +------+------------+-------------+------------+------------------+
 *      | code | name bytes | value bytes |    name    |      value       |
 *      +------+------------+-------------+------------+------------------+
 *        u8     u8           u16           HEADER_OTHER only, lower case
 *
 * Values are bytes as they were on the wire. What a peer controls (length, characters) never fails an
 * assertion here: a field that cannot travel is answered with -1 and the caller refuses the message.
 */
import { ByteRanges } from './byte-words.ts';
import { kernelOf, takeBytes, type ByteKernel } from './kernel/byte-kernel.ts';
import { HEADER_CODES, HEADER_OTHER } from './header-code.ts';
import { readU16, writeU16 } from './little-endian.ts';

export const HEADER_FIELD_BYTES = 4;
export const HEADER_NAME_BYTES_MAX = 255;
export const HEADER_VALUE_BYTES_MAX = 65_535;

/** Bytes a field takes. `nameBytes` counts only for HEADER_OTHER. */
export function headerFieldBytes(code: number, nameBytes: number, valueBytes: number): number {
  return HEADER_FIELD_BYTES + (code === HEADER_OTHER ? nameBytes : 0) + valueBytes;
}

/**
 * Writes a field whose value is `value[start, end)`, copied as it is. `name` is written for
 * HEADER_OTHER only, and must be there for it. Returns the index after the field, or -1 when the
 * field cannot travel: too long, no room before the end of `bytes`, or a name that is none.
 */
export function writeHeader(
  bytes: Uint8Array,
  at: number,
  code: number,
  name: string | null,
  value: Uint8Array,
  start: number,
  end: number,
): number {
  const valueAt = writeFieldStart(bytes, at, code, name, end - start);
  if (valueAt < 0) return -1;
  for (let index = start; index < end; index += 1) bytes[valueAt + index - start] = value[index]!;
  return valueAt + (end - start);
}

/**
 * Writes a field whose value is a string of characters up to U+00FF, one byte each. Returns the index
 * after the field, or -1 when the field cannot travel: as for `writeHeader`, or a value with a
 * character that RFC 9110 §5.5 keeps out of fields (controls but the tab) or that is no byte.
 */
export function writeHeaderLatin1(
  bytes: Uint8Array,
  at: number,
  code: number,
  name: string | null,
  value: string,
): number {
  const length = value.length;
  const valueAt = writeFieldStart(bytes, at, code, name, length);
  if (valueAt < 0) return -1;
  for (let index = 0; index < length; index += 1) {
    const character = value.charCodeAt(index);
    if (character < 0x20 ? character !== 0x09 : character === 0x7f || character > 0xff) return -1;
    bytes[valueAt + index] = character;
  }
  return valueAt + length;
}

/** Writes all but the value. Returns where the value goes, or -1 as for `writeHeader`. */
export function writeFieldStart(
  bytes: Uint8Array,
  at: number,
  code: number,
  name: string | null,
  valueBytes: number,
): number {
  const nameBytes = code === HEADER_OTHER && name !== null ? name.length : 0;
  if (code === HEADER_OTHER && nameBytes === 0) return -1;
  if (nameBytes > HEADER_NAME_BYTES_MAX || valueBytes > HEADER_VALUE_BYTES_MAX) return -1;
  if (at + HEADER_FIELD_BYTES + nameBytes + valueBytes > bytes.length) return -1;
  bytes[at] = code;
  bytes[at + 1] = nameBytes;
  writeU16(bytes, at + 2, valueBytes);
  for (let index = 0; index < nameBytes; index += 1) {
    const character = name!.charCodeAt(index);
    // Printable ASCII without the colon; a name is a token (RFC 9110 §5.1), the HTTP parser checked it.
    if (character <= 0x20 || character >= 0x7f || character === 0x3a) return -1;
    bytes[at + HEADER_FIELD_BYTES + index] = character;
  }
  return at + HEADER_FIELD_BYTES + nameBytes;
}

/** Of `#found`, as `shared/kernel/assembly/fields.ts` writes it. */
const CODES_WORD = 0;
const STARTS_WORD = 1;
const ENDS_WORD: number = STARTS_WORD + HEADER_CODES;
const FOUND_WORDS: number = ENDS_WORD + HEADER_CODES;

/**
 * Reads a header block in place. One object serves many messages: `setFields` points it at the next
 * one. Holds no copy, so it is good for as long as the bytes are.
 */
export class HeaderFields {
  bytes: Uint8Array = NO_BYTES;
  headersStart = 0;
  headersEnd = 0;
  headerCount = 0;
  /** The field that `find` or `nextHeader` met last. Name start and end are equal for known codes. */
  code = 0;
  nameStart = 0;
  nameEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  /** Words: the set of codes that there are; by code, where the first value begins and where it ends. */
  readonly #found: Uint32Array;
  /** The one that can write there; null: the loop below does. */
  readonly kernel: ByteKernel | null;
  /** Where in its memory the fields are noted that were found. */
  readonly foundAddress: number;
  protected readonly ranges = new ByteRanges();

  constructor() {
    const bytes = takeBytes(FOUND_WORDS * 4);
    this.#found = new Uint32Array(bytes.buffer, bytes.byteOffset, FOUND_WORDS);
    this.kernel = kernelOf(bytes.buffer);
    this.foundAddress = bytes.byteOffset;
  }

  /**
   * Finds the first value of a known field: sets `valueStart` and `valueEnd` (and the other members of the
   * field). False, and nothing set, when it is absent.
   */
  find(code: number): boolean {
    const found = this.#found;
    if ((found[CODES_WORD]! & (1 << code)) === 0) return false;
    const start = found[STARTS_WORD + code]!;
    this.code = code;
    this.nameStart = start;
    this.nameEnd = start;
    this.valueStart = start;
    this.valueEnd = found[ENDS_WORD + code]!;
    return true;
  }

  /**
   * Reads the field at `cursor` and returns the cursor of the next one, or -1 when there is no field
   * left at `cursor`. Start with `headersStart`:
   *
   *     for (let at = view.nextHeader(view.headersStart); at >= 0; at = view.nextHeader(at)) …
   */
  nextHeader(cursor: number): number {
    if (cursor >= this.headersEnd) return -1;
    const bytes = this.bytes;
    this.code = bytes[cursor]!;
    this.nameStart = cursor + HEADER_FIELD_BYTES;
    this.nameEnd = this.nameStart + bytes[cursor + 1]!;
    this.valueStart = this.nameEnd;
    this.valueEnd = this.valueStart + readU16(bytes, cursor + 2);
    return this.valueEnd;
  }

  /** Takes on a block of `count` fields in `bytes[start, end)`. False when the block is malformed. */
  protected setFields(bytes: Uint8Array, start: number, end: number, count: number): boolean {
    this.bytes = bytes;
    this.headersStart = start;
    this.headersEnd = end;
    this.headerCount = count;
    if (count === 0) {
      this.#found[CODES_WORD] = 0;
      return start === end;
    }
    const range = this.ranges.of(bytes);
    const { kernel, address } = range;
    if (kernel === null || kernel !== this.kernel) return this.#readFields(range.view, count);
    const isSound = kernel.readFields(
      address,
      address + start,
      address + end,
      count,
      this.foundAddress,
    );
    return isSound !== 0;
  }

  #readFields(view: DataView, count: number): boolean {
    const found = this.#found;
    const { headersStart, headersEnd: end } = this;
    let codes = 0;
    let cursor = headersStart;
    for (let fields = 0; fields < count; fields += 1) {
      // May have stepped past the end, as it only grows.
      if (cursor + HEADER_FIELD_BYTES > end) return false;
      const field = view.getInt32(cursor, true);
      const code = field & 0xff;
      const nameBytes = (field >>> 8) & 0xff;
      if (code >= HEADER_CODES || (code === HEADER_OTHER) !== nameBytes > 0) return false;
      const valueStart = cursor + HEADER_FIELD_BYTES + nameBytes;
      cursor = valueStart + (field >>> 16);
      if (code === HEADER_OTHER) continue;
      const bit = 1 << code;
      if ((codes & bit) !== 0) continue;
      codes |= bit;
      found[STARTS_WORD + code] = valueStart;
      found[ENDS_WORD + code] = cursor;
    }
    found[CODES_WORD] = codes;
    return cursor === end;
  }
}

const NO_BYTES = new Uint8Array(0);
