/**
 * When a shard is started again. Threads are real, time is not: it stands still unless a test lets it
 * pass, so what happens meanwhile waits for nothing but the threads, on a machine of any speed.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { CounterBlock } from '../../shared/counter-cell.ts';
import { openRegion } from '../../src/edge/edge-region.ts';
import { ShardSupervisor, type SupervisorHooks } from '../../src/edge/shard-supervisor.ts';
import { testPlan } from './support/edge-harness.ts';

const MORTAL_SHARD = new URL('./support/mortal-shard.mjs', import.meta.url);
/** A life that counts as healthy. */
const LONG_MS = 10_001;

type Happening = 'starting' | 'ready' | 'down' | 'gone';

let nowMs: number;
let trial: Trial;

beforeEach(() => {
  nowMs = 1000;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await trial.supervisor.stop(0);
});

/** Lets time pass. */
async function elapse(ms: number): Promise<void> {
  nowMs += ms;
  await vi.advanceTimersByTimeAsync(ms);
}

class Trial implements SupervisorHooks<unknown> {
  readonly supervisor: ShardSupervisor<{ number: number }, unknown>;
  readonly #happened: string[] = [];
  #look: () => void = () => undefined;

  constructor(shards: number) {
    const silent = (): void => undefined;
    const { region, layout } = openRegion(testPlan({ shards }));
    this.supervisor = new ShardSupervisor(
      { number: 1 },
      {
        url: MORTAL_SHARD,
        region,
        layout,
        clock: { nowMs: () => nowMs, wallMs: () => nowMs },
        counters: new CounterBlock(region, layout.counters[0]!),
        logger: { debug: silent, info: silent, warn: silent, error: silent },
        hooks: this,
        task: () => ({ memory: null, clockBaseMs: 0, logLevel: 'silent', instance: new Uint8Array(8), sessionKeys: [] }), // prettier-ignore
      },
    );
  }

  static async start(shards: number): Promise<Trial> {
    trial = new Trial(shards);
    await trial.supervisor.start();
    return trial;
  }

  has(what: Happening, generation: number): boolean {
    return this.#happened.includes(`${what} 0 ${generation}`);
  }

  /** Resolves when that has happened to that generation of shard 0. */
  async until(what: Happening, generation: number): Promise<void> {
    while (!this.has(what, generation))
      await new Promise<void>((resolve) => (this.#look = () => resolve()));
  }

  /** Ends a generation of shard 0 after a life of so many ms. */
  async end(generation: number, lifeMs: number): Promise<void> {
    await elapse(lifeMs);
    this.supervisor.post(0, { kind: 'stop' });
    await this.until('gone', generation);
  }

  onStarting(shard: number, generation: number): void {
    this.#note('starting', shard, generation);
  }

  onReady(shard: number, generation: number): void {
    this.#note('ready', shard, generation);
  }

  onMessage(): void {
    // A mortal shard says nothing.
  }

  onDown(shard: number): void {
    this.#note('down', shard, 0);
  }

  onGone(shard: number, generation: number): void {
    this.#note('gone', shard, generation);
  }

  #note(what: Happening, shard: number, generation: number): void {
    this.#happened.push(`${what} ${shard} ${generation}`);
    this.#look();
  }
}

describe('a lost shard', () => {
  it('is started again at once, without waiting on a timer, after a healthy life', async () => {
    const shard = await Trial.start(1);
    for (let generation = 1; generation <= 4; generation += 1) {
      await shard.end(generation, LONG_MS);
      await shard.until('ready', generation + 1);
    }
    expect(shard.supervisor.restarts(0)).toBe(4);
  });

  it('is started again at once the first time, and later and later while it fails early', async () => {
    const shard = await Trial.start(1);
    await shard.end(1, 10);
    await shard.until('ready', 2);
    const delaysMs = [100, 200, 400, 800, 1600, 3200, 5000, 5000];
    for (const [index, delayMs] of delaysMs.entries()) {
      const generation = index + 2;
      await shard.end(generation, 10);
      await elapse(delayMs - 1);
      expect(shard.has('starting', generation + 1)).toBe(false);
      await elapse(1);
      await shard.until('ready', generation + 1);
    }
    await shard.end(10, LONG_MS);
    await shard.until('ready', 11);
  });

  it('waits a quarter of a second at most for another that does not leave its rings', async () => {
    const shard = await Trial.start(2);
    await shard.end(1, LONG_MS);
    await elapse(245);
    expect(shard.has('starting', 2)).toBe(false);
    await elapse(5);
    await shard.until('ready', 2);
  });
});
