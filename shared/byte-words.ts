/**
 * Bytes compared by words of four. A loop over single bytes costs about one nanosecond each in this
 * engine, and a call into the platform 150 before it looks at the first one; through a `DataView` four
 * bytes cost as much as one.
 */

/** A view of the bytes that messages lie in. Those of a ring, where nearly all do, are viewed once. */
export class BytesView {
  readonly #keptBytesMax: number;
  #bytes: Uint8Array = NO_BYTES;
  #view: DataView = viewOf(NO_BYTES);

  /** @param keptBytesMax buffers that are not shared are viewed once up to this size, and kept so long */
  constructor(keptBytesMax = 0) {
    this.#keptBytesMax = keptBytesMax;
  }

  of(bytes: Uint8Array): DataView {
    if (bytes === this.#bytes) return this.#view;
    const view = viewOf(bytes);
    // Other bytes live as long as their message, so nothing here may keep much of them.
    const { buffer } = bytes;
    if (buffer.byteLength <= this.#keptBytesMax || buffer instanceof SharedArrayBuffer) {
      this.#bytes = bytes;
      this.#view = view;
    }
    return view;
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

/**
 * Copies the text `source[start, end)` to `out[at…]`, and gives back the index after it. The views are of
 * all bytes of either.
 *
 * Eight bytes at a time, as doubles: an engine may change the bits of a NaN on the way (ECMAScript,
 * NumericToRawBytes), but no text in UTF-8 makes one. It would take a byte from 0xf0 on and after it 0x7f
 * or 0xff, where the rest of a character must follow.
 */
export function copyText(
  source: Uint8Array,
  from: DataView,
  start: number,
  end: number,
  out: Uint8Array,
  to: DataView,
  at: number,
): number {
  const length = end - start;
  const next = at + length;
  if (length > COPIED_BYTES_MAX) {
    copyLarge(source, start, end, out, at);
    return next;
  }
  if (length < 8) {
    for (let index = 0; index < length; index += 1) out[at + index] = source[start + index]!;
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

/** The same for bytes of any kind, by words of four: what they are is not known, or not text. */
export function copyWords(
  source: Uint8Array,
  from: DataView,
  start: number,
  end: number,
  out: Uint8Array,
  to: DataView,
  at: number,
): number {
  const next = at + end - start;
  if (end - start > COPIED_BYTES_MAX) {
    copyLarge(source, start, end, out, at);
    return next;
  }
  for (; start + 8 <= end; start += 8) {
    to.setInt32(at, from.getInt32(start, true), true);
    to.setInt32(at + 4, from.getInt32(start + 4, true), true);
    at += 8;
  }
  for (; start < end; start += 1, at += 1) out[at] = source[start]!;
  return next;
}

const NO_BYTES = new Uint8Array(0);
