import { takeBytes } from '../../shared/kernel/byte-kernel.ts';

/** As `takeBytes`, for those who want a Buffer: what sockets read into and are written from. */
export function takeBuffer(bytes: number): Buffer {
  const taken = takeBytes(bytes);
  return Buffer.from(taken.buffer, taken.byteOffset, taken.length);
}
