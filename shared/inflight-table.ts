/**
 * Calls in flight by upstream, for the whole gateway. Each shard counts its own; a sum goes over all.
 *
 *      shard 0:  | upstream 0 | upstream 1 | … | upstream 255 |    one word each
 *      shard 1:  | upstream 0 | …
 *
 *      word:  generation of the shard, low 16 bits | calls in flight, 16 bits
 *
 * A cell counts only while it names the generation its shard has now. So when the supervisor raises
 * the generation of a dead shard, all that it held is taken back at once, without a walk. A shard's
 * cells lie together because it writes them with every call, while sums are rarer.
 */
import { assert } from './assert.ts';
import { EXCHANGES_MAX, UPSTREAMS_MAX } from './limits.ts';
import { GENERATION_OFFSET, THREAD_CELL_BYTES } from './thread-cell.ts';

const COUNT_BITS = 16;
const COUNT_MASK: number = (1 << COUNT_BITS) - 1;

assert(EXCHANGES_MAX <= COUNT_MASK, 'a shard cannot hold more calls than a cell counts');

/** Bytes of the table for `shards` shards. */
export function inflightTableBytes(shards: number): number {
  return shards * UPSTREAMS_MAX * 4;
}

export class InflightTable {
  readonly #cells: Int32Array;
  readonly #shards: number;
  readonly #generations: Int32Array;

  /** @param threadsByteOffset the thread cell of shard 0; those of the others follow it */
  constructor(
    region: SharedArrayBuffer,
    byteOffset: number,
    shards: number,
    threadsByteOffset: number,
  ) {
    this.#cells = new Int32Array(region, byteOffset, shards * UPSTREAMS_MAX);
    this.#shards = shards;
    this.#generations = new Int32Array(
      region,
      threadsByteOffset,
      (shards * THREAD_CELL_BYTES) >> 2,
    );
  }

  /** A shard's first act on the table: its cells are zero and of its generation. */
  open(shard: number, generation: number): void {
    for (let upstream = 0; upstream < UPSTREAMS_MAX; upstream += 1) {
      Atomics.store(this.#cells, shard * UPSTREAMS_MAX + upstream, generation << COUNT_BITS);
    }
  }

  /**
   * Shard: one more call to this upstream is in flight. It alone writes its cells, so a plain store does:
   * others see it some nanoseconds later than an atomic one.
   */
  add(shard: number, upstream: number): void {
    const index = shard * UPSTREAMS_MAX + upstream;
    const cell = this.#cells[index]!;
    assert((cell & COUNT_MASK) < COUNT_MASK, 'a shard holds at most EXCHANGES_MAX calls', upstream);
    this.#cells[index] = cell + 1;
  }

  /** Shard: a call that was added has ended. */
  remove(shard: number, upstream: number): void {
    const index = shard * UPSTREAMS_MAX + upstream;
    const cell = this.#cells[index]!;
    assert((cell & COUNT_MASK) > 0, 'a call that ends was in flight', upstream);
    this.#cells[index] = cell - 1;
  }

  /**
   * Shard: as `add`, unless `max` calls are in flight over all shards; then false. Never lets more
   * than `max` through: a shard counts itself before it sums, so of two that meet at the last place
   * the later one sees the other. Both may see each other and both be refused.
   */
  tryAdd(shard: number, upstream: number, max: number): boolean {
    this.add(shard, upstream);
    // Seen by all before the sum is taken: what a plain store does not promise.
    const index = shard * UPSTREAMS_MAX + upstream;
    Atomics.store(this.#cells, index, this.#cells[index]!);
    if (this.sum(upstream) <= max) return true;
    this.remove(shard, upstream);
    return false;
  }

  /** Calls in flight to this upstream, over all living shards. */
  sum(upstream: number): number {
    let sum = 0;
    for (let shard = 0; shard < this.#shards; shard += 1) sum += this.of(shard, upstream);
    return sum;
  }

  /**
   * As `sum`, by plain reads, which cost a third here: what other shards did in the last nanoseconds may
   * be missing.
   */
  glance(upstream: number): number {
    let sum = 0;
    for (let shard = 0; shard < this.#shards; shard += 1) {
      const cell = this.#cells[shard * UPSTREAMS_MAX + upstream]!;
      const generation = this.#generations[(shard * THREAD_CELL_BYTES + GENERATION_OFFSET) >> 2]!;
      if (cell >>> COUNT_BITS === (generation & COUNT_MASK)) sum += cell & COUNT_MASK;
    }
    return sum;
  }

  /** Calls in flight to this upstream from one shard; 0 if that shard is not the one that counted. */
  of(shard: number, upstream: number): number {
    const cell = Atomics.load(this.#cells, shard * UPSTREAMS_MAX + upstream);
    const generation = Atomics.load(
      this.#generations,
      (shard * THREAD_CELL_BYTES + GENERATION_OFFSET) >> 2,
    );
    return cell >>> COUNT_BITS === (generation & COUNT_MASK) ? cell & COUNT_MASK : 0;
  }
}
