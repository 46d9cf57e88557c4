/**
 * The header block of an OPEN payload while it is written: fields as `header-field.ts` lays them out,
 * one behind the other in a scratch block. Every value that gets in is visible ASCII, blanks and tabs
 * (RFC 9110 §5.5). Some 500 bytes go through here with each request, so there are four ways to write:
 *
 * - A value that is still in the bytes it came in is copied and checked as `byte-words.ts` does.
 * - A value equal to the last one under its code is copied as it was written then, unchecked: it is the
 *   same text. Clients send most of their fields unchanged.
 * - Another short one goes character by character.
 * - A long one, such as a token, is written by the engine and checked four bytes at a time.
 */
import { ByteRange, copyRange, visibleEnd } from '../../shared/byte-words.ts';
import { takeBytes } from '../../shared/kernel/byte-kernel.ts';
import { HEADER_CODES } from '../../shared/header-code.ts';
import { HEADER_FIELD_BYTES, writeFieldStart } from '../../shared/header-field.ts';

/** Bits that a byte of a word shows when it is no visible character; see `oddBits`. */
const ODD_BITS = 0x8080_8080;
/** Longest value that is kept for the next request. */
const REPEATED_CHARS_MAX = 60;
const REPEATED_BYTES: number = HEADER_FIELD_BYTES + REPEATED_CHARS_MAX;
/** From here on a call into the engine is cheaper than a loop over characters. */
const LONG_CHARS_MIN = 40;

const TAB = 0x09;
const BLANK = 0x20;
const DELETE = 0x7f;

export class FieldBlock {
  /** `bytes[start, end)` are the fields. */
  readonly bytes: Uint8Array;
  end: number;
  /** Fields written. */
  count = 0;
  readonly #start: number;
  readonly #buffer: Buffer;
  readonly #words: Int32Array;
  readonly range: ByteRange;
  /** By code: the last short value, and its field as it was written. */
  readonly #repeated: string[] = new Array<string>(HEADER_CODES).fill('');
  readonly #repeatedFields = new Uint8Array(HEADER_CODES * REPEATED_BYTES);

  /** @param capacity a multiple of 4 */
  constructor(start: number, capacity: number) {
    this.bytes = takeBytes(capacity);
    this.end = start;
    this.#start = start;
    const { buffer, byteOffset } = this.bytes;
    this.#buffer = Buffer.from(buffer, byteOffset, capacity);
    this.#words = new Int32Array(buffer, byteOffset, capacity >> 2);
    this.range = new ByteRange(this.bytes);
  }

  /** A new block begins. */
  reset(): void {
    this.end = this.#start;
    this.count = 0;
  }

  /** The kernel has written fields up to `end` (`head-shape.ts`). */
  takeWritten(end: number): void {
    this.end = end;
  }

  /** Writes a field with a known name. False: its value may not travel, or there is no room. */
  tryWrite(code: number, value: string): boolean {
    if (this.#repeated[code] === value && value !== '') return this.#tryRepeat(code, value.length);
    const start = this.end;
    if (!this.tryWriteOther(code, '', value)) return false;
    if (value.length <= REPEATED_CHARS_MAX) this.#keep(code, value, start);
    return true;
  }

  /** The same for a value that lies in bytes. */
  tryWriteBytes(code: number, source: ByteRange, start: number, end: number): boolean {
    const valueAt = writeFieldStart(this.bytes, this.end, code, '', end - start);
    if (valueAt < 0) return false;
    const after = copyRange(source, start, end, this.range, valueAt);
    if (visibleEnd(this.range, valueAt, after) < after && !this.#areVisible(valueAt, after)) {
      return false;
    }
    this.#took(after);
    return true;
  }

  /** The same for any name. @param name lower case; empty unless `code` is HEADER_OTHER */
  tryWriteOther(code: number, name: string, value: string): boolean {
    const valueAt = writeFieldStart(this.bytes, this.end, code, name, value.length);
    if (valueAt < 0) return false;
    const isLong = value.length >= LONG_CHARS_MIN;
    if (isLong ? !this.#tryWriteLong(valueAt, value) : !this.#tryWriteShort(valueAt, value)) {
      return false;
    }
    this.#took(valueAt + value.length);
    return true;
  }

  #took(end: number): void {
    this.end = end;
    this.count += 1;
  }

  #tryRepeat(code: number, valueChars: number): boolean {
    const { bytes, end } = this;
    const fieldBytes = HEADER_FIELD_BYTES + valueChars;
    if (end + fieldBytes > bytes.length) return false;
    const fields = this.#repeatedFields;
    const from = code * REPEATED_BYTES;
    for (let index = 0; index < fieldBytes; index += 1) bytes[end + index] = fields[from + index]!;
    this.#took(end + fieldBytes);
    return true;
  }

  #keep(code: number, value: string, start: number): void {
    this.#repeated[code] = value;
    const fields = this.#repeatedFields;
    const to = code * REPEATED_BYTES;
    const fieldBytes = this.end - start;
    for (let index = 0; index < fieldBytes; index += 1) {
      fields[to + index] = this.bytes[start + index]!;
    }
  }

  #tryWriteShort(at: number, value: string): boolean {
    const { bytes } = this;
    for (let index = 0; index < value.length; index += 1) {
      const character = value.charCodeAt(index);
      if (character < BLANK ? character !== TAB : character >= DELETE) return false;
      bytes[at + index] = character;
    }
    return true;
  }

  /** As UTF-8, because then whatever is not ASCII takes more bytes than characters. */
  #tryWriteLong(at: number, value: string): boolean {
    const { length } = value;
    if (this.#buffer.write(value, at, length, 'utf8') !== length) return false;
    return this.#isVisible(at, at + length);
  }

  #isVisible(start: number, end: number): boolean {
    const words = this.#words;
    const firstWord = (start + 3) >> 2;
    const endWord = end >> 2;
    let odd = 0;
    for (let index = firstWord; index < endWord; index += 1) {
      odd |= oddBits(words[index]!);
    }
    // A tab is odd as well, so what looks odd is looked at byte by byte.
    if ((odd & ODD_BITS) !== 0) return this.#areVisible(start, end);
    return (
      this.#areVisible(start, Math.min(firstWord << 2, end)) &&
      this.#areVisible(Math.max(endWord << 2, start), end)
    );
  }

  #areVisible(start: number, end: number): boolean {
    for (let at = start; at < end; at += 1) {
      const byte = this.bytes[at]!;
      if (byte < BLANK ? byte !== TAB : byte >= DELETE) return false;
    }
    return true;
  }
}

/** The top bit of a byte: below 0x20, above 0x7f, 0x7f. A borrow or carry starts only at such a byte. */
function oddBits(word: number): number {
  return (word - 0x2020_2020) | word | (word + 0x0101_0101);
}
