/**
 * Status line and content type of an answer as one string, made once per pair: what uWebSockets.js
 * takes as a status it writes as it is, so both cost one call.
 */
import { STATUS_CODES } from 'node:http';
import { isFieldSafe } from './framing-rules.ts';

/** Callers use a handful of content types; past this many, blocks are built per answer. */
const BLOCKS_MAX = 256;

const blocks = new Map<string, string>();
let lastStatus = 0;
let lastType = '';
let lastBlock = '';

/** @param contentType empty for none; one that would break the header block is left out */
export function statusBlock(status: number, contentType: string): string {
  if (status === lastStatus && contentType === lastType) return lastBlock;
  const key = `${status} ${contentType}`;
  let block = blocks.get(key);
  if (block === undefined) {
    block = `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
    if (contentType !== '' && isFieldSafe('content-type', contentType)) {
      block += `\r\nContent-Type: ${contentType}`;
    }
    if (blocks.size < BLOCKS_MAX) blocks.set(key, block);
  }
  lastStatus = status;
  lastType = contentType;
  lastBlock = block;
  return block;
}
