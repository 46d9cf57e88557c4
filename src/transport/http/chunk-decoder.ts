/**
 * Takes the chunked coding off a body (RFC 9112 7.1), byte by byte where it must and a run of data at
 * a time where it can. Holds no bytes, so a body may be split anywhere.
 *
 *   SIZE ──▶ EXTENSION ─▶ SIZE_LF ─▶ DATA ─▶ DATA_CR ─▶ DATA_LF ─▶ SIZE …
 *                            └ size 0 ─▶ TRAILER lines ─▶ done
 */
import { FIELD_TOKEN, FIELD_VALUE } from './field-bytes.ts';

/** `next` came to the end of the input; the body goes on. */
export const CHUNK_MORE = 0;
/** `dataStart` to `dataEnd` is data; go on at `at`. */
export const CHUNK_DATA = 1;
/** The body is complete; what follows it begins at `at`. */
export const CHUNK_DONE = 2;
export const CHUNK_MALFORMED = 3;
/** Extensions or trailers beyond their bound. */
export const CHUNK_TOO_LARGE = 4;

/** 13 hexadecimal digits are 52 bits: a safe integer. Leading zeros count. */
const SIZE_DIGITS_MAX = 13;
/** Extension bytes over one whole body; `node:http` draws the same line. */
const EXTENSION_BYTES_MAX = 16 * 1024;

const SIZE = 0;
const EXTENSION = 1;
const SIZE_LF = 2;
const DATA = 3;
const DATA_CR = 4;
const DATA_LF = 5;
const TRAILER_START = 6;
const TRAILER_NAME = 7;
const TRAILER_VALUE = 8;
const TRAILER_LF = 9;
const END_LF = 10;

const CR = 0x0d;
const LF = 0x0a;
const COLON = 0x3a;
const SEMICOLON = 0x3b;

export class ChunkDecoder {
  /** Where the caller goes on. */
  at = 0;
  dataStart = 0;
  dataEnd = 0;

  #step = SIZE;
  #digits = 0;
  /** Bytes of the chunk still to come. */
  #remaining = 0;
  #extensionBytes = 0;
  #trailerBytes = 0;
  readonly #trailerBytesMax: number;

  constructor(trailerBytesMax: number) {
    this.#trailerBytesMax = trailerBytesMax;
  }

  /** Makes ready for the next body. */
  reset(): void {
    this.#step = SIZE;
    this.#digits = 0;
    this.#remaining = 0;
    this.#extensionBytes = 0;
    this.#trailerBytes = 0;
  }

  /** Reads up to the next run of data, the end of the body, or the end of the input. */
  next(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      if (this.#step === DATA) {
        const take = Math.min(this.#remaining, end - at);
        this.#remaining -= take;
        if (this.#remaining === 0) this.#step = DATA_CR;
        this.dataStart = at;
        this.dataEnd = at + take;
        this.at = at + take;
        return CHUNK_DATA;
      }
      const outcome =
        this.#step < TRAILER_START
          ? this.#readFraming(bytes[at] as number)
          : this.#readTrailer(bytes[at] as number);
      at += 1;
      if (outcome !== CHUNK_MORE) {
        this.at = at;
        return outcome;
      }
    }
    this.at = at;
    return CHUNK_MORE;
  }

  #readFraming(byte: number): number {
    switch (this.#step) {
      case SIZE:
        return this.#readSize(byte);
      case EXTENSION:
        if (byte === CR) this.#step = SIZE_LF;
        else if (FIELD_VALUE[byte] !== 1) return CHUNK_MALFORMED;
        this.#extensionBytes += 1;
        return this.#extensionBytes > EXTENSION_BYTES_MAX ? CHUNK_TOO_LARGE : CHUNK_MORE;
      case SIZE_LF:
        this.#step = this.#remaining === 0 ? TRAILER_START : DATA;
        this.#digits = 0;
        return byte === LF ? CHUNK_MORE : CHUNK_MALFORMED;
      case DATA_CR:
        this.#step = DATA_LF;
        return byte === CR ? CHUNK_MORE : CHUNK_MALFORMED;
      default:
        this.#step = SIZE;
        return byte === LF ? CHUNK_MORE : CHUNK_MALFORMED;
    }
  }

  #readSize(byte: number): number {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (this.#digits === SIZE_DIGITS_MAX) return CHUNK_MALFORMED;
      this.#digits += 1;
      this.#remaining = this.#remaining * 16 + digit;
      return CHUNK_MORE;
    }
    if (this.#digits === 0) return CHUNK_MALFORMED;
    if (byte === CR) this.#step = SIZE_LF;
    else if (byte === SEMICOLON) this.#step = EXTENSION;
    else return CHUNK_MALFORMED;
    return CHUNK_MORE;
  }

  /** Trailers are checked and dropped: MCP has no use for them. */
  #readTrailer(byte: number): number {
    this.#trailerBytes += 1;
    if (this.#trailerBytes > this.#trailerBytesMax) return CHUNK_TOO_LARGE;
    switch (this.#step) {
      case TRAILER_START:
        if (byte === CR) this.#step = END_LF;
        else if (FIELD_TOKEN[byte] === 1) this.#step = TRAILER_NAME;
        else return CHUNK_MALFORMED;
        return CHUNK_MORE;
      case TRAILER_NAME:
        if (byte === COLON) this.#step = TRAILER_VALUE;
        else if (FIELD_TOKEN[byte] !== 1) return CHUNK_MALFORMED;
        return CHUNK_MORE;
      case TRAILER_VALUE:
        if (byte === CR) this.#step = TRAILER_LF;
        else if (FIELD_VALUE[byte] !== 1) return CHUNK_MALFORMED;
        return CHUNK_MORE;
      case TRAILER_LF:
        this.#step = TRAILER_START;
        return byte === LF ? CHUNK_MORE : CHUNK_MALFORMED;
      default:
        return byte === LF ? CHUNK_DONE : CHUNK_MALFORMED;
    }
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  if (byte >= 0x61 && byte <= 0x66) return byte - 0x57;
  if (byte >= 0x41 && byte <= 0x46) return byte - 0x37;
  return -1;
}
