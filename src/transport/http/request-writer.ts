/**
 * Writes the requests of one turn to a socket, in one write where they are several: a write costs more
 * than everything else that is done for a call, and copying some hundred bytes nearly nothing.
 */
import type { DirectWriter } from '../direct-write.ts';
import type { HttpClientCounters } from './http-client.ts';
import type { LeanCall } from './lean-call.ts';

/** Requests are joined up to this; 16 pipelined calls of 2 KiB with room to spare. */
const SLAB_BYTES = 64 * 1024;

export class RequestWriter {
  readonly #counters: HttpClientCounters;
  #slab: Buffer | null = null;

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
    first.isHeld = !out.write(requestBytes(first));
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
    const slab = this.#slab ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
    let at = 0;
    for (let call: LeanCall | null = first; call !== null; call = call.next) {
      slab.set(requestBytes(call), at);
      at += call.end - call.start;
    }
    // Not all taken by the kernel: the socket keeps the slab, the next turn gets another.
    this.#slab = out.write(bytesOf(slab, 0, bytes)) ? slab : null;
  }
}

function requestBytes(call: LeanCall): Uint8Array {
  return bytesOf(call.request, call.start, call.end);
}

/** `subarray` would make a Buffer, which takes twice as long. */
function bytesOf(buffer: Uint8Array, start: number, end: number): Uint8Array {
  if (start === 0 && end === buffer.length) return buffer;
  return new Uint8Array(buffer.buffer, buffer.byteOffset + start, end - start);
}
