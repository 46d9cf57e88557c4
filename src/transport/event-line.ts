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

/** Name of a field that counts beside data, or ''. */
export function fieldName(
  bytes: Buffer,
  start: number,
  end: number,
): '' | 'id' | 'event' | 'retry' {
  const colon = bytes.subarray(start, Math.min(end, start + DATA_PREFIX_BYTES)).indexOf(COLON);
  const length = colon < 0 ? end - start : colon;
  if (length < 2 || length > 5) return '';
  const name = bytes.toString('latin1', start, start + length);
  return name === 'id' || name === 'event' || name === 'retry' ? name : '';
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
