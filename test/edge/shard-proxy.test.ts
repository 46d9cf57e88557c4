/** What the edge writes to a shard while its ring is full, and what comes of it. */
import { describe, expect, it } from 'vitest';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import { CounterBlock, CounterReader } from '../../shared/counter-cell.ts';
import { Doorbell } from '../../shared/doorbell.ts';
import {
  FLAG_FIN,
  FRAME_CANCEL,
  FRAME_CREDIT,
  FRAME_DATA,
  FRAME_OPEN,
} from '../../shared/frame-kind.ts';
import { createRegion, layoutRegion } from '../../shared/region-descriptor.ts';
import { RingReader } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';
import { BodyBudget } from '../../src/edge/body-budget.ts';
import type { EdgeExchange } from '../../src/edge/connection-table.ts';
import { ShardProxy } from '../../src/edge/shard-proxy.ts';
import { RecordedExchange } from './support/recorded-exchange.ts';

interface Frame {
  readonly kind: number;
  readonly isFin: boolean;
  readonly number: number;
  readonly aux: number;
  readonly bytes: number;
}

const HEAD_BYTES = 40;

class Bench {
  readonly layout = layoutRegion({ shards: 1, ringInBytes: 16 * 1024 });
  readonly region = createRegion(this.layout);
  readonly budget = new BodyBudget(1 << 20);
  readonly proxy = new ShardProxy(
    0,
    new Doorbell(this.region, this.layout.doorbells[1]!),
    this.budget,
    new CounterBlock(this.region, this.layout.counters[0]!),
    this.layout.ringInBytes,
  );
  readonly counts = new CounterReader(this.region, this.layout.counters[0]!);
  readonly #reader = new RingReader(
    this.region,
    this.layout.ringsIn[0]![0]!,
    this.layout.ringInBytes,
  );

  constructor() {
    const { ringsIn, ringInBytes } = this.layout;
    this.proxy.attach(1, new RingWriter(this.region, ringsIn[0]![0]!, ringInBytes));
  }

  open(bodyBytes: number): EdgeExchange | null {
    const head = new Uint8Array(HEAD_BYTES);
    return this.proxy.tryOpen(
      new RecordedExchange(),
      head,
      HEAD_BYTES,
      new Uint8Array(bodyBytes),
      0,
      bodyBytes,
      null,
    );
  }

  /** Opens small ones until there is no room for one more. */
  fill(): EdgeExchange[] {
    const opened: EdgeExchange[] = [];
    for (let next = this.open(0); next !== null; next = this.open(0)) opened.push(next);
    return opened;
  }

  /** Reads as a shard does, and lets the edge flush when it is rung, if it has the time. */
  take(frames = Infinity, isEdgeBusy = false): Frame[] {
    const taken: Frame[] = [];
    const handler = {
      onFrame: (
        kind: number,
        flags: number,
        number: number,
        aux: number,
        _bytes: Uint8Array,
        start: number,
        end: number,
      ) => {
        taken.push({ kind, isFin: (flags & FLAG_FIN) !== 0, number, aux, bytes: end - start });
      },
    };
    while (taken.length < frames && this.#reader.read(handler, 1) > 0) {
      if (this.#reader.takeStarved()) {
        expect(this.proxy.canFlush || !this.proxy.hasQueued).toBe(true);
        if (!isEdgeBusy) this.proxy.flush();
      }
    }
    return taken;
  }
}

describe('while the ring is full', () => {
  it('new exchanges are refused, and give their slot back', () => {
    const bench = new Bench();
    const opened = bench.fill();
    expect(opened.length).toBeGreaterThan(100);
    expect(bench.proxy.openCount).toBe(opened.length);
    expect(bench.open(0)).toBeNull();
    expect(bench.take()).toHaveLength(opened.length);
    expect(bench.open(0)).not.toBeNull();
  });

  it('credit adds up and cancels wait; none is lost, and no new exchange overtakes them', () => {
    const bench = new Bench();
    const opened = bench.fill();
    const [first, second] = opened as [EdgeExchange, EdgeExchange];
    bench.proxy.sendCredit(first, 10);
    bench.proxy.sendCredit(first, 5);
    bench.proxy.cancel(second, 3);
    bench.proxy.cancel(second, 1);
    expect(bench.counts.read(COUNTERS.EDGE_QUEUED.id)).toBe(2);
    expect(bench.take(1)).toMatchObject([{ kind: FRAME_OPEN }]);
    const behind = bench.take().slice(opened.length - 1);
    expect(behind).toMatchObject([
      { kind: FRAME_CREDIT, number: first.number, aux: 15 },
      { kind: FRAME_CANCEL, number: second.number, aux: 3 },
    ]);
    expect(bench.proxy.hasQueued).toBe(false);
  });

  it('a new exchange waits for those to go first, even if there is room again', () => {
    const bench = new Bench();
    const [first] = bench.fill();
    bench.proxy.sendCredit(first!, 1);
    bench.take(Infinity, true);
    expect(bench.proxy.hasQueued).toBe(true);
    expect(bench.open(0)).toBeNull();
    bench.proxy.flush();
    expect(bench.open(0)).not.toBeNull();
    expect(bench.take()).toMatchObject([{ kind: FRAME_CREDIT }, { kind: FRAME_OPEN }]);
  });
});

describe('a body larger than a frame', () => {
  it('follows its OPEN in frames, the last one marked, and counts until it is written', () => {
    const bench = new Bench();
    const exchange = bench.open(50_000)!;
    expect(bench.budget.bytes).toBe(50_000);
    const [open, ...data] = bench.take();
    expect(open).toMatchObject({ kind: FRAME_OPEN, isFin: false, aux: 50_000, bytes: HEAD_BYTES });
    expect(data.every((frame) => frame.kind === FRAME_DATA)).toBe(true);
    expect(data.reduce((sum, frame) => sum + frame.bytes, 0)).toBe(50_000);
    expect(data.map((frame) => frame.isFin).lastIndexOf(false)).toBe(data.length - 2);
    expect(data.at(-1)).toMatchObject({ isFin: true, number: exchange.number });
    expect(bench.budget.bytes).toBe(0);
  });

  it('leaves room for the small ones, and shares what is left with others of its kind', () => {
    const bench = new Bench();
    const large = [bench.open(40_000)!, bench.open(40_000)!];
    for (let i = 0; i < 20; i += 1) expect(bench.open(10)).not.toBeNull();
    const order = bench
      .take()
      .filter((frame) => frame.kind === FRAME_DATA)
      .map((frame) => large.findIndex((exchange) => exchange.number === frame.number));
    expect(order.indexOf(1)).toBeLessThan(order.lastIndexOf(0));
  });

  it('is dropped with a cancel, which still arrives', () => {
    const bench = new Bench();
    const exchange = bench.open(100_000)!;
    bench.proxy.cancel(exchange, 1);
    expect(bench.budget.bytes).toBe(0);
    const frames = bench.take();
    expect(frames.at(-1)).toMatchObject({ kind: FRAME_CANCEL, number: exchange.number });
    expect(frames.some((frame) => frame.isFin)).toBe(false);
  });

  it('is refused over the budget', () => {
    const bench = new Bench();
    expect(bench.open((1 << 20) + 1)).toBeNull();
    expect([bench.budget.bytes, bench.proxy.openCount]).toEqual([0, 0]);
  });
});

it('a lost shard leaves nothing waiting', () => {
  const bench = new Bench();
  const exchange = bench.open(100_000)!;
  bench.fill();
  bench.proxy.sendCredit(exchange, 10);
  bench.proxy.detach();
  expect([bench.proxy.hasQueued, bench.proxy.canFlush, bench.budget.bytes]).toEqual([
    false,
    false,
    0,
  ]);
  bench.proxy.sendCredit(exchange, 10);
  bench.proxy.cancel(exchange, 1);
  bench.proxy.release(exchange);
  expect(bench.open(0)).toBeNull();
});

describe('a shard', () => {
  class CountedBell extends Doorbell {
    rings = 0;
    override ring(): boolean {
      this.rings += 1;
      return false;
    }
  }

  it('is woken at once for an exchange that is alone, and for others at the end of the turn', async () => {
    const { region, layout, budget } = new Bench();
    const bell = new CountedBell(region, layout.doorbells[1]!);
    const counters = new CounterBlock(region, layout.counters[0]!);
    const proxy = new ShardProxy(0, bell, budget, counters, layout.ringInBytes);
    proxy.attach(1, new RingWriter(region, layout.ringsIn[0]![0]!, layout.ringInBytes));
    const head = new Uint8Array(HEAD_BYTES);
    const open = (): EdgeExchange =>
      proxy.tryOpen(new RecordedExchange(), head, HEAD_BYTES, head, 0, 0, null)!;
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

    const first = open();
    expect(bell.rings).toBe(1);
    const second = open();
    const third = open();
    expect(bell.rings).toBe(1);
    await turn();
    expect(bell.rings).toBe(2);
    for (const exchange of [first, second, third]) proxy.release(exchange);
    open();
    expect(bell.rings).toBe(3);
    await turn();
    expect(bell.rings).toBe(3);
  });
});
