import { COUNTERS } from '../shared/counter-catalogue.ts';
import type { CounterBlock } from '../shared/counter-cell.ts';
import { EVENT_HEAD_BYTES, writeEventHead } from '../shared/event-kind.ts';
import { faultById } from '../shared/fault.ts';
import {
  CANCEL_REQUESTED,
  FLAG_FIN,
  FLAG_NOTIFY,
  FRAME_ABORT,
  FRAME_CANCEL,
  FRAME_DATA,
  FRAME_EVENT,
  FRAME_MESSAGE,
  FRAME_OPEN,
} from '../shared/frame-kind.ts';
import { FRAME_BYTES_MAX } from '../shared/limits.ts';
import { KIND_NOTIFICATION, KIND_REQUEST } from '../src/protocol/jsonrpc/peek-record.ts';
import type { FrameWriter } from './frame-writer.ts';
import {
  RELAY_ASK_DESCRIPTION,
  RELAY_FIRST,
  RELAY_HEAD_BYTES,
  RELAY_LAST,
  RELAY_TO_OWNER,
  writeRelayHead,
} from './relay-codec.ts';
import type { RelayOpen } from './relay-codec.ts';
import { MessageReader } from './upstream/message-reader.ts';
import type { RelayCall } from './upstream/relay-call.ts';

const PAYLOAD_BYTES_MAX = FRAME_BYTES_MAX - 64;
/** A message of a process, gathered here from several frames. */
const GATHERED_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes that may wait for one slow peer. Events beyond it are dropped: they are news, not commands. */
const EVENT_BACKLOG_BYTES_MAX = 1024 * 1024;

/**
 * This shard's side of the rings to the other shards, as the one who asks: calls handed over, news told.
 * Calls are numbered here; the number is the exchange number on the ring of that pair.
 */
export class PeerSet {
  readonly #writers: (FrameWriter | null)[];
  readonly #counters: CounterBlock;
  readonly #calls = new Map<number, RelayCall>();
  readonly #reader = new MessageReader();
  readonly #onSettled: (call: RelayCall) => void;
  #number = 0;

  /** @param writers by shard; null for oneself and for peers that are not joined */
  constructor(shards: number, counters: CounterBlock, onSettled: (call: RelayCall) => void) {
    this.#writers = new Array<FrameWriter | null>(shards).fill(null);
    this.#counters = counters;
    this.#onSettled = onSettled;
  }

  isJoined(shard: number): boolean {
    return this.#writers[shard] !== null && this.#writers[shard] !== undefined;
  }

  /** Calls handed over for one upstream. */
  callsTo(slot: number): number {
    let count = 0;
    for (const call of this.#calls.values()) if (call.upstreamSlot === slot) count += 1;
    return count;
  }

  join(shard: number, writer: FrameWriter): void {
    this.#writers[shard] = writer;
  }

  /** That shard is gone: its ring is not touched any more, calls it carried for us fail. */
  leave(shard: number): void {
    this.#writers[shard] = null;
    for (const call of [...this.#calls.values()]) {
      if (call.owner !== shard) continue;
      this.#end(call);
      call.fault('SHARD_LOST', 1, `shard=${shard}`);
    }
  }

  get hasBacklog(): boolean {
    return this.#writers.some((writer) => writer !== null && writer.canFlush);
  }

  flush(): void {
    for (const writer of this.#writers) if (writer !== null && writer.queued > 0) writer.flush();
  }

  writer(shard: number): FrameWriter | null {
    return this.#writers[shard] ?? null;
  }

  /** Hands a call over. */
  open(call: RelayCall, open: RelayOpen): void {
    const writer = this.#writers[call.owner] as FrameWriter;
    this.#number = (this.#number + 1) & 0x7fffffff || 1;
    call.number = this.#number;
    this.#calls.set(call.number, call);
    sendOpen(writer, call.number, open);
  }

  /** A notification for a process of another shard. */
  notify(owner: number, slot: number, process: number, message: Buffer): void {
    const writer = this.#writers[owner] ?? null;
    if (writer === null) return;
    sendOpen(writer, 0, {
      slot,
      process,
      methodId: 0,
      clientCapabilities: 0,
      sessionKey: 0,
      isNotification: true,
      message,
      length: message.length,
    });
  }

  cancel(call: RelayCall): void {
    if (!this.#calls.has(call.number)) return;
    this.#end(call);
    const writer = this.#writers[call.owner] ?? null;
    if (writer === null) return;
    writer.claim(FRAME_CANCEL, 0, call.number, CANCEL_REQUESTED, 0);
    writer.commit();
  }

  /** Answers a request that the process sent in the course of a call. */
  respond(call: RelayCall, bytes: Buffer, start: number, end: number): void {
    const writer = this.#writers[call.owner] ?? null;
    if (writer !== null) sendMessage(writer, call.number, RELAY_TO_OWNER, 0, bytes, start, end);
  }

  askDescription(owner: number, slot: number): void {
    const writer = this.#writers[owner] ?? null;
    if (writer === null) return;
    const at = writer.claim(FRAME_EVENT, 0, 0, RELAY_ASK_DESCRIPTION, EVENT_HEAD_BYTES);
    writeEventHead(writer.target, at, slot);
    writer.commit();
  }

  /** Tells all joined shards, or one. */
  tell(kind: number, slot: number, body: Buffer, only = -1): void {
    this.#writers.forEach((writer, shard) => {
      if (writer === null || (only >= 0 && shard !== only)) return;
      if (writer.queuedBytes > EVENT_BACKLOG_BYTES_MAX || body.length > PAYLOAD_BYTES_MAX) {
        this.#counters.add(COUNTERS.EVENTS_DROPPED.id);
        return;
      }
      const at = writer.claim(FRAME_EVENT, 0, 0, kind, EVENT_HEAD_BYTES + body.length);
      const bodyAt = writeEventHead(writer.target, at, slot);
      body.copy(writer.target, bodyAt);
      writer.commit();
      this.#counters.add(COUNTERS.EVENTS_SENT.id);
    });
  }

  /** A MESSAGE frame from the owner of a process. */
  onMessage(
    number: number,
    flags: number,
    aux: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const call = this.#calls.get(number);
    if (call === undefined) return;
    const isLast = (aux & RELAY_LAST) !== 0;
    if ((aux & RELAY_FIRST) !== 0 && isLast) {
      this.#deliver(call, (flags & FLAG_FIN) !== 0, bytes, start, end);
      return;
    }
    if ((aux & RELAY_FIRST) !== 0) {
      call.pieces = [];
      call.piecesBytes = 0;
    }
    call.piecesBytes += end - start;
    if (call.piecesBytes > GATHERED_BYTES_MAX) {
      this.cancel(call);
      call.fault('UPSTREAM_TOO_LARGE', 2, 'relayed message');
      return;
    }
    call.pieces.push(Buffer.from(bytes.subarray(start, end)));
    if (!isLast) return;
    const whole = Buffer.concat(call.pieces);
    call.pieces = [];
    this.#deliver(call, (flags & FLAG_FIN) !== 0, whole, 0, whole.length);
  }

  /** The owner could not make the call, or lost the process. */
  onAbort(number: number, faultId: number, executed: number): void {
    const call = this.#calls.get(number);
    if (call === undefined) return;
    this.#end(call);
    call.fault(
      faultById(faultId),
      executed === 0 ? 0 : executed === 1 ? 1 : 2,
      'at the owning shard',
    );
  }

  #deliver(call: RelayCall, isFinal: boolean, bytes: Buffer, start: number, end: number): void {
    this.#reader.read(bytes, start, end, (message, from, to, record) => {
      const { listener } = call;
      if (listener === null) return;
      if (record === null) {
        this.cancel(call);
        call.fault('UPSTREAM_INVALID', 2, 'relayed message');
      } else if (isFinal) {
        this.#end(call);
        call.settle()?.onResponse(call, message, from, to, record);
      } else if (record.kind === KIND_NOTIFICATION) {
        listener.onNotification(call, message, from, to, record);
      } else if (record.kind === KIND_REQUEST)
        listener.onServerRequest(call, message, from, to, record);
    });
  }

  #end(call: RelayCall): void {
    if (this.#calls.delete(call.number)) this.#onSettled(call);
  }
}

function sendOpen(writer: FrameWriter, number: number, open: RelayOpen): void {
  const { message, length } = open;
  const first = Math.min(length, PAYLOAD_BYTES_MAX - RELAY_HEAD_BYTES);
  const flags = (open.isNotification ? FLAG_NOTIFY : 0) | (first === length ? FLAG_FIN : 0);
  const at = writer.claim(FRAME_OPEN, flags, number, length, RELAY_HEAD_BYTES + first);
  const bodyAt = writeRelayHead(writer.target, at, open);
  message.copy(writer.target, bodyAt, 0, first);
  writer.commit();
  for (let sent = first; sent < length;) {
    const next = Math.min(length, sent + PAYLOAD_BYTES_MAX);
    writer.write(FRAME_DATA, next === length ? FLAG_FIN : 0, number, 0, message, sent, next);
    sent = next;
  }
}

/** Sends one message in as many frames as it takes. `flags` goes with the last. */
export function sendMessage(
  writer: FrameWriter,
  number: number,
  direction: number,
  flags: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  let at = start;
  let bits = direction | RELAY_FIRST;
  do {
    const next = Math.min(end, at + PAYLOAD_BYTES_MAX);
    if (next === end) bits |= RELAY_LAST;
    writer.write(FRAME_MESSAGE, next === end ? flags : 0, number, bits, bytes, at, next);
    bits = direction;
    at = next;
  } while (at < end);
}

/** Ends a relayed call with a fault; `flags` says how far it had come (NOT_SENT, MAYBE, ANSWERED). */
export function sendAbort(
  writer: FrameWriter,
  number: number,
  faultId: number,
  executed: number,
): void {
  writer.claim(FRAME_ABORT, executed, number, faultId, 0);
  writer.commit();
}
