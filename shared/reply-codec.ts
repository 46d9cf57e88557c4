/**
 * Payload of a HEAD frame, from a shard to the edge:
 *
 *   0 u16 status   2 u8 content type (REPLY_NONE …)   3 u8 number of header fields
 *   4 u32 bytes of the header block   8 … header block, then (part of) the body
 *
 * `aux` of the frame is the size of the whole body where it is known before, else 0.
 */
import { assert } from './assert.ts';
import type { ByteRange } from './byte-words.ts';
import { HeaderFields } from './header-field.ts';

export { headerFieldBytes, writeHeader, writeHeaderLatin1 } from './header-field.ts';

export const REPLY_HEAD_BYTES = 8;

export const REPLY_NONE = 0;
export const REPLY_JSON = 1;
export const REPLY_EVENT_STREAM = 2;
export const REPLY_TEXT = 3;

/** Writes the 8 bytes before the header block. Returns the index of the header block. */
export function writeReplyHead(
  range: ByteRange,
  at: number,
  status: number,
  contentType: number,
  headerCount: number,
  headerBytes: number,
): number {
  assert(at + REPLY_HEAD_BYTES <= range.bytes.length, 'the reply head fits', at);
  assert(headerCount <= 255, 'a reply has at most 255 header fields', headerCount);
  range.view.setInt32(at, status | (contentType << 16) | (headerCount << 24), true);
  range.view.setInt32(at + 4, headerBytes, true);
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
    const { view } = this.ranges.of(bytes);
    const first = view.getInt32(start, true);
    const headerBytes = view.getInt32(start + 4, true) >>> 0;
    this.status = first & 0xffff;
    this.contentType = (first >>> 16) & 0xff;
    const headersStart = start + REPLY_HEAD_BYTES;
    if (this.status < 100 || this.status > 599 || this.contentType > REPLY_TEXT) return false;
    if (headerBytes > end - headersStart) return false;
    this.bodyStart = headersStart + headerBytes;
    this.bodyEnd = end;
    return this.setFields(bytes, headersStart, this.bodyStart, first >>> 24);
  }
}
