/**
 * Which pairs of shards may use the two rings between them. A ring must be emptied when one of its ends
 * dies, and that is safe only while no thread touches it; so a pair goes through three steps:
 *
 *      joined ──one end lost──▶ waiting for the other end's `peerLeft` ──▶ quiet
 *        ▲                                                                  │
 *        └────────── both ends run: reset both rings, tell both ends ───────┘
 *
 * A dead end touches nothing: the supervisor reports it lost only after its thread has ended. Nothing
 * here waits or knows time; the owner decides how long a start waits for `isQuiet`.
 */
export interface PeerJoinsOwner {
  /** Empties the rings between two shards, both ways. No thread touches them now. */
  resetPair(one: number, other: number): void;
  /** Tells `shard` that generation `generation` of `peer` is gone. */
  postLost(shard: number, peer: number, generation: number): void;
  /** Tells `shard` that it may use the rings between itself and that generation of `peer`. */
  postJoined(shard: number, peer: number, generation: number): void;
}

export class PeerJoins {
  readonly #owner: PeerJoinsOwner;
  /** Generation that runs or starts, 0 for none. */
  readonly #generations: number[];
  /** `[one][other]`: shard `one` may touch the rings between itself and `other`. */
  readonly #touches: boolean[][];

  constructor(shards: number, owner: PeerJoinsOwner) {
    this.#owner = owner;
    this.#generations = new Array<number>(shards).fill(0);
    this.#touches = Array.from({ length: shards }, () => new Array<boolean>(shards).fill(false));
  }

  /**
   * A generation is about to start. Peers that run and whose rings are quiet are joined at once: they
   * are told, and what they write waits in the ring until the new shard reads.
   *
   * @returns for its task: per shard the generation it is joined with, 0 for none
   */
  started(shard: number, generation: number): number[] {
    this.#generations[shard] = generation;
    return this.#generations.map((peerGeneration, peer) => {
      if (peer === shard || peerGeneration === 0 || !this.#isPairQuiet(shard, peer)) return 0;
      this.#open(shard, peer);
      this.#owner.postJoined(peer, shard, generation);
      return peerGeneration;
    });
  }

  /** All shards start together on fresh memory: every pair is joined without a message. */
  startedAll(generation: number): void {
    this.#generations.fill(generation);
    for (let one = 0; one < this.#generations.length; one += 1) {
      for (let other = 0; other < one; other += 1) this.#open(one, other);
    }
  }

  /** The shard's thread has ended. */
  lost(shard: number): void {
    const generation = this.#generations[shard] ?? 0;
    this.#generations[shard] = 0;
    this.#touches[shard]?.fill(false);
    this.#generations.forEach((peerGeneration, peer) => {
      if (peerGeneration === 0) return;
      if (this.#mayTouch(peer, shard)) this.#owner.postLost(peer, shard, generation);
    });
  }

  /** `shard` answered `peerLeft`: it no longer touches the rings between itself and `peer`. */
  left(shard: number, peer: number): void {
    if (!this.#mayTouch(shard, peer) || this.#mayTouch(peer, shard)) return; // told twice, or not asked
    this.#setTouch(shard, peer, false);
    const own = this.#generations[shard] ?? 0;
    const theirs = this.#generations[peer] ?? 0;
    if (own === 0 || theirs === 0) return;
    this.#open(shard, peer);
    this.#owner.postJoined(shard, peer, theirs);
    this.#owner.postJoined(peer, shard, own);
  }

  /** No other shard still touches a ring to or from this one. */
  isQuiet(shard: number): boolean {
    return this.#touches.every((row, peer) => peer === shard || row[shard] !== true);
  }

  #open(one: number, other: number): void {
    this.#owner.resetPair(one, other);
    this.#setTouch(one, other, true);
    this.#setTouch(other, one, true);
  }

  #isPairQuiet(one: number, other: number): boolean {
    return !this.#mayTouch(one, other) && !this.#mayTouch(other, one);
  }

  #mayTouch(one: number, other: number): boolean {
    return this.#touches[one]?.[other] === true;
  }

  #setTouch(one: number, other: number, may: boolean): void {
    const row = this.#touches[one];
    if (row !== undefined) row[other] = may;
  }
}
