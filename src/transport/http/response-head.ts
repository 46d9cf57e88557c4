/**
 * Reads the head of a response, strictly (RFC 9112 3, 4, 5; RFC 9110 5).
 *
 * One object serves a whole client: a head is parsed from one run of bytes in one call, and the next
 * parse overwrites all of it. Whoever needs a value later takes it before it lets go of the thread.
 * Its values are always those of the head in the memo, if there is one.
 *
 * Refused, because two readers could take it for two things: a bare CR or LF as line end, folded
 * lines, space before the colon, control bytes, repeated or malformed Content-Length,
 * Transfer-Encoding beside Content-Length, in HTTP/1.0, or other than one `chunked`.
 */
import {
  CONTENT_EVENT_STREAM,
  CONTENT_JSON,
  CONTENT_NONE,
  CONTENT_OTHER,
  type HttpContentType,
  type HttpHeadView,
} from './http-client.ts';
import { HeadMemo, LENGTH_DIGITS_MAX } from './head-memo.ts';
import { equalsFold, FIELD_TOKEN, FIELD_VALUE } from './field-bytes.ts';

/** The bytes are well formed so far, and more are needed. */
export const HEAD_INCOMPLETE = -1;
export const HEAD_MALFORMED = -2;
/** More fields than `FIELDS_MAX`. The bound on bytes is the caller's. */
export const HEAD_TOO_LARGE = -3;

/** Fields in one head: 16 KiB of the shortest real fields are fewer. */
const FIELDS_MAX = 512;
/** Digits read of `Keep-Alive: timeout=`: up to some 11 days; more counts as that. */
const TIMEOUT_DIGITS_MAX = 6;

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;
const ZERO = 0x30;

const VERSION_PREFIX = Buffer.from('HTTP/1.', 'latin1');
const CONTENT_LENGTH = Buffer.from('content-length', 'latin1');
const CONTENT_TYPE = Buffer.from('content-type', 'latin1');
const TRANSFER_ENCODING = Buffer.from('transfer-encoding', 'latin1');
const CONNECTION = Buffer.from('connection', 'latin1');
const KEEP_ALIVE = Buffer.from('keep-alive', 'latin1');
const CHUNKED = Buffer.from('chunked', 'latin1');
const CLOSE = Buffer.from('close', 'latin1');
const TIMEOUT_PARAMETER = Buffer.from('timeout=', 'latin1');
const TYPE_JSON = Buffer.from('application/json', 'latin1');
const TYPE_EVENT_STREAM = Buffer.from('text/event-stream', 'latin1');

export class ResponseHead implements HttpHeadView {
  status = 0;
  /** 0 for HTTP/1.0, 1 for HTTP/1.1. */
  minorVersion = 1;
  contentType: HttpContentType = CONTENT_NONE;
  contentLength = -1;
  isChunked = false;
  /** `Connection: close` was there. */
  hasClose = false;
  /** `Connection: keep-alive` was there; it counts in HTTP/1.0 only. */
  hasKeepAlive = false;
  /** Seconds of `Keep-Alive: timeout=`, -1 if not said. */
  keepAliveSeconds = -1;

  #bytes: Buffer;
  /** Where the head lies in `#bytes`. */
  #start = 0;
  #end = 0;
  /** -1: the head was recognised, its fields are not known one by one. */
  #fieldCount = 0;
  /** The value of Content-Length in `#bytes`; -1 for no such field. */
  #lengthStart = -1;
  #lengthEnd = -1;
  readonly #memo = new HeadMemo();
  /** Per field: start and end of the name, start and end of the value. */
  readonly #spans = new Int32Array(FIELDS_MAX * 4);

  constructor() {
    this.#bytes = Buffer.alloc(0);
  }

  /**
   * Parses the head that begins at `start`.
   *
   * @returns offset of the first byte after it, or one of the HEAD_ codes, all negative
   */
  parse(bytes: Buffer, start: number, end: number): number {
    const known = this.#memo.match(bytes, start, end);
    if (known > 0) {
      this.contentLength = this.#memo.contentLength;
      this.#bytes = bytes;
      this.#start = start;
      this.#end = known;
      this.#fieldCount = -1;
      return known;
    }
    const after = this.#read(bytes, start, end);
    this.#start = start;
    this.#end = after;
    if (after > 0) this.#memo.note(bytes, start, after, this.#lengthStart, this.#lengthEnd);
    else this.#memo.forget();
    return after;
  }

  #read(bytes: Buffer, start: number, end: number): number {
    this.#reset(bytes);
    let at = this.#parseStatusLine(bytes, start, end);
    while (at > 0) {
      if (at >= end) return HEAD_INCOMPLETE;
      if (bytes[at] === CR) {
        if (at + 1 >= end) return HEAD_INCOMPLETE;
        return bytes[at + 1] === LF && this.#isFramingSound() ? at + 2 : HEAD_MALFORMED;
      }
      at = this.#parseField(bytes, at, end);
    }
    return at;
  }

  find(lowerCaseName: string): string | null {
    if (this.#fieldCount < 0) this.#read(this.#bytes, this.#start, this.#end);
    const wanted = Buffer.from(lowerCaseName, 'latin1');
    const spans = this.#spans;
    let found: string | null = null;
    for (let i = 0; i < this.#fieldCount * 4; i += 4) {
      const nameStart = spans[i] as number;
      if (!equalsFold(this.#bytes, nameStart, spans[i + 1] as number, wanted)) continue;
      const value = this.#bytes.toString('latin1', spans[i + 2], spans[i + 3]);
      found = found === null ? value : `${found}, ${value}`;
    }
    return found;
  }

  #reset(bytes: Buffer): void {
    this.status = 0;
    this.minorVersion = 1;
    this.contentType = CONTENT_NONE;
    this.contentLength = -1;
    this.isChunked = false;
    this.hasClose = false;
    this.hasKeepAlive = false;
    this.keepAliveSeconds = -1;
    this.#bytes = bytes;
    this.#fieldCount = 0;
    this.#lengthStart = -1;
    this.#lengthEnd = -1;
  }

  /** `HTTP/1.1 200 OK`; the reason may be empty, and many servers then leave out its space as well. */
  #parseStatusLine(bytes: Buffer, start: number, end: number): number {
    const prefixEnd = Math.min(end - start, VERSION_PREFIX.length);
    for (let i = 0; i < prefixEnd; i += 1) {
      if (bytes[start + i] !== VERSION_PREFIX[i]) return HEAD_MALFORMED;
    }
    if (end - start < 13) return HEAD_INCOMPLETE; // up to the byte after the status
    const minor = (bytes[start + 7] as number) - ZERO;
    if ((minor !== 0 && minor !== 1) || bytes[start + 8] !== SPACE) return HEAD_MALFORMED;
    let status = 0;
    for (let i = start + 9; i < start + 12; i += 1) {
      const digit = (bytes[i] as number) - ZERO;
      if (digit < 0 || digit > 9) return HEAD_MALFORMED;
      status = status * 10 + digit;
    }
    if (status < 100 || status > 599) return HEAD_MALFORMED;
    this.status = status;
    this.minorVersion = minor;

    let at = start + 12;
    if (bytes[at] !== SPACE && bytes[at] !== CR) return HEAD_MALFORMED;
    while (at < end && FIELD_VALUE[bytes[at] as number] === 1) at += 1;
    return lineEnd(bytes, at, end);
  }

  #parseField(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && FIELD_TOKEN[bytes[at] as number] === 1) at += 1;
    if (at >= end) return HEAD_INCOMPLETE;
    if (bytes[at] !== COLON || at === start) return HEAD_MALFORMED;
    const nameEnd = at;
    at += 1;
    while (at < end && isBlank(bytes[at])) at += 1;
    const valueStart = at;
    while (at < end && FIELD_VALUE[bytes[at] as number] === 1) at += 1;
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1])) valueEnd -= 1;
    const next = lineEnd(bytes, at, end);
    if (next < 0) return next;

    if (this.#fieldCount === FIELDS_MAX) return HEAD_TOO_LARGE;
    const spans = this.#spans;
    const index = this.#fieldCount * 4;
    spans[index] = start;
    spans[index + 1] = nameEnd;
    spans[index + 2] = valueStart;
    spans[index + 3] = valueEnd;
    this.#fieldCount += 1;
    return this.#noteField(bytes, start, nameEnd, valueStart, valueEnd) ? next : HEAD_MALFORMED;
  }

  /** Takes in the fields that frame the message or keep the connection. The name's length sorts out the rest. */
  #noteField(bytes: Buffer, start: number, nameEnd: number, from: number, to: number): boolean {
    switch (nameEnd - start) {
      case 10:
        if (equalsFold(bytes, start, nameEnd, CONNECTION)) this.#noteConnection(bytes, from, to);
        else if (equalsFold(bytes, start, nameEnd, KEEP_ALIVE)) {
          this.keepAliveSeconds = readTimeout(bytes, from, to);
        }
        return true;
      case 12:
        if (equalsFold(bytes, start, nameEnd, CONTENT_TYPE)) {
          this.contentType = readContentType(bytes, from, to);
        }
        return true;
      case 14:
        if (!equalsFold(bytes, start, nameEnd, CONTENT_LENGTH)) return true;
        if (this.contentLength >= 0) return false;
        this.contentLength = readLength(bytes, from, to);
        this.#lengthStart = from;
        this.#lengthEnd = to;
        return this.contentLength >= 0;
      case 17:
        if (!equalsFold(bytes, start, nameEnd, TRANSFER_ENCODING)) return true;
        if (this.isChunked || !equalsFold(bytes, from, to, CHUNKED)) return false;
        this.isChunked = true;
        return true;
      default:
        return true;
    }
  }

  #noteConnection(bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      while (at < to && (isBlank(bytes[at]) || bytes[at] === COMMA)) at += 1;
      const start = at;
      while (at < to && bytes[at] !== COMMA) at += 1;
      let end = at;
      while (end > start && isBlank(bytes[end - 1])) end -= 1;
      if (equalsFold(bytes, start, end, CLOSE)) this.hasClose = true;
      else if (equalsFold(bytes, start, end, KEEP_ALIVE)) this.hasKeepAlive = true;
    }
  }

  /** RFC 9112 6.1, 6.3: both length and coding is an attack or an error, and HTTP/1.0 knows no coding. */
  #isFramingSound(): boolean {
    return !this.isChunked || (this.contentLength < 0 && this.minorVersion === 1);
  }
}

function lineEnd(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return HEAD_INCOMPLETE;
  if (bytes[at] !== CR) return HEAD_MALFORMED;
  if (at + 1 >= end) return HEAD_INCOMPLETE;
  return bytes[at + 1] === LF ? at + 2 : HEAD_MALFORMED;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

/** -1 unless the value is decimal digits and a safe integer. A list of equal lengths is refused too. */
function readLength(bytes: Buffer, from: number, to: number): number {
  if (to === from || to - from > LENGTH_DIGITS_MAX) return -1;
  let length = 0;
  for (let i = from; i < to; i += 1) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

function readContentType(bytes: Buffer, from: number, to: number): HttpContentType {
  let end = from;
  while (end < to && bytes[end] !== SEMICOLON && !isBlank(bytes[end])) end += 1;
  if (equalsFold(bytes, from, end, TYPE_JSON)) return CONTENT_JSON;
  if (equalsFold(bytes, from, end, TYPE_EVENT_STREAM)) return CONTENT_EVENT_STREAM;
  return CONTENT_OTHER;
}

/** Seconds of the `timeout` parameter (RFC 2068 19.7.1.1, as servers still send it), or -1. */
function readTimeout(bytes: Buffer, from: number, to: number): number {
  const width = TIMEOUT_PARAMETER.length;
  for (let i = from; i + width < to; i += 1) {
    if (!equalsFold(bytes, i, i + width, TIMEOUT_PARAMETER)) continue;
    let seconds = -1;
    for (let at = i + width; at < to && at < i + width + TIMEOUT_DIGITS_MAX; at += 1) {
      const digit = (bytes[at] as number) - ZERO;
      if (digit < 0 || digit > 9) break;
      seconds = Math.max(seconds, 0) * 10 + digit;
    }
    return seconds;
  }
  return -1;
}
