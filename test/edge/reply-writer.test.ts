/** Frames from one ring to clients, with sockets as full as the test says. */
import { describe, expect, it } from 'vitest';
import { ByteRange } from '../../shared/byte-words.ts';
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import { CounterBlock, CounterReader } from '../../shared/counter-cell.ts';
import { Doorbell } from '../../shared/doorbell.ts';
import { ExchangeCells } from '../../shared/exchange-cell.ts';
import { FAULTS } from '../../shared/fault.ts';
import {
  CANCEL_CLIENT_GONE,
  CANCEL_SLOW_CLIENT,
  FLAG_FIN,
  FRAME_ABORT,
  FRAME_CANCEL,
  FRAME_CREDIT,
  FRAME_DATA,
  FRAME_HEAD,
} from '../../shared/frame-kind.ts';
import { CREDIT_BYTES } from '../../shared/limits.ts';
import { createRegion, layoutRegion } from '../../shared/region-descriptor.ts';
import { REPLY_EVENT_STREAM, REPLY_JSON, writeReplyHead } from '../../shared/reply-codec.ts';
import { TAIL_OFFSET } from '../../shared/ring-descriptor.ts';
import { RingReader } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';
import { BodyBudget } from '../../src/edge/body-budget.ts';
import type { EdgeExchange } from '../../src/edge/connection-table.ts';
import { ReplyWriter } from '../../src/edge/reply-writer.ts';
import { ShardProxy } from '../../src/edge/shard-proxy.ts';
import { RecordedExchange } from './support/recorded-exchange.ts';

const FRAME_BYTES = 8192;

/** An edge's side of one shard, and the shard's own ends of the rings. */
class Bench {
  readonly layout = layoutRegion({ shards: 1 });
  readonly region = createRegion(this.layout);
  readonly counters = new CounterBlock(this.region, this.layout.counters[0]!);
  readonly counts = new CounterReader(this.region, this.layout.counters[0]!);
  readonly cells = new ExchangeCells(this.region, this.layout.exchangeCells[0]!);
  readonly proxy = new ShardProxy(
    0,
    new Doorbell(this.region, this.layout.doorbells[1]!),
    new BodyBudget(1 << 20),
    this.counters,
    this.layout.ringInBytes,
  );
  readonly writer = new ReplyWriter(this.proxy, this.cells, this.counters);
  readonly http = new RecordedExchange();
  readonly exchange: EdgeExchange;
  creditBytes = 0;
  cancels: number[] = [];
  readonly #outReader: RingReader;
  readonly #out: RingWriter;
  #isInTurn = false;
  readonly #in = new RingReader(this.region, this.layout.ringsIn[0]![0]!, this.layout.ringInBytes);

  constructor() {
    const { ringsIn, ringInBytes, ringsOut, ringOutBytes } = this.layout;
    this.proxy.attach(1, new RingWriter(this.region, ringsIn[0]![0]!, ringInBytes));
    this.#out = new RingWriter(this.region, ringsOut[0]![0]!, ringOutBytes);
    this.#outReader = new RingReader(this.region, ringsOut[0]![0]!, ringOutBytes);
    this.exchange = this.open(this.http);
  }

  open(http: RecordedExchange): EdgeExchange {
    const empty = new Uint8Array(0);
    return this.proxy.tryOpen(http, new Uint8Array(40), 40, empty, 0, 0, null)!;
  }

  head(contentType: number, flags = 0, exchange = this.exchange): void {
    const payload = new Uint8Array(8);
    writeReplyHead(new ByteRange(payload), 0, 200, contentType, 0, 0);
    this.frame(FRAME_HEAD, flags, 0, payload, exchange);
  }

  data(bytes: number, flags = 0): void {
    this.frame(FRAME_DATA, flags, 0, new Uint8Array(bytes).fill(0x78));
  }

  text(text: string, flags = 0, exchange = this.exchange): void {
    this.frame(FRAME_DATA, flags, 0, new TextEncoder().encode(text), exchange);
  }

  /** A frame that is read at once, in a turn of its own, if no turn is under way. */
  frame(kind: number, flags: number, aux: number, payload: Uint8Array, to = this.exchange): void {
    this.#out.tryWrite(kind, flags, to.number, aux, payload, 0, payload.length);
    if (!this.#isInTurn) this.writer.read(this.#outReader, 1);
  }

  /** The frames that `write` writes are all there when the edge reads. */
  turn(write: () => void): void {
    this.#isInTurn = true;
    write();
    this.#isInTurn = false;
    this.writer.read(this.#outReader, 1000);
  }

  /** As a shard leaves its ring that goes mad and dies. */
  breakRing(): void {
    const tail = new Int32Array(this.region, this.layout.ringsOut[0]![0]! + TAIL_OFFSET, 1);
    tail[0]! += 16;
  }

  /** What the shard was sent since the last look. */
  look(): void {
    this.#in.read(
      {
        onFrame: (kind, _flags, _exchange, aux) => {
          if (kind === FRAME_CREDIT) this.creditBytes += aux;
          else if (kind === FRAME_CANCEL) this.cancels.push(aux);
        },
      },
      1000,
    );
  }

  /** Sends as a shard does, as much as its credit allows, up to `sentMax` in all. */
  sendAll(sentBytes: number, sentMax: number = 12 * CREDIT_BYTES): number {
    let sent = sentBytes;
    for (;;) {
      this.look();
      const bytes = Math.min(FRAME_BYTES, CREDIT_BYTES + this.creditBytes - sent);
      if (bytes <= 0 || sent >= sentMax) return sent;
      this.data(bytes);
      sent += bytes;
    }
  }
}

describe('credit', () => {
  it('comes back half a window at a time while the socket takes everything', () => {
    const bench = new Bench();
    bench.head(REPLY_JSON);
    for (let sent = 0; sent < CREDIT_BYTES / 2 - FRAME_BYTES; sent += FRAME_BYTES) {
      bench.data(FRAME_BYTES);
    }
    bench.look();
    expect(bench.creditBytes).toBe(0);
    bench.data(FRAME_BYTES);
    bench.look();
    expect(bench.creditBytes).toBe(CREDIT_BYTES / 2);
  });

  it('is withheld from a full socket, so that one window is all it holds', () => {
    for (const canHold of [true, false]) {
      const bench = new Bench();
      bench.http.canHold = canHold;
      bench.head(REPLY_JSON);
      bench.http.isTaken = false;
      expect(bench.sendAll(0)).toBe(CREDIT_BYTES);
      expect(bench.writer.stalledCount).toBe(1);
    }
  });

  it('holds two windows at most for a socket that takes a little for ever and never drains', () => {
    const bench = new Bench();
    bench.head(REPLY_JSON);
    bench.http.isTaken = false;
    let sent = 0;
    for (let i = 0; i < 10_000; i += 1) {
      sent = bench.sendAll(sent);
      bench.writer.onWritable(bench.exchange);
    }
    expect(bench.http.bytes).toBeLessThanOrEqual(2 * CREDIT_BYTES);
  });

  it('never ends for a client that is slow but steady, whatever its socket takes at a time', () => {
    for (const takenBytes of [2048, 20_000, 400_000]) {
      const bench = new Bench();
      const { http } = bench;
      bench.head(REPLY_JSON);
      let sent = 0;
      let mostWaiting = 0;
      http.waitingBytes = 0;
      for (let i = 0; i < 1_000_000 && sent < 4 * CREDIT_BYTES; i += 1) {
        sent = bench.sendAll(sent);
        mostWaiting = Math.max(mostWaiting, http.waitingBytes ?? 0);
        // The socket says that it is writable, and only then takes what waits.
        bench.writer.onWritable(bench.exchange);
        http.waitingBytes = Math.max(0, (http.waitingBytes ?? 0) - takenBytes);
        if (http.waitingBytes === 0) http.waitingBytes = null; // the next write finds it empty
        sent = bench.sendAll(sent, sent + FRAME_BYTES);
        http.waitingBytes ??= 0;
      }
      expect([takenBytes, sent >= 4 * CREDIT_BYTES]).toEqual([takenBytes, true]);
      expect(mostWaiting).toBeLessThanOrEqual(2 * CREDIT_BYTES);
    }
  });

  it('comes back whole once a write finds the socket empty', () => {
    const bench = new Bench();
    bench.head(REPLY_JSON);
    bench.http.isTaken = false;
    let sent = bench.sendAll(0);
    bench.http.isTaken = true;
    bench.writer.onWritable(bench.exchange);
    sent = bench.sendAll(sent);
    expect(sent).toBeGreaterThanOrEqual(12 * CREDIT_BYTES);
    expect(bench.writer.stalledCount).toBe(0);
    bench.data(0, FLAG_FIN);
    expect([bench.http.bytes, bench.proxy.openCount]).toEqual([sent, 0]);
  });
});

describe('what is read in one turn', () => {
  it('leaves in one write, if it is all for one exchange', () => {
    const bench = new Bench();
    bench.turn(() => {
      bench.head(REPLY_EVENT_STREAM);
      bench.text('one ');
      bench.text('two ');
      bench.text('', FLAG_FIN);
    });
    expect(bench.http.sent).toEqual(['<200>one two <end>']);
    expect(bench.proxy.openCount).toBe(0);
  });

  it('leaves at its end, though the answer goes on', () => {
    const bench = new Bench();
    bench.turn(() => bench.head(REPLY_EVENT_STREAM));
    bench.turn(() => {
      bench.text('one ');
      bench.text('two ');
    });
    bench.turn(() => bench.text('three', FLAG_FIN));
    expect(bench.http.sent).toEqual(['<200>', 'one two ', 'three<end>']);
  });

  it('leaves in the order in which it was read, exchange by exchange', () => {
    const bench = new Bench();
    const [second, third] = [new RecordedExchange(), new RecordedExchange()];
    second.sent = third.sent = bench.http.sent;
    const [secondExchange, thirdExchange] = [bench.open(second), bench.open(third)];
    bench.turn(() => {
      bench.head(REPLY_EVENT_STREAM);
      bench.text('a1 ');
      bench.head(REPLY_EVENT_STREAM, 0, secondExchange);
      bench.text('b1 ', 0, secondExchange);
      bench.head(REPLY_JSON, FLAG_FIN, thirdExchange);
      bench.text('a2 ');
      bench.text('a3 ');
      bench.text('b2 ', FLAG_FIN, secondExchange);
    });
    expect(bench.http.sent).toEqual(['<200>a1 ', '<200>b1 ', '<200><end>', 'a2 a3 ', 'b2 <end>']);
  });

  it('finds a full socket at its end: credit is withheld, and the client counts as slow', () => {
    const bench = new Bench();
    bench.head(REPLY_EVENT_STREAM);
    bench.data(CREDIT_BYTES / 2 - FRAME_BYTES);
    bench.http.isTaken = false;
    bench.writer.nowMs = 1000;
    bench.turn(() => {
      bench.data(FRAME_BYTES / 2);
      bench.data(FRAME_BYTES);
    });
    bench.look();
    expect([bench.creditBytes, bench.writer.stalledCount]).toEqual([0, 1]);
    expect(bench.writer.dropSlowClients(2000, 1000)).toBe(1);
  });

  it('finds a socket that has drained: all credit comes back, and the client is slow no more', () => {
    const bench = new Bench();
    bench.head(REPLY_EVENT_STREAM);
    bench.http.isTaken = false;
    bench.data(100);
    bench.http.isTaken = true;
    bench.turn(() => {
      bench.data(10);
      bench.data(20);
    });
    bench.look();
    expect([bench.creditBytes, bench.writer.stalledCount]).toEqual([130, 0]);
  });

  it('returns half a window of credit as soon as so much has left', () => {
    const bench = new Bench();
    bench.head(REPLY_JSON);
    bench.turn(() => {
      for (let sent = 0; sent < CREDIT_BYTES; sent += FRAME_BYTES) bench.data(FRAME_BYTES);
    });
    expect(bench.http.sent.length).toBe(3);
    expect(bench.counts.read(COUNTERS.EDGE_CREDITS.id)).toBe(2);
    bench.look();
    expect(bench.creditBytes).toBe(CREDIT_BYTES);
  });

  it('says in the same write that its shard gave up in the middle of it', () => {
    const bench = new Bench();
    bench.turn(() => {
      bench.head(REPLY_EVENT_STREAM);
      bench.text('data: 1\n\n');
      bench.frame(FRAME_ABORT, 0, FAULTS.UPSTREAM_CLOSED.id, new TextEncoder().encode('{}'));
    });
    expect(bench.http.sent).toEqual(['<200>data: 1\n\nevent: message\ndata: {}\n\n<end>']);
  });

  it('is sent before the connection is dropped, if it is the beginning of a body that broke off', () => {
    const bench = new Bench();
    bench.turn(() => {
      bench.head(REPLY_JSON);
      bench.text('{"a":');
      bench.frame(FRAME_ABORT, 0, FAULTS.UPSTREAM_CLOSED.id, new Uint8Array(0));
    });
    expect(bench.http.sent).toEqual(['<200>{"a":', '<abort>']);
  });

  it('is for nobody if its client is found to be gone meanwhile', () => {
    const bench = new Bench();
    const other = new RecordedExchange();
    const otherExchange = bench.open(other);
    bench.http.onWrite = () => bench.writer.dropClient(bench.exchange, CANCEL_CLIENT_GONE);
    bench.turn(() => {
      bench.head(REPLY_EVENT_STREAM);
      bench.text('one ');
      bench.text('two ');
      bench.head(REPLY_JSON, FLAG_FIN, otherExchange);
      bench.text('', FLAG_FIN);
    });
    bench.look();
    expect([bench.http.sent, other.sent]).toEqual([[], ['<200><end>']]);
    expect([bench.cancels, bench.proxy.openCount]).toEqual([[CANCEL_CLIENT_GONE], 0]);
  });
});

describe('a client whose socket stays full', () => {
  it('is dropped after the limit, counted from the last byte it took', () => {
    const bench = new Bench();
    bench.head(REPLY_EVENT_STREAM);
    bench.http.isTaken = false;
    bench.writer.nowMs = 1000;
    bench.data(10);
    expect(bench.writer.dropSlowClients(1999, 1000)).toBe(0);
    bench.writer.onWritable(bench.exchange);
    expect(bench.writer.dropSlowClients(99_999, 1000)).toBe(0); // it may have drained by now
    bench.writer.nowMs = 100_000;
    bench.data(10);
    expect(bench.writer.dropSlowClients(100_999, 1000)).toBe(0);
    expect(bench.writer.dropSlowClients(101_000, 1000)).toBe(1);
    bench.look();
    expect([bench.http.wasAborted, bench.cancels]).toEqual([true, [CANCEL_SLOW_CLIENT]]);
    expect(bench.proxy.openCount).toBe(1); // until the shard has ended it
    bench.frame(FRAME_ABORT, 0, FAULTS.CANCELLED.id, new Uint8Array(0));
    expect(bench.proxy.openCount).toBe(0);
  });
});

describe('an exchange', () => {
  it("gets what came before its ring broke, and is in nobody else's way", () => {
    const bench = new Bench();
    const other = new RecordedExchange();
    const next = bench.open(other);
    const breakDown = (): void =>
      bench.turn(() => {
        bench.head(REPLY_EVENT_STREAM);
        bench.text('an event');
        bench.breakRing();
      });
    expect(breakDown).toThrow('frame length is in bounds');
    expect(bench.http.sent.join('')).toContain('an event');
    bench.writer.failAll('SHARD_LOST');
    expect(next.http).toBeNull();
    expect(other.text).toContain('"error"');
  });

  it('may begin in its head, and what is there counts against its credit', () => {
    const bench = new Bench();
    const payload = new Uint8Array(8 + CREDIT_BYTES / 2).fill(0x78);
    writeReplyHead(new ByteRange(payload), 0, 200, REPLY_EVENT_STREAM, 0, 0);
    bench.frame(FRAME_HEAD, 0, 0, payload);
    bench.look();
    expect([bench.http.bytes, bench.creditBytes]).toEqual([CREDIT_BYTES / 2, CREDIT_BYTES / 2]);
  });

  it('ends with the answer in one frame', () => {
    const bench = new Bench();
    const payload = new Uint8Array([...new Uint8Array(8), ...new TextEncoder().encode('{}')]);
    writeReplyHead(new ByteRange(payload), 0, 200, REPLY_JSON, 0, 0);
    bench.frame(FRAME_HEAD, FLAG_FIN, 2, payload);
    expect(bench.http).toMatchObject({ status: 200, text: '{}', isOpen: false });
    expect(bench.proxy.openCount).toBe(0);
  });

  it('that its shard ends without an answer gets an error, not silence', () => {
    const bench = new Bench();
    bench.data(0, FLAG_FIN);
    expect(bench.http.status).toBe(500);
    expect(JSON.parse(bench.http.text)).toMatchObject({ error: { code: -32603 } });
  });

  it('whose head breaks the layout gets an error, and the shard is told to stop', () => {
    const bench = new Bench();
    bench.frame(FRAME_HEAD, 0, 0, new Uint8Array(3));
    bench.look();
    expect([bench.http.status, bench.cancels.length]).toEqual([500, 1]);
  });

  it('takes the error its shard wrote, if it wrote one', () => {
    const bench = new Bench();
    bench.head(REPLY_EVENT_STREAM);
    bench.frame(FRAME_DATA, 0, 0, new TextEncoder().encode('data: 1\n\n'));
    const error = new TextEncoder().encode('{"error":1}');
    bench.frame(FRAME_ABORT, 0, FAULTS.UPSTREAM_CLOSED.id, error);
    expect(bench.http.text).toBe('data: 1\n\nevent: message\ndata: {"error":1}\n\n');
  });

  it('that is over is not touched by frames that come late', () => {
    const bench = new Bench();
    bench.head(REPLY_JSON, FLAG_FIN);
    bench.data(5);
    bench.frame(FRAME_ABORT, 0, 1, new Uint8Array(0));
    expect(bench.http.bytes).toBe(0);
  });
});
