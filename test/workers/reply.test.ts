/** Replies as frames in the ring to the edge: how many, and what each carries. */
import { describe, expect, it } from 'vitest';
import { Doorbell } from '../../shared/doorbell.ts';
import { FLAG_FIN, FRAME_DATA, FRAME_HEAD } from '../../shared/frame-kind.ts';
import { CREDIT_BYTES, FRAME_BYTES_MAX } from '../../shared/limits.ts';
import { createRegion, layoutRegion } from '../../shared/region-descriptor.ts';
import { REPLY_EVENT_STREAM, ReplyView } from '../../shared/reply-codec.ts';
import { RingReader } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';
import { PIECE_BYTES_MAX } from '../../src/transport/http/http-client.ts';
import type { Batch } from '../../workers/batch.ts';
import { EdgeProxy } from '../../workers/edge-proxy.ts';
import { Exchange, REPLY_DONE } from '../../workers/exchange.ts';
import { FrameWriter } from '../../workers/frame-writer.ts';
import { NO_FIELDS } from '../../workers/reply-fields.ts';
import { Replier } from '../../workers/reply.ts';
import type { Principal } from '../../workers/policy/principal.ts';
import type { ShardPlan } from '../../workers/shard-plan.ts';

const RING_BYTES = 1024 * 1024;

/** A shard's way out for one exchange, and what the edge would read. */
class Bench {
  readonly exchange = new Exchange(null as unknown as ShardPlan, null as unknown as Principal);
  readonly replier: Replier;
  readonly edge: EdgeProxy;
  readonly done: Exchange[] = [];
  /** Of the head that was read last. */
  contentType = 0;
  readonly #reader: RingReader;
  readonly #view = new ReplyView();

  constructor() {
    const layout = layoutRegion({ shards: 1, ringOutBytes: RING_BYTES });
    const region = createRegion(layout);
    const at = layout.ringsOut[0]![0]!;
    const ignore = (): void => undefined;
    const doorbell = new Doorbell(region, layout.doorbells[0]!);
    const ring = new RingWriter(region, at, RING_BYTES);
    const frames = new FrameWriter(ring, doorbell, ignore, ignore);
    this.edge = new EdgeProxy(frames, (exchange) => this.done.push(exchange));
    this.replier = new Replier(this.edge, ignore);
    this.#reader = new RingReader(region, at, RING_BYTES);
    this.exchange.number = 7;
    this.exchange.acceptsEvents = true;
  }

  event(text: string): boolean {
    return this.replier.event(this.exchange, Buffer.from(text), 0, text.length);
  }

  respond(text: string): void {
    this.replier.message(this.exchange, Buffer.from(text), 0, text.length);
  }

  /** Kind, body and whether it is the last, of each frame since the last look. */
  frames(): (readonly [kind: string, body: string, isFin: boolean])[] {
    const read: (readonly [string, string, boolean])[] = [];
    const onFrame = (
      kind: number,
      flags: number,
      _exchange: number,
      _aux: number,
      bytes: Uint8Array,
      start: number,
      end: number,
    ): void => {
      let from = start;
      if (kind === FRAME_HEAD) {
        expect(this.#view.reset(bytes, start, end)).toBe(true);
        this.contentType = this.#view.contentType;
        from = this.#view.bodyStart;
      }
      const name = kind === FRAME_HEAD ? 'head' : kind === FRAME_DATA ? 'data' : String(kind);
      const body = Buffer.from(bytes.slice(from, end)).toString('latin1');
      read.push([name, body, flags === FLAG_FIN]);
    };
    this.#reader.read({ onFrame }, 1000);
    return read;
  }
}

const eventOf = (text: string): string => `event: message\ndata: ${text}\n\n`;

describe('an event stream', () => {
  it('takes a frame for each event: the first is in the head, the response is the last', () => {
    const bench = new Bench();
    bench.event('one');
    bench.event('two');
    bench.respond('three');
    expect(bench.frames()).toEqual([
      ['head', eventOf('one'), false],
      ['data', eventOf('two'), false],
      ['data', eventOf('three'), true],
    ]);
    expect(bench.contentType).toBe(REPLY_EVENT_STREAM);
    expect([bench.exchange.replyState, bench.done]).toEqual([REPLY_DONE, [bench.exchange]]);
  });

  it('counts what is in the head against the credit', () => {
    const bench = new Bench();
    bench.event('x'.repeat(1000));
    expect(bench.exchange.credit).toBe(CREDIT_BYTES - eventOf('x'.repeat(1000)).length);
  });

  it('begins with a head alone if its first event does not fit beside it', () => {
    const bench = new Bench();
    const text = 'x'.repeat(FRAME_BYTES_MAX);
    bench.event(text);
    const frames = bench.frames();
    expect(frames.map(([kind, , isFin]) => [kind, isFin])).toEqual([
      ['head', false],
      ['data', false],
      ['data', false],
    ]);
    expect(frames.map(([, body]) => body).join('') === eventOf(text)).toBe(true);
  });

  it('waits for credit in order, and its last frame is then the last', () => {
    const bench = new Bench();
    const text = 'x'.repeat(FRAME_BYTES_MAX - 1000);
    for (let i = 0; i < 4; i += 1) bench.event(text);
    bench.event('y'.repeat(8000));
    bench.respond('end');
    expect(bench.exchange.queuedBytes).toBeGreaterThan(0);
    expect(bench.done).toEqual([]);
    const before = bench.frames().map(([, body]) => body);
    expect(before.join('').length).toBe(CREDIT_BYTES);
    bench.edge.onCredit(bench.exchange, CREDIT_BYTES);
    const after = bench.frames();
    const all = [...before, ...after.map(([, body]) => body)].join('');
    const sent = eventOf(text).repeat(4) + eventOf('y'.repeat(8000)) + eventOf('end');
    expect(all === sent).toBe(true);
    expect(after.filter(([, , isFin]) => isFin)).toEqual([after.at(-1)]);
    expect(bench.done).toEqual([bench.exchange]);
  });

  it('is none for a client that cannot read one', () => {
    const bench = new Bench();
    bench.exchange.acceptsEvents = false;
    expect([bench.event('one'), bench.frames()]).toEqual([false, []]);
    bench.respond('{}');
    expect(bench.frames()).toEqual([['head', '{}', true]]);
  });

  it('is none once the reply is complete', () => {
    const bench = new Bench();
    bench.respond('{}');
    bench.frames();
    expect([bench.event('late'), bench.frames()]).toEqual([false, []]);
  });
});

describe('a body of unknown size', () => {
  it('takes one frame for what one read of an upstream brings', () => {
    const bench = new Bench();
    const piece = Buffer.alloc(PIECE_BYTES_MAX, 'x');
    bench.replier.beginBody(bench.exchange);
    bench.replier.data(bench.exchange, piece, 0, piece.length);
    bench.replier.end(bench.exchange);
    expect(bench.frames().map(([, body]) => body.length)).toEqual([0, PIECE_BYTES_MAX, 0]);
  });
});

describe('a member of a batch', () => {
  it('gives its events and its response to the batch, each in one piece', () => {
    const bench = new Bench();
    const heard: string[] = [];
    bench.exchange.batch = {
      onEvent: (bytes: Buffer, start: number, end: number) => {
        heard.push(bytes.toString('latin1', start, end));
        return true;
      },
      onResponse: (_member: Exchange, response: Buffer) => heard.push(response.toString('latin1')),
    } as unknown as Batch;
    const at = bench.replier.beginEvent(bench.exchange, 3);
    bench.replier.target.write('one', at, 'latin1');
    bench.replier.finishEvent(bench.exchange);
    const next = bench.replier.beginMessage(bench.exchange, 200, NO_FIELDS, 3);
    bench.replier.target.write('two', next, 'latin1');
    bench.replier.finishMessage(bench.exchange);
    expect([heard, bench.frames()]).toEqual([['one', 'two'], []]);
  });
});
