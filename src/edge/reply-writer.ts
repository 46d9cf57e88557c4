/**
 * Turns the frames of one shard into HTTP answers. Bytes go from ring memory to the socket; nothing is
 * copied or parsed here. What always holds:
 *
 * - The shard ends each exchange once, by FIN or ABORT; only then is its slot free again.
 * - Body bytes (of HEAD and DATA alike) count against the exchange's credit. They are credited half a
 *   window at a time, and withheld from a write that found the socket full to one that found it empty.
 *   That the socket takes bytes again (`onWritable`) says nothing about how many still wait before it:
 *   it only earns a small credit, so that a next write comes and tells. A client that does not read so
 *   holds at most two windows here, ring and socket buffer together, however small its own buffers are.
 * - Frames of exchanges that are over are ignored: their number is stale.
 * - Of frames that come one behind the other for one exchange, what is sent is held back and leaves in one
 *   write: with the last of them (FIN, ABORT), before a frame of any other exchange, or at the end of `read`.
 *   Only then is known whether the socket took it, so credit waits as long, but for a whole batch of it.
 */
import { COUNTERS } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import type { ExchangeCells } from '../../shared/exchange-cell.ts';
import { FAULTS, faultById } from '../../shared/fault.ts';
import type { FaultCode } from '../../shared/fault.ts';
import {
  CANCEL_REQUESTED,
  CANCEL_SLOW_CLIENT,
  FLAG_FIN,
  FRAME_ABORT,
  FRAME_DATA,
  FRAME_HEAD,
  FRAME_IDS,
} from '../../shared/frame-kind.ts';
import { CREDIT_BYTES } from '../../shared/limits.ts';
import { REPLY_EVENT_STREAM, ReplyView } from '../../shared/reply-codec.ts';
import type { FrameHandler, RingReader } from '../../shared/ring-reader.ts';
import { PHASE_BODY, PHASE_EVENTS, PHASE_OPEN } from './connection-table.ts';
import type { EdgeExchange } from './connection-table.ts';
import {
  CONTENT_TYPE_JSON,
  faultEvents,
  faultHeaders,
  faultReplyBody,
  splitIds,
} from './fault-reply.ts';
import type { HttpExchange } from './http-server.ts';
import { CONTENT_TYPES, lastEvent, replyHeaders, withCors } from './reply-headers.ts';
import type { ShardProxy } from './shard-proxy.ts';

const CREDIT_BATCH_BYTES: number = CREDIT_BYTES / 2;
/** What an `onWritable` earns: less than any socket takes before it says so, or the buffer would grow. */
const PROBE_BYTES = 1024;
/** All probes from one full socket to an empty one. With the window itself: 512 KiB. */
const PROBES_BYTES_MAX: number = CREDIT_BYTES;

const decoder = new TextDecoder();

export class ReplyWriter implements FrameHandler {
  readonly #shard: ShardProxy;
  readonly #cells: ExchangeCells;
  readonly #counters: CounterBlock;
  readonly #view = new ReplyView();
  /** Exchanges whose socket is full and has taken nothing since. */
  readonly #stalled = new Set<EdgeExchange>();
  /** What is sent to this one is held back. Its answer has begun and its client is there. */
  #held: EdgeExchange | null = null;
  /** What its last write answered: a socket that is known to be full, or whose server holds nothing back. */
  #isTaken = true;
  /** The frame at hand, for the functions that run within `cork`. */
  #exchange: EdgeExchange | null = null;
  #isFin = false;
  #bytes: Uint8Array;
  #start = 0;
  #end = 0;
  /** Monotonic ms of this turn; set by the pump. */
  nowMs = 0;

  constructor(shard: ShardProxy, cells: ExchangeCells, counters: CounterBlock) {
    this.#shard = shard;
    this.#cells = cells;
    this.#counters = counters;
    this.#bytes = cells.bytes;
  }

  /** Handles up to `framesMax` frames of the shard's ring; all that they say has left when this returns. */
  read(reader: RingReader, framesMax: number): number {
    try {
      return reader.read(this, framesMax);
    } finally {
      // Also where the ring of a dead shard is broken: what stays held back would be in the way of all others.
      if (this.#held !== null) this.#sendHeld(this.#held);
    }
  }

  /** From the reader. */
  onFrame(
    kind: number,
    flags: number,
    number: number,
    aux: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const exchange = this.#shard.table.find(number);
    if (exchange === undefined) return;
    if (this.#held !== null && this.#held !== exchange) this.#sendHeld(this.#held);
    const isFin = (flags & FLAG_FIN) !== 0;
    if (kind === FRAME_HEAD) this.#onHead(exchange, isFin, bytes, start, end);
    else if (kind === FRAME_DATA) this.#onData(exchange, isFin, bytes, start, end);
    else if (kind === FRAME_ABORT) this.#onAbort(exchange, faultById(aux), bytes, start, end);
    else if (kind === FRAME_IDS) {
      exchange.ids = bytes.slice(start, end);
      exchange.isBatch = aux === 1;
    }
  }

  /** The socket took bytes after it had been full; more may wait before it. */
  onWritable(exchange: EdgeExchange): void {
    if (!exchange.isBlocked || exchange.probeBytes >= PROBES_BYTES_MAX) return;
    this.#stalled.delete(exchange);
    const bytes = Math.min(PROBE_BYTES, exchange.creditBytes);
    exchange.creditBytes -= bytes;
    exchange.probeBytes += bytes;
    this.#shard.sendCredit(exchange, bytes);
  }

  /** The client is gone, or is to be treated so. The slot stays taken until the shard ends the exchange. */
  dropClient(exchange: EdgeExchange, cancelReason: number): void {
    exchange.http = null;
    this.#unblock(exchange);
    this.#counters.add(COUNTERS.EDGE_ABORTED.id);
    this.#shard.cancel(exchange, cancelReason);
  }

  /** Drops clients whose full socket has taken nothing for `limitMs`. Call it now and then. */
  dropSlowClients(nowMs: number, limitMs: number): number {
    let dropped = 0;
    for (const exchange of this.#stalled) {
      if (nowMs - exchange.stalledSinceMs < limitMs) continue;
      const http = exchange.http;
      this.dropClient(exchange, CANCEL_SLOW_CLIENT);
      http?.abort();
      dropped += 1;
    }
    return dropped;
  }

  /** Exchanges whose socket is full and has taken nothing since. */
  get stalledCount(): number {
    return this.#stalled.size;
  }

  /**
   * The shard is dead and its ring read to the end: answers every exchange it left open, under the ids
   * it had told.
   */
  failAll(code: FaultCode): number {
    const open = this.#shard.table.openExchanges();
    for (const exchange of open) {
      this.#fail(exchange, code, null);
      this.#finish(exchange);
    }
    return open.length;
  }

  #onHead(
    exchange: EdgeExchange,
    isFin: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const http = exchange.http;
    if (http !== null && exchange.phase === PHASE_OPEN) {
      this.#exchange = exchange;
      this.#isFin = isFin;
      if (this.#view.reset(bytes, start, end)) {
        if (!isFin) this.#holdBack(exchange, http);
        http.cork(this.#sendHead);
      } else {
        this.#refuseFrame(exchange);
      }
      this.#exchange = null;
    }
    if (isFin) this.#finish(exchange);
  }

  readonly #sendHead = (http: HttpExchange): void => {
    const view = this.#view;
    const exchange = this.#exchange!;
    const headers = replyHeaders(view, exchange.corsOrigin);
    const contentType = CONTENT_TYPES[view.contentType] ?? '';
    if (this.#isFin) {
      http.reply(view.status, contentType, headers, view.bytes, view.bodyStart, view.bodyEnd);
      exchange.http = null;
      this.#counters.add(COUNTERS.EDGE_RESPONSES.id);
      this.#counters.add(COUNTERS.EDGE_BYTES_OUT.id, view.bodyEnd - view.bodyStart);
      return;
    }
    const isEvents = view.contentType === REPLY_EVENT_STREAM;
    exchange.phase = isEvents ? PHASE_EVENTS : PHASE_BODY;
    if (isEvents) this.#counters.add(COUNTERS.EDGE_STREAMS.id);
    http.begin(view.status, contentType, headers);
    this.#write(exchange, http, view.bytes, view.bodyStart, view.bodyEnd);
  };

  #onData(
    exchange: EdgeExchange,
    isFin: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const http = exchange.http;
    if (http !== null && exchange.phase !== PHASE_OPEN) {
      if (isFin) {
        this.#exchange = exchange;
        this.#bytes = bytes;
        this.#start = start;
        this.#end = end;
        http.cork(this.#sendLast);
        this.#exchange = null;
      } else {
        this.#holdBack(exchange, http);
        this.#write(exchange, http, bytes, start, end);
      }
    }
    if (isFin) this.#finish(exchange);
  }

  #holdBack(exchange: EdgeExchange, http: HttpExchange): void {
    if (this.#held === exchange) return;
    this.#held = exchange;
    this.#isTaken = true;
    http.holdBack();
  }

  /** What was held back leaves, and tells how full the socket is. */
  #sendHeld(exchange: EdgeExchange): void {
    this.#held = null;
    const { http } = exchange;
    if (http === null) return;
    if (http.sendHeld() && this.#isTaken) this.#onTaken(exchange);
    else this.#block(exchange);
  }

  readonly #sendLast = (http: HttpExchange): void => {
    if (this.#end > this.#start) http.write(this.#bytes, this.#start, this.#end);
    if (!http.isOpen) return;
    http.end();
    this.#exchange!.http = null;
    this.#counters.add(COUNTERS.EDGE_RESPONSES.id);
    this.#counters.add(COUNTERS.EDGE_BYTES_OUT.id, this.#end - this.#start);
  };

  #write(
    exchange: EdgeExchange,
    http: HttpExchange,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (end === start) return;
    this.#isTaken = http.write(bytes, start, end);
    exchange.creditBytes += end - start;
    this.#counters.add(COUNTERS.EDGE_BYTES_OUT.id, end - start);
    if (exchange.phase === PHASE_EVENTS) exchange.noteTail(bytes, start, end);
    if (!this.#isTaken) {
      if (exchange.http !== null) this.#block(exchange);
    } else if (exchange.creditBytes >= CREDIT_BATCH_BYTES) {
      this.#sendHeld(exchange);
    }
  }

  #onTaken(exchange: EdgeExchange): void {
    const wasBlocked = exchange.isBlocked;
    if (wasBlocked) this.#unblock(exchange);
    this.#credit(exchange, wasBlocked ? 1 : CREDIT_BATCH_BYTES);
  }

  #block(exchange: EdgeExchange): void {
    if (!exchange.isBlocked) this.#counters.add(COUNTERS.EDGE_SLOW_CLIENTS.id);
    exchange.isBlocked = true;
    if (this.#stalled.has(exchange)) return;
    exchange.stalledSinceMs = this.nowMs;
    this.#stalled.add(exchange);
  }

  /** Returns credit once at least `bytesMin` have left. */
  #credit(exchange: EdgeExchange, bytesMin: number): void {
    if (exchange.creditBytes < bytesMin) return;
    this.#shard.sendCredit(exchange, exchange.creditBytes);
    exchange.creditBytes = 0;
    this.#counters.add(COUNTERS.EDGE_CREDITS.id);
  }

  #onAbort(
    exchange: EdgeExchange,
    code: FaultCode,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.#fail(exchange, code, end > start ? bytes.subarray(start, end) : null);
    this.#finish(exchange);
  }

  /**
   * Answers in the shard's place, as far as an answer is still possible: a JSON-RPC error before the
   * answer began, an error event within an event stream, a dropped connection within anything else.
   *
   * @param message the JSON-RPC error response the shard wrote for it, or null to write one here
   */
  #fail(exchange: EdgeExchange, code: FaultCode, message: Uint8Array | null): void {
    const http = exchange.http;
    if (http === null) return;
    exchange.http = null;
    const ids = this.#idsOf(exchange);
    if (exchange.phase === PHASE_OPEN) {
      const isBatch = exchange.isBatch || ids.length > 1;
      const body = message ?? faultReplyBody(code, ids, isBatch);
      const headers = withCors(faultHeaders(code), exchange.corsOrigin);
      http.reply(FAULTS[code].http, CONTENT_TYPE_JSON, headers, body, 0, body.length);
      this.#counters.add(COUNTERS.EDGE_RESPONSES.id);
    } else if (exchange.phase === PHASE_EVENTS) {
      const isBetween = exchange.isBetweenEvents();
      const events =
        message === null ? faultEvents(code, ids, isBetween) : lastEvent(message, isBetween);
      if (events.length > 0) http.write(events, 0, events.length);
      if (http.isOpen) http.end();
    } else {
      // What came before the end is a part of an answer, which tells the client more than none.
      http.sendHeld();
      http.abort();
    }
  }

  /** JSON texts of the ids the shard told: by an IDS frame, else in the exchange's cell. */
  #idsOf(exchange: EdgeExchange): string[] {
    if (exchange.ids !== null) return splitIds(decoder.decode(exchange.ids));
    const cells = this.#cells;
    if (!cells.readId(exchange.slot, exchange.number)) return [];
    // A decoder refuses shared memory; an id is short.
    return [decoder.decode(cells.bytes.slice(cells.idStart, cells.idEnd))];
  }

  /** A frame that breaks the layout: a bug of the shard's, which costs this exchange alone. */
  #refuseFrame(exchange: EdgeExchange): void {
    this.#fail(exchange, 'INTERNAL_ERROR', null);
    this.#shard.cancel(exchange, CANCEL_REQUESTED);
  }

  #unblock(exchange: EdgeExchange): void {
    if (!exchange.isBlocked) return;
    exchange.isBlocked = false;
    exchange.probeBytes = 0;
    this.#stalled.delete(exchange);
  }

  #finish(exchange: EdgeExchange): void {
    this.#held = null; // no other is held while a frame of this one is at hand
    // A shard that ends an exchange it has not answered owes the client a word.
    if (exchange.http !== null) this.#fail(exchange, 'INTERNAL_ERROR', null);
    this.#unblock(exchange);
    this.#shard.release(exchange);
  }
}
