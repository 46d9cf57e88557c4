/**
 * Where the lean server puts an answer together before it is written: one block for all connections, as
 * an answer is handed to its socket in the turn in which it is made. A socket that did not take all of
 * it keeps the block until it has, and the next answer gets a new one.
 *
 *      0                                                                  SLAB_BYTES
 *      +-------------+--------------+------+--------+-----------+------------+
 *      | status line | content type | date | fields | body size | blank line | body …
 *      +-------------+--------------+------+--------+-----------+------------+
 *        prefix, made once a second
 */
import { STATUS_CODES } from 'node:http';
import { ByteRange, ByteRanges, copyRange, copyText } from '../../shared/byte-words.ts';
import { takeBytes } from '../../shared/kernel/byte-kernel.ts';
import { takeBuffer } from '../transport/kernel-buffer.ts';
import { FRAME_BYTES_MAX } from '../../shared/limits.ts';
import { isFieldSafe } from './framing-rules.ts';

/** All but large answers fit. */
const SLAB_BYTES = 16 * 1024;
/** A piece of a large answer, which is a frame from a shard, behind all that a slab can hold. */
const LARGE_BYTES: number = FRAME_BYTES_MAX + SLAB_BYTES;
/** What a head may take of it. Shards' header blocks are far smaller; see `writeHead`. */
const HEAD_BYTES_MAX = 8 * 1024;
/** Up to here views are kept by length: making one costs more than a small copy. */
const KEPT_VIEWS = 2048;
/** Callers use a handful of status and content types; past this many, prefixes are made per answer. */
const PREFIXES_MAX = 256;
/** Prefixes of a second that lie where the kernel copies from, and how long each of them may be. */
const PLACES = 8;
const PLACE_BYTES = 256;
/**
 * Up to 8 hexadecimal digits of a chunk's size, its line end and the one behind the chunk; and, as a chunk
 * may be followed at once, the 5 bytes of `CHUNKED_END`. What then is left of the digits is enough for the
 * size of a chunk that does not fit.
 */
const CHUNK_EXTRA_BYTES: number = 8 + 2 + 2 + 5;

const CHUNKED_END = Buffer.from('0\r\n\r\n', 'latin1');
const CLOSE_FIELD = Buffer.from('Connection: close\r\n', 'latin1');
const CHUNKED_FIELD = Buffer.from('Transfer-Encoding: chunked\r\n', 'latin1');
const LENGTH_FIELD = 'Content-Length: ';

/** By length. Made in its full size: the engine keeps an array that grows by leaps as a hash table. */
function newViews(): (Buffer | undefined)[] {
  return new Array<Buffer | undefined>(KEPT_VIEWS);
}

/** How a head begins, up to where its own part does. */
interface Prefix {
  /** Ends in the name of Content-Length, for answers without fields of their own. */
  readonly range: ByteRange;
  /** Where that name begins. */
  readonly lengthAt: number;
}

/** What was handed a block and may not be done with it. */
export interface SlabHolder {
  readonly isHolding: boolean;
}

/** What `writeHead` writes in place of a length. */
export const BODY_CHUNKED = -1;
export const BODY_NONE = -2;

export class ReplySlab {
  /** How much is filled. */
  length = 0;
  /** The first block can lie where the kernel copies; others take its place while it is lent. */
  readonly #first: ByteRange = new ByteRange(takeBuffer(SLAB_BYTES));
  #firstHolder: SlabHolder | null = null;
  #range: ByteRange = this.#first;
  #bytes: Buffer = this.#first.bytes as Buffer;
  #views = newViews();
  #large: Buffer | null = null;
  readonly #sources = new ByteRanges();
  readonly #prefixes = new Map<string, Prefix>();
  readonly #places = takeBytes(PLACES * PLACE_BYTES);
  #placesUsed = 0;
  #date = '';
  #lastStatus = 0;
  #lastType = '';
  #lastPrefix: Prefix | null = null;

  /** Whether so many bytes fit behind what is there. */
  hasRoom(bytes: number): boolean {
    return this.length + bytes <= SLAB_BYTES;
  }

  /** The text of Date changes with each second. @param wallMs milliseconds since 1970 */
  setDate(wallMs: number): void {
    if (
      this.#range !== this.#first &&
      this.#firstHolder?.isHolding === false &&
      this.length === 0
    ) {
      this.#firstHolder = null;
      this.#use(this.#first);
    }
    const date = new Date(wallMs).toUTCString();
    if (date === this.#date) return;
    this.#date = date;
    this.#prefixes.clear();
    this.#placesUsed = 0;
    this.#lastPrefix = null;
  }

  /** What is filled, to be written. */
  filled(): Buffer {
    const { length } = this;
    if (length >= KEPT_VIEWS) return this.#bytes.subarray(0, length);
    return (this.#views[length] ??= this.#bytes.subarray(0, length));
  }

  /** Somebody holds on to the bytes: the next answer gets others, until a second has begun without. */
  lend(holder: SlabHolder): void {
    if (this.#range === this.#first) this.#firstHolder = holder;
    this.#use(new ByteRange(Buffer.allocUnsafeSlow(SLAB_BYTES)));
  }

  #use(range: ByteRange): void {
    this.#range = range;
    this.#bytes = range.bytes as Buffer;
    this.#views = newViews();
  }

  /**
   * Memory for what does not fit. The same each time, as far as it is large enough, until somebody holds
   * on to it (`abandonLarge`): pieces of large answers would be garbage by the megabyte.
   */
  large(bytes: number): Buffer {
    if (bytes > LARGE_BYTES) return Buffer.allocUnsafeSlow(bytes);
    this.#large ??= Buffer.allocUnsafeSlow(LARGE_BYTES);
    return this.#large.subarray(0, bytes);
  }

  abandonLarge(): void {
    this.#large = null;
  }

  /**
   * The whole head. Fields that would break it, or that do not fit, are left out.
   *
   * @param bodyBytes BODY_CHUNKED for a body of unknown length, BODY_NONE for none at all
   */
  writeHead(
    status: number,
    contentType: string,
    headers: readonly string[],
    isLast: boolean,
    bodyBytes: number,
  ): void {
    const prefix = this.#prefix(status, contentType);
    const { range, lengthAt } = prefix;
    const prefixEnd = range.bytes.length;
    if (headers.length === 0 && !isLast && bodyBytes >= 0) {
      this.length = copyText(range, 0, prefixEnd, this.#range, this.length);
      this.#digits(bodyBytes);
      this.#lineEnd();
      this.#lineEnd();
      return;
    }
    this.length = copyText(range, 0, lengthAt, this.#range, this.length);
    for (let at = 0; at + 1 < headers.length; at += 2) this.#field(headers[at]!, headers[at + 1]!);
    if (isLast) this.append(CLOSE_FIELD);
    if (bodyBytes === BODY_CHUNKED) this.append(CHUNKED_FIELD);
    else if (bodyBytes !== BODY_NONE) {
      this.length = copyText(range, lengthAt, prefixEnd, this.#range, this.length);
      this.#digits(bodyBytes);
      this.#lineEnd();
    }
    this.#lineEnd();
  }

  /** A short run of our own, which fits. */
  append(text: Uint8Array): void {
    const bytes = this.#bytes;
    let at = this.length;
    for (let index = 0; index < text.length; index += 1, at += 1) bytes[at] = text[index]!;
    this.length = at;
  }

  /** Bytes that fit, from memory that may be shared. */
  copy(source: Uint8Array, start: number, end: number): void {
    this.length = copyRange(this.#sources.of(source), start, end, this.#range, this.length);
  }

  /** Whether a chunk of so many bytes fits with all that is around it, the end of the body included. */
  hasChunkRoom(bytes: number): boolean {
    return this.hasRoom(bytes + CHUNK_EXTRA_BYTES);
  }

  /** What stands before a chunk. */
  chunkStart(bytes: number): void {
    const text = bytes.toString(16);
    for (let index = 0; index < text.length; index += 1) {
      this.#bytes[this.length + index] = text.charCodeAt(index);
    }
    this.length += text.length;
    this.#lineEnd();
  }

  chunkEnd(): void {
    this.#lineEnd();
  }

  /** The end of a chunked body. */
  lastChunk(): void {
    this.append(CHUNKED_END);
  }

  #lineEnd(): void {
    this.#bytes[this.length] = 0x0d;
    this.#bytes[this.length + 1] = 0x0a;
    this.length += 2;
  }

  #digits(value: number): void {
    let digits = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at -= 1) {
      const tens = Math.floor(rest / 10);
      this.#bytes[at] = 0x30 + rest - tens * 10;
      rest = tens;
    }
    this.length += digits;
  }

  // Values are Latin-1 as node:http has them, one byte a character.
  #field(name: string, value: string): void {
    if (this.length + name.length + value.length > HEAD_BYTES_MAX) return;
    if (!isFieldSafe(name, value)) return;
    this.length += this.#bytes.write(`${name}: ${value}\r\n`, this.length, 'latin1');
  }

  /** A copy that the kernel can read, while there are places. */
  #placed(bytes: Uint8Array): Uint8Array {
    if (bytes.length > PLACE_BYTES || this.#placesUsed === PLACES) return bytes;
    const at = this.#placesUsed * PLACE_BYTES;
    this.#placesUsed += 1;
    this.#places.set(bytes, at);
    return this.#places.subarray(at, at + bytes.length);
  }

  #prefix(status: number, contentType: string): Prefix {
    const last = this.#lastPrefix;
    if (last !== null && status === this.#lastStatus && contentType === this.#lastType) return last;
    const key = `${status} ${contentType}`;
    let prefix = this.#prefixes.get(key);
    if (prefix === undefined) {
      const type =
        contentType !== '' && isFieldSafe('content-type', contentType)
          ? `Content-Type: ${contentType}\r\n`
          : '';
      const line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
      const start = `${line}${type}Date: ${this.#date}\r\n`;
      const bytes = Buffer.from(start + LENGTH_FIELD, 'latin1');
      prefix = { range: new ByteRange(this.#placed(bytes)), lengthAt: start.length };
      if (this.#prefixes.size < PREFIXES_MAX) this.#prefixes.set(key, prefix);
    }
    this.#lastStatus = status;
    this.#lastType = contentType;
    this.#lastPrefix = prefix;
    return prefix;
  }
}
