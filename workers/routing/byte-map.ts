/**
 * A bounded map from short byte strings to values, looked up in place: no string is built and nothing
 * is allocated for a lookup. Open addressing, linear probing, half full at most. When it is full it is
 * emptied: it holds what can be computed again, and a flood of new keys must not make it grow.
 */
export class ByteMap<Value> {
  readonly #mask: number;
  readonly #max: number;
  #keys: (Buffer | null)[];
  #salts: Int32Array;
  #values: (Value | null)[];
  #count = 0;

  /** @param max entries kept at most; a power of two */
  constructor(max: number) {
    this.#max = max;
    this.#mask = max * 2 - 1;
    this.#keys = new Array<Buffer | null>(max * 2).fill(null);
    this.#salts = new Int32Array(max * 2);
    this.#values = new Array<Value | null>(max * 2).fill(null);
  }

  get count(): number {
    return this.#count;
  }

  /** `salt` is part of the key: the same bytes mean different things for tools and for prompts. */
  get(salt: number, bytes: Uint8Array, start: number, end: number): Value | null {
    const keys = this.#keys;
    let index = hash(salt, bytes, start, end) & this.#mask;
    for (;;) {
      const key = keys[index] as Buffer | null;
      if (key === null) return null;
      if (this.#salts[index] === salt && equals(key, bytes, start, end)) {
        return this.#values[index] as Value;
      }
      index = (index + 1) & this.#mask;
    }
  }

  set(salt: number, bytes: Uint8Array, start: number, end: number, value: Value): void {
    if (this.#count >= this.#max) this.clear();
    let index = hash(salt, bytes, start, end) & this.#mask;
    for (;;) {
      const key = this.#keys[index] as Buffer | null;
      if (key === null) break;
      if (this.#salts[index] === salt && equals(key, bytes, start, end)) {
        this.#values[index] = value;
        return;
      }
      index = (index + 1) & this.#mask;
    }
    this.#keys[index] = Buffer.from(bytes.subarray(start, end));
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

/** FNV-1a, 32 bits. Keys come from clients, but a chain costs at most `max` short compares. */
function hash(salt: number, bytes: Uint8Array, start: number, end: number): number {
  let value = 0x811c9dc5 ^ salt;
  for (let i = start; i < end; i += 1) {
    value = Math.imul(value ^ (bytes[i] as number), 0x01000193);
  }
  return value ^ (value >>> 15);
}

function equals(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (key.length !== length) return false;
  for (let i = 0; i < length; i += 1) if (key[i] !== bytes[start + i]) return false;
  return true;
}
