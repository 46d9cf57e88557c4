/**
 * What one shard tells the others, in `aux` of an EVENT frame. Numbers cross threads: never reused.
 *
 *      0               2
 *      +---------------+--------------------------------------------------+
 *      | upstream slot | body, UTF-8: a uri, a session key, or nothing    |
 *      +---------------+--------------------------------------------------+
 *        u16, EVENT_NO_UPSTREAM for none
 *
 * An event is news, not a command: who misses one (its ring was full) asks again by itself.
 */
import { readU16, writeU16 } from './little-endian.ts';

export const EVENT_TOOLS_CHANGED = 1;
export const EVENT_PROMPTS_CHANGED = 2;
export const EVENT_RESOURCES_CHANGED = 3;
/** Body: the uri, as the upstream wrote it. */
export const EVENT_RESOURCE_UPDATED = 4;
export const EVENT_UPSTREAM_READY = 5;
export const EVENT_UPSTREAM_DOWN = 6;
/** Body: the session's key. */
export const EVENT_SESSION_CLOSED = 7;

export const EVENT_HEAD_BYTES = 2;
export const EVENT_NO_UPSTREAM = 0xffff;

/** Writes the head. Returns the index of the body. */
export function writeEventHead(bytes: Uint8Array, at: number, upstreamSlot: number): number {
  writeU16(bytes, at, upstreamSlot);
  return at + EVENT_HEAD_BYTES;
}

/** The upstream slot of the event in `bytes[start, end)`; its body starts 2 bytes later. -1: malformed. */
export function eventUpstream(bytes: Uint8Array, start: number, end: number): number {
  return end - start < EVENT_HEAD_BYTES ? -1 : readU16(bytes, start);
}
