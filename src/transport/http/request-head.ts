/**
 * Writes and reads the head of a request. Writing happens once per endpoint, reading only where the
 * undici client has to take apart what the caller has put together; neither is on the hot path.
 */
import { FIELD_TOKEN, FIELD_VALUE } from './field-bytes.ts';

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
 * given. A caller appends its own field lines, Content-Length, the empty line and the body.
 *
 * @throws TypeError for a field name or value that HTTP does not allow (the value is not shown)
 */
export function requestHeadPrefix(
  url: URL,
  method: 'POST' | 'GET' | 'DELETE',
  fixedHeaders: readonly (readonly [string, string])[],
): Buffer {
  let head = `${method} ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n`;
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
