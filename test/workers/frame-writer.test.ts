import { describe, expect, it } from 'vitest';
import { Doorbell } from '../../shared/doorbell.ts';
import { FRAME_DATA } from '../../shared/frame-kind.ts';
import { createRegion, layoutRegion } from '../../shared/region-descriptor.ts';
import { RingWriter } from '../../shared/ring-writer.ts';
import { turnEnd } from '../../src/transport/turn-end.ts';
import { FrameWriter } from '../../workers/frame-writer.ts';

const RING_BYTES = 128 * 1024;

class CountedBell extends Doorbell {
  rings = 0;
  override ring(): boolean {
    this.rings += 1;
    return false;
  }
}

class Bench {
  isAlone = false;
  readonly #layout = layoutRegion({ shards: 1, ringOutBytes: RING_BYTES });
  readonly #region = createRegion(this.#layout);
  readonly bell = new CountedBell(this.#region, this.#layout.doorbells[0]!);
  readonly #frames = new FrameWriter(
    new RingWriter(this.#region, this.#layout.ringsOut[0]![0]!, RING_BYTES),
    this.bell,
    () => undefined,
    () => undefined,
    () => this.isAlone,
  );

  write(): void {
    this.#frames.claim(FRAME_DATA, 0, 1, 0, 10);
    this.#frames.commit();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the reader of a ring', () => {
  it('is woken once for all frames of a turn, at its end', async () => {
    const bench = new Bench();
    for (let frame = 0; frame < 5; frame += 1) bench.write();
    expect(bench.bell.rings).toBe(0);
    await turn();
    expect(bench.bell.rings).toBe(1);
  });

  it('is woken at once by the answer to the only exchange', async () => {
    const bench = new Bench();
    bench.isAlone = true;
    bench.write();
    expect(bench.bell.rings).toBe(1);
    await turn();
    expect(bench.bell.rings).toBe(1);
  });

  it('is woken when the end of the turn is brought forward', () => {
    const bench = new Bench();
    bench.write();
    turnEnd.runEarly();
    expect(bench.bell.rings).toBe(1);
  });

  it('may start early on what a long turn has written', () => {
    const bench = new Bench();
    for (let frame = 0; frame < 16; frame += 1) bench.write();
    expect(bench.bell.rings).toBe(1);
    turnEnd.runEarly();
  });
});
