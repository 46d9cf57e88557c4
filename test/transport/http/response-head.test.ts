import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CONTENT_EVENT_STREAM,
  CONTENT_JSON,
  CONTENT_NONE,
  CONTENT_OTHER,
} from '../../../src/transport/http/http-client.ts';
import {
  HEAD_INCOMPLETE,
  HEAD_MALFORMED,
  HEAD_TOO_LARGE,
  ResponseHead,
} from '../../../src/transport/http/response-head.ts';

const head = new ResponseHead();

function parse(text: string): number {
  const bytes = Buffer.from(`##${text}`, 'latin1');
  const after = head.parse(bytes, 2, bytes.length);
  return after > 0 ? after - 2 : after;
}

const withFields = (...fields: string[]): string =>
  `HTTP/1.1 200 OK\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;

describe('the response head', () => {
  it('reads status, version and where the body begins', () => {
    expect(parse('HTTP/1.0 404 Not Found\r\n\r\nbody')).toBe(26);
    expect([head.status, head.minorVersion]).toEqual([404, 0]);
    expect(parse('HTTP/1.1 200\r\n\r\n')).toBe(16);
    expect(parse('HTTP/1.1 200 \r\n\r\n')).toBe(17);
    expect([head.status, head.minorVersion]).toEqual([200, 1]);
  });

  it('reads what frames the body and keeps the connection, in any case and with blanks', () => {
    parse(
      withFields(
        'CONTENT-LENGTH: \t12 \t',
        'Connection: Foo ,, CLOSE',
        'Keep-Alive: timeout=5, max=9',
      ),
    );
    expect(head.contentLength).toBe(12);
    expect([head.hasClose, head.hasKeepAlive]).toEqual([true, false]);
    expect(head.keepAliveSeconds).toBe(5);
    parse(withFields('Transfer-Encoding: Chunked', 'connection: keep-alive', 'connection: x'));
    expect([head.isChunked, head.contentLength]).toEqual([true, -1]);
    expect([head.hasClose, head.hasKeepAlive]).toEqual([false, true]);
    expect(head.keepAliveSeconds).toBe(-1);
    parse(withFields('keep-alive: max=3, Timeout=120'));
    expect(head.keepAliveSeconds).toBe(120);
    parse(withFields('keep-alive: timeout=x'));
    expect(head.keepAliveSeconds).toBe(-1);
  });

  it('tells the content types apart', () => {
    const types = [
      'application/json',
      'TEXT/event-stream ; x=y',
      'text/plain',
      'application/json-seq',
    ];
    const seen = types.map((type) => {
      parse(withFields(`content-type: ${type}`));
      return head.contentType;
    });
    expect(seen).toEqual([CONTENT_JSON, CONTENT_EVENT_STREAM, CONTENT_OTHER, CONTENT_OTHER]);
    parse(withFields('content-typo: application/json'));
    expect(head.contentType).toBe(CONTENT_NONE);
  });

  it('finds a field by its name and joins repeated ones', () => {
    parse(
      withFields(
        'Mcp-Session-Id: s1',
        'WWW-Authenticate: Bearer a',
        'www-authenticate: Basic b',
        'x:',
      ),
    );
    expect(head.find('mcp-session-id')).toBe('s1');
    expect(head.find('www-authenticate')).toBe('Bearer a, Basic b');
    expect(head.find('x')).toBe('');
    expect(head.find('mcp-session')).toBeNull();
  });

  it('asks for more at every place where a head can be cut, and keeps nothing from before', () => {
    const text = withFields('content-length: 3', 'x: y');
    for (let length = 0; length < text.length; length += 1) {
      expect(parse(text.slice(0, length))).toBe(HEAD_INCOMPLETE);
    }
    expect(parse(text)).toBe(text.length);
    parse(withFields('y: z'));
    expect(head.contentLength).toBe(-1);
    expect(head.find('x')).toBeNull();
  });

  it('refuses what two readers could take for two things', () => {
    const refused = [
      'HTTP/1.2 200 OK\r\n\r\n',
      'HTTP/2.0 200 OK\r\n\r\n',
      'http/1.1 200 OK\r\n\r\n',
      '\r\nHTTP/1.1 200 OK\r\n\r\n',
      'HTTP/1.1  200 OK\r\n\r\n',
      'HTTP/1.1 099 OK\r\n\r\n',
      'HTTP/1.1 600 OK\r\n\r\n',
      'HTTP/1.1 2000 OK\r\n\r\n',
      'HTTP/1.1 200 O\x00K\r\n\r\n',
      'HTTP/1.1 200 OK\n\r\n  ',
      'HTTP/1.1 200 OK\r\r\n  ',
      withFields('a: b\n'),
      withFields('a: b\rc'),
      withFields('a: b', ' folded'),
      withFields('a: b', '\tfolded'),
      withFields('a : b'),
      withFields(': b'),
      withFields('a b: c'),
      withFields('a'),
      withFields('a: \x7f'),
      withFields('a: \x00'),
      withFields('\xe9: a'),
      withFields('content-length:'),
      withFields('content-length: +1'),
      withFields('content-length: 0x1'),
      withFields('content-length: 1, 1'),
      withFields('content-length: 1', 'content-length: 1'),
      withFields('content-length: 9999999999999999'),
      withFields('content-length: 1', 'transfer-encoding: chunked'),
      withFields('transfer-encoding: chunked', 'content-length: 1'),
      withFields('transfer-encoding: chunked', 'transfer-encoding: chunked'),
      withFields('transfer-encoding: gzip, chunked'),
      withFields('transfer-encoding: identity'),
      withFields('transfer-encoding:'),
      withFields('transfer-encoding: chunked').replace('1.1', '1.0'),
    ];
    for (const text of refused) expect([text, parse(text)]).toEqual([text, HEAD_MALFORMED]);
  });

  it('bounds the number of fields', () => {
    const fields = (count: number): string =>
      withFields(...Array.from({ length: count }, () => 'a:'));
    expect(parse(fields(512))).toBeGreaterThan(0);
    expect(parse(fields(513))).toBe(HEAD_TOO_LARGE);
  });

  it('answers for any bytes, and for a cut head only what the whole one can still become', () => {
    const piece = fc.constantFrom(
      'HTTP/1.1 200 OK',
      '\r\n',
      '\r',
      '\n',
      'a',
      ':',
      ' ',
      'content-length: 5',
      'transfer-encoding: chunked',
      '\x00',
      '\xff',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.nat(200), (pieces, cut) => {
        const text = pieces.join('');
        const whole = parse(text);
        const part = parse(text.slice(0, cut));
        if (part !== HEAD_INCOMPLETE) expect(part).toBe(whole);
        if (whole > 0) expect(text.slice(whole - 4, whole)).toBe('\r\n\r\n');
      }),
      { numRuns: 2000 },
    );
  });
});
