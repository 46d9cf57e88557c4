/**
 * One cell per exchange slot of a shard: which exchange is open there and what its client calls it.
 * The shard writes; the edge reads when it has to answer in its place.
 *
 *      0          4             6        8                        64
 *      +----------+-------------+--------+------------------------+
 *      | exchange |  id bytes   |  flags |  id, as the client     |
 *      | 0 = free | 0 = no id   |   0    |  wrote it, as JSON     |
 *      +----------+-------------+--------+------------------------+
 *
 * The exchange number is stored last, so a shard that is stopped in the middle of a write leaves the
 * cell free. The stores are plain: whoever reads them has met the writer since, in a frame that it
 * committed later or in the end of its thread. Exchange numbers are never 0: their generation starts at
 * 1. Ids longer than ID_CELL_BYTES, and those of a batch, travel to the edge in an IDS frame instead.
 */
import { assert } from './assert.ts';
import { ByteRange, ByteRanges, copyRange } from './byte-words.ts';
import { EXCHANGES_MAX, ID_CELL_BYTES } from './limits.ts';

export const EXCHANGE_CELL_BYTES = 64;
const ID_OFFSET = 8;

assert(ID_OFFSET + ID_CELL_BYTES === EXCHANGE_CELL_BYTES, 'an id fills its cell');

/** Bytes of the cells of one shard. */
export const EXCHANGE_CELLS_BYTES: number = EXCHANGES_MAX * EXCHANGE_CELL_BYTES;

export class ExchangeCells {
  /** The cells as bytes; `readId` points into them. */
  readonly bytes: Uint8Array;
  /** Where the id lies that `readId` found. */
  idStart = 0;
  idEnd = 0;
  readonly #words: Int32Array;
  readonly #range: ByteRange;
  readonly #messages = new ByteRanges();

  constructor(region: SharedArrayBuffer, byteOffset: number) {
    this.bytes = new Uint8Array(region, byteOffset, EXCHANGE_CELLS_BYTES);
    this.#words = new Int32Array(region, byteOffset, EXCHANGE_CELLS_BYTES >> 2);
    this.#range = new ByteRange(this.bytes);
  }

  /**
   * Shard: the exchange in `slot` has the id `id[start, end)`, raw JSON; an empty one for none.
   * False, and the cell free, when the id is too long for a cell.
   */
  write(slot: number, exchange: number, id: Uint8Array, start: number, end: number): boolean {
    assert(slot >= 0 && slot < EXCHANGES_MAX && exchange !== 0, 'an exchange has a slot', slot);
    const word = slot << 4;
    const length = end - start;
    this.#words[word] = 0;
    if (length > ID_CELL_BYTES) return false;
    this.#words[word + 1] = length;
    copyRange(this.#messages.of(id), start, end, this.#range, (word << 2) + ID_OFFSET);
    this.#words[word] = exchange;
    return true;
  }

  /** Shard: the exchange in `slot` has ended. */
  clear(slot: number): void {
    Atomics.store(this.#words, slot << 4, 0);
  }

  /** Clears all cells, for a shard that takes the place of a dead one. */
  clearAll(): void {
    for (let slot = 0; slot < EXCHANGES_MAX; slot += 1) Atomics.store(this.#words, slot << 4, 0);
  }

  /** Edge, after the shard died: sets `idStart` and `idEnd`. False when the cell knows no id of it. */
  readId(slot: number, exchange: number): boolean {
    if (slot < 0 || slot >= EXCHANGES_MAX || exchange === 0) return false;
    const word = slot << 4;
    if (Atomics.load(this.#words, word) !== (exchange | 0)) return false;
    const length = this.#words[word + 1]! & 0xffff;
    if (length === 0 || length > ID_CELL_BYTES) return false;
    this.idStart = (word << 2) + ID_OFFSET;
    this.idEnd = this.idStart + length;
    return true;
  }
}
