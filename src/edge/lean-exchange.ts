/**
 * The answer to the request at hand of one lean connection. One object per connection, lent again with
 * each of its requests. What is written within `cork`, or between `holdBack` and `sendHeld`, is put together
 * in the slab and leaves at its end, or when the slab is full. All connections share the slab: it is empty
 * whenever an answer begins, or one client would get what was meant for another.
 */
import { assert } from '../../shared/assert.ts';
import { ByteRange, copyLarge, copyRange } from '../../shared/byte-words.ts';
import type { HttpExchange } from './http-port.ts';
import { ADDRESS_BYTES, parseAddress } from './peer-address.ts';
import { BODY_CHUNKED, BODY_NONE } from './reply-slab.ts';
import type { ReplySlab } from './reply-slab.ts';

/** What an exchange needs of its connection. */
export interface LeanWire {
  readonly slab: ReplySlab;
  /** The peer's address as text; empty once it is gone. */
  readonly remoteAddress: string;
  /** This answer is the connection's last. */
  readonly isLast: boolean;
  /** Writes what is in the slab and empties it. False: the socket is full, and holds the rest. */
  flush(): boolean;
  /** Writes bytes. False as above: then they must stay as they are. */
  send(bytes: Buffer): boolean;
  /** The answer is complete and written. */
  onAnswered(): void;
  destroy(): void;
}

export class LeanExchange implements HttpExchange {
  slot = -1;
  state: unknown = undefined;
  isOpen = false;
  hasBegun = false;
  /** The socket did not take all; `onWritable` is due. */
  isStalled = false;
  readonly #wire: LeanWire;
  #isHead = false;
  #isBodyless = false;
  #isCorked = false;
  #family: 0 | 4 | 6 = 0;
  #peer: ByteRange | null = null;

  constructor(wire: LeanWire) {
    this.#wire = wire;
  }

  /** A request begins. */
  open(isHead: boolean): void {
    this.slot = -1;
    this.state = undefined;
    this.isOpen = true;
    this.hasBegun = false;
    this.isStalled = false;
    this.#isHead = isHead;
  }

  peerFamily(): 4 | 6 {
    if (this.#peer === null) this.#readPeer();
    return this.#family === 6 ? 6 : 4;
  }

  peerBytes(out: ByteRange, at: number): void {
    if (this.#peer === null) this.#readPeer();
    copyRange(this.#peer!, 0, ADDRESS_BYTES, out, at);
  }

  reply(
    status: number,
    contentType: string,
    headers: readonly string[],
    body: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (!this.isOpen) return;
    assert(!this.hasBegun, 'an answer begins once');
    const { slab, isLast } = this.#wire;
    assert(slab.length === 0, 'nothing of another answer is held back', slab.length);
    const isEmpty = status === 204 || status === 304;
    slab.writeHead(status, contentType, headers, isLast, isEmpty ? BODY_NONE : end - start);
    if (!isEmpty && !this.#isHead) {
      if (slab.hasRoom(end - start)) slab.copy(body, start, end);
      else this.#sendLarge(body, start, end, false);
    }
    if (slab.length > 0) this.#wire.flush();
    this.#finish();
  }

  begin(status: number, contentType: string, headers: readonly string[]): void {
    if (!this.isOpen) return;
    assert(!this.hasBegun, 'an answer begins once');
    this.hasBegun = true;
    const isEmpty = status === 204 || status === 304;
    this.#isBodyless = this.#isHead || isEmpty;
    const { slab, isLast } = this.#wire;
    assert(slab.length === 0, 'nothing of another answer is held back', slab.length);
    slab.writeHead(status, contentType, headers, isLast, isEmpty ? BODY_NONE : BODY_CHUNKED);
    if (!this.#isCorked) this.#wire.flush();
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.isOpen || end <= start) return true;
    assert(this.hasBegun, 'write comes after begin');
    if (this.#isBodyless) return true;
    const { slab } = this.#wire;
    let isTaken = true;
    if (slab.hasChunkRoom(end - start)) {
      slab.chunkStart(end - start);
      slab.copy(bytes, start, end);
      slab.chunkEnd();
      if (!this.#isCorked) isTaken = this.#wire.flush();
    } else {
      isTaken = this.#sendLarge(bytes, start, end, true);
    }
    // A cork hides that the socket is full until it is lifted; what it holds back is below a slab.
    if (!isTaken) this.isStalled = true;
    return !this.isStalled;
  }

  end(): void {
    if (!this.isOpen) return;
    assert(this.hasBegun, 'end comes after begin');
    const { slab } = this.#wire;
    if (!this.#isBodyless) slab.lastChunk();
    if (slab.length > 0) this.#wire.flush();
    this.#finish();
  }

  abort(): void {
    if (!this.isOpen) return;
    this.drop();
    this.#wire.destroy();
  }

  /** Ends the exchange without another byte, and without a word to its connection. */
  drop(): void {
    this.isOpen = false;
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#wire.slab.length = 0;
  }

  cork(fn: (exchange: HttpExchange) => void): void {
    if (!this.isOpen) return;
    if (this.#isCorked) {
      fn(this);
      return;
    }
    this.#isCorked = true;
    let isDone = false;
    try {
      fn(this);
      isDone = true;
    } finally {
      this.#isCorked = false;
      // What a failure left behind must not be the beginning of somebody else's answer.
      if (!isDone) this.#wire.slab.length = 0;
    }
    this.#lift();
  }

  holdBack(): void {
    if (this.isOpen) this.#isCorked = true;
  }

  sendHeld(): boolean {
    if (this.#isCorked) {
      this.#isCorked = false;
      this.#lift();
    }
    return !this.isStalled;
  }

  #lift(): void {
    if (this.isOpen && this.#wire.slab.length > 0 && !this.#wire.flush()) this.isStalled = true;
  }

  /** What does not fit into the slab goes out behind what is in it, as one write. */
  #sendLarge(bytes: Uint8Array, start: number, end: number, isChunk: boolean): boolean {
    const { slab } = this.#wire;
    if (isChunk) slab.chunkStart(end - start);
    const before = slab.length;
    const whole = slab.large(before + end - start + (isChunk ? 2 : 0));
    whole.set(slab.filled());
    slab.length = 0;
    copyLarge(bytes, start, end, whole, before);
    if (isChunk) whole.write('\r\n', whole.length - 2, 'latin1');
    const isTaken = this.#wire.send(whole);
    if (!isTaken) slab.abandonLarge();
    return isTaken;
  }

  #finish(): void {
    this.isOpen = false;
    this.#isCorked = false;
    this.#wire.onAnswered();
  }

  #readPeer(): void {
    const text = this.#wire.remoteAddress;
    const zone = text.indexOf('%');
    const peer = new Uint8Array(ADDRESS_BYTES);
    this.#family = parseAddress(text, 0, zone < 0 ? text.length : zone, peer, 0);
    this.#peer = new ByteRange(peer);
  }
}
