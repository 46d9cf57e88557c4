/**
 * A closed set of names, found from bytes without building a string.
 *
 * `find` and `match` are exact; `match` reads on to the closing quote, so that a known key is never
 * scanned and then compared. `findLoosely` answers what a lenient JSON library would take the same
 * bytes for: it decodes escapes, stops at NUL as C libraries do, and ignores letter case (Go's
 * encoding/json, System.Text.Json and Jackson when asked; with the two letters outside of ASCII that
 * fold to `s` and `k`, and the dotted and dotless i).
 *
 *     match:  first byte ─▶ group ─▶ byte at the group's probe ─▶ chain of few keys ─▶ compare
 */
import { hexUnit } from './token.ts';

interface Key {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly folded: Uint8Array;
}

/** Longer keys are in no set, however they are read. */
const FOLDED_BYTES_MAX = 64;

const folded = new Uint8Array(FOLDED_BYTES_MAX);
const decoded = new Uint8Array(FOLDED_BYTES_MAX);

export class KeySet {
  readonly #keys: readonly Key[];
  readonly #byLength: readonly (readonly Key[])[];
  /** Each key with its closing quote, by id. */
  readonly #quoted: readonly Uint8Array[];
  /** By first byte: where the keys that begin with it differ most, counted from that byte. */
  readonly #probes = new Uint8Array(256);
  /** By first byte: the number of their group, 0 for no key. */
  readonly #groups = new Uint8Array(256);
  /** By group and the byte at the probe: the id of the first key to try, or 0. */
  readonly #first: Uint8Array;
  /** The id of the key to try after this one, or 0. */
  readonly #next: Uint8Array;

  /** `names[i]` gets the id `i`; index 0 stands for "none" and is left out. ASCII only. */
  constructor(names: readonly string[]) {
    const byLength: Key[][] = [];
    const keys: Key[] = [];
    for (let id = 1; id < names.length; id += 1) {
      const bytes = asciiBytes(names[id]!);
      const key: Key = { id, bytes, folded: asciiBytes(names[id]!.toLowerCase()) };
      keys.push(key);
      while (byLength.length <= bytes.length) byLength.push([]);
      byLength[bytes.length]!.push(key);
    }
    this.#byLength = byLength;
    this.#keys = keys;
    this.#quoted = names.map((name) => asciiBytes(`${name}"`));
    this.#next = new Uint8Array(names.length);
    const firstBytes = [...new Set(keys.map((key) => key.bytes[0]!))];
    this.#first = new Uint8Array((firstBytes.length + 1) * 256);
    firstBytes.forEach((byte, index) => {
      const ids = keys.filter((key) => key.bytes[0] === byte).map((key) => key.id);
      this.#addGroup(byte, index + 1, ids);
    });
  }

  #addGroup(byte: number, group: number, ids: readonly number[]): void {
    const quoted = ids.map((id) => this.#quoted[id]!);
    const shortest = Math.min(...quoted.map((bytes) => bytes.length));
    const spread = (at: number) => new Set(quoted.map((bytes) => bytes[at])).size;
    let probe = 0;
    for (let at = 1; at < shortest; at += 1) if (spread(at) > spread(probe)) probe = at;
    this.#groups[byte] = group;
    this.#probes[byte] = probe;
    // From the last to the first, so that the first one named is the first one tried.
    for (const id of ids.toReversed()) {
      const slot = group * 256 + this.#quoted[id]![probe]!;
      this.#next[id] = this.#first[slot]!;
      this.#first[slot] = id;
    }
  }

  /**
   * The id of the name that stands at `start` with a quote after it, or 0. `sizeOf` tells where the
   * string ends.
   */
  match(bytes: Uint8Array, start: number, end: number): number {
    if (start >= end) return 0;
    const byte = bytes[start]!;
    const probe = start + this.#probes[byte]!;
    if (probe >= end) return 0;
    let id = this.#first[(this.#groups[byte]! << 8) | bytes[probe]!]!;
    while (id !== 0) {
      const quoted = this.#quoted[id]!;
      if (start + quoted.length <= end && equalsAt(bytes, start, quoted)) return id;
      id = this.#next[id]!;
    }
    return 0;
  }

  /** Bytes of a name and its closing quote. */
  sizeOf(id: number): number {
    return this.#quoted[id]!.length;
  }

  /** The id of the name that stands in `bytes[start, end)`, or 0. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length >= this.#byLength.length) return 0;
    const keys = this.#byLength[length]!;
    for (let i = 0; i < keys.length; i += 1) {
      const key = keys[i]!;
      if (equalsAt(bytes, start, key.bytes)) return key.id;
    }
    return 0;
  }

  /**
   * The id of the name that some parser may read in the string content `bytes[start, end)`: positive
   * where every parser that decodes escapes reads exactly it, negative where only a lenient one
   * does, 0 where none does.
   */
  findLoosely(bytes: Uint8Array, start: number, end: number): number {
    const found = foldInto(bytes, start, end);
    if (found < 0) return 0;
    const length = found & 0xff;
    let loose = 0;
    for (let i = 0; i < this.#keys.length; i += 1) {
      const key = this.#keys[i]!;
      if (key.bytes.length !== length || !equalsAt(folded, 0, key.folded)) continue;
      if ((found & FOLD_IS_EXACT) !== 0 && equalsAt(decoded, 0, key.bytes)) return key.id;
      loose = -key.id;
    }
    return loose;
  }
}

/** ASCII text to bytes. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Whether `expected` stands at `at`. The caller knows that so many bytes are there. */
export function equalsAt(bytes: Uint8Array, at: number, expected: Uint8Array): boolean {
  const length = expected.length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    const difference =
      (bytes[at + i]! ^ expected[i]!) |
      (bytes[at + i + 1]! ^ expected[i + 1]!) |
      (bytes[at + i + 2]! ^ expected[i + 2]!) |
      (bytes[at + i + 3]! ^ expected[i + 3]!);
    if (difference !== 0) return false;
  }
  for (; i < length; i += 1) {
    if (bytes[at + i] !== expected[i]) return false;
  }
  return true;
}

/** Bit in the answer of `foldInto`: `decoded` is what every parser reads. */
const FOLD_IS_EXACT = 256;

/**
 * Fills `decoded` and `folded` and gives back their length, with FOLD_IS_EXACT unless the string has a
 * NUL or a character outside of ASCII; or -1 where no name can match.
 */
function foldInto(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let length = 0;
  let exact = FOLD_IS_EXACT;
  while (at < end) {
    let unit = bytes[at]!;
    if (unit === 0x5c) {
      unit = escapedUnit(bytes, at);
      at += bytes[at + 1] === 0x75 ? 6 : 2;
    } else if (unit < 0x80) {
      at += 1;
    } else {
      unit = wideUnit(bytes, at);
      at += unit < 0x800 ? 2 : 3;
    }
    if (unit === 0) return length;
    if (unit >= 0x80) exact = 0;
    const letter = foldUnit(unit);
    if (letter < 0 || length === FOLDED_BYTES_MAX) return -1;
    decoded[length] = unit;
    folded[length] = letter;
    length += 1;
  }
  return length | exact;
}

function foldUnit(unit: number): number {
  if (unit >= 0x41 && unit <= 0x5a) return unit | 0x20;
  if (unit < 0x80) return unit;
  if (unit === 0x17f) return 0x73;
  if (unit === 0x212a) return 0x6b;
  return unit === 0x130 || unit === 0x131 ? 0x69 : -1;
}

/** The unit that a valid escape at `at` stands for. */
function escapedUnit(bytes: Uint8Array, at: number): number {
  switch (bytes[at + 1]!) {
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    case 0x75:
      return hexUnit(bytes, at + 2);
    default:
      return bytes[at + 1]!;
  }
}

/** The code point of a valid character of two or three bytes; those of four fold to nothing. */
function wideUnit(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  if (lead >= 0xf0) return 0xffff;
  const second = bytes[at + 1]! & 0x3f;
  if (lead < 0xe0) return ((lead & 0x1f) << 6) | second;
  return ((lead & 0x0f) << 12) | (second << 6) | (bytes[at + 2]! & 0x3f);
}
