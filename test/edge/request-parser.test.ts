import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fieldKind,
  FIELD_HOST,
  FIELD_OTHER,
  FIELD_PARAM,
  isRememberedKind,
} from '../../src/edge/field-kind.ts';
import { HEADER_ACCEPT, HEADER_AUTHORIZATION } from '../../shared/header-code.ts';
import { createKernelMemory, openKernel } from '../../shared/kernel/byte-kernel.ts';
import {
  REQUEST_INCOMPLETE,
  REQUEST_REFUSED,
  RequestParser,
} from '../../src/edge/request-parser.ts';

const HEAD =
  'POST /mcp?a=b HTTP/1.1\r\nHost: example:80\r\nAccept:  application/json, text/event-stream \r\n' +
  'authorization: Bearer abcdefghijklmnopqrstuvwxyz\r\nMCP-Protocol-Version: 2026-07-28\r\n' +
  'Mcp-Param-City: Oslo\r\nContent-Length: 12\r\nX-Empty:\r\n\r\n';

/** All that a parser says of a head; `at` bytes of something else stand before it. */
function read(parser: RequestParser, text: string, at = 0, behind = '', place?: Buffer): unknown {
  const source = Buffer.from('#'.repeat(at) + text + behind, 'latin1');
  const bytes = place ?? source;
  if (place !== undefined) source.copy(place);
  const after = parser.parse(bytes, at, at + text.length);
  if (after === REQUEST_REFUSED) return parser.refusal;
  if (after === REQUEST_INCOMPLETE) return 'incomplete';
  const { method, path, query, contentLength, isChunked, hasClose, expectsContinue } = parser;
  const fields = Array.from({ length: parser.count }, (_, index) => [
    parser.kindAt(index),
    parser.nameAt(index),
    parser.valueAt(index),
  ]);
  const marks = { contentLength, isChunked, hasClose, expectsContinue };
  return { after: after - at, method, path, query, ...marks, fields };
}

/** A parser whose bytes lie where the byte kernel works, and those bytes. */
const memory = createKernelMemory(256 * 1024)!;
openKernel(memory, 64 * 1024, 128 * 1024);
const kernelParser = new RequestParser();
const inKernel = Buffer.from(memory.buffer, 0, 64 * 1024);

/** The same by a parser that remembers nothing. */
const readAnew = (text: string): unknown => read(new RequestParser(), text);

describe('a request parser', () => {
  it('reads method, target, fields and framing', () => {
    expect(readAnew(HEAD)).toMatchObject({
      after: HEAD.length,
      method: 'POST',
      path: '/mcp',
      query: 'a=b',
      contentLength: 12,
      isChunked: false,
      hasClose: false,
      fields: [
        [FIELD_HOST, 'host', 'example:80'],
        [HEADER_ACCEPT, 'accept', 'application/json, text/event-stream'],
        [HEADER_AUTHORIZATION, 'authorization', 'Bearer abcdefghijklmnopqrstuvwxyz'],
        [2, 'mcp-protocol-version', '2026-07-28'],
        [FIELD_PARAM, 'mcp-param-city', 'Oslo'],
        [33, 'content-length', '12'],
        [FIELD_OTHER, 'x-empty', ''],
      ],
    });
  });

  it('says of every beginning of a head that more is needed', () => {
    const parser = new RequestParser();
    for (let round = 0; round < 2; round += 1) {
      for (let length = 0; length < HEAD.length; length += 1) {
        // What lies behind the bytes that came must never be taken for them.
        expect(read(parser, HEAD.slice(0, length), 0, HEAD.slice(length)), `${length}`).toBe(
          'incomplete',
        );
      }
      expect(read(parser, HEAD)).toEqual(readAnew(HEAD));
    }
  });

  it('understands Connection, Expect and an empty line before the request', () => {
    const head = (fields: string) => readAnew(`\r\nGET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    expect(head('Connection: Keep-Alive , CLOSE\r\n')).toMatchObject({ hasClose: true });
    expect(head('Connection: closed\r\n')).toMatchObject({ hasClose: false });
    expect(head('Expect: 100-Continue\r\n')).toMatchObject({ expectsContinue: true });
    expect(readAnew('\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n')).toBe('FRAMING_REFUSED');
  });

  it('says why it refuses', () => {
    const head = (fields: string) => readAnew(`GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
    expect(readAnew('GET / HTTP/1.0\r\nHost: a\r\n\r\n')).toBe('VERSION_REFUSED');
    expect(readAnew('GET / HTTP/1.1 \r\nHost: a\r\n\r\n')).toBe('FRAMING_REFUSED');
    expect(readAnew('GET  / HTTP/1.1\r\nHost: a\r\n\r\n')).toBe('FRAMING_REFUSED');
    expect(readAnew('GET / HTTP/1.1\r\n\r\n')).toBe('HEADER_REFUSED');
    expect(head('Host: a\r\n')).toBe('HEADER_REFUSED');
    expect(head(' X: folded\r\n')).toBe('FRAMING_REFUSED');
    expect(head('X: a\x7f\r\n')).toBe('FRAMING_REFUSED');
    expect(head('X: a\nb\r\n')).toBe('FRAMING_REFUSED');
    expect(head('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n')).toBe('FRAMING_REFUSED');
    expect(head('x: y\r\n'.repeat(100))).toBe('HEADERS_TOO_LARGE');
  });

  it('reads a head as if it had read none before', () => {
    const name = fc.constantFrom(
      ...['Host', 'host', 'Accept', 'X-A', 'Mcp-Name', 'Content-Length', 'Connection', 'Expect'],
      ...['Transfer-Encoding', 'Mcp-Param-Q', 'x-forwarded-for', 'User-Agent', 'X'],
    );
    const value = fc.oneof(
      fc.constantFrom('', '3', 'close', 'chunked', 'a', 'application/json', '100-continue', '\t'),
      fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\t', '\u00e9', '~', ','), maxLength: 90 }),
    );
    const line = fc.tuple(name, fc.constantFrom(':', ': ', ' :', ':\t'), value);
    const end = fc.oneof(
      { weight: 30, arbitrary: fc.constant('\r\n') },
      { weight: 1, arbitrary: fc.constantFrom('\n', '\r', '\r\r\n', '\r\n ') },
    );
    const head = fc
      .tuple(
        fc.constantFrom('POST /mcp', 'GET /mcp', 'POST /mcp/a?b', 'PUT x', 'GET /\x01'),
        fc.constantFrom(...Array<string>(8).fill(' HTTP/1.1\r\n'), ' HTTP/1.0\r\n', '\r\n'),
        fc.array(fc.tuple(line, end), { maxLength: 6 }),
      )
      .map(([target, version, lines]) => {
        const fields = lines.map(([parts, lineEnd]) => parts.join('') + lineEnd).join('');
        return `${target}${version}Host: a\r\n${fields}\r\n`;
      });
    const parser = new RequestParser();
    fc.assert(
      fc.property(fc.array(head, { minLength: 1, maxLength: 8 }), fc.nat(9), (heads, at) => {
        // Twice: the second time most of its lines are remembered.
        for (const text of [...heads, ...heads]) {
          const anew = readAnew(text);
          expect(read(parser, text, at, 'GET ')).toEqual(anew);
          expect(read(kernelParser, text, at, 'GET ', inKernel)).toEqual(anew);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('finds a byte that was changed in a line it knows', () => {
    const parser = new RequestParser();
    read(parser, HEAD);
    for (let at = 0; at < HEAD.length; at += 1) {
      for (const byte of ['\0', '\r', '\n', ' ', ':', 'z', '1', '\x80']) {
        const text = HEAD.slice(0, at) + byte + HEAD.slice(at + 1);
        expect(read(parser, text), `${at} ${JSON.stringify(byte)}`).toEqual(readAnew(text));
        read(parser, HEAD);
      }
    }
  });
});

describe('a field kind', () => {
  it('of a secret is never remembered', () => {
    const kindOf = (name: string) => fieldKind(Buffer.from(name, 'latin1'), 0, name.length);
    const secret = ['authorization', 'cookie', 'x-api-key', 'mcp-session-id', 'mcp-param-key'];
    for (const name of [...secret, 'last-event-id', 'x-forwarded-for', 'content-length']) {
      expect(isRememberedKind(kindOf(name)), name).toBe(false);
    }
    for (const name of ['accept', 'host', 'user-agent', 'mcp-name']) {
      expect(isRememberedKind(kindOf(name)), name).toBe(true);
    }
  });

  it('is found by the name in any case, and by no other name', () => {
    const kindOf = (name: string) => fieldKind(Buffer.from(name, 'latin1'), 0, name.length);
    expect(kindOf('HOST')).toBe(FIELD_HOST);
    expect(kindOf('Mcp-Param-X')).toBe(FIELD_PARAM);
    for (const name of ['hosT2', 'mcp-param-', 'h', 'hos_', 'client-cert', 'www-authenticate']) {
      expect(kindOf(name), name).toBe(FIELD_OTHER);
    }
  });
});
