import { ByteRange, ByteRanges, equalRanges, hashWords } from '../../shared/byte-words.ts';

/**
 * A bounded map from short byte strings to values, looked up in place: no string is built and nothing
 * is allocated for a lookup. Open addressing, linear probing, half full at most. When it is full it is
 * emptied: it holds what can be computed again, and a flood of new keys must not make it grow. Keys come
 * from clients, but a chain costs at most `max` short compares.
 */
export class ByteMap<Value> {
  readonly #mask: number;
  readonly #max: number;
  #keys: (ByteRange | null)[];
  #salts: Int32Array;
  #values: (Value | null)[];
  #count = 0;
  readonly #ranges = new ByteRanges();

  /** @param max entries kept at most; a power of two */
  constructor(max: number) {
    this.#max = max;
    this.#mask = max * 2 - 1;
    this.#keys = new Array<ByteRange | null>(max * 2).fill(null);
    this.#salts = new Int32Array(max * 2);
    this.#values = new Array<Value | null>(max * 2).fill(null);
  }

  get count(): number {
    return this.#count;
  }

  /** `salt` is part of the key: the same bytes mean different things for tools and for prompts. */
  get(salt: number, bytes: Uint8Array, start: number, end: number): Value | null {
    const keys = this.#keys;
    const range = this.#ranges.of(bytes);
    let index = hashWords(range.view, start, end, salt) & this.#mask;
    for (;;) {
      const key = keys[index]!;
      if (key === null) return null;
      if (this.#salts[index] === salt && equals(key, range, start, end)) {
        return this.#values[index] as Value;
      }
      index = (index + 1) & this.#mask;
    }
  }

  set(salt: number, bytes: Uint8Array, start: number, end: number, value: Value): void {
    if (this.#count >= this.#max) this.clear();
    const range = this.#ranges.of(bytes);
    let index = hashWords(range.view, start, end, salt) & this.#mask;
    for (;;) {
      const key = this.#keys[index]!;
      if (key === null) break;
      if (this.#salts[index] === salt && equals(key, range, start, end)) {
        this.#values[index] = value;
        return;
      }
      index = (index + 1) & this.#mask;
    }
    this.#keys[index] = new ByteRange(Buffer.from(bytes.subarray(start, end)));
    this.#salts[index] = salt;
    this.#values[index] = value;
    this.#count += 1;
  }

  clear(): void {
    this.#keys.fill(null);
    this.#values.fill(null);
    this.#count = 0;
  }
}

function equals(key: ByteRange, range: ByteRange, start: number, end: number): boolean {
  const { length } = key.bytes;
  return end - start === length && equalRanges(key, 0, range, start, length);
}
