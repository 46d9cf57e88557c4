/**
 * Status line and content type of an answer as one text, made once per pair: what uWebSockets.js takes
 * as a status it writes as it is, so both cost one call. Bytes, as a string would be encoded each time.
 */
import { STATUS_CODES } from 'node:http';
import { isFieldSafe } from './framing-rules.ts';

/** Callers use a handful of content types; past this many, blocks are built per answer. */
const BLOCKS_MAX = 256;

const blocks = new Map<string, Uint8Array>();
let lastStatus = 0;
let lastType = '';
let lastBlock: Uint8Array = new Uint8Array(0);

/** @param contentType empty for none; one that would break the header block is left out */
export function statusBlock(status: number, contentType: string): Uint8Array {
  if (status === lastStatus && contentType === lastType) return lastBlock;
  const key = `${status} ${contentType}`;
  let block = blocks.get(key);
  if (block === undefined) {
    let text = `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
    if (contentType !== '' && isFieldSafe('content-type', contentType)) {
      text += `\r\nContent-Type: ${contentType}`;
    }
    block = Buffer.from(text);
    if (blocks.size < BLOCKS_MAX) blocks.set(key, block);
  }
  lastStatus = status;
  lastType = contentType;
  lastBlock = block;
  return block;
}
