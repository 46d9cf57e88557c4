/** What moving a frame costs, and the parts of it, on one thread and between two. */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { CounterBlock, COUNTER_BLOCK_BYTES } from '../../shared/counter-cell.ts';
import { Doorbell, DoorbellWaiter } from '../../shared/doorbell.ts';
import { ExchangeCells, EXCHANGE_CELLS_BYTES } from '../../shared/exchange-cell.ts';
import { FRAME_OPEN } from '../../shared/frame-kind.ts';
import * as header from '../../shared/header-code.ts';
import { MetricTable, METRIC_TABLE_BYTES, OUTCOME_OK } from '../../shared/metric-table.ts';
import { OpenHead, OpenView, writeHeaderLatin1, writeOpenHead } from '../../shared/open-codec.ts';
import { ringBytes } from '../../shared/ring-descriptor.ts';
import { RingReader, type FrameHandler } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';
import { bench } from '../bench.ts';

const CAPACITY: number = 1 << 20;

class Counter implements FrameHandler {
  bytesRead = 0;
  onFrame(
    _kind: number,
    _flags: number,
    _exchange: number,
    _aux: number,
    _bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.bytesRead += end - start;
  }
}

function openRing() {
  const region = new SharedArrayBuffer(ringBytes(CAPACITY));
  return {
    writer: new RingWriter(region, 0, CAPACITY),
    reader: new RingReader(region, 0, CAPACITY),
    counter: new Counter(),
  };
}

bench('clock: read twice', ({ size, timeEach, digest }) => {
  timeEach(size('rounds', { smoke: 10, full: 200_000 }), () => {});
  digest(0);
});

for (const payloadBytes of [16, 512, 8192]) {
  bench(`ring: write ${payloadBytes} bytes, read them, one by one`, ({ size, time, digest }) => {
    const rounds = size('rounds', { smoke: 100, full: 200_000 });
    const payload = new Uint8Array(payloadBytes);
    const { writer, reader, counter } = openRing();
    time(rounds, () => {
      for (let round = 0; round < rounds; round += 1) {
        writer.tryWrite(FRAME_OPEN, 0, round, 0, payload, 0, payloadBytes);
        reader.read(counter, 1);
      }
    });
    digest(counter.bytesRead);
  });
}

bench('ring: claim 512 bytes in place, 64 frames per read', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 128, full: 256_000 });
  const { writer, reader, counter } = openRing();
  time(rounds, () => {
    for (let round = 0; round < rounds; round += 64) {
      for (let frame = 0; frame < 64; frame += 1) {
        writer.tryClaim(FRAME_OPEN, 0, round + frame, 0, 512);
        writer.commit();
      }
      reader.read(counter, 64);
    }
  });
  digest(counter.bytesRead);
});

bench('ring: look at an empty one', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 2_000_000 });
  const { reader } = openRing();
  let empty = 0;
  time(rounds, () => {
    for (let round = 0; round < rounds; round += 1) if (reader.isEmpty()) empty += 1;
  });
  digest(empty);
});

bench('doorbell: ring one that is awake', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 2_000_000 });
  const bell = new Doorbell(new SharedArrayBuffer(4), 0);
  let rung = 0;
  time(rounds, () => {
    for (let round = 0; round < rounds; round += 1) if (bell.ring()) rung += 1;
  });
  digest(rung);
});

/** A call as an SDK sends it: eight fields, a token of 290 bytes. */
const FIELDS: readonly (readonly [string, string])[] = [
  ['accept', 'application/json, text/event-stream'],
  ['authorization', `Bearer ${'x'.repeat(290)}`],
  ['content-type', 'application/json'],
  ['mcp-protocol-version', '2026-07-28'],
  ['mcp-method', 'tools/call'],
  ['mcp-name', 'math_add'],
  ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ['mcp-param-region', 'eu-west-1'],
];

bench('open codec: write eight header fields', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 100_000 });
  const bytes = new Uint8Array(4096);
  const head = new OpenHead();
  const peer = Uint8Array.of(127, 0, 0, 1);
  let end = 0;
  time(rounds, () => {
    for (let round = 0; round < rounds; round += 1) end += writeOpen(bytes, head, peer);
  });
  digest(end);
});

bench('open codec: check eight header fields, find five', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 500_000 });
  const bytes = new Uint8Array(4096);
  const head = new OpenHead();
  writeOpen(bytes, head, new Uint8Array(4));
  head.headerCount = FIELDS.length;
  head.headerBytes = writeOpen(bytes, head, new Uint8Array(4)) - 40;
  const end = writeOpen(bytes, head, new Uint8Array(4));
  const view = new OpenView();
  let found = 0;
  time(rounds, () => {
    for (let round = 0; round < rounds; round += 1) {
      if (!view.reset(bytes, 0, end)) throw new Error('the payload is malformed');
      if (view.find(header.HEADER_AUTHORIZATION)) found += view.valueEnd - view.valueStart;
      if (view.find(header.HEADER_MCP_PROTOCOL_VERSION)) found += view.valueEnd - view.valueStart;
      if (view.find(header.HEADER_MCP_METHOD)) found += view.valueEnd - view.valueStart;
      if (view.find(header.HEADER_MCP_NAME)) found += view.valueEnd - view.valueStart;
      if (view.find(header.HEADER_MCP_SESSION_ID)) found += view.valueEnd - view.valueStart;
    }
  });
  digest(found);
});

function writeOpen(bytes: Uint8Array, head: OpenHead, peer: Uint8Array): number {
  let at = writeOpenHead(bytes, 0, head, peer);
  for (let index = 0; index < FIELDS.length; index += 1) {
    const [name, value] = FIELDS[index]!;
    at = writeHeaderLatin1(bytes, at, header.headerCode(name), name, value);
  }
  return at;
}

bench('exchange cell: note an id, clear it', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 1_000_000 });
  const cells = new ExchangeCells(new SharedArrayBuffer(EXCHANGE_CELLS_BYTES), 0);
  const id = Uint8Array.of(49, 50, 51, 52);
  let kept = 0;
  time(rounds, () => {
    for (let round = 1; round <= rounds; round += 1) {
      if (cells.write(round & 16383, round, id, 0, 4)) kept += 1;
      cells.clear(round & 16383);
    }
  });
  digest(kept);
});

bench('counter: add one', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 2_000_000 });
  const region = new SharedArrayBuffer(COUNTER_BLOCK_BYTES);
  const block = new CounterBlock(region, 0);
  time(rounds, () => {
    for (let round = 0; round < rounds; round += 1) block.add(round & 127);
  });
  digest(new Int32Array(region)[0]!);
});

bench('metrics: count a call and its latency', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 1_000_000 });
  const region = new SharedArrayBuffer(METRIC_TABLE_BYTES);
  const table = new MetricTable(region, 0);
  time(rounds, () => {
    for (let round = 0; round < rounds; round += 1)
      table.record(round & 15, OUTCOME_OK, round & 8191);
  });
  digest(new Int32Array(region)[0]!);
});

const PEER = new URL('./ring-peer.js', import.meta.url);

bench(
  'threads: 512 bytes there, an empty frame back, both asleep',
  async ({ size, timeAsync, digest }) => {
    const rounds = size('rounds', { smoke: 50, full: 2_000 });
    const ring = ringBytes(CAPACITY);
    const region = new SharedArrayBuffer(256 + 2 * ring);
    const worker = new Worker(fileURLToPath(PEER), { workerData: { region, capacity: CAPACITY } });
    const writer = new RingWriter(region, 256, CAPACITY);
    const reader = new RingReader(region, 256 + ring, CAPACITY);
    const bell = new Doorbell(region, 128);
    const payload = new Uint8Array(512);
    let left = 0;
    let answers = 0;
    let finish: () => void = () => {};
    const send = () => {
      writer.tryWrite(FRAME_OPEN, 0, left, 0, payload, 0, payload.length);
      bell.ring();
    };
    const handler: FrameHandler = {
      onFrame: () => {
        answers += 1;
        left -= 1;
      },
    };
    const waiter: DoorbellWaiter = new DoorbellWaiter(
      region,
      0,
      () => !reader.isEmpty(),
      () => {
        const read = reader.read(handler, 1);
        if (left === 0) return finish();
        if (read > 0) send();
        waiter.park();
      },
    );
    await timeAsync(
      rounds,
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
          left = rounds;
          send();
          waiter.park();
        }),
    );
    digest(answers);
    waiter.stop();
    await worker.terminate();
  },
);
