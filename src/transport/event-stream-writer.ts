/**
 * Writes server-sent events (WHATWG HTML 9.2.5) into a buffer that the caller has sized.
 *
 * Data is one line always. A line break in it would end the line, and with hostile data begin a field;
 * JSON has raw line breaks between tokens only, where a space means the same, so each becomes a space.
 */
import { assert } from '../../shared/assert.ts';

const HEAD = Buffer.from('event: message\n', 'latin1');
const DATA = Buffer.from('data: ', 'latin1');
const HEAD_AND_DATA = Buffer.concat([HEAD, DATA]);
const END = Buffer.from('\n\n', 'latin1');
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

/** Up to this a plain loop is faster than two native searches. */
const SHORT_BYTES = 256;

/** A comment, sent now and then so that nobody between takes a silent stream for a dead one. */
export const KEEP_ALIVE_COMMENT: Buffer = Buffer.from(':\n\n', 'latin1');

/** Ends what `writeEventStart` began, after any number of runs of data. */
export const EVENT_END: Buffer = END;

/** Bytes that `writeEvent` takes for so much data. */
export function eventBytes(dataBytes: number, id: string | null): number {
  return eventStartBytes(id) + dataBytes + END.length;
}

/** Bytes that `writeEventStart` takes. */
export function eventStartBytes(id: string | null): number {
  return HEAD.length + idBytes(id) + DATA.length;
}

/**
 * `event: message`, the id if there is one, `data: …`, and an empty line.
 *
 * @returns offset after the event; the caller made room for `eventBytes`
 */
export function writeEvent(
  out: Buffer,
  at: number,
  bytes: Buffer,
  start: number,
  end: number,
  id: string | null,
): number {
  let next = writeEventStart(out, at, id);
  next = writeEventData(out, next, bytes, start, end);
  out[next] = LF;
  out[next + 1] = LF;
  return next + 2;
}

/** An event up to its data, for data that comes in pieces. */
export function writeEventStart(out: Buffer, at: number, id: string | null): number {
  if (id === null) return at + HEAD_AND_DATA.copy(out, at);
  const next = writeId(out, at + HEAD.copy(out, at), id);
  return next + DATA.copy(out, next);
}

/** A piece of data, its line breaks made spaces. `out` may be `bytes` itself, at the same place. */
export function writeEventData(
  out: Buffer,
  at: number,
  bytes: Buffer,
  start: number,
  end: number,
): number {
  const next = at + bytes.copy(out, at, start, end);
  if (next - at <= SHORT_BYTES) {
    for (let i = at; i < next; i += 1) if (out[i] === LF || out[i] === CR) out[i] = SPACE;
    return next;
  }
  const data = out.subarray(at, next);
  for (let i = data.indexOf(LF); i >= 0; i = data.indexOf(LF, i + 1)) data[i] = SPACE;
  for (let i = data.indexOf(CR); i >= 0; i = data.indexOf(CR, i + 1)) data[i] = SPACE;
  return next;
}

/** Bytes that `writePriming` takes at most. */
export function primingBytes(id: string): number {
  return idBytes(id) + 32;
}

/**
 * The event that opens a stream which can be resumed: an id, a reconnection time, no data. For clients
 * of revision 2025-11-25 and later only; older ones choke on the empty data.
 */
export function writePriming(out: Buffer, at: number, id: string, retryMs: number): number {
  assert(Number.isInteger(retryMs) && retryMs >= 0, 'a reconnection time is whole ms', retryMs);
  const next = writeId(out, at, id);
  return next + out.write(`retry: ${retryMs}\ndata: \n\n`, next, 'latin1');
}

function idBytes(id: string | null): number {
  return id === null ? 0 : 5 + Buffer.byteLength(id);
}

function writeId(out: Buffer, at: number, id: string): number {
  assert(!/[\r\n\0]/.test(id), 'an event id is one line'); // ids are ours
  return at + out.write(`id: ${id}\n`, at);
}
