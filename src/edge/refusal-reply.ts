/**
 * Answers to requests that never reach the listener: a JSON-RPC error with id null, as one piece of
 * text, because they are written past the server's own idea of a response. All of them close.
 */
import { STATUS_CODES } from 'node:http';
import { FAULTS } from '../../shared/fault.ts';
import type { FaultRow } from '../../shared/fault.ts';

export type RefusalName =
  | 'FRAMING_REFUSED'
  | 'HEADER_REFUSED'
  | 'HEADERS_TOO_LARGE'
  | 'VERSION_REFUSED'
  | 'BODY_TOO_LARGE'
  | 'BODY_TIMEOUT'
  | 'HEADERS_TIMEOUT';

type Row = Pick<FaultRow, 'http' | 'rpc' | 'message'>;

/** Those without a fault row end before an exchange begins, so nothing but the client ever sees them. */
const ROWS: Record<RefusalName, Row> = {
  FRAMING_REFUSED: FAULTS.FRAMING_REFUSED,
  HEADER_REFUSED: FAULTS.HEADER_REFUSED,
  BODY_TOO_LARGE: FAULTS.BODY_TOO_LARGE,
  BODY_TIMEOUT: FAULTS.BODY_TIMEOUT,
  HEADERS_TOO_LARGE: { http: 431, rpc: -32000, message: 'request header fields too large' },
  HEADERS_TIMEOUT: {
    http: 408,
    rpc: -32000,
    message: 'request timeout: the header fields did not arrive in time',
  },
  VERSION_REFUSED: { http: 505, rpc: -32000, message: 'HTTP version not supported: use HTTP/1.1' },
};

/**
 * The answer after `HTTP/1.1 ` and without its last line end, which uWebSockets.js adds by itself when
 * the text is given to `writeStatus`: that line end counts as the last two bytes of the body.
 */
export function refusalText(name: RefusalName): string {
  const row = ROWS[name];
  const body = `{"jsonrpc":"2.0","id":null,"error":{"code":${row.rpc},"message":${JSON.stringify(row.message)}}}`;
  return (
    `${row.http} ${STATUS_CODES[row.http]}\r\nDate: ${new Date().toUTCString()}\r\nConnection: close\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length + 2}\r\n\r\n${body}`
  );
}

/** The whole answer, for a raw socket. */
export function refusalBytes(name: RefusalName): Buffer {
  return Buffer.from(`HTTP/1.1 ${refusalText(name)}\r\n`, 'latin1');
}
