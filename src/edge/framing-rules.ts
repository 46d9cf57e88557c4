/**
 * Which request heads two HTTP parsers could read differently (RFC 9112 §6.3, §11.2), and a place to
 * hold one head while that is decided: no listener hears of a request before its whole head passed.
 *
 * Refused: more than one Content-Length (equal ones too), one that is not plain digits, a
 * Transfer-Encoding that is anything but one `chunked`, both at once, no Host or several, too many or
 * too long fields. A head is judged here even where the parser below judges it too: uWebSockets.js
 * takes the first of two lengths and any Transfer-Encoding for chunked.
 */
import type { RefusalName } from './refusal-reply.ts';

/** uWebSockets.js reads about as many; node:http reads all, and is held to the same. */
export const FIELDS_MAX = 100;

/** Colon, blank and line end of a field; two blanks, version and line end of a request line. */
const FIELD_EXTRA_BYTES = 4;
const LINE_EXTRA_BYTES = 12;

/** 15 digits stay exact in a number. */
export const LENGTH_DIGITS_MAX = 15;

export class HeadFields {
  /** Lower case. Only the first `count` are of this request. */
  readonly names: string[] = [];
  readonly values: string[] = [];
  count = 0;
  /** Content-Length in bytes, -1 for none. */
  contentLength = -1;
  isChunked = false;
  #bytes = 0;
  #hosts = 0;
  #isAmbiguous = false;
  #isLast = false;

  reset(): void {
    this.count = 0;
    this.contentLength = -1;
    this.isChunked = false;
    this.#bytes = 0;
    this.#hosts = 0;
    this.#isAmbiguous = false;
    this.#isLast = false;
  }

  /** @param name lower case */
  add(name: string, value: string): void {
    this.#bytes += name.length + value.length + FIELD_EXTRA_BYTES;
    if (this.count === FIELDS_MAX) {
      this.#isLast = true;
      return;
    }
    this.names[this.count] = name;
    this.values[this.count] = value;
    this.count += 1;
    // By length first: most fields are settled without a look at their characters.
    if (name.length === 4) {
      if (name === 'host') this.#hosts += 1;
    } else if (name.length === 14) {
      if (name === 'content-length') this.#noteLength(value);
    } else if (name.length === 17) {
      if (name === 'transfer-encoding') this.#noteEncoding(value);
    }
  }

  /**
   * Once all fields were added.
   *
   * @param targetLength characters of method and request target
   * @returns why the request must not be served, or null
   */
  refusal(targetLength: number, headerBytesMax: number): RefusalName | null {
    if (this.#isLast || this.#bytes + targetLength + LINE_EXTRA_BYTES > headerBytesMax) {
      return 'HEADERS_TOO_LARGE';
    }
    if (this.#isAmbiguous || (this.isChunked && this.contentLength >= 0)) return 'FRAMING_REFUSED';
    return this.#hosts === 1 ? null : 'HEADER_REFUSED';
  }

  #noteLength(value: string): void {
    const length = digitsValue(value);
    if (length < 0 || this.contentLength >= 0) this.#isAmbiguous = true;
    else this.contentLength = length;
  }

  #noteEncoding(value: string): void {
    if (this.isChunked || value.toLowerCase() !== 'chunked') this.#isAmbiguous = true;
    else this.isChunked = true;
  }
}

/** The number that plain digits spell, -1 for anything else (RFC 9110 §8.6: 1*DIGIT). */
export function digitsValue(text: string): number {
  if (text.length === 0 || text.length > LENGTH_DIGITS_MAX) return -1;
  let value = 0;
  for (let at = 0; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * Whether a field may be written into an answer. One with a line break or a NUL would be read as more than
 * one field, and so would one with U+010D, of which the byte that is written is a CR. It is left out, as is
 * one with another control: node:http throws at what is no byte of a field (RFC 9110 §5.5).
 */
export function isFieldSafe(name: string, value: string): boolean {
  return name.length > 0 && isTextSafe(name) && isTextSafe(value);
}

function isTextSafe(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 ? code !== 0x09 : code === 0x7f || code > 0xff) return false;
  }
  return true;
}
