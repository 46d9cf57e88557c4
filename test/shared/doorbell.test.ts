import { describe, expect, it } from 'vitest';
import { Doorbell, DoorbellWaiter } from '../../shared/doorbell.ts';

const AWAKE = 0;
const PARKED = 1;

/** A doorbell whose wakes can be counted and awaited. */
function open(hasWork: () => boolean = () => false) {
  const region = new SharedArrayBuffer(256);
  const word = new Int32Array(region, 128, 1);
  let wakes = 0;
  let resolveNext: () => void = () => {};
  const waiter = new DoorbellWaiter(region, 128, hasWork, () => {
    wakes += 1;
    resolveNext();
  });
  return {
    region,
    word,
    waiter,
    bell: new Doorbell(region, 128),
    wakes: () => wakes,
    nextWake: () => new Promise<void>((resolve) => (resolveNext = resolve)),
  };
}

/** Lets every wake that is on its way arrive: those by promise job and those by event loop task. */
async function settle(region: SharedArrayBuffer): Promise<void> {
  const other = new Int32Array(region, 0, 1);
  for (let round = 0; round < 3; round += 1) {
    const wait = Atomics.waitAsync(other, 0, 0);
    Atomics.notify(other, 0);
    await wait.value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** `waitAsync` alone does not keep a process alive. */
async function keptAlive<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

describe('doorbell', () => {
  it('wakes a parked thread, once per park', async () => {
    const { region, word, waiter, bell, wakes, nextWake } = open();
    for (let park = 1; park <= 3; park += 1) {
      const woken = nextWake();
      waiter.park();
      expect([word[0], waiter.isParked]).toEqual([PARKED, true]);
      expect(bell.ring()).toBe(true);
      expect([word[0], wakes()]).toEqual([AWAKE, park - 1]); // never within `ring`
      expect(bell.ring()).toBe(false);
      await keptAlive(woken);
      expect([wakes(), waiter.isParked]).toEqual([park, false]);
    }
    await settle(region);
    expect(wakes()).toBe(3);
  });

  it('is silent for a thread that is awake', async () => {
    const { region, bell, wakes } = open();
    expect(bell.ring()).toBe(false);
    await settle(region);
    expect(wakes()).toBe(0);
  });

  it('does not let a thread sleep whose last look finds work', async () => {
    let work = true;
    const { region, word, waiter, bell, wakes, nextWake } = open(() => work);
    const woken = nextWake();
    waiter.park();
    expect([word[0], wakes(), waiter.isParked]).toEqual([AWAKE, 0, true]);
    expect(bell.ring()).toBe(false);
    await woken;
    expect(wakes()).toBe(1);
    work = false;
    await settle(region);
    expect(wakes()).toBe(1);
  });

  it('wakes once when it rings during the last look', async () => {
    for (const found of [true, false]) {
      const ringing: boolean[] = [];
      const opened = open(() => {
        ringing.push(opened.bell.ring());
        return found;
      });
      const woken = opened.nextWake();
      opened.waiter.park();
      expect(ringing).toEqual([true]);
      await woken;
      await settle(opened.region);
      expect([opened.wakes(), opened.word[0]]).toEqual([1, AWAKE]);
    }
  });

  it('goes on waking, and lets timers and sockets have their turn, while every last look finds work', async () => {
    const turnsMax = 10_000;
    let turns = 0;
    let turnsBefore = turnsMax;
    setImmediate(() => (turnsBefore = turns));
    const { waiter, nextWake } = open(() => true);
    await keptAlive(
      (async () => {
        for (; turns < turnsMax && turnsBefore === turnsMax; turns += 1) {
          const woken = nextWake();
          waiter.park();
          await woken;
        }
      })(),
    );
    expect(turnsBefore).toBeLessThan(turnsMax);

    for (let more = 0; more < 20; more += 1) {
      const woken = nextWake();
      waiter.park();
      await keptAlive(woken);
    }
  });

  it('refuses to park twice', () => {
    const { waiter } = open();
    waiter.park();
    expect(() => waiter.park()).toThrow('parks once');
    waiter.stop();
  });
});

describe('a stopped doorbell', () => {
  it('leaves no waiter behind, whether it was parked or about to wake', async () => {
    for (const found of [true, false]) {
      const { region, word, waiter, bell, wakes } = open(() => found);
      waiter.park();
      waiter.stop();
      expect([word[0], waiter.isParked, bell.ring()]).toEqual([AWAKE, false, false]);
      expect(Atomics.notify(word, 0)).toBe(0);
      waiter.park();
      expect(waiter.isParked).toBe(false);
      await settle(region);
      expect(wakes()).toBe(0);
    }
  });

  it('does not wake when it was rung before it stopped', async () => {
    const { region, waiter, bell, wakes } = open();
    waiter.park();
    expect(bell.ring()).toBe(true);
    waiter.stop();
    await settle(region);
    expect(wakes()).toBe(0);
  });

  it('gives its word to a successor, also when it never stopped', async () => {
    const { region, word, waiter, bell, wakes } = open();
    waiter.park(); // and dies
    let successorWakes = 0;
    const woken = new Promise<void>((resolve) => {
      const successor = new DoorbellWaiter(
        region,
        128,
        () => false,
        () => {
          successorWakes += 1;
          resolve();
        },
      );
      expect(word[0]).toBe(AWAKE);
      successor.park();
    });
    expect(bell.ring()).toBe(true);
    await keptAlive(woken);
    expect(successorWakes).toBe(1);
    expect(wakes()).toBeLessThanOrEqual(1);
  });
});
