/**
 * Takes requests from the HTTP server and hands them to a shard. Everything here is decided from the
 * head, before a body is accepted; the body's bytes are moved, never read.
 *
 * Order of the checks: documents (health) → draining → path → Host and Origin → method → header fields →
 * size and budget → a shard with room. Whatever is refused is counted by reason and answered with a
 * JSON-RPC error whose id is null: no id can be known yet.
 */
import type { Clock } from '../../shared/clock.ts';
import { COUNTERS, EDGE_REFUSAL, RING_FULL_IN } from '../../shared/counter-catalogue.ts';
import type { CounterBlock } from '../../shared/counter-cell.ts';
import type { FaultCode } from '../../shared/fault.ts';
import { CANCEL_CLIENT_GONE } from '../../shared/frame-kind.ts';
import { OPEN_GET, OPEN_POST } from '../../shared/open-codec.ts';
import { ByteRanges } from '../../shared/byte-words.ts';
import { writeU16, writeU32 } from '../../shared/little-endian.ts';
import type { Plan } from '../config/plan.ts';
import type { BodyBudget } from './body-budget.ts';
import { EdgeExchange } from './connection-table.ts';
import { EdgeRules } from './edge-rules.ts';
import { NO_HEADERS, replyFault } from './fault-reply.ts';
import { ANY_SHAPE, HeadShapes } from './head-shape.ts';
import type { ShapeFacts } from './head-shape.ts';
import type { HttpExchange, HttpListener, HttpServerOptions, KnownHeads } from './http-server.ts';
import { METHOD_OPTIONS, METHOD_OTHER, methodCode } from './method-code.ts';
import { BODY_OVER_SIZE, BODY_TAKEN, PendingRequest } from './pending-request.ts';
import { preflightHeaders, withCors } from './reply-headers.ts';
import type { PumpedShard } from './reply-pump.ts';
import { RequestHead } from './request-head.ts';
import type { RequestParser } from './request-parser.ts';
import type { ShardPicker } from './shard-picker.ts';

/** A document the edge serves itself, such as health. */
export interface EdgeDocument {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** Answers GET at paths that are no endpoint; null for none there. */
export type DocumentSource = (path: string) => EdgeDocument | null;

export interface AcceptorParts {
  readonly plan: Plan;
  readonly clock: Clock;
  readonly counters: CounterBlock;
  readonly budget: BodyBudget;
  readonly picker: ShardPicker;
  readonly shards: readonly PumpedShard[];
  readonly documents: DocumentSource;
}

const ENDPOINT_OFFSET = 2;
const PLAN_NUMBER_OFFSET = 4;
const EMPTY = new Uint8Array(0);
const PUBLIC_HEADERS: readonly string[] = ['Access-Control-Allow-Origin', '*'];

const REFUSAL_CELLS: Partial<Record<FaultCode, number>> = {
  BUSY: EDGE_REFUSAL.BUSY,
  SHARD_LOST: EDGE_REFUSAL.SHARD_DOWN,
  DRAINING: EDGE_REFUSAL.DRAINING,
  HOST_REFUSED: EDGE_REFUSAL.HOST,
  ORIGIN_REFUSED: EDGE_REFUSAL.ORIGIN,
  PATH_NOT_FOUND: EDGE_REFUSAL.PATH,
  METHOD_NOT_ALLOWED: EDGE_REFUSAL.METHOD,
  HEADER_REFUSED: EDGE_REFUSAL.HEADER,
  BODY_TOO_LARGE: EDGE_REFUSAL.SIZE,
};

export class HttpAcceptor implements HttpListener, KnownHeads {
  readonly known: KnownHeads = this;
  readonly #clock: Clock;
  readonly #counters: CounterBlock;
  readonly #budget: BodyBudget;
  readonly #picker: ShardPicker;
  readonly #shards: readonly PumpedShard[];
  readonly #documents: DocumentSource;
  #rules: EdgeRules;
  #isDraining = false;

  /** The request whose head, path and origin are at hand, while its body is awaited; null once that is settled. */
  #headOwner: HttpExchange | null = null;
  readonly #head = new RequestHead();
  readonly #shapes = new HeadShapes(this.#head.bytes);
  readonly #ranges = new ByteRanges();
  #path = '';
  #method = METHOD_OTHER;
  #corsOrigin = '';

  constructor(parts: AcceptorParts) {
    this.#clock = parts.clock;
    this.#counters = parts.counters;
    this.#budget = parts.budget;
    this.#picker = parts.picker;
    this.#shards = parts.shards;
    this.#documents = parts.documents;
    this.#rules = new EdgeRules(parts.plan);
  }

  /** What the HTTP server refuses or sees by itself, counted here. */
  readonly serverCounts: Required<
    Pick<HttpServerOptions, 'onPipelinedDisconnect' | 'onFramingRefused' | 'onConnection'>
  > = {
    onPipelinedDisconnect: () => {
      this.#counters.add(COUNTERS.EDGE_PIPELINED.id);
      this.#counters.add(COUNTERS.EDGE_REFUSED.id + EDGE_REFUSAL.PIPELINED);
    },
    onFramingRefused: () => {
      this.#counters.add(COUNTERS.EDGE_REFUSED.id + EDGE_REFUSAL.FRAMING);
    },
    onConnection: () => {
      this.#counters.add(COUNTERS.CONNECTIONS_ACCEPTED.id);
    },
  };

  /** From now on requests are judged by this plan. Every shard must have it. */
  setPlan(plan: Plan): void {
    this.#saveHead();
    this.#rules = new EdgeRules(plan);
    this.#shapes.clear();
    this.#budget.setMax(plan.limits.bodyBudgetBytes);
  }

  /** From now on every new request is refused with DRAINING. */
  drain(): void {
    this.#isDraining = true;
  }

  onHead(_exchange: HttpExchange, method: string, path: string): void {
    this.#beginHead(method, path);
  }

  onRawHead(exchange: HttpExchange, head: RequestParser): boolean {
    this.#beginHead(head.method, head.path);
    const { askedHeaders } = this.#rules;
    this.#shapes.last = ANY_SHAPE;
    this.#head.addRaw(head, askedHeaders);
    const isWanted = this.onHeadEnd(exchange);
    if (isWanted) {
      const facts = { path: this.#path, corsOrigin: this.#corsOrigin };
      this.#shapes.learn(head, this.#head.bytes, facts, askedHeaders);
    }
    return isWanted;
  }

  get knownLength(): number {
    return this.#shapes.contentLength;
  }

  get lastShape(): number {
    return this.#shapes.last;
  }

  matchHead(bytes: Buffer, start: number, end: number, hint: number, all: boolean): number {
    if (this.#isDraining) return 0;
    this.#saveHead();
    const range = this.#ranges.of(bytes);
    const after = this.#shapes.match(range, start, end, hint, all, this.#nowUs());
    // The parser's head goes on to be refused, and says why.
    return this.knownLength > this.#rules.bodyBytesMax ? 0 : after;
  }

  beginKnown(exchange: HttpExchange): void {
    const { path, corsOrigin } = this.#shapes.facts as ShapeFacts;
    const head = this.#head;
    this.#counters.add(COUNTERS.REQUESTS.id);
    this.#path = path;
    this.#method = OPEN_POST;
    this.#corsOrigin = corsOrigin;
    head.takeKnown(this.#shapes);
    this.#awaitBody(exchange);
  }

  #beginHead(method: string, path: string): void {
    this.#saveHead();
    this.#counters.add(COUNTERS.REQUESTS.id);
    this.#head.reset();
    this.#path = path;
    this.#method = methodCode(method);
    this.#corsOrigin = '';
  }

  onHeader(name: string, value: string): void {
    this.#head.addField(name, value, this.#rules.askedHeaders);
  }

  onHeadEnd(exchange: HttpExchange): boolean {
    const rules = this.#rules;
    const endpoint = rules.endpointAt(this.#path);
    if (endpoint < 0 && this.#serveDocument(exchange)) return false;
    const fault = this.#isDraining ? 'DRAINING' : this.#checkHead(endpoint);
    if (fault !== null) {
      this.#refuse(exchange, fault);
      return false;
    }
    if (this.#method === METHOD_OPTIONS) {
      this.#replyPreflight(exchange);
      return false;
    }
    const head = this.#head;
    head.finish(this.#method, endpoint, rules.planNumber, this.#nowUs());
    if (head.isRefused) {
      // The Host itself, which is written last: allowed in other bytes than those that travel.
      this.#refuse(exchange, 'HEADER_REFUSED');
      return false;
    }
    if (this.#method === OPEN_POST) {
      this.#awaitBody(exchange);
      return true;
    }
    if (rules.needsAddress) head.addClient(exchange, rules.trustedProxies);
    this.#open(exchange, head.bytes, head.end, EMPTY, 0, 0, null, head.sessionId);
    return false;
  }

  #awaitBody(exchange: HttpExchange): void {
    const rules = this.#rules;
    if (rules.needsAddress) this.#head.addClient(exchange, rules.trustedProxies);
    this.#headOwner = exchange;
  }

  #nowUs(): number {
    return (this.#clock.nowMs() * 1000) | 0;
  }

  onBody(
    exchange: HttpExchange,
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
  ): void {
    if (isLast && this.#headOwner === exchange) {
      // The usual case: the whole body at once, right behind its head. It goes into the ring as it is.
      this.#headOwner = null;
      this.#counters.add(COUNTERS.EDGE_BYTES_IN.id, end - start);
      if (end - start > this.#rules.bodyBytesMax) {
        this.#refuse(exchange, 'BODY_TOO_LARGE');
        return;
      }
      const head = this.#head;
      this.#open(exchange, head.bytes, head.end, bytes, start, end, null, head.sessionId);
      return;
    }
    this.#collect(exchange, bytes.subarray(start, end), isLast);
  }

  onWritable(exchange: HttpExchange): void {
    const open = exchange.state;
    if (!(open instanceof EdgeExchange) || open.http !== exchange) return;
    this.#shards[open.shard]?.writer.onWritable(open);
  }

  onAborted(exchange: HttpExchange): void {
    if (this.#headOwner === exchange) this.#headOwner = null;
    const state = exchange.state;
    if (state instanceof EdgeExchange) {
      // The slot may serve somebody else by now, if this exchange had been answered.
      if (state.http !== exchange) return;
      this.#shards[state.shard]?.writer.dropClient(state, CANCEL_CLIENT_GONE);
      return;
    }
    this.#counters.add(COUNTERS.EDGE_ABORTED.id);
    if (state instanceof PendingRequest) state.drop(this.#budget);
    exchange.state = undefined;
  }

  #checkHead(endpoint: number): FaultCode | null {
    const head = this.#head;
    const rules = this.#rules;
    if (endpoint < 0) return 'PATH_NOT_FOUND';
    if (!rules.isHostAllowed(head.host)) return 'HOST_REFUSED';
    if (head.origin !== '') {
      if (!rules.isOriginAllowed(head.origin)) return 'ORIGIN_REFUSED';
      this.#corsOrigin = head.origin;
    }
    if (this.#method === METHOD_OPTIONS) {
      return head.origin !== '' && head.corsMethod !== '' ? null : 'METHOD_NOT_ALLOWED';
    }
    if (this.#method === METHOD_OTHER) return 'METHOD_NOT_ALLOWED';
    if (head.isRefused) return 'HEADER_REFUSED';
    if (head.contentLength > rules.bodyBytesMax) return 'BODY_TOO_LARGE';
    return null;
  }

  /** The head at hand is about to be overwritten, and its request still waits for its body. */
  #saveHead(): void {
    const owner = this.#headOwner;
    if (owner === null) return;
    this.#headOwner = null;
    const head = this.#head;
    // A plan that needs the address may be in force once its body is there.
    head.addClient(owner, this.#rules.trustedProxies);
    owner.state = new PendingRequest(
      head.bytes.slice(0, head.end),
      this.#path,
      head.sessionId,
      this.#corsOrigin,
      head.contentLength,
    );
  }

  #collect(exchange: HttpExchange, chunk: Uint8Array, isLast: boolean): void {
    if (this.#headOwner === exchange) this.#saveHead();
    const pending = exchange.state;
    if (!(pending instanceof PendingRequest)) return; // answered already
    this.#counters.add(COUNTERS.EDGE_BYTES_IN.id, chunk.length);
    const outcome = pending.append(chunk, this.#rules.bodyBytesMax, this.#budget);
    if (outcome === BODY_TAKEN && !isLast) return;
    // Another request may have the head at hand, and path and origin with it.
    this.#saveHead();
    this.#path = pending.path;
    this.#corsOrigin = pending.corsOrigin;
    exchange.state = undefined;
    if (outcome !== BODY_TAKEN) {
      pending.drop(this.#budget);
      if (outcome === BODY_OVER_SIZE) this.#refuse(exchange, 'BODY_TOO_LARGE');
      else this.#refuse(exchange, 'BUSY', EDGE_REFUSAL.BODY_BUDGET);
      return;
    }
    const { head, sessionId, body } = pending;
    if (!this.#open(exchange, head, head.length, body, 0, body.length, pending, sessionId)) {
      pending.drop(this.#budget);
    }
  }

  /** Hands the request to a shard, or refuses it. `#path` and `#corsOrigin` must be the request's. */
  #open(
    exchange: HttpExchange,
    head: Uint8Array,
    headBytes: number,
    body: Uint8Array,
    bodyStart: number,
    bodyEnd: number,
    owner: PendingRequest | null,
    sessionId: string,
  ): boolean {
    if (!this.#bringUpToDate(head)) {
      this.#refuse(exchange, 'PATH_NOT_FOUND');
      return false;
    }
    const index = this.#picker.pick(sessionId);
    const shard = this.#shards[index];
    if (shard === undefined) {
      this.#refuse(exchange, 'BUSY', EDGE_REFUSAL.SHARD_DOWN);
      return false;
    }
    const open = shard.proxy.tryOpen(exchange, head, headBytes, body, bodyStart, bodyEnd, owner);
    if (open === null) {
      this.#counters.add(COUNTERS.RING_FULL.id + RING_FULL_IN);
      this.#refuse(exchange, 'BUSY');
      return false;
    }
    open.corsOrigin = this.#corsOrigin;
    exchange.state = open;
    exchange.slot = open.slot;
    return true;
  }

  /** The plan may have changed between head and body: shards are told that no new exchange names an old one. */
  #bringUpToDate(head: Uint8Array): boolean {
    const rules = this.#rules;
    if (rules.isCurrent(head)) return true;
    const endpoint = rules.endpointAt(this.#path);
    if (endpoint < 0) return false;
    writeU16(head, ENDPOINT_OFFSET, endpoint);
    writeU32(head, PLAN_NUMBER_OFFSET, rules.planNumber);
    return true;
  }

  #serveDocument(exchange: HttpExchange): boolean {
    if (this.#method !== OPEN_GET) return false;
    const document = this.#documents(this.#path);
    if (document === null) return this.#serveMetadata(exchange);
    const { status, contentType, body } = document;
    exchange.reply(status, contentType, NO_HEADERS, body, 0, body.length);
    return true;
  }

  /** Public by nature, and asked for by pages of any origin (RFC 9728 §3.1); still not under a false Host. */
  #serveMetadata(exchange: HttpExchange): boolean {
    const { host } = this.#head;
    const metadata = this.#rules.resourceMetadata(this.#path, host);
    if (metadata === null || !this.#rules.isHostAllowed(host)) return false;
    exchange.reply(200, 'application/json', PUBLIC_HEADERS, metadata, 0, metadata.length);
    return true;
  }

  #replyPreflight(exchange: HttpExchange): void {
    const headers = preflightHeaders(this.#head.corsHeaders, this.#rules.askedHeaders);
    exchange.reply(204, '', withCors(headers, this.#corsOrigin), EMPTY, 0, 0);
  }

  #refuse(exchange: HttpExchange, code: FaultCode, cell = REFUSAL_CELLS[code]): void {
    if (cell !== undefined) this.#counters.add(COUNTERS.EDGE_REFUSED.id + cell);
    replyFault(exchange, code, withCors(NO_HEADERS, this.#corsOrigin));
  }
}
