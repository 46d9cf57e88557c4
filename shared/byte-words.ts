/**
 * Bytes compared by words of four. A loop over single bytes costs about one nanosecond each in this
 * engine, and a call into the platform 150 before it looks at the first one; through a `DataView` four
 * bytes cost as much as one, and the kernel takes sixteen.
 */
import { kernelOf, type ByteKernel } from './kernel/byte-kernel.ts';

/** Bytes with what it takes to read and write them fast; made once for bytes that serve long. */
export class ByteRange {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Null where the bytes lie outside of a kernel's memory. */
  readonly kernel: ByteKernel | null;
  /** Where they begin in it. */
  readonly address: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.kernel = kernelOf(bytes.buffer);
    this.address = bytes.byteOffset;
  }
}

/** Ranges of the bytes that messages lie in. Those of a ring, where nearly all do, are made once. */
export class ByteRanges {
  readonly #keptBytesMax: number;
  #last: ByteRange = NO_RANGE;

  /** @param keptBytesMax ranges of buffers that are not shared are kept up to this size */
  constructor(keptBytesMax = 0) {
    this.#keptBytesMax = keptBytesMax;
  }

  of(bytes: Uint8Array): ByteRange {
    if (bytes === this.#last.bytes) return this.#last;
    const range = new ByteRange(bytes);
    // Other bytes live as long as their message, so nothing here may keep much of them.
    const { buffer } = bytes;
    if (buffer.byteLength <= this.#keptBytesMax || buffer instanceof SharedArrayBuffer) {
      this.#last = range;
    }
    return range;
  }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A byte string to compare others with, always to the end: how much was equal cannot be told by the time. */
export class ByteWords {
  readonly length: number;
  /** Four bytes each, the last ones overlapping those before if need be; below four bytes, single bytes. */
  readonly #words: Int32Array;

  constructor(bytes: Uint8Array) {
    const { length } = bytes;
    const view = viewOf(bytes);
    this.length = length;
    this.#words = length < 4 ? Int32Array.from(bytes) : new Int32Array(Math.ceil(length / 4));
    if (length < 4) return;
    for (let word = 0; word < this.#words.length; word += 1) {
      this.#words[word] = view.getInt32(Math.min(word * 4, length - 4), true);
    }
  }

  /** Whether these bytes are those of the view from `start` to `end`. */
  equals(view: DataView, start: number, end: number): boolean {
    const words = this.#words;
    const { length } = this;
    if (length !== end - start) return false;
    let difference = 0;
    if (length < 4) {
      for (let i = 0; i < length; i += 1) difference |= words[i]! ^ view.getUint8(start + i);
      return difference === 0;
    }
    const whole = length >> 2;
    let word = 0;
    let at = start;
    // Four at a time: the loop itself costs as much as a word.
    for (; word + 4 <= whole; word += 4) {
      difference |=
        (words[word]! ^ view.getInt32(at, true)) |
        (words[word + 1]! ^ view.getInt32(at + 4, true)) |
        (words[word + 2]! ^ view.getInt32(at + 8, true)) |
        (words[word + 3]! ^ view.getInt32(at + 12, true));
      at += 16;
    }
    for (; word < words.length; word += 1) {
      difference |= words[word]! ^ view.getInt32(Math.min(at, end - 4), true);
      at += 4;
    }
    return difference === 0;
  }
}

/** Beyond it a block copy wins, whose set-up costs as much as this many bytes do here. */
const COPIED_BYTES_MAX = 768;
/** Below it a loop is over before the kernel has been called. */
const KERNEL_BYTES_MIN = 16;

/** The kernel that can work on both, for `length` bytes that lie within them; null: do it here. */
function kernelFor(
  one: ByteRange,
  at: number,
  other: ByteRange,
  otherAt: number,
  length: number,
): ByteKernel | null {
  const { kernel } = one;
  if (kernel === null || kernel !== other.kernel || length < KERNEL_BYTES_MIN) return null;
  const isWithin =
    at >= 0 &&
    otherAt >= 0 &&
    at + length <= one.bytes.length &&
    otherAt + length <= other.bytes.length;
  return isWithin ? kernel : null;
}

/** Copies `from[start, end)` to `to[at…]`, which do not overlap, and gives back the index after it. */
export function copyRange(
  from: ByteRange,
  start: number,
  end: number,
  to: ByteRange,
  at: number,
): number {
  const length = end - start;
  const kernel = kernelFor(from, start, to, at, length);
  if (kernel === null) return copyWords(from, start, end, to, at);
  kernel.copy(from.address + start, to.address + at, length);
  return at + length;
}

/** The same for text in UTF-8, which is faster where the kernel cannot do it. */
export function copyText(
  from: ByteRange,
  start: number,
  end: number,
  to: ByteRange,
  at: number,
): number {
  const length = end - start;
  const kernel = kernelFor(from, start, to, at, length);
  if (kernel === null) return copyDoubles(from, start, end, to, at);
  kernel.copy(from.address + start, to.address + at, length);
  return at + length;
}

/**
 * Eight bytes at a time, as doubles: an engine may change the bits of a NaN on the way (ECMAScript,
 * NumericToRawBytes), but no text in UTF-8 makes one. It would take a byte from 0xf0 on and after it 0x7f
 * or 0xff, where the rest of a character must follow.
 */
function copyDoubles(
  source: ByteRange,
  start: number,
  end: number,
  target: ByteRange,
  at: number,
): number {
  const { view: from } = source;
  const { view: to } = target;
  const length = end - start;
  const next = at + length;
  if (length < 8) return copyWords(source, start, end, target, at);
  if (length > COPIED_BYTES_MAX) {
    copyLarge(source.bytes, start, end, target.bytes, at);
    return next;
  }
  for (; start + 16 <= end; start += 16) {
    to.setFloat64(at, from.getFloat64(start, true), true);
    to.setFloat64(at + 8, from.getFloat64(start + 8, true), true);
    at += 16;
  }
  if (start + 8 <= end) to.setFloat64(at, from.getFloat64(start, true), true);
  // The last eight once more, with what there is before them.
  to.setFloat64(next - 8, from.getFloat64(end - 8, true), true);
  return next;
}

/** Bytes of any kind, by words of four: what they are is not known, or not text, or they are few. */
function copyWords(
  source: ByteRange,
  start: number,
  end: number,
  target: ByteRange,
  at: number,
): number {
  const { view: from } = source;
  const { bytes: out, view: to } = target;
  const next = at + end - start;
  if (end - start > COPIED_BYTES_MAX) {
    copyLarge(source.bytes, start, end, out, at);
    return next;
  }
  if (end - start < 4) {
    for (; start < end; start += 1, at += 1) to.setUint8(at, from.getUint8(start));
    return next;
  }
  for (; start + 8 <= end; start += 8) {
    to.setInt32(at, from.getInt32(start, true), true);
    to.setInt32(at + 4, from.getInt32(start + 4, true), true);
    at += 8;
  }
  if (start + 4 <= end) to.setInt32(at, from.getInt32(start, true), true);
  // The last four once more, with what there is before them.
  to.setInt32(next - 4, from.getInt32(end - 4, true), true);
  return next;
}

/** A hash of `[start, end)` and a number, by words; for tables whose chains are short whoever fills them. */
export function hashWords(view: DataView, start: number, end: number, salt: number): number {
  let value = Math.imul(salt ^ (end - start), HASH_FACTOR);
  if (end - start < 4) {
    for (; start < end; start += 1) value = mix(value, view.getUint8(start));
    return value ^ (value >>> 15);
  }
  for (let at = start; at + 4 < end; at += 4) value = mix(value, view.getInt32(at, true));
  value = mix(value, view.getInt32(end - 4, true));
  return value ^ (value >>> 15);
}

const HASH_FACTOR = 0x9e37_79b1;

function mix(value: number, word: number): number {
  const mixed = Math.imul(value ^ word, HASH_FACTOR);
  return mixed ^ (mixed >>> 16);
}

/** Whether `one[at, at + length)` and `other[otherAt, otherAt + length)` are alike. */
export function equalRanges(
  one: ByteRange,
  at: number,
  other: ByteRange,
  otherAt: number,
  length: number,
): boolean {
  const kernel = kernelFor(one, at, other, otherAt, length);
  if (kernel === null) return equalWords(one.view, at, other.view, otherAt, length);
  return kernel.equal(one.address + at, other.address + otherAt, length) !== 0;
}

function equalWords(
  one: DataView,
  at: number,
  other: DataView,
  otherAt: number,
  length: number,
): boolean {
  const last = length - 4;
  if (last < 0) {
    for (let offset = 0; offset < length; offset += 1) {
      if (one.getUint8(at + offset) !== other.getUint8(otherAt + offset)) return false;
    }
    return true;
  }
  // The last word overlaps the one before it, so that no byte is left over.
  if (one.getInt32(at + last, true) !== other.getInt32(otherAt + last, true)) return false;
  for (let offset = 0; offset < last; offset += 4) {
    if (one.getInt32(at + offset, true) !== other.getInt32(otherAt + offset, true)) return false;
  }
  return true;
}

/**
 * Where in `[start, end)` the first byte stands that is neither visible ASCII nor a blank, or a little
 * before it: whoever calls looks at single bytes from there on. `end` if there is none.
 */
export function visibleEnd(range: ByteRange, start: number, end: number): number {
  const kernel = kernelFor(range, start, range, start, end - start);
  if (kernel === null) return visibleWordsEnd(range.view, start, end);
  return kernel.visibleEnd(range.address + start, range.address + end) - range.address;
}

/**
 * Where in `[start, end)` the first byte stands that a JSON string does not have as it is: a quote, a
 * backslash, a control, DEL or a byte outside of ASCII. `end` if there is none. Only for a range that
 * has a kernel.
 */
export function plainEnd(range: ByteRange, start: number, end: number): number {
  const { kernel, address, bytes } = range;
  if (kernel === null || start < 0 || end > bytes.length) return start;
  return kernel.plainEnd(address + start, address + end) - address;
}

/**
 * Four bytes at a time. The top bit of a byte tells: below 0x20, above 0x7f, 0x7f. A borrow or carry
 * starts only at such a byte.
 */
function visibleWordsEnd(view: DataView, start: number, end: number): number {
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const word = view.getInt32(at, true);
    if ((((word - 0x2020_2020) | word | (word + 0x0101_0101)) & 0x8080_8080) !== 0) return at;
  }
  for (; at < end; at += 1) {
    const byte = view.getUint8(at);
    if (byte < 0x20 || byte >= 0x7f) return at;
  }
  return end;
}

/** As much as a frame holds, and the bytes that align it. */
const ALIGNED_BYTES = 64 * 1024;
const WORD_MASK = 7;
let aligned: Uint8Array | null = null;

/**
 * Copies many bytes. Where one side is shared memory the platform moves words of eight if both sides are
 * aligned alike, else single bytes, which takes seven times as long. So what is not aligned alike goes by
 * way of memory that is aligned like the shared side: the other of the two copies is a plain one.
 */
export function copyLarge(
  source: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): void {
  const isFromShared = isShared(source);
  const isAlike = ((source.byteOffset + start - out.byteOffset - at) & WORD_MASK) === 0;
  if (isAlike || (!isFromShared && !isShared(out))) {
    out.set(source.subarray(start, end), at);
    return;
  }
  aligned ??= new Uint8Array(ALIGNED_BYTES + WORD_MASK);
  let to = at;
  for (let from = start; from < end; from += ALIGNED_BYTES) {
    const length = Math.min(ALIGNED_BYTES, end - from);
    const lead = (isFromShared ? source.byteOffset + from : out.byteOffset + to) & WORD_MASK;
    aligned.set(source.subarray(from, from + length), lead);
    out.set(aligned.subarray(lead, lead + length), to);
    to += length;
  }
}

function isShared(bytes: Uint8Array): boolean {
  return bytes.buffer instanceof SharedArrayBuffer;
}

const NO_BYTES = new Uint8Array(0);
const NO_RANGE = new ByteRange(NO_BYTES);
