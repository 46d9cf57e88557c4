import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  FRAMES_OFFSET,
  HEAD_OFFSET,
  TAIL_OFFSET,
  ringBytes,
} from '../../shared/ring-descriptor.ts';
import { RingReader, type FrameHandler } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';

type Step =
  | { act: 'write'; size: number; fill: number; parts: boolean }
  | { act: 'read'; frames: number }
  | { act: 'abandon'; size: number }
  | { act: 'replace writer' | 'replace reader' };

interface QueuedFrame {
  exchange: number;
  fill: number;
  size: number;
  /** Position behind the frame, counted without end. */
  end: number;
}

/** The ring as it should be: positions are plain numbers that never wrap, frames a list. */
class RingModel {
  readonly queue: QueuedFrame[] = [];
  readonly capacity: number;
  tail: number;
  head: number;

  constructor(capacity: number, start: number) {
    this.capacity = capacity;
    this.tail = start;
    this.head = start;
  }

  /** Bytes a frame takes here and now, with what it skips. */
  need(size: number): number {
    const footprint = Math.ceil((16 + size) / 16) * 16;
    const toEnd = this.capacity - (this.tail % this.capacity);
    return footprint <= toEnd ? footprint : footprint + toEnd;
  }

  hasRoom(size: number): boolean {
    return this.need(size) <= this.capacity - (this.tail - this.head);
  }
}

class Checker implements FrameHandler {
  readonly #model: RingModel;
  constructor(model: RingModel) {
    this.#model = model;
  }

  onFrame(
    kind: number,
    flags: number,
    exchange: number,
    aux: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const frame = this.#model.queue.shift();
    const told = { kind, flags, exchange, size: end - start, aux };
    expect(told).toEqual({
      kind: 7,
      flags: 3,
      exchange: frame?.exchange,
      size: aux,
      aux: frame?.size,
    });
    for (let index = start; index < end; index += 1) {
      if (bytes[index] !== ((frame!.fill + index - start) & 0xff))
        expect.fail(`torn at ${index - start}`);
    }
    this.#model.head = frame!.end;
  }
}

/** The ring under test, driven in step with its model. */
class RingPair {
  readonly #region: SharedArrayBuffer;
  readonly #model: RingModel;
  #writer: RingWriter;
  #reader: RingReader;
  #exchange = 0;
  #starvedNeed = 0;

  constructor(capacity: number, start: number) {
    this.#region = new SharedArrayBuffer(ringBytes(capacity));
    const words = new Int32Array(this.#region, 0, FRAMES_OFFSET >> 2);
    words[TAIL_OFFSET >> 2] = start | 0;
    words[HEAD_OFFSET >> 2] = start | 0;
    this.#model = new RingModel(capacity, start);
    this.#writer = new RingWriter(this.#region, 0, capacity);
    this.#reader = new RingReader(this.#region, 0, capacity);
  }

  step(step: Step): void {
    if (step.act === 'write') this.#write(step.size, step.fill, step.parts);
    else if (step.act === 'read') this.#read(step.frames);
    else if (step.act === 'abandon') this.#abandon(step.size);
    else if (step.act === 'replace writer') {
      this.#writer = new RingWriter(this.#region, 0, this.#model.capacity);
    } else {
      this.#reader = new RingReader(this.#region, 0, this.#model.capacity);
    }
  }

  drain(): void {
    this.#read(1 << 20);
    expect(this.#model.queue).toEqual([]);
    expect(this.#reader.isEmpty()).toBe(true);
  }

  #write(wanted: number, fill: number, parts: boolean): void {
    const size = Math.min(wanted, (this.#model.capacity >> 1) - 16);
    const room = this.#model.hasRoom(size);
    this.#exchange = (this.#exchange + 0x1234_5677) | 0;
    const payload = Uint8Array.from({ length: size + 3 }, (_, index) => fill + index - 1);
    let taken: boolean;
    if (parts) {
      const at = this.#writer.tryClaim(7, 3, this.#exchange, size, size);
      taken = at >= 0;
      for (let index = 0; taken && index < size; index += 1) {
        this.#writer.bytes[at + index] = fill + index;
      }
      if (taken) this.#writer.commit();
    } else {
      taken = this.#writer.tryWrite(7, 3, this.#exchange, size, payload, 1, 1 + size);
    }
    expect(taken).toBe(room);
    if (!room) {
      this.#starvedNeed = this.#model.tail + this.#model.need(size) - this.#model.capacity;
      expect(this.#writer.isStarved).toBe(true);
      return;
    }
    this.#model.tail += this.#model.need(size);
    this.#model.queue.push({ exchange: this.#exchange, fill, size, end: this.#model.tail });
  }

  #abandon(wanted: number): void {
    const size = Math.min(wanted, (this.#model.capacity >> 1) - 16);
    if (!this.#model.hasRoom(size)) return;
    expect(this.#writer.tryClaim(9, 9, 9, 9, size)).toBeGreaterThanOrEqual(0);
    this.#writer.abandon();
  }

  #read(frames: number): void {
    const expected = Math.min(frames, this.#model.queue.length);
    expect(this.#reader.read(new Checker(this.#model), frames)).toBe(expected);
    const isDue = this.#writer.isStarved && this.#model.head >= this.#starvedNeed;
    expect(this.#reader.takeStarved()).toBe(isDue);
    if (isDue) expect(this.#writer.isStarved).toBe(false);
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant('write' as const),
      size: fc.oneof(fc.nat(64), fc.nat(600), fc.constant(1 << 20)),
      fill: fc.nat(255),
      parts: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ act: fc.constant('read' as const), frames: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('abandon' as const), size: fc.nat(300) }) },
  { weight: 1, arbitrary: fc.constant({ act: 'replace writer' as const }) },
  { weight: 1, arbitrary: fc.constant({ act: 'replace reader' as const }) },
);

/** Anywhere, and close before the two places where 32-bit positions jump. */
const start = fc.oneof(
  fc.nat(1 << 16),
  fc.nat(64).map((frames) => 2 ** 31 / 16 - frames),
  fc.nat(64).map((frames) => 2 ** 32 / 16 - frames),
);

it('does for any order of writes and reads what a queue of bounded size does', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 6, max: 12 }),
      start,
      fc.array(step, { maxLength: 120 }),
      (capacityBits, startFrame, steps) => {
        const pair = new RingPair(1 << capacityBits, startFrame * 16);
        for (const each of steps) pair.step(each);
        pair.drain();
      },
    ),
    { numRuns: 400 },
  );
});
