/**
 * Reads the head of a request from its bytes, strictly (RFC 9112 2 to 6; RFC 9110 5). One object serves
 * a whole server: a head is read from one run of bytes in one call, its fields are spans into them, and
 * the next head overwrites all of it.
 *
 * Refused, because two readers could take it for two things: a bare CR or LF, a folded line, a blank
 * before the colon, control bytes, more than one Content-Length or Host, a length that is no plain
 * number, a Transfer-Encoding other than one `chunked` or beside a length, a target without its slash.
 */
import { FIELD_TOKEN, FIELD_VALUE } from '../transport/http/field-bytes.ts';
import {
  ByteRange,
  ByteRanges,
  copyRange,
  equalRanges,
  visibleEnd,
} from '../../shared/byte-words.ts';
import { takeBytes } from '../../shared/kernel/byte-kernel.ts';
import {
  FIELD_CONNECTION,
  FIELD_CONTENT_LENGTH,
  FIELD_EXPECT,
  FIELD_HOST,
  FIELD_TRANSFER_ENCODING,
  fieldKind,
  isRememberedKind,
} from './field-kind.ts';
import { FIELDS_MAX, LENGTH_DIGITS_MAX } from './framing-rules.ts';
import { LineMemo } from './line-memo.ts';
import type { RefusalName } from './refusal-reply.ts';

/** The bytes are well formed so far, and more are needed. */
export const REQUEST_INCOMPLETE = -1;
/** `refusal` says why. */
export const REQUEST_REFUSED = -2;

const CR = 0x0d;
const LF = 0x0a;
const TAB = 0x09;
const BLANK = 0x20;
const COLON = 0x3a;
const COMMA = 0x2c;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const DELETE = 0x7f;
const ZERO = 0x30;
/** Kind, start and end of the name, start and end of the value. */
const SPAN_WORDS = 5;
/** A method is a token; registered ones have at most 17 bytes (RFC 9110 16.1). */
const METHOD_BYTES_MAX = 32;

/** Longer request lines are read each time. */
const LINE_BYTES_MAX = 256;

const VERSION = Uint8Array.from(' HTTP/1.1\r\n', (letter) => letter.charCodeAt(0));
const VERSION_NAME_BYTES = 6;
const CHUNKED = Uint8Array.from('chunked', (letter) => letter.charCodeAt(0));
const CLOSE = Uint8Array.from('close', (letter) => letter.charCodeAt(0));
const CONTINUE = Uint8Array.from('100-continue', (letter) => letter.charCodeAt(0));

export class RequestParser {
  /** Why the head was refused, after REQUEST_REFUSED. */
  refusal: RefusalName = 'FRAMING_REFUSED';
  method = '';
  /** As sent, from the first `/` to the first `?`. */
  path = '';
  query = '';
  /** In bytes, -1 for none. */
  contentLength = -1;
  isChunked = false;
  /** `Connection: close` was there. */
  hasClose = false;
  /** `Expect: 100-continue` was there. */
  expectsContinue = false;
  /** Fields of this head. */
  count = 0;
  /** Where the head that was read last lies in `bytes`. */
  headStart = 0;
  headEnd = 0;
  /** What the fields' spans point into. */
  bytes: Buffer = Buffer.alloc(0);
  readonly #ranges = new ByteRanges();
  /** All of `bytes`. */
  range: ByteRange = this.#ranges.of(this.bytes);
  view: DataView = this.range.view;
  readonly #spans = new Int32Array(FIELDS_MAX * SPAN_WORDS);
  readonly #memo = new LineMemo();
  #hosts = 0;
  /** The last request line, and what it said. */
  readonly #line = new ByteRange(takeBytes(LINE_BYTES_MAX));
  #lineBytes = 0;

  /**
   * Reads the head that begins at `start`.
   *
   * @returns the offset behind it, REQUEST_INCOMPLETE or REQUEST_REFUSED
   */
  parse(bytes: Buffer, start: number, end: number): number {
    this.#reset(bytes);
    let at = this.#readRequestLine(bytes, start, end);
    while (at >= 0) {
      if (at >= end) return REQUEST_INCOMPLETE;
      if (bytes[at] === CR) {
        if (at + 1 >= end) return REQUEST_INCOMPLETE;
        if (bytes[at + 1] !== LF) return this.#refuse('FRAMING_REFUSED');
        this.headStart = start;
        this.headEnd = at + 2;
        return this.#judge(at + 2);
      }
      if (this.count === FIELDS_MAX) return this.#refuse('HEADERS_TOO_LARGE');
      const length = this.#memo.match(this.range, at, end);
      at = length > 0 ? this.#takeKnown(bytes, at, length) : this.#readField(bytes, at, end);
    }
    return at;
  }

  /** What `fieldKind` says of a field. */
  kindAt(index: number): number {
    return this.#spans[index * SPAN_WORDS]!;
  }

  nameStartAt(index: number): number {
    return this.#spans[index * SPAN_WORDS + 1]!;
  }

  nameEndAt(index: number): number {
    return this.#spans[index * SPAN_WORDS + 2]!;
  }

  valueStartAt(index: number): number {
    return this.#spans[index * SPAN_WORDS + 3]!;
  }

  valueEndAt(index: number): number {
    return this.#spans[index * SPAN_WORDS + 4]!;
  }

  /** The name of a field in lower case. */
  nameAt(index: number): string {
    return this.bytes
      .toString('latin1', this.nameStartAt(index), this.nameEndAt(index))
      .toLowerCase();
  }

  /** The value of a field, its bytes read as UTF-8. */
  valueAt(index: number): string {
    return this.bytes.toString('utf8', this.valueStartAt(index), this.valueEndAt(index));
  }

  #reset(bytes: Buffer): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.range = this.#ranges.of(bytes);
      this.view = this.range.view;
    }
    this.contentLength = -1;
    this.isChunked = false;
    this.hasClose = false;
    this.expectsContinue = false;
    this.count = 0;
    this.#hosts = 0;
  }

  #refuse(name: RefusalName): number {
    this.refusal = name;
    return REQUEST_REFUSED;
  }

  /** Once all fields were read. */
  #judge(after: number): number {
    if (this.isChunked && this.contentLength >= 0) return this.#refuse('FRAMING_REFUSED');
    return this.#hosts === 1 ? after : this.#refuse('HEADER_REFUSED');
  }

  /** Most requests name the same method and target as the one before. */
  #readRequestLine(bytes: Buffer, start: number, end: number): number {
    // A line end before a request is none of it (RFC 9112 2.2); clients of old sent one behind a body.
    const isPadded = end - start >= 2 && bytes[start] === CR && bytes[start + 1] === LF;
    const from = isPadded ? start + 2 : start;
    const known = this.#lineBytes;
    if (known > 0 && known <= end - from && equalRanges(this.range, from, this.#line, 0, known)) {
      return from + known;
    }
    const after = this.#readNewLine(bytes, from, end);
    if (after < 0) return after;
    this.#lineBytes = 0;
    if (after - from <= LINE_BYTES_MAX) {
      this.#lineBytes = after - from;
      copyRange(this.range, from, after, this.#line, 0);
    }
    return after;
  }

  #readNewLine(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && FIELD_TOKEN[bytes[at]!] === 1) at += 1;
    if (at - start > METHOD_BYTES_MAX) return this.#refuse('FRAMING_REFUSED');
    if (at >= end) return REQUEST_INCOMPLETE;
    if (at === start || bytes[at] !== BLANK) return this.#refuse('FRAMING_REFUSED');
    const methodEnd = at;
    const target = at + 1;
    at = target;
    let query = -1;
    for (; at < end; at += 1) {
      const byte = bytes[at]!;
      if (byte <= BLANK || byte >= DELETE) break;
      if (byte === QUESTION && query < 0) query = at;
    }
    if (at >= end) return REQUEST_INCOMPLETE;
    // `PRI *` of HTTP/2 and the like: the version is judged before the target.
    const after = this.#readVersion(bytes, at, end);
    if (after < 0) return after;
    if (at === target || bytes[target] !== SLASH) return this.#refuse('FRAMING_REFUSED');
    const pathEnd = query < 0 ? at : query;
    this.method = bytes.toString('latin1', start, methodEnd);
    this.path = bytes.toString('latin1', target, pathEnd);
    this.query = query < 0 ? '' : bytes.toString('latin1', query + 1, at);
    return after;
  }

  /** ` HTTP/1.1` and the line's end. */
  #readVersion(bytes: Buffer, at: number, end: number): number {
    const length = Math.min(VERSION.length, end - at);
    for (let index = 0; index < length; index += 1) {
      if (bytes[at + index] === VERSION[index]) continue;
      const isOtherVersion = index >= VERSION_NAME_BYTES && index < VERSION.length - 2;
      return this.#refuse(isOtherVersion ? 'VERSION_REFUSED' : 'FRAMING_REFUSED');
    }
    return length < VERSION.length ? REQUEST_INCOMPLETE : at + length;
  }

  #takeKnown(bytes: Buffer, at: number, length: number): number {
    const { kind, nameEnd, valueStart, valueEnd } = this.#memo;
    this.#add(kind, at, at + nameEnd, at + valueStart, at + valueEnd);
    if (kind >= FIELD_HOST && !this.#note(bytes, kind, at + valueStart, at + valueEnd)) {
      return this.#refuse('FRAMING_REFUSED');
    }
    return at + length;
  }

  #readField(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && FIELD_TOKEN[bytes[at]!] === 1) at += 1;
    if (at >= end) return REQUEST_INCOMPLETE;
    if (bytes[at] !== COLON || at === start) return this.#refuse('FRAMING_REFUSED');
    const nameEnd = at;
    at += 1;
    while (at < end && (bytes[at] === BLANK || bytes[at] === TAB)) at += 1;
    const valueStart = at;
    at = skipValue(this.range, at, end);
    if (at + 1 >= end) {
      return at >= end || bytes[at] === CR ? REQUEST_INCOMPLETE : this.#refuse('FRAMING_REFUSED');
    }
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return this.#refuse('FRAMING_REFUSED');
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd -= 1;
    const next = at + 2;
    const kind = fieldKind(bytes, start, nameEnd);
    this.#add(kind, start, nameEnd, valueStart, valueEnd);
    if (kind >= FIELD_HOST && !this.#note(bytes, kind, valueStart, valueEnd)) {
      return this.#refuse('FRAMING_REFUSED');
    }
    if (isRememberedKind(kind)) {
      this.#memo.note(this.range, start, next - start, kind, nameEnd - start, valueStart - start, valueEnd - start); // prettier-ignore
    }
    return next;
  }

  #add(kind: number, nameStart: number, nameEnd: number, from: number, to: number): void {
    const spans = this.#spans;
    const word = this.count * SPAN_WORDS;
    spans[word] = kind;
    spans[word + 1] = nameStart;
    spans[word + 2] = nameEnd;
    spans[word + 3] = from;
    spans[word + 4] = to;
    this.count += 1;
  }

  /** Takes in what frames the message or keeps the connection. False: it could be read in two ways. */
  #note(bytes: Buffer, kind: number, from: number, to: number): boolean {
    switch (kind) {
      case FIELD_HOST:
        this.#hosts += 1;
        return true;
      case FIELD_CONTENT_LENGTH:
        if (this.contentLength >= 0) return false;
        this.contentLength = readLength(bytes, from, to);
        return this.contentLength >= 0;
      case FIELD_TRANSFER_ENCODING:
        if (this.isChunked || !isWord(bytes, from, to, CHUNKED)) return false;
        this.isChunked = true;
        return true;
      case FIELD_CONNECTION:
        if (lists(bytes, from, to, CLOSE)) this.hasClose = true;
        return true;
      case FIELD_EXPECT:
        if (isWord(bytes, from, to, CONTINUE)) this.expectsContinue = true;
        return true;
      default:
        return true;
    }
  }
}

/** Where a field's value ends: at its CR, or at a byte that no value has. */
function skipValue(range: ByteRange, start: number, end: number): number {
  const { bytes } = range;
  let at = visibleEnd(range, start, end);
  while (at < end && FIELD_VALUE[bytes[at]!] === 1) at += 1;
  return at;
}

function isBlank(byte: number): boolean {
  return byte === BLANK || byte === TAB;
}

/** The number that plain digits spell, -1 for anything else (RFC 9110 8.6: 1*DIGIT). */
function readLength(bytes: Buffer, from: number, to: number): number {
  if (to === from || to - from > LENGTH_DIGITS_MAX) return -1;
  let length = 0;
  for (let at = from; at < to; at += 1) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/** True if the bytes are `lowerCase`, a word of letters and digits, in any case. */
function isWord(bytes: Buffer, from: number, to: number, lowerCase: Uint8Array): boolean {
  if (to - from !== lowerCase.length) return false;
  for (let index = 0; index < lowerCase.length; index += 1) {
    const byte = bytes[from + index]!;
    const isUpper = byte >= 0x41 && byte <= 0x5a;
    if ((isUpper ? byte | 0x20 : byte) !== lowerCase[index]) return false;
  }
  return true;
}

/** Whether a comma-separated list has the word. */
function lists(bytes: Buffer, from: number, to: number, word: Uint8Array): boolean {
  let at = from;
  while (at < to) {
    while (at < to && (isBlank(bytes[at]!) || bytes[at] === COMMA)) at += 1;
    const start = at;
    while (at < to && bytes[at] !== COMMA) at += 1;
    let wordEnd = at;
    while (wordEnd > start && isBlank(bytes[wordEnd - 1]!)) wordEnd -= 1;
    if (isWord(bytes, start, wordEnd, word)) return true;
  }
  return false;
}
