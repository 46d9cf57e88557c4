import { ByteRange, ByteRanges, copyRange } from '../shared/byte-words.ts';
import { ID_BYTES_MAX } from '../shared/limits.ts';
import type { Batch } from './batch.ts';
import type { Principal } from './policy/principal.ts';
import type { NameRoute } from './routing/name-route.ts';
import type { Session } from './session/session.ts';
import type { ShardPlan } from './shard-plan.ts';
import type { UpstreamCall } from './upstream/call.ts';

/** Nothing has been written. */
export const REPLY_NONE = 0;
/** An event stream has begun: everything else is an event. */
export const REPLY_EVENTS = 1;
/** A plain body has begun and is not complete. */
export const REPLY_BODY = 2;
/** The last frame is out (or queued); nothing may follow. */
export const REPLY_DONE = 3;

/** Most ids are short; this many bytes are kept without an allocation. */
const ID_KEPT_BYTES = 64;

/** Where a paused answer comes from; told when there is credit again. */
export interface ReplySource {
  onCredit(exchange: Exchange): void;
}

/**
 * One client message and all that is sent back for it. Pooled: `ExchangeTable` lends it, and takes it
 * back when the reply is complete and no upstream call refers to it.
 *
 * `frame` lies in the edge's ring and is valid only until the frame handler returns. What outlives
 * that turn is kept by `retain()`, which copies it. The records that say where things are in it
 * (`RequestView`) are the shard's own, one for all exchanges: the pipeline fills them again when it
 * resumes an exchange.
 */
export class Exchange {
  /** generation << 14 | slot, as the edge chose it; for children of a batch the parent's. */
  number: number;
  /** Payload of the OPEN frame: head, header fields, and the body unless that was written anew. */
  frame: Buffer;
  frameStart: number;
  frameEnd: number;
  /** The message: within `frame`, or a buffer of its own once it was rewritten. */
  bytes: Buffer;
  messageStart: number;
  messageEnd: number;
  isRetained: boolean;

  plan: ShardPlan;
  endpointIndex: number;
  /** ERA_LEGACY or ERA_MODERN. */
  era: number;
  session: Session | null;
  principal: Principal;
  route: NameRoute | null;
  upstreamSlot: number;
  /** The upstream of the call speaks the modern era. */
  isModernUpstream: boolean;
  /** Low 32 bits of monotonic microseconds at arrival. */
  arrivalUs: number;
  call: UpstreamCall | null;
  /** Where the pipeline goes on after WAIT. */
  stageIndex: number;
  /** How often the message was sent again after an upstream had lost its session. */
  resends: number;
  hasWaitedForLists: boolean;
  /** Its outcome stands in the metrics. */
  isCounted: boolean;
  /** What follows `authenticate` for requests that carry no message; null for those that do. */
  afterAuthentication: ((exchange: Exchange) => void) | null;

  /** The JSON-RPC id token, from 0 to `idLength`. */
  idRange: ByteRange;
  /** 0: a notification, there is no id. */
  idLength: number;
  readonly #idKept: ByteRange;
  /** The client's progress token as written; empty if it gave none. */
  progressToken: Buffer;
  /** Level index from which log messages of this request are wanted (modern); -1: none. */
  logLevel: number;

  replyState: number;
  /** The client can read an event stream. */
  acceptsEvents: boolean;
  credit: number;
  /** Bytes that wait for credit, in order. */
  queue: Buffer[];
  queuedBytes: number;
  finQueued: boolean;
  source: ReplySource | null;
  /** The batch this is a member of. */
  batch: Batch | null;
  /** The batch that this exchange brought. */
  ownBatch: Batch | null;
  clientGone: boolean;

  previousInSession: Exchange | null;
  nextInSession: Exchange | null;
  inUse: boolean;

  constructor(noPlan: ShardPlan, anonymous: Principal) {
    this.number = 0;
    this.frame = EMPTY;
    this.frameStart = 0;
    this.frameEnd = 0;
    this.bytes = EMPTY;
    this.messageStart = 0;
    this.messageEnd = 0;
    this.isRetained = false;
    this.plan = noPlan;
    this.endpointIndex = 0;
    this.era = 0;
    this.session = null;
    this.principal = anonymous;
    this.route = null;
    this.upstreamSlot = -1;
    this.isModernUpstream = false;
    this.arrivalUs = 0;
    this.call = null;
    this.stageIndex = 0;
    this.resends = 0;
    this.hasWaitedForLists = false;
    this.isCounted = false;
    this.afterAuthentication = null;
    this.#idKept = new ByteRange(Buffer.alloc(ID_KEPT_BYTES));
    this.idRange = this.#idKept;
    this.idLength = 0;
    this.progressToken = EMPTY;
    this.logLevel = -1;
    this.replyState = REPLY_NONE;
    this.acceptsEvents = false;
    this.credit = 0;
    this.queue = [];
    this.queuedBytes = 0;
    this.finQueued = false;
    this.source = null;
    this.batch = null;
    this.ownBatch = null;
    this.clientGone = false;
    this.previousInSession = null;
    this.nextInSession = null;
    this.inUse = false;
  }

  /** Keeps the JSON-RPC id token; it has to outlive the frame. At most ID_BYTES_MAX, as peek holds. */
  keepId(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    this.idLength = length;
    if (length <= ID_KEPT_BYTES) {
      this.idRange = this.#idKept;
      copyRange(messages.of(bytes), start, end, this.#idKept, 0);
    } else {
      this.idRange = new ByteRange(Buffer.alloc(Math.min(length, ID_BYTES_MAX)));
      bytes.copy(this.idBytes, 0, start, end);
    }
  }

  /** Copies what lies in the ring, so that the exchange may outlive this turn. */
  retain(): void {
    if (this.isRetained) return;
    this.isRetained = true;
    const { frame, frameStart, frameEnd } = this;
    const copy = Buffer.allocUnsafeSlow(frameEnd - frameStart);
    frame.copy(copy, 0, frameStart, frameEnd);
    if (this.bytes === frame) {
      this.bytes = copy;
      this.messageStart -= frameStart;
      this.messageEnd -= frameStart;
    }
    this.frame = copy;
    this.frameStart = 0;
    this.frameEnd = copy.length;
  }

  idEquals(bytes: Buffer, start: number, end: number): boolean {
    const length = this.idLength;
    if (end - start !== length || length === 0) return false;
    return this.idBytes.compare(bytes, start, end, 0, length) === 0;
  }

  /** The id token, for a reply; `null` where there is none. */
  idText(): string {
    return this.idLength === 0 ? 'null' : this.idBytes.toString('latin1', 0, this.idLength);
  }

  get idBytes(): Buffer {
    return this.idRange.bytes as Buffer;
  }

  get isRequest(): boolean {
    return this.idLength > 0;
  }

  /** Forgets everything that belonged to the last use. Buffers that are large are let go. */
  reset(noPlan: ShardPlan, anonymous: Principal): void {
    this.number = 0;
    this.frame = EMPTY;
    this.bytes = EMPTY;
    this.isRetained = false;
    this.plan = noPlan;
    this.session = null;
    this.principal = anonymous;
    this.route = null;
    this.upstreamSlot = -1;
    this.call = null;
    this.stageIndex = 0;
    this.resends = 0;
    this.hasWaitedForLists = false;
    this.isCounted = false;
    this.afterAuthentication = null;
    this.isModernUpstream = false;
    this.idRange = this.#idKept;
    this.idLength = 0;
    this.progressToken = EMPTY;
    this.logLevel = -1;
    this.replyState = REPLY_NONE;
    this.acceptsEvents = false;
    if (this.queue.length > 0) this.queue = [];
    this.queuedBytes = 0;
    this.finQueued = false;
    this.source = null;
    this.batch = null;
    this.ownBatch = null;
    this.clientGone = false;
    this.previousInSession = null;
    this.nextInSession = null;
  }
}

const EMPTY = Buffer.alloc(0);
/** What ids are read from. */
const messages = new ByteRanges();
