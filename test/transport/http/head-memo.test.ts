import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeadMemo } from '../../../src/transport/http/head-memo.ts';
import { ResponseHead } from '../../../src/transport/http/response-head.ts';

const LINES = [
  'content-type: application/json',
  'Content-Length: 213',
  'content-length:\t0007 ',
  'Content-Length: 9',
  'Connection: keep-alive',
  'connection: close',
  'Keep-Alive: timeout=5',
  'transfer-encoding: chunked',
  'content-type: text/event-stream',
  'x: y',
];

/** All that a head says, and where it ends. */
function said(head: ResponseHead, bytes: Buffer, start: number): unknown[] {
  const after = head.parse(bytes, start, bytes.length);
  if (after < 0) return [after];
  const fields = ['content-type', 'content-length', 'connection', 'x'].map((n) => head.find(n));
  const { status, minorVersion, contentType, contentLength, isChunked } = head;
  const { hasClose, hasKeepAlive, keepAliveSeconds } = head;
  const framing = [status, minorVersion, contentType, contentLength, isChunked];
  return [after, ...framing, hasClose, hasKeepAlive, keepAliveSeconds, ...fields];
}

const text = fc
  .tuple(
    fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 202 Accepted', 'HTTP/1.0 200 OK'),
    fc.subarray(LINES, { maxLength: 5 }),
  )
  .map(([status, lines]) => `${[status, ...lines].join('\r\n')}\r\n\r\n`);

/** The head before, changed a little, or another one. */
const step = fc.oneof(
  fc.record({ kind: fc.constant('same' as const) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(200) }),
  fc.record({
    kind: fc.constant('length' as const),
    digits: fc.constantFrom('', '1', '12', '0'.repeat(16), '5x', '1 2'),
  }),
  fc.record({ kind: fc.constant('byte' as const), at: fc.nat(200), byte: fc.nat(255) }),
  fc.record({ kind: fc.constant('other' as const), text }),
);

describe('a head that is recognised', () => {
  it('says what it says when it is read, whatever came before', () => {
    fc.assert(
      fc.property(text, fc.array(step, { minLength: 1, maxLength: 20 }), (first, steps) => {
        const head = new ResponseHead();
        let base = first;
        for (const one of [{ kind: 'same' as const }, ...steps]) {
          if (one.kind === 'other') base = one.text;
          let now = base;
          if (one.kind === 'cut') now = base.slice(0, one.at);
          if (one.kind === 'length') now = base.replace(/(length:\s*)\d+/i, `$1${one.digits}`);
          if (one.kind === 'byte') {
            now = `${base.slice(0, one.at)}${String.fromCharCode(one.byte)}${base.slice(one.at + 1)}`;
          }
          const bytes = Buffer.from(`##${now}body`, 'latin1');
          expect([now, said(head, bytes, 2)]).toEqual([now, said(new ResponseHead(), bytes, 2)]);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('differs in the digits of its length only', () => {
    const memo = new HeadMemo();
    const head = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 213\r\nx: y\r\n\r\n');
    const digits = head.indexOf('213');
    memo.note(head, 0, head.length, digits, digits + 3);
    const same = Buffer.from(head.toString().replace('213', '7'));
    expect([memo.match(same, 0, same.length), memo.contentLength]).toEqual([same.length, 7]);
    const other = Buffer.from(head.toString().replace('x: y', 'x: z'));
    expect(memo.match(other, 0, other.length)).toBe(-1);
  });

  it('is looked for now and then only where no two are equal, and always again once they are', () => {
    const memo = new HeadMemo();
    let remembered = 0;
    for (let number = 0; number < 640; number += 1) {
      const head = Buffer.from(`HTTP/1.1 200 OK\r\nrequest-id: ${number}\r\n\r\n`);
      expect(memo.match(head, 0, head.length)).toBe(-1);
      memo.note(head, 0, head.length, -1, -1);
    }
    const head = Buffer.from('HTTP/1.1 200 OK\r\n\r\n');
    for (let answer = 0; answer < 128; answer += 1) {
      if (memo.match(head, 0, head.length) > 0) remembered += 1;
      else memo.note(head, 0, head.length, -1, -1);
    }
    expect(remembered).toBeGreaterThanOrEqual(64);
  });
});
