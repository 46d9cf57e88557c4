/**
 * `Authorization` values that a shard accepted lately. The edge asks two things of it: whether a value
 * was checked before (then its characters need no second look), and whether the client's address may
 * stay away from its frame. A shard wants the address to count wrong credentials, and learning it costs
 * a system call and an allocation; a credential that was good a moment ago is not being guessed.
 *
 * - Only what was answered with success comes in, and the first 401 puts it out again: the next request
 *   with it brings the address, so that whoever sends on what has died is counted like anybody else.
 * - Values are compared whole. The place of one is made of its length and a few of its last characters,
 *   as these differ even between tokens of one issuer. Two at one place take turns and cost time alone.
 */

/** Rows; with VALUE_CHARS_MAX at most 2 MiB. More callers than rows are served all the same. */
const ROWS = 2048;
/** Longer ones are looked at anew each time. */
const VALUE_CHARS_MAX = 1024;

export class AcceptedCredentials {
  readonly #values: string[] = new Array<string>(ROWS).fill('');

  /** Whether this very value was accepted lately. */
  has(value: string): boolean {
    return value !== '' && this.#values[rowOf(value)] === value;
  }

  add(value: string): void {
    if (value !== '' && value.length <= VALUE_CHARS_MAX) this.#values[rowOf(value)] = value;
  }

  remove(value: string): void {
    const row = rowOf(value);
    if (this.#values[row] === value) this.#values[row] = '';
  }

  /** Who is accepted is decided anew: the plan changed. */
  clear(): void {
    this.#values.fill('');
  }
}

/** The last character of base64 may stand for two bits alone, so it is left out. */
function rowOf(value: string): number {
  const { length } = value;
  let hash = length;
  for (let at = length - 2; at >= 0 && at >= length - 6; at -= 1) {
    hash = Math.imul(hash, 31) + value.charCodeAt(at);
  }
  return (hash ^ (hash >>> 11)) & (ROWS - 1);
}
