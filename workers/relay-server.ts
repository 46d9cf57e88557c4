import { COUNTERS } from '../shared/counter-catalogue.ts';
import { FAULTS } from '../shared/fault.ts';
import type { FaultCode } from '../shared/fault.ts';
import { FLAG_FIN, FLAG_NOTIFY } from '../shared/frame-kind.ts';
import { BODY_BYTES_MAX } from '../shared/limits.ts';
import { PEEK_OK, Peek, peek } from '../src/protocol/jsonrpc/peek.ts';
import type { FrameWriter } from './frame-writer.ts';
import { sendAbort, sendMessage } from './peer-set.ts';
import type { PeerSet } from './peer-set.ts';
import { RELAY_HEAD_BYTES, RELAY_LAST } from './relay-codec.ts';
import type { ShardContext } from './shard-context.ts';
import { GIVEN_UP_BY_CLIENT } from './upstream/call.ts';
import type { CallListener, UpstreamCall } from './upstream/call.ts';
import { Outgoing } from './upstream/outgoing.ts';
import type { StdioUpstream } from './upstream/stdio-upstream.ts';

/** Finds a stdio upstream by its slot; null where this shard knows none. */
export type StdioSource = (slot: number) => StdioUpstream | null;

/** A call of another shard that is being made here. */
class ServedCall implements CallListener {
  readonly #server: RelayServer;
  readonly from: number;
  readonly number: number;
  call: UpstreamCall | null = null;
  /** The OPEN payload while it is not complete or the process is not ready. */
  pieces: Buffer[] = [];
  piecesBytes = 0;

  constructor(server: RelayServer, from: number, number: number) {
    this.#server = server;
    this.from = from;
    this.number = number;
  }

  onNotification(_call: UpstreamCall, bytes: Buffer, start: number, end: number): void {
    this.#server.send(this, 0, bytes, start, end);
  }
  onServerRequest(_call: UpstreamCall, bytes: Buffer, start: number, end: number): void {
    this.#server.send(this, 0, bytes, start, end);
  }
  onResponse(_call: UpstreamCall, bytes: Buffer, start: number, end: number): void {
    this.#server.send(this, FLAG_FIN, bytes, start, end);
  }
  onStreamBegin(): null {
    return null;
  }
  onStreamData(): boolean {
    return true;
  }
  onStreamEnd(): void {}
  onFault(_call: UpstreamCall, code: FaultCode, executed: number): void {
    this.#server.abort(this, code, executed);
  }
}

/** The owning side of the peer rings: makes the calls that other shards hand over. */
export class RelayServer {
  readonly #shard: ShardContext;
  readonly #peers: PeerSet;
  readonly #stdio: StdioSource;
  /** By shard, then by the caller's number. */
  readonly #served: Map<number, ServedCall>[];
  readonly #peek = new Peek();
  readonly #outgoing: Outgoing;

  constructor(shard: ShardContext, peers: PeerSet, stdio: StdioSource) {
    this.#shard = shard;
    this.#peers = peers;
    this.#stdio = stdio;
    this.#served = Array.from({ length: shard.shards }, () => new Map<number, ServedCall>());
    this.#outgoing = new Outgoing();
  }

  get count(): number {
    return this.#served.reduce((sum, calls) => sum + calls.size, 0);
  }

  onOpen(
    from: number,
    number: number,
    flags: number,
    total: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if ((flags & FLAG_NOTIFY) !== 0) {
      this.#onNotification(bytes, start, end);
      return;
    }
    const served = new ServedCall(this, from, number);
    this.#served[from]?.set(number, served);
    this.#shard.counters.add(COUNTERS.RELAYED_IN.id);
    if (total > BODY_BYTES_MAX * 2) {
      this.abort(served, 'BODY_TOO_LARGE', 0);
    } else if ((flags & FLAG_FIN) !== 0) this.#begin(served, bytes, start, end);
    else this.#keep(served, bytes, start, end);
  }

  onData(
    from: number,
    number: number,
    flags: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const served = this.#served[from]?.get(number);
    if (served === undefined) return;
    this.#keep(served, bytes, start, end);
    if ((flags & FLAG_FIN) === 0) return;
    const whole = Buffer.concat(served.pieces);
    served.pieces = [];
    this.#begin(served, whole, 0, whole.length);
  }

  onCancel(from: number, number: number): void {
    const served = this.#served[from]?.get(number);
    if (served === undefined) return;
    this.#served[from]?.delete(number);
    served.call?.giveUp(GIVEN_UP_BY_CLIENT);
  }

  /** A response of a client to a request of the process. */
  onResponse(
    from: number,
    number: number,
    aux: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const served = this.#served[from]?.get(number);
    if (served === undefined) return;
    this.#keep(served, bytes, start, end);
    if ((aux & RELAY_LAST) === 0) return;
    const whole = Buffer.concat(served.pieces);
    served.pieces = [];
    served.piecesBytes = 0;
    served.call?.respond(whole, 0, whole.length);
  }

  /** That shard is gone: nobody waits for its calls. */
  leave(from: number): void {
    for (const served of this.#served[from]?.values() ?? [])
      served.call?.giveUp(GIVEN_UP_BY_CLIENT);
    this.#served[from]?.clear();
  }

  send(served: ServedCall, flags: number, bytes: Buffer, start: number, end: number): void {
    const writer = this.#writerFor(served);
    if (writer !== null) sendMessage(writer, served.number, 0, flags, bytes, start, end);
    if ((flags & FLAG_FIN) !== 0) this.#served[served.from]?.delete(served.number);
  }

  abort(served: ServedCall, code: FaultCode, executed: number): void {
    const writer = this.#writerFor(served);
    if (writer !== null) sendAbort(writer, served.number, FAULTS[code].id, executed);
    this.#served[served.from]?.delete(served.number);
  }

  #writerFor(served: ServedCall): FrameWriter | null {
    return this.#served[served.from]?.get(served.number) === served
      ? this.#peers.writer(served.from)
      : null;
  }

  #keep(served: ServedCall, bytes: Buffer, start: number, end: number): void {
    served.piecesBytes += end - start;
    if (served.piecesBytes <= BODY_BYTES_MAX * 2)
      served.pieces.push(Buffer.from(bytes.subarray(start, end)));
  }

  #begin(served: ServedCall, bytes: Buffer, start: number, end: number): void {
    const upstream = this.#stdio(bytes.readUInt16LE(start));
    if (upstream === null) {
      this.abort(served, 'UPSTREAM_REFUSED', 0);
      return;
    }
    const host = upstream.host(bytes.readUInt16LE(start + 2));
    if (!upstream.isUp) {
      const copy = Buffer.from(bytes.subarray(start, end));
      upstream.whenUp((code) => {
        if (code !== null) this.abort(served, code, 0);
        else if (this.#writerFor(served) !== null) this.#begin(served, copy, 0, copy.length);
      });
      return;
    }
    if (host === null || !host.isRunning) {
      this.abort(served, 'UPSTREAM_REFUSED', 0);
      return;
    }
    const messageStart = start + RELAY_HEAD_BYTES;
    const record = this.#peek;
    if (peek(bytes, messageStart, end, record) !== PEEK_OK) {
      this.abort(served, 'INTERNAL_ERROR', 0);
      return;
    }
    const call = host.begin(served);
    call.methodId = bytes.readUInt16LE(start + 4);
    call.clientCapabilities = bytes[start + 6] as number;
    const sessionKey = bytes.readDoubleLE(start + 8);
    call.sessionKey = sessionKey < 0 ? -call.counter : sessionKey;
    served.call = call;
    const outgoing = this.#outgoing;
    outgoing.plain(bytes, messageStart, end, record, call.idToken);
    const line = Buffer.allocUnsafe(outgoing.bytesMax());
    const length = outgoing.writeLine(line, 0);
    if (host.write(line, 0, length)) return;
    host.abandon(call);
    this.abort(served, 'UPSTREAM_REFUSED', 0);
  }

  #onNotification(bytes: Buffer, start: number, end: number): void {
    const host =
      this.#stdio(bytes.readUInt16LE(start))?.host(bytes.readUInt16LE(start + 2)) ?? null;
    host?.write(bytes, start + RELAY_HEAD_BYTES, end);
  }
}
