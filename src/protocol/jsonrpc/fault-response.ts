/**
 * Faults as JSON-RPC error responses. The part that a fault fixes is built once, so that refusing
 * costs less than serving.
 */
import { FAULTS, type FaultCode, type FaultRow } from '../../../shared/fault.ts';
import { asciiBytes } from './key-set.ts';
import { copyAll, copyBytes, stringToken } from './write.ts';

/** Detail longer than this many bytes, escaped, is left out. */
const DETAIL_BYTES_MAX = 1024;

const HEAD = asciiBytes('{"jsonrpc":"2.0","id":');
const NULL = asciiBytes('null');
const SEPARATOR = asciiBytes(': ');
const DATA = asciiBytes(',"data":');
const QUOTE = 0x22;
const BRACE_CLOSE = 0x7d;

/** `,"error":{"code":CODE,"message":"MESSAGE` by fault id: all up to the message's closing quote. */
const OPENINGS: Uint8Array[] = [];
let openingBytesMax = 0;
for (const row of Object.values(FAULTS) as FaultRow[]) {
  const message = JSON.stringify(row.message).slice(0, -1);
  const opening = asciiBytes(`,"error":{"code":${String(row.rpc)},"message":${message}`);
  OPENINGS[row.id] = opening;
  openingBytesMax = Math.max(openingBytesMax, opening.length);
}

/** Room for `writeFault`. `dataLength` is 0 without data. */
export function faultBytes(idBytes: number, detail: string, dataLength: number): number {
  const detailBytes = detail === '' ? 0 : SEPARATOR.length + DETAIL_BYTES_MAX;
  return (
    HEAD.length +
    Math.max(idBytes, NULL.length) +
    openingBytesMax +
    detailBytes +
    DATA.length +
    dataLength +
    3
  );
}

/**
 * Writes the error response of a fault: `{"jsonrpc":"2.0","id":ID,"error":{…}}`, on one line.
 *
 * @param id the buffer that holds the id's token at `[idStart, idEnd)`; `idStart` below 0 writes
 *   `null`, as JSON-RPC 2.0 (section 5) asks for where the id could not be read
 * @param detail text after the fault's own message, or empty; left out where it is too long
 * @param data a JSON value for `error.data`, or null
 * @returns the index after the last byte written
 */
export function writeFault(
  out: Uint8Array,
  at: number,
  code: FaultCode,
  id: Uint8Array | null,
  idStart: number,
  idEnd: number,
  detail = '',
  data: Uint8Array | null = null,
): number {
  at = copyAll(HEAD, out, at);
  at = id === null || idStart < 0 ? copyAll(NULL, out, at) : copyBytes(id, idStart, idEnd, out, at);
  at = copyAll(OPENINGS[FAULTS[code].id]!, out, at);
  if (detail !== '') {
    const token = stringToken(detail);
    if (token.length - 2 <= DETAIL_BYTES_MAX) {
      at = copyAll(SEPARATOR, out, at);
      at = copyBytes(token, 1, token.length - 1, out, at);
    }
  }
  out[at] = QUOTE;
  at += 1;
  if (data !== null) {
    at = copyAll(DATA, out, at);
    at = copyAll(data, out, at);
  }
  out[at] = BRACE_CLOSE;
  out[at + 1] = BRACE_CLOSE;
  return at + 2;
}

/** As `writeFault`, into a buffer of its own; for code that is not in a hurry. */
export function faultResponse(
  code: FaultCode,
  idToken: Uint8Array | null,
  detail = '',
  data: string | null = null,
): Buffer {
  const dataBytes = data === null ? null : Buffer.from(data, 'utf8');
  const idBytes = idToken === null ? -1 : idToken.length;
  const out = Buffer.allocUnsafe(faultBytes(idBytes, detail, dataBytes?.length ?? 0));
  const start = idToken === null ? -1 : 0;
  const end = writeFault(out, 0, code, idToken, start, idBytes, detail, dataBytes);
  return out.subarray(0, end);
}
