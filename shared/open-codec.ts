/**
 * Payload of an OPEN frame, from the edge to a shard:
 *
 *   0 u8  method (OPEN_POST …)                 1 u8  listener (0 = main)
 *   2 u16 endpoint index in the plan           4 u32 plan number
 *   8 u32 deadline, ms from arrival (0 = plan) 12 i32 arrival, monotonic microseconds, low 32 bits
 *  16 u8  peer address family (4 | 6, 0: none) 17 u8  flags (bit 0: client certificate)
 *  18 u16 number of header fields              20 u32 bytes of the header block
 *  24 16  peer address (IPv4 in the first 4)   40 …   header block, then (part of) the body
 *
 * `aux` of the frame is the size of the whole body; what the frame does not hold follows as DATA.
 */
import { assert } from './assert.ts';
import { HeaderFields } from './header-field.ts';
import { writeU16, writeU32 } from './little-endian.ts';

export { headerFieldBytes, writeHeader, writeHeaderLatin1 } from './header-field.ts';

export const OPEN_HEAD_BYTES = 40;

export const OPEN_POST = 1;
export const OPEN_GET = 2;
export const OPEN_DELETE = 3;

/** Bit of `flags`: the block has a client certificate field. */
export const OPEN_FLAG_CLIENT_CERT = 1;

/** Where family and address go in a head that was written without them. */
export const OPEN_FAMILY_OFFSET = 16;
export const OPEN_PEER_OFFSET = 24;
const PEER_BYTES = 16;

/** What `writeOpenHead` writes. Keep one and set its members anew for each message. */
export class OpenHead {
  method = OPEN_POST;
  listener = 0;
  endpoint = 0;
  planNumber = 0;
  /** Milliseconds from arrival; 0 leaves it to the plan. */
  deadlineMs = 0;
  /** Monotonic microseconds; only the low 32 bits travel. */
  arrivalUs = 0;
  /** 4 or 6; 0 when the listener has no addresses, or no part of the plan asks for this one. */
  peerFamily = 0;
  flags = 0;
  headerCount = 0;
  /** Size of the header block that follows the head. */
  headerBytes = 0;
}

/**
 * Writes the 40 bytes before the header block. `peer` is the client's address in network order, 4 or
 * 16 bytes, or empty. Returns the index of the header block.
 */
export function writeOpenHead(
  bytes: Uint8Array,
  at: number,
  head: OpenHead,
  peer: Uint8Array,
): number {
  assert(at + OPEN_HEAD_BYTES <= bytes.length, 'the open head fits', at);
  assert(peer.length <= PEER_BYTES, 'a peer address has at most 16 bytes', peer.length);
  bytes[at] = head.method;
  bytes[at + 1] = head.listener;
  writeU16(bytes, at + 2, head.endpoint);
  writeU32(bytes, at + 4, head.planNumber);
  writeU32(bytes, at + 8, head.deadlineMs);
  writeU32(bytes, at + 12, head.arrivalUs);
  bytes[at + OPEN_FAMILY_OFFSET] = head.peerFamily;
  bytes[at + 17] = head.flags;
  writeU16(bytes, at + 18, head.headerCount);
  writeU32(bytes, at + 20, head.headerBytes);
  for (let index = 0; index < PEER_BYTES; index += 1) {
    bytes[at + OPEN_PEER_OFFSET + index] = index < peer.length ? peer[index]! : 0;
  }
  return at + OPEN_HEAD_BYTES;
}

/** Reads an OPEN payload in place; one object serves many. Good for as long as the bytes are. */
export class OpenView extends HeaderFields {
  method = 0;
  listener = 0;
  endpoint = 0;
  planNumber = 0;
  deadlineMs = 0;
  /** Low 32 bits as a signed integer: compare by difference, `(nowUs - arrivalUs) | 0`. */
  arrivalUs = 0;
  peerFamily = 0;
  flags = 0;
  /** The address is `bytes[peerStart, peerEnd)`: 4 or 16 bytes by family, none for family 0. */
  peerStart = 0;
  peerEnd = 0;
  bodyStart = 0;
  bodyEnd = 0;

  /** Takes on the payload `bytes[start, end)`. False when it is malformed; then nothing may be read. */
  reset(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < OPEN_HEAD_BYTES || end > bytes.length) return false;
    // By words, as many members lie in each.
    const { view } = this.ranges.of(bytes);
    const first = view.getInt32(start, true);
    const peer = view.getInt32(start + OPEN_FAMILY_OFFSET, true);
    this.method = first & 0xff;
    this.listener = (first >>> 8) & 0xff;
    this.endpoint = first >>> 16;
    this.planNumber = view.getInt32(start + 4, true) >>> 0;
    this.deadlineMs = view.getInt32(start + 8, true) >>> 0;
    this.arrivalUs = view.getInt32(start + 12, true);
    this.peerFamily = peer & 0xff;
    this.flags = (peer >>> 8) & 0xff;
    this.peerStart = start + OPEN_PEER_OFFSET;
    this.peerEnd = this.peerStart + (this.peerFamily === 4 ? 4 : this.peerFamily === 6 ? 16 : 0);
    const headerBytes = view.getInt32(start + 20, true) >>> 0;
    const headersStart = start + OPEN_HEAD_BYTES;
    if (this.method < OPEN_POST || this.method > OPEN_DELETE) return false;
    if (headerBytes > end - headersStart) return false;
    this.bodyStart = headersStart + headerBytes;
    this.bodyEnd = end;
    return this.setFields(bytes, headersStart, this.bodyStart, peer >>> 16);
  }
}
