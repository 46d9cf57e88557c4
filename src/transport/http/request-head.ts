/**
 * Writes and reads the head of a request. Writing happens once per endpoint, reading only where the
 * undici client has to take apart what the caller has put together; neither is on the hot path.
 */
import { FIELD_TOKEN, FIELD_VALUE } from './field-bytes.ts';

/** Fields that frame the message or steer the connection are the client's own (RFC 9110 7.6.1). */
const RESERVED = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What `readRequestHead` finds. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  /** Name, value, name, value, as undici takes them. */
  readonly headers: string[];
  /** Offset of the first byte of the body. */
  readonly bodyStart: number;
}

/**
 * The part of a request head that never changes for one endpoint: request line, Host and the fields
 * given, of which one may be another Host. A caller appends its own field lines, Content-Length, the
 * empty line and the body. User and password of the URL are left out: credentials are fields.
 *
 * @throws TypeError for a field that HTTP does not allow or that frames the message; it names the
 *   field and never shows the value
 */
export function requestHeadPrefix(
  url: URL,
  method: 'POST' | 'GET' | 'DELETE',
  fixedHeaders: readonly (readonly [string, string])[],
): Buffer {
  const hasHost = fixedHeaders.some(([name]) => name.toLowerCase() === 'host');
  let head = `${method} ${url.pathname}${url.search} HTTP/1.1\r\n`;
  if (!hasHost) head += `host: ${url.host}\r\n`;
  for (const [name, value] of fixedHeaders) {
    checkField(name, value);
    head += `${name}: ${value}\r\n`;
  }
  return Buffer.from(head, 'latin1');
}

function checkField(name: string, value: string): void {
  if (name.length === 0 || !consistsOf(name, FIELD_TOKEN)) {
    throw new TypeError(`header field name is not allowed: name=${JSON.stringify(name)}`);
  }
  if (RESERVED.has(name.toLowerCase())) {
    throw new TypeError(`header field is set by the client: name=${name}`);
  }
  if (!consistsOf(value, FIELD_VALUE)) {
    throw new TypeError(`header field value is not allowed: name=${name}`);
  }
}

function consistsOf(text: string, allowed: Uint8Array): boolean {
  for (let i = 0; i < text.length; i += 1) {
    if (allowed[text.charCodeAt(i)] !== 1) return false; // beyond the table: not latin1 either
  }
  return true;
}

/**
 * Takes a request head apart that this process has built.
 *
 * @throws TypeError if the bytes do not hold a complete head
 */
export function readRequestHead(bytes: Buffer, start: number, end: number): RequestHead {
  const headEnd = bytes.indexOf('\r\n\r\n', start, 'latin1');
  if (headEnd < 0 || headEnd + 4 > end) throw new TypeError('request head is not complete');
  const lines = bytes.toString('latin1', start, headEnd).split('\r\n');
  const [method, path] = (lines[0] ?? '').split(' ');
  if (method === undefined || path === undefined) throw new TypeError('request line is malformed');
  const headers: string[] = [];
  for (let i = 1; i < lines.length; i += 1) {
    const line = lines[i] ?? '';
    const colon = line.indexOf(':');
    if (colon < 1) throw new TypeError('request field is malformed');
    headers.push(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return { method, path, headers, bodyStart: headEnd + 4 };
}
