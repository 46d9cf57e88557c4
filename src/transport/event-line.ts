/** What one line of an event stream is, by its bytes (WHATWG HTML 9.2.6). */

/** `data:` and one byte, which may be the space that is not part of the value. */
export const DATA_PREFIX_BYTES = 6;

/** Below this a plain loop finds a line end sooner than a native search does. */
const SHORT_BYTES = 128;

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;

/** `data: …`, or the bare word, which is an empty value. */
export function isDataLine(bytes: Buffer, start: number, end: number): boolean {
  const length = end - start;
  if (length < 4 || (length > 4 && bytes[start + 4] !== COLON)) return false;
  return (
    bytes[start] === 0x64 &&
    bytes[start + 1] === 0x61 &&
    bytes[start + 2] === 0x74 &&
    bytes[start + 3] === 0x61
  );
}

/** Where a value begins: one space after the colon is not part of it. */
export function valueStart(bytes: Buffer, at: number, end: number): number {
  return at < end && bytes[at] === SPACE ? at + 1 : at;
}

/** Fields that count beside data. */
export const FIELD_NONE = 0;
export const FIELD_ID = 1;
export const FIELD_EVENT = 2;
export const FIELD_RETRY = 3;

const NAMES = [
  Buffer.from('id', 'latin1'),
  Buffer.from('event', 'latin1'),
  Buffer.from('retry', 'latin1'),
];

/** Which field a line sets: its name is all of the line, or ends at the first colon. */
export function fieldOf(bytes: Buffer, start: number, end: number): number {
  const first = bytes[start];
  const field = first === 0x69 ? FIELD_ID : first === 0x65 ? FIELD_EVENT : FIELD_RETRY;
  const name = NAMES[field - 1] as Buffer;
  const after = start + name.length;
  if (after > end || (after < end && bytes[after] !== COLON)) return FIELD_NONE;
  for (let i = 0; i < name.length; i += 1) {
    if (bytes[start + i] !== name[i]) return FIELD_NONE;
  }
  return field;
}

/** Offset of a field's value, in a line that `fieldOf` has found to be one. */
export function fieldValueStart(field: number, bytes: Buffer, start: number, end: number): number {
  const colon = start + (NAMES[field - 1] as Buffer).length;
  return Math.min(end, valueStart(bytes, colon + 1, end));
}

/** Offset of the first CR or LF, or -1. */
export function findLineEnd(bytes: Buffer, start: number, end: number): number {
  const near = Math.min(end, start + SHORT_BYTES);
  for (let at = start; at < near; at += 1) {
    const byte = bytes[at];
    if (byte === LF || byte === CR) return at;
  }
  if (near === end) return -1;
  const rest = bytes.subarray(near, end);
  const lf = rest.indexOf(LF);
  const cr = (lf < 0 ? rest : rest.subarray(0, lf)).indexOf(CR);
  const found = cr >= 0 ? cr : lf;
  return found < 0 ? -1 : near + found;
}

/** A copy with more room. */
export function grown(buffer: Buffer, used: number, size: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(size);
  buffer.copy(larger, 0, 0, used);
  return larger;
}
