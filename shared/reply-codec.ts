/**
 * Payload of a HEAD frame, from a shard to the edge:
 *
 *   0 u16 status   2 u8 content type (REPLY_NONE …)   3 u8 number of header fields
 *   4 u32 bytes of the header block   8 … header block, then (part of) the body
 *
 * `aux` of the frame is the size of the whole body where it is known before, else 0.
 */
import { assert } from './assert.ts';
import { HeaderFields } from './header-field.ts';
import { readU16, readU32, writeU16, writeU32 } from './little-endian.ts';

export { headerFieldBytes, writeHeader, writeHeaderLatin1 } from './header-field.ts';

export const REPLY_HEAD_BYTES = 8;

export const REPLY_NONE = 0;
export const REPLY_JSON = 1;
export const REPLY_EVENT_STREAM = 2;
export const REPLY_TEXT = 3;

/** Writes the 8 bytes before the header block. Returns the index of the header block. */
export function writeReplyHead(
  bytes: Uint8Array,
  at: number,
  status: number,
  contentType: number,
  headerCount: number,
  headerBytes: number,
): number {
  assert(at + REPLY_HEAD_BYTES <= bytes.length, 'the reply head fits', at);
  assert(headerCount <= 255, 'a reply has at most 255 header fields', headerCount);
  writeU16(bytes, at, status);
  bytes[at + 2] = contentType;
  bytes[at + 3] = headerCount;
  writeU32(bytes, at + 4, headerBytes);
  return at + REPLY_HEAD_BYTES;
}

/** Reads a HEAD payload in place; one object serves many. Good for as long as the bytes are. */
export class ReplyView extends HeaderFields {
  status = 0;
  contentType = 0;
  bodyStart = 0;
  bodyEnd = 0;

  /** Takes on the payload `bytes[start, end)`. False when it is malformed; then nothing may be read. */
  reset(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < REPLY_HEAD_BYTES || end > bytes.length) return false;
    this.status = readU16(bytes, start);
    this.contentType = bytes[start + 2]!;
    const headerBytes = readU32(bytes, start + 4);
    const headersStart = start + REPLY_HEAD_BYTES;
    if (this.status < 100 || this.status > 599 || this.contentType > REPLY_TEXT) return false;
    if (headerBytes > end - headersStart) return false;
    this.bodyStart = headersStart + headerBytes;
    this.bodyEnd = end;
    return this.setFields(bytes, headersStart, this.bodyStart, bytes[start + 3]!);
  }
}
