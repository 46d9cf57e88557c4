/**
 * Child processes of all shards, so that somebody knows them when their shard has died: ending a
 * worker thread leaves its children running. The owner claims an entry before it spawns and notes the
 * pid right after; the edge walks the entries of a dead owner.
 *
 *      0         4         8                      16
 *      +---------+---------+----------------------+
 *      |  owner  |   pid   | upstream |  0        |
 *      +---------+---------+----------------------+
 *
 *      owner:  shard + 1, 16 bits | generation of the shard, low 16 bits;  0 = free
 *
 * The owner word alone says who has the entry: it is taken by one compare-exchange, so an owner that
 * dies right after it leaves an entry that names it, at worst without a pid.
 */
import { assert } from './assert.ts';
import { PROCESSES_MAX } from './limits.ts';

const ENTRY_WORDS = 4;
const PID_WORD = 1;
const UPSTREAM_WORD = 2;

export const PROCESS_TABLE_BYTES: number = PROCESSES_MAX * ENTRY_WORDS * 4;

export class ProcessTable {
  readonly #words: Int32Array;
  /** Where the next search for a free entry begins: behind the last one taken by this thread. */
  #next: number;

  constructor(region: SharedArrayBuffer, byteOffset: number) {
    this.#words = new Int32Array(region, byteOffset, PROCESSES_MAX * ENTRY_WORDS);
    this.#next = 0;
  }

  /** Takes an entry for a process about to be spawned. -1 when the table is full: do not spawn. */
  claim(shard: number, generation: number, upstream: number): number {
    const owner = ownerOf(shard, generation);
    for (let tries = 0; tries < PROCESSES_MAX; tries += 1) {
      const entry = (this.#next + tries) % PROCESSES_MAX;
      const word = entry * ENTRY_WORDS;
      if (Atomics.load(this.#words, word) !== 0) continue;
      if (Atomics.compareExchange(this.#words, word, 0, owner) !== 0) continue;
      Atomics.store(this.#words, word + PID_WORD, 0);
      Atomics.store(this.#words, word + UPSTREAM_WORD, upstream);
      this.#next = entry + 1;
      return entry;
    }
    return -1;
  }

  /** Owner: the process of this entry runs. */
  setPid(entry: number, pid: number): void {
    assert(pid > 1, 'a child has a pid', pid);
    Atomics.store(this.#words, this.#checked(entry) + PID_WORD, pid);
  }

  /** `claim` and `setPid` in one, for a process that runs already. -1 when the table is full. */
  register(shard: number, generation: number, upstream: number, pid: number): number {
    const entry = this.claim(shard, generation, upstream);
    if (entry >= 0) this.setPid(entry, pid);
    return entry;
  }

  /** Gives an entry back: by the owner when the process was reaped, by the edge when it was killed. */
  release(entry: number): void {
    const word = this.#checked(entry);
    Atomics.store(this.#words, word + PID_WORD, 0); // before the owner: then it may be another's
    Atomics.store(this.#words, word, 0);
  }

  /**
   * The first entry at or after `cursor` that this life of the shard owns, or -1. The edge calls it
   * when that life is over: until then entries come and go.
   */
  nextOwned(shard: number, generation: number, cursor: number): number {
    const owner = ownerOf(shard, generation);
    for (let entry = cursor; entry < PROCESSES_MAX; entry += 1) {
      if (Atomics.load(this.#words, entry * ENTRY_WORDS) === owner) return entry;
    }
    return -1;
  }

  /** The first entry at or after `cursor` that anyone owns, or -1: to kill what is left at the end. */
  nextTaken(cursor: number): number {
    for (let entry = cursor; entry < PROCESSES_MAX; entry += 1) {
      if (Atomics.load(this.#words, entry * ENTRY_WORDS) !== 0) return entry;
    }
    return -1;
  }

  /** The pid of an entry, 0 while there is none. */
  pid(entry: number): number {
    return Atomics.load(this.#words, this.#checked(entry) + PID_WORD);
  }

  upstream(entry: number): number {
    return Atomics.load(this.#words, this.#checked(entry) + UPSTREAM_WORD);
  }

  /** Entries taken. A walk over the whole table: for metrics. */
  count(): number {
    let count = 0;
    for (let entry = this.nextTaken(0); entry >= 0; entry = this.nextTaken(entry + 1)) count += 1;
    return count;
  }

  #checked(entry: number): number {
    assert(entry >= 0 && entry < PROCESSES_MAX, 'an entry lies in the table', entry);
    return entry * ENTRY_WORDS;
  }
}

function ownerOf(shard: number, generation: number): number {
  return ((shard + 1) << 16) | (generation & 0xffff);
}
