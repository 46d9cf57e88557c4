import { copyLarge } from '../shared/byte-words.ts';
import type { Doorbell } from '../shared/doorbell.ts';
import { turnEnd } from '../src/transport/turn-end.ts';
import type { RingWriter } from '../shared/ring-writer.ts';

/** In a long turn the reader may start on this many while the rest is written. */
const FRAMES_PER_RING = 16;

interface QueuedFrame {
  readonly kind: number;
  readonly flags: number;
  readonly exchange: number;
  readonly aux: number;
  readonly payload: Buffer;
}

/**
 * A shard's end of one ring that it writes: frames in order, never lost. While the ring is full,
 * frames wait in a queue here; what bounds the queue is the credit of each exchange (towards the edge)
 * and the number of relayed calls (towards a peer). `flush` is called when the doorbell rings, which
 * the reader does once it has made room.
 *
 * `claim` gives a place to write a payload into, in the ring or, while frames wait, in memory:
 * `target[at, at + bytes)`. `commit` sends it.
 */
export class FrameWriter {
  /** Where the payload of the open claim goes. */
  target: Buffer;
  readonly #ring: RingWriter;
  readonly #ringBytes: Buffer;
  readonly #doorbell: Doorbell;
  readonly #onRing: () => void;
  readonly #onFull: () => void;
  readonly #isAlone: () => boolean;
  readonly #queue: QueuedFrame[] = [];
  #kind = 0;
  #flags = 0;
  #exchange = 0;
  #aux = 0;
  #isInRing = false;
  #unrung = 0;

  /** @param isAlone whether what is written now is all that there is to be written */
  constructor(
    ring: RingWriter,
    doorbell: Doorbell,
    onRing: () => void,
    onFull: () => void,
    isAlone: () => boolean = () => false,
  ) {
    this.#ring = ring;
    const { buffer, byteOffset, byteLength } = ring.bytes;
    this.#ringBytes = Buffer.from(buffer, byteOffset, byteLength);
    this.#doorbell = doorbell;
    this.#onRing = onRing;
    this.#onFull = onFull;
    this.#isAlone = isAlone;
    this.target = this.#ringBytes;
  }

  /** Bytes of payload that wait for room. */
  queuedBytes = 0;

  /** Frames that wait for room. */
  get queued(): number {
    return this.#queue.length;
  }

  /** True when something waits and the reader has made room: `flush` will get on. */
  get canFlush(): boolean {
    return this.#queue.length > 0 && !this.#ring.isStarved;
  }

  /** Opens a frame of exactly `bytes` payload bytes; returns where they go in `target`. */
  claim(kind: number, flags: number, exchange: number, aux: number, bytes: number): number {
    if (this.#queue.length === 0) {
      const at = this.#ring.tryClaim(kind, flags, exchange, aux, bytes);
      if (at >= 0) {
        this.#isInRing = true;
        this.target = this.#ringBytes;
        return at;
      }
      this.#onFull();
    }
    this.#isInRing = false;
    this.#kind = kind;
    this.#flags = flags;
    this.#exchange = exchange;
    this.#aux = aux;
    this.target = Buffer.allocUnsafe(bytes);
    return 0;
  }

  commit(): void {
    if (this.#isInRing) {
      this.#ring.commit();
      this.#ringLater();
      return;
    }
    this.queuedBytes += this.target.length;
    this.#queue.push({
      kind: this.#kind,
      flags: this.#flags,
      exchange: this.#exchange,
      aux: this.#aux,
      payload: this.target,
    });
    this.target = this.#ringBytes;
  }

  write(
    kind: number,
    flags: number,
    exchange: number,
    aux: number,
    payload: Buffer,
    start: number,
    end: number,
  ): void {
    const at = this.claim(kind, flags, exchange, aux, end - start);
    copyLarge(payload, start, end, this.target, at);
    this.commit();
  }

  /** Moves what waits into the ring, as far as it goes. */
  flush(): void {
    let moved = 0;
    for (const { kind, flags, exchange, aux, payload } of this.#queue) {
      if (!this.#ring.tryWrite(kind, flags, exchange, aux, payload, 0, payload.length)) break;
      moved += 1;
      this.queuedBytes -= payload.length;
    }
    if (moved === 0) return;
    this.#queue.splice(0, moved);
    this.ring();
  }

  /** Wakes the reader if it sleeps. */
  ring(): void {
    if (this.#doorbell.ring()) this.#onRing();
  }

  /**
   * Rings once for all frames of one turn of the event loop: waking a thread is a system call, and
   * answers of several upstream connections arrive in one turn. What is alone need not wait for them.
   */
  #ringLater(): void {
    this.#unrung += 1;
    if (this.#isAlone()) this.#ringNow();
    else if (this.#unrung === 1) turnEnd.add(this.#ringNow);
    else if (this.#unrung === FRAMES_PER_RING) this.ring();
  }

  readonly #ringNow = (): void => {
    this.#unrung = 0;
    this.ring();
  };

  /** Forgets what waits: the reader is gone. */
  clear(): void {
    this.#queue.length = 0;
    this.queuedBytes = 0;
  }
}
