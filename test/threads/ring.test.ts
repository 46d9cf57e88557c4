/**
 * Rings and doorbells under real threads, on compiled files: what one thread alone cannot show.
 * Nothing here waits for time to pass: a lost frame or wake-up makes a test run into its time limit.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DoorbellWaiter } from '../../shared/doorbell.ts';
import {
  FRAMES_OFFSET,
  HEAD_OFFSET,
  TAIL_OFFSET,
  ringBytes,
} from '../../shared/ring-descriptor.ts';
import { RingReader, type FrameHandler } from '../../shared/ring-reader.ts';
import { compileShared, type CompiledShared } from './compiled-shared.ts';
import { isWhole } from './ring-payload.mjs';

/** Some twenty times what these need on two busy cores. */
const TIME_LIMIT_MS = 30_000;

const WRITER_BELL = 0;
const READER_BELL = 128;
const RING = 256;

let compiled: CompiledShared;
const workers = new Set<Worker>();

beforeAll(() => {
  compiled = compileShared();
});
afterEach(async () => {
  await Promise.all([...workers].map((worker) => worker.terminate()));
  workers.clear();
});
afterAll(() => compiled.dispose());

interface ReaderReport {
  read: number;
  disordered: number;
  torn: number;
  parks: number;
}

function openRegion(capacity: number, position = 0): SharedArrayBuffer {
  const region = new SharedArrayBuffer(RING + 2 * ringBytes(capacity));
  const words = new Int32Array(region, RING, FRAMES_OFFSET >> 2);
  words[TAIL_OFFSET >> 2] = position;
  words[HEAD_OFFSET >> 2] = position;
  return region;
}

function start(file: string, data: Record<string, unknown>): Worker {
  const url = new URL(file, import.meta.url);
  const worker = new Worker(url, { workerData: { shared: compiled.url, ...data } });
  workers.add(worker);
  return worker;
}

function startWriter(region: SharedArrayBuffer, data: Record<string, unknown>): Worker {
  const bells = { ownBell: WRITER_BELL, otherBell: READER_BELL };
  const defaults = { region, ring: RING, first: 0, payloadMax: 256, seed: 0x5eed, ...bells };
  return start('./ring-writer.mjs', { ...defaults, ...data });
}

function startReader(region: SharedArrayBuffer, data: Record<string, unknown>): Worker {
  const bells = { ownBell: READER_BELL, otherBell: WRITER_BELL };
  return start('./ring-reader.mjs', {
    region,
    ring: RING,
    first: 0,
    reportEach: 0,
    ...bells,
    ...data,
  });
}

/** The next message of a worker; its error, if it fails before. */
async function message<T>(worker: Worker): Promise<T> {
  const [value] = (await once(worker, 'message')) as [T];
  return value;
}

/** Checks frames on this thread; counts them from `first`, or from whichever comes first. */
class Checker implements FrameHandler {
  next: number | null;
  read = 0;
  constructor(first: number | null) {
    this.next = first;
  }

  onFrame(
    _kind: number,
    _flags: number,
    exchange: number,
    aux: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (this.next !== null && exchange !== this.next)
      expect.fail(`${exchange} came for ${this.next}`);
    if (aux !== end - start || !isWhole(bytes, start, end)) expect.fail(`torn frame ${exchange}`);
    this.next = exchange + 1;
    this.read += 1;
  }
}

describe('a ring between two threads', () => {
  it(
    'carries two million frames in order, whole, over many full rings and past 2^32',
    async () => {
      const frames = 2_000_000;
      const capacity = 1 << 16;
      const region = openRegion(capacity, -(1 << 20));
      const reader = startReader(region, { capacity, frames });
      const writer = startWriter(region, { capacity, frames });
      const [read, sent] = await Promise.all([
        message<ReaderReport>(reader),
        message<{ sent: number; parks: number }>(writer),
      ]);
      expect(read).toMatchObject({ read: frames, disordered: 0, torn: 0 });
      expect(sent.sent).toBe(frames);
      expect(sent.parks).toBeGreaterThan(0); // it was full, and somebody rang back
    },
    TIME_LIMIT_MS,
  );

  it(
    'carries frames that nearly fill it',
    async () => {
      const frames = 100_000;
      const capacity = 1024;
      const region = openRegion(capacity, -4096);
      const reader = startReader(region, { capacity, frames });
      startWriter(region, { capacity, frames, payloadMax: capacity / 2 - 16, seed: 0xabcdef });
      const read = await message<ReaderReport>(reader);
      expect(read).toMatchObject({ read: frames, disordered: 0, torn: 0 });
    },
    TIME_LIMIT_MS,
  );
});

describe('doorbells of two threads', () => {
  it(
    'lose no wake-up over thousands of sleeps on both sides',
    async () => {
      const rounds = 20_000;
      const capacity = 1024;
      const region = openRegion(capacity);
      const other = RING + ringBytes(capacity);
      const data = { region, capacity, rounds };
      const one = start('./ring-echo.mjs', {
        ...data,
        ringIn: RING,
        ringOut: other,
        ownBell: WRITER_BELL,
        otherBell: READER_BELL,
        serves: true,
      });
      const two = start('./ring-echo.mjs', {
        ...data,
        ringIn: other,
        ringOut: RING,
        ownBell: READER_BELL,
        otherBell: WRITER_BELL,
        serves: false,
      });
      const reports = await Promise.all(
        [one, two].map((worker) => message<{ last: number }>(worker)),
      );
      expect(reports.map(({ last }) => last).sort()).toEqual([rounds - 1, rounds]);
    },
    TIME_LIMIT_MS,
  );
});

describe('a thread killed in the middle of its work', () => {
  it(
    'leaves whole frames only, if it wrote, and a new writer goes on behind them',
    async () => {
      const capacity = 1 << 14;
      const region = openRegion(capacity);
      const reader = new RingReader(region, RING, capacity);
      const before = new Checker(0);
      const writer = startWriter(region, { capacity, frames: Number.MAX_SAFE_INTEGER });
      await readUntil(region, reader, before, 20_000);
      await writer.terminate();
      while (reader.read(before, 1000) > 0); // what it had committed
      expect(reader.isEmpty()).toBe(true);

      const after = new Checker(7_000_000);
      const successor = startWriter(region, { capacity, frames: 5000, first: 7_000_000 });
      const done = message<{ sent: number }>(successor);
      await readUntil(region, reader, after, 5000);
      expect(after.read).toBe(5000);
      expect((await done).sent).toBe(5000);
    },
    TIME_LIMIT_MS,
  );

  it(
    'leaves a ring whose next reader finds frames in order, at worst some of them twice',
    async () => {
      const capacity = 1 << 14;
      const region = openRegion(capacity);
      const first = startReader(region, { capacity, frames: Infinity, reportEach: 10_000 });
      startWriter(region, { capacity, frames: Number.MAX_SAFE_INTEGER });
      const report = await message<ReaderReport>(first);
      await first.terminate();
      expect(report).toMatchObject({ disordered: 0, torn: 0 });

      const reader = new RingReader(region, RING, capacity);
      const after = new Checker(null);
      await readUntil(region, reader, after, 20_000);
      expect(after.next! - after.read).toBeGreaterThan(0);
    },
    TIME_LIMIT_MS,
  );

  it(
    'leaves a ring that its successor empties while the writer sleeps for want of room',
    async () => {
      const capacity = 1 << 12;
      const region = openRegion(capacity);
      const first = startReader(region, { capacity, frames: Infinity, reportEach: 1000 });
      startWriter(region, { capacity, frames: Number.MAX_SAFE_INTEGER });
      await message(first);
      await first.terminate();

      const reader = new RingReader(region, RING, capacity);
      reader.discard();
      const after = new Checker(null);
      await readUntil(region, reader, after, 5000);
      expect(after.read).toBeGreaterThanOrEqual(5000);
    },
    TIME_LIMIT_MS,
  );
});

/** Reads on this thread, sleeping at the reader's doorbell, until `frames` were read or more. */
function readUntil(
  region: SharedArrayBuffer,
  reader: RingReader,
  checker: Checker,
  frames: number,
): Promise<void> {
  const writerBell = new Int32Array(region, WRITER_BELL, 1);
  return new Promise((resolve, reject) => {
    const alive = setInterval(() => {}, 1000); // a wait alone keeps no process alive
    const finish = (error?: unknown) => {
      clearInterval(alive);
      waiter.stop();
      if (error === undefined) resolve();
      else reject(error instanceof Error ? error : new Error(String(error)));
    };
    const turn = () => {
      try {
        const read = reader.read(checker, 256);
        if (reader.takeStarved() && Atomics.compareExchange(writerBell, 0, 1, 0) === 1) {
          Atomics.notify(writerBell, 0);
        }
        if (checker.read >= frames) finish();
        else if (read > 0) setImmediate(turn);
        else waiter.park();
      } catch (error) {
        finish(error);
      }
    };
    const waiter = new DoorbellWaiter(region, READER_BELL, () => !reader.isEmpty(), turn);
    turn();
  });
}
