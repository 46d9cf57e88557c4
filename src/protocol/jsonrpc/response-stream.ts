/**
 * One large response that passes through in chunks: the id is replaced on the way, and what has to be
 * known of it is noticed. Memory is constant, whatever the chunks are cut like.
 *
 * It follows strings and brackets, so a member counts only where it stands: `"id"` at the top level,
 * `"isError"` in the result. It does not validate the JSON between them; what reads it, does. A
 * response that is not what we asked for fails: another id, a second id, `method` at the top level, an
 * escaped key there, deeper than `JSON_DEPTH_MAX`.
 *
 *            top level, before a key     KEY ─▶ COLON ─▶ VALUE ─▶ (within) ─▶ COMMA ─▶ KEY …
 *            "id"                        VALUE is compared with the token we sent, byte by byte, and
 *                                        held back: what it must be is known, so nothing is stored
 */
import { JSON_DEPTH_MAX } from '../../../shared/limits.ts';
import { asciiBytes, equalsAt } from './key-set.ts';

/** Takes the bytes of the response in order. They are valid only during the call. */
export interface ByteSink {
  write(bytes: Buffer, start: number, end: number): void;
}

export const STREAM_OPEN = 0;
/** The message is complete and was the response to our id. */
export const STREAM_DONE = 1;
/** It was not; what was passed on so far cannot be taken back. */
export const STREAM_FAILED = 2;

const ID = asciiBytes('id');
const RESULT = asciiBytes('result');
const ERROR = asciiBytes('error');
const METHOD = asciiBytes('method');
const IS_ERROR = asciiBytes('isError');
const COMMA_TEXT = Buffer.from(',');

/** Longer keys than this are none of these. */
const KEY_BYTES_MAX = 8;

const KEY_OTHER = 0;
const KEY_ID = 1;
const KEY_RESULT = 2;
const KEY_ERROR = 3;
const KEY_METHOD = 4;
const KEY_IS_ERROR = 5;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;

/** After so many bytes of one string the platform's search for its end takes over. */
const LOOP_BYTES_MAX = 64;

/** Bytes outside of strings that change something. */
const STRUCTURAL = new Uint8Array(256);
for (const byte of [QUOTE, COMMA, COLON, BRACE_OPEN, BRACE_CLOSE, BRACKET_OPEN, BRACKET_CLOSE]) {
  STRUCTURAL[byte] = 1;
}

export class ResponseStream {
  state: number = STREAM_OPEN;
  /** The result says `"isError": true`. */
  isError = false;
  hasResult = false;
  hasError = false;
  hasReplacedId = false;

  readonly #expected: Uint8Array;
  readonly #replacement: Buffer;
  readonly #resultMembers: Buffer | null;
  readonly #isSingleLine: boolean;

  #depth = 0;
  #isInString = false;
  /** The string ended so far in a backslash that escapes the byte to come. */
  #isEscaped = false;
  /** At a level that matters, the next string is a key. */
  #awaitsKey = false;
  /** The string we are in is such a key. */
  #isKey = false;
  readonly #key = new Uint8Array(KEY_BYTES_MAX);
  #keyLength = 0;
  /** KEY_* of the key read last, whose value is still to come. */
  #keyKind = KEY_OTHER;
  #awaitsValue = false;
  #entersResult = false;
  #isInResult = false;
  /** Members are to be put in before the first byte of the result's inside. */
  #awaitsInside = false;
  /** Bytes of the id matched so far, or -1. */
  #matched = -1;
  /** The id has been matched; the next byte must end it. */
  #awaitsDelimiter = false;

  /**
   * @param expected the id's token as we sent it
   * @param replacement the token that takes its place
   * @param resultMembers `"key":value,…` to put at the start of the result, or null
   * @param isSingleLine CR and LF become spaces, in the chunks themselves
   */
  constructor(
    expected: Uint8Array,
    replacement: Uint8Array,
    resultMembers: Uint8Array | null,
    isSingleLine: boolean,
  ) {
    this.#expected = expected;
    this.#replacement = asBuffer(replacement);
    this.#resultMembers = resultMembers === null ? null : asBuffer(resultMembers);
    this.#isSingleLine = isSingleLine;
  }

  /** Reads on in `chunk[start, end)`. Returns the state; after STREAM_FAILED nothing is passed on. */
  push(chunk: Buffer, start: number, end: number, sink: ByteSink): number {
    if (this.#isSingleLine) blankLineBreaks(chunk, start, end);
    let passed = start;
    let at = start;
    while (at < end && this.state !== STREAM_FAILED) {
      if (this.#isInString) {
        at = this.#isKey ? this.#readKey(chunk, at, end) : this.#skipString(chunk, at, end);
      } else if (this.#matched >= 0) {
        at = this.#matchId(chunk, at, end, sink);
        passed = at;
      } else if (this.#awaitsInside || this.#awaitsValue || this.#awaitsDelimiter) {
        at = skipBlank(chunk, at, end);
        if (at === end) break;
        if (this.#awaitsInside || this.#isAtId()) {
          if (passed < at) sink.write(chunk, passed, at);
          passed = at;
        }
        this.#enter(chunk[at]!, sink);
      } else {
        at = this.#skipStructure(chunk, at, end);
      }
    }
    if (this.state !== STREAM_FAILED && passed < end) sink.write(chunk, passed, end);
    return this.state;
  }

  #isAtId(): boolean {
    return this.#awaitsValue && this.#keyKind === KEY_ID;
  }

  /** Looks at the first byte of what was awaited, without consuming it. */
  #enter(byte: number, sink: ByteSink): void {
    if (this.#awaitsInside) {
      this.#awaitsInside = false;
      const members = this.#resultMembers!;
      sink.write(members, 0, members.length);
      if (byte !== BRACE_CLOSE) sink.write(COMMA_TEXT, 0, 1);
    } else if (this.#awaitsDelimiter) {
      this.#awaitsDelimiter = false;
      if (byte !== COMMA && byte !== BRACE_CLOSE) this.state = STREAM_FAILED;
    } else {
      this.#awaitsValue = false;
      this.#enterValue(byte);
    }
  }

  #enterValue(byte: number): void {
    switch (this.#keyKind) {
      case KEY_ID:
        if (this.hasReplacedId) this.state = STREAM_FAILED;
        else this.#matched = 0;
        return;
      case KEY_RESULT:
        if (this.hasResult || byte !== BRACE_OPEN) this.state = STREAM_FAILED;
        this.hasResult = true;
        this.#entersResult = true;
        return;
      case KEY_ERROR:
        if (this.hasError || byte !== BRACE_OPEN) this.state = STREAM_FAILED;
        this.hasError = true;
        return;
      case KEY_METHOD:
        this.state = STREAM_FAILED;
        return;
      case KEY_IS_ERROR:
        this.isError = byte === 0x74;
    }
  }

  #matchId(chunk: Buffer, at: number, end: number, sink: ByteSink): number {
    const expected = this.#expected;
    while (at < end && this.#matched < expected.length) {
      if (chunk[at] !== expected[this.#matched]) {
        this.state = STREAM_FAILED;
        return at;
      }
      this.#matched += 1;
      at += 1;
    }
    if (this.#matched === expected.length) {
      this.#matched = -1;
      this.hasReplacedId = true;
      this.#awaitsDelimiter = true;
      sink.write(this.#replacement, 0, this.#replacement.length);
    }
    return at;
  }

  /** A string whose content does not matter, up to its end or the chunk's. */
  #skipString(chunk: Buffer, at: number, end: number): number {
    if (this.#isEscaped) {
      this.#isEscaped = false;
      at += 1;
    }
    const loopEnd = Math.min(end, at + LOOP_BYTES_MAX);
    while (at < loopEnd) {
      const byte = chunk[at]!;
      if (byte === QUOTE) {
        this.#isInString = false;
        return at + 1;
      }
      at += byte === BACKSLASH ? 2 : 1;
    }
    if (at < end) at = this.#findQuote(chunk, at, end);
    if (at > end) {
      this.#isEscaped = true;
      at = end;
    }
    return at;
  }

  /**
   * As `#skipString`, by search: an index past `end` says that the byte after it is escaped. The first
   * byte here is not escaped, so whether a quote is shows from the backslashes right before it.
   */
  #findQuote(chunk: Buffer, start: number, end: number): number {
    const quote = chunk.indexOf(QUOTE, start);
    const stop = quote < 0 || quote >= end ? end : quote;
    let first = stop;
    while (first > start && chunk[first - 1] === BACKSLASH) first -= 1;
    const isEscaped = ((stop - first) & 1) === 1;
    if (stop === end) return isEscaped ? end + 1 : end;
    if (!isEscaped) this.#isInString = false;
    return stop + 1;
  }

  /** A key at a level that matters. */
  #readKey(chunk: Buffer, at: number, end: number): number {
    while (at < end) {
      const byte = chunk[at]!;
      at += 1;
      if (byte === QUOTE && !this.#isEscaped) {
        this.#isInString = false;
        this.#isKey = false;
        this.#keyKind = this.#nameKey();
        return at;
      }
      // No parser may read another key here than we do.
      if (byte === BACKSLASH && this.#depth === 1) this.state = STREAM_FAILED;
      this.#isEscaped = byte === BACKSLASH && !this.#isEscaped;
      if (this.#keyLength < KEY_BYTES_MAX) this.#key[this.#keyLength] = byte;
      this.#keyLength += 1;
    }
    return at;
  }

  #nameKey(): number {
    if (this.#isInResult) return this.#isNamed(IS_ERROR) ? KEY_IS_ERROR : KEY_OTHER;
    if (this.#isNamed(ID)) return KEY_ID;
    if (this.#isNamed(RESULT)) return KEY_RESULT;
    if (this.#isNamed(ERROR)) return KEY_ERROR;
    return this.#isNamed(METHOD) ? KEY_METHOD : KEY_OTHER;
  }

  #isNamed(name: Uint8Array): boolean {
    return this.#keyLength === name.length && equalsAt(this.#key, 0, name);
  }

  /** Up to and with the next byte that changes something. */
  #skipStructure(chunk: Buffer, at: number, end: number): number {
    if (this.#depth === 0) {
      at = skipBlank(chunk, at, end);
      if (at === end) return at;
      if (this.state === STREAM_DONE || chunk[at] !== BRACE_OPEN) {
        this.state = STREAM_FAILED;
        return at;
      }
    }
    while (at < end && STRUCTURAL[chunk[at]!] === 0) at += 1;
    if (at < end) this.#turn(chunk[at]!);
    return at + 1 > end ? end : at + 1;
  }

  #turn(byte: number): void {
    const matters = this.#depth === 1 || (this.#depth === 2 && this.#isInResult);
    switch (byte) {
      case QUOTE:
        this.#isInString = true;
        this.#isKey = matters && this.#awaitsKey;
        this.#awaitsKey = false;
        this.#keyLength = 0;
        return;
      case COLON:
        this.#awaitsValue = matters && this.#keyKind !== KEY_OTHER;
        return;
      case COMMA:
        this.#awaitsKey = matters;
        return;
      case BRACE_OPEN:
      case BRACKET_OPEN:
        this.#open();
        return;
      default:
        this.#close();
    }
  }

  #open(): void {
    this.#depth += 1;
    if (this.#depth > JSON_DEPTH_MAX) this.state = STREAM_FAILED;
    this.#awaitsKey = this.#depth === 1;
    if (!this.#entersResult) return;
    this.#entersResult = false;
    this.#isInResult = true;
    this.#awaitsKey = true;
    this.#awaitsInside = this.#resultMembers !== null;
  }

  #close(): void {
    this.#depth -= 1;
    if (this.#depth === 1) this.#isInResult = false;
    if (this.#depth > 0) return;
    const isAnswer = this.hasReplacedId && this.hasResult !== this.hasError;
    this.state = isAnswer ? STREAM_DONE : STREAM_FAILED;
  }
}

function skipBlank(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) {
    const byte = bytes[at]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at += 1;
  }
  return at;
}

/** A CR or LF in JSON is white space; inside of a string, where it is an error, a space does no harm. */
function blankLineBreaks(chunk: Buffer, start: number, end: number): void {
  for (const byte of [0x0a, 0x0d]) {
    for (let at = chunk.indexOf(byte, start); at >= 0 && at < end; at = chunk.indexOf(byte, at)) {
      chunk[at] = 0x20;
    }
  }
}

/** The same bytes as sinks take them; no copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
