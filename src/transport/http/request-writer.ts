/**
 * Writes the requests of one turn to a socket, in one write where they are several: a write costs more
 * than everything else that is done for a call, and copying some hundred bytes nearly nothing. They are
 * copied also where it is one, if the kernel can: a socket is handed a view, those of the slab are at hand
 * for all usual lengths, and making one of the request's own memory takes three times as long as the copy.
 */
import { ByteRange } from '../../../shared/byte-words.ts';
import type { DirectWriter } from '../direct-write.ts';
import { takeBuffer } from '../kernel-buffer.ts';
import type { HttpClientCounters } from './http-client.ts';
import type { LeanCall } from './lean-call.ts';

/** Requests are joined up to this; 16 pipelined calls of 2 KiB with room to spare. */
const SLAB_BYTES = 64 * 1024;

/** Up to this length the slab's views are kept. */
const VIEWED_BYTES_MAX = 2048;

/** Of the thread, where its kernel copies; made when it is first used. */
let shared: ByteRange | null = null;
/** Of its beginning, by length. */
const views = new Array<Uint8Array | undefined>(VIEWED_BYTES_MAX + 1);
/** Who was handed it and may not be done with it. */
let holder: DirectWriter | null = null;

export class RequestWriter {
  readonly #counters: HttpClientCounters;

  constructor(counters: HttpClientCounters) {
    this.#counters = counters;
  }

  /**
   * Writes `first` and all that follow it in its list.
   *
   * @returns false if the socket refused at once, and so took no byte of any of them
   */
  write(out: DirectWriter, first: LeanCall): boolean {
    if (first.next !== null) return this.#writeSeveral(out, first);
    const bytes = first.end - first.start;
    if (bytes <= VIEWED_BYTES_MAX && first.request.kernel !== null && isSlabFree()) {
      this.#writeJoined(out, first, bytes);
    } else {
      first.isHeld = !out.write(requestBytes(first));
    }
    this.#counters.writes += 1;
    if (out.isRefused) return false;
    this.#counters.requests += 1;
    return true;
  }

  #writeSeveral(out: DirectWriter, first: LeanCall): boolean {
    const count = this.#counters;
    let bytes = 0;
    let calls = 0;
    for (let call: LeanCall | null = first; call !== null; call = call.next) {
      bytes += call.end - call.start;
      calls += 1;
    }
    if (bytes <= SLAB_BYTES) {
      this.#writeJoined(out, first, bytes);
      count.writes += 1;
      if (out.isRefused) return false;
    } else {
      for (let call: LeanCall | null = first; call !== null; call = call.next) {
        call.isHeld = !out.write(requestBytes(call));
        count.writes += 1;
        // The first write tells whether the connection is gone; a later failure leaves doubt.
        if (call === first && out.isRefused) return false;
      }
    }
    count.requests += calls;
    return true;
  }

  #writeJoined(out: DirectWriter, first: LeanCall, bytes: number): void {
    const slab = slabFor(bytes);
    const { kernel, address } = slab;
    let at = 0;
    for (let call: LeanCall | null = first; call !== null; call = call.next) {
      const { request, start, end } = call;
      if (kernel !== null && request.kernel === kernel) {
        kernel.copy(request.address + start, address + at, end - start);
      } else slab.bytes.set(requestBytes(call), at);
      at += end - start;
    }
    // Not all taken by the kernel: the socket keeps the slab, and others get another.
    if (!out.write(beginningOf(slab, bytes)) && slab === shared) holder = out;
  }
}

function isSlabFree(): boolean {
  if (holder !== null && !holder.isHolding) holder = null;
  return holder === null;
}

function slabFor(bytes: number): ByteRange {
  if (!isSlabFree()) return new ByteRange(Buffer.allocUnsafeSlow(bytes));
  shared ??= new ByteRange(takeBuffer(SLAB_BYTES));
  return shared;
}

function beginningOf(slab: ByteRange, bytes: number): Uint8Array {
  if (slab !== shared || bytes > VIEWED_BYTES_MAX) return bytesOf(slab.bytes, 0, bytes);
  return (views[bytes] ??= bytesOf(slab.bytes, 0, bytes));
}

function requestBytes(call: LeanCall): Uint8Array {
  return bytesOf(call.request.bytes, call.start, call.end);
}

/** `subarray` would make a Buffer, which takes twice as long. */
function bytesOf(buffer: Uint8Array, start: number, end: number): Uint8Array {
  if (start === 0 && end === buffer.length) return buffer;
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
}
