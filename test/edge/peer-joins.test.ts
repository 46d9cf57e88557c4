import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeerJoins } from '../../src/edge/peer-joins.ts';

const SHARDS = 4;

/**
 * Shards as they behave: each touches the rings to a peer from a join to its own answer to a loss, and
 * messages wait in its port until it takes them.
 */
class World {
  readonly joins = new PeerJoins(SHARDS, {
    resetPair: (one, other) => this.#onReset(one, other),
    postLost: (shard, peer, generation) => this.#post(shard, { kind: 'lost', peer, generation }),
    postJoined: (shard, peer, generation) =>
      this.#post(shard, { kind: 'joined', peer, generation }),
  });
  readonly generations = new Array<number>(SHARDS).fill(1);
  readonly alive = new Array<boolean>(SHARDS).fill(true);
  /** `[shard][peer]`: the generation of the peer whose rings it touches, 0 for none. */
  readonly touched = Array.from({ length: SHARDS }, () => new Array<number>(SHARDS).fill(0));
  readonly #ports: { kind: 'lost' | 'joined'; peer: number; generation: number }[][] = Array.from(
    { length: SHARDS },
    () => [],
  );

  constructor() {
    this.joins.startedAll(1);
    this.touched.forEach((row, shard) => row.fill(1).fill(0, shard, shard + 1));
  }

  die(shard: number): void {
    if (!this.alive[shard]) return;
    this.alive[shard] = false;
    this.touched[shard]!.fill(0);
    this.#ports[shard] = [];
    this.joins.lost(shard);
  }

  start(shard: number): void {
    if (this.alive[shard]) return;
    this.generations[shard]! += 1;
    this.alive[shard] = true;
    this.touched[shard] = this.joins.started(shard, this.generations[shard]!);
  }

  takeMessage(shard: number): boolean {
    const message = this.#ports[shard]!.shift();
    if (message === undefined) return false;
    const { kind, peer, generation } = message;
    if (kind === 'joined') this.touched[shard]![peer] = generation;
    else {
      this.touched[shard]![peer] = 0;
      this.joins.left(shard, peer);
    }
    return true;
  }

  settle(): void {
    for (let shard = 0; shard < SHARDS; shard += 1) this.start(shard);
    for (let moved = true; moved;) {
      moved = false;
      for (let shard = 0; shard < SHARDS; shard += 1) moved = this.takeMessage(shard) || moved;
    }
  }

  #post(
    shard: number,
    message: { kind: 'lost' | 'joined'; peer: number; generation: number },
  ): void {
    if (!this.alive[shard]) throw new Error('a dead shard was posted to');
    this.#ports[shard]!.push(message);
  }

  #onReset(one: number, other: number): void {
    if (this.touched[one]![other] !== 0 || this.touched[other]![one] !== 0) {
      throw new Error(`rings of ${one} and ${other} were reset under an end`);
    }
  }
}

const step = fc.record({
  act: fc.constantFrom('die', 'start', 'take', 'take', 'take'),
  shard: fc.nat(SHARDS - 1),
});

describe('peer joins', () => {
  it('never reset a ring that an end may touch, and join all that live in the end', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const world = new World();
        for (const { act, shard } of steps) {
          if (act === 'die') world.die(shard);
          else if (act === 'start') world.start(shard);
          else world.takeMessage(shard);
        }
        world.settle();
        for (let shard = 0; shard < SHARDS; shard += 1) {
          const expected = world.generations.map((generation, peer) =>
            peer === shard ? 0 : generation,
          );
          expect(world.touched[shard]).toEqual(expected);
          expect(world.joins.isQuiet(shard)).toBe(false);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('know when no other shard touches the rings of a lost one', () => {
    const world = new World();
    world.die(2);
    expect(world.joins.isQuiet(2)).toBe(false);
    for (const shard of [0, 1, 3]) world.takeMessage(shard);
    expect(world.joins.isQuiet(2)).toBe(true);
  });

  it('join a peer that answered late when it has answered', () => {
    const world = new World();
    world.die(0);
    world.takeMessage(1);
    world.start(0);
    expect(world.touched[0]).toEqual([0, 1, 0, 0]);
    world.takeMessage(2);
    world.takeMessage(0);
    expect(world.touched[0]).toEqual([0, 1, 1, 0]);
    expect(world.touched[2]![0]).toBe(0);
    world.takeMessage(2);
    expect(world.touched[2]![0]).toBe(2);
  });
});
