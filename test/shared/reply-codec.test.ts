import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteRange } from '../../shared/byte-words.ts';
import {
  HEADER_OTHER,
  HEADER_RETRY_AFTER,
  HEADER_WWW_AUTHENTICATE,
} from '../../shared/header-code.ts';
import {
  REPLY_JSON,
  ReplyView,
  writeHeaderLatin1,
  writeReplyHead,
} from '../../shared/reply-codec.ts';

describe('reply codec', () => {
  it('reads back what was written, wherever it lies', () => {
    fc.assert(
      fc.property(
        fc.nat(40),
        fc.integer({ min: 100, max: 599 }),
        fc.nat(3),
        fc.array(fc.stringMatching(/^[ -~]{0,40}$/), { maxLength: 8 }),
        fc.uint8Array({ maxLength: 60 }),
        (at, status, contentType, values, body) => {
          const block = values.reduce((sum, value) => sum + 4 + value.length, 0);
          const bytes = new Uint8Array(at + 8 + block + body.length + 3);
          let cursor = writeReplyHead(
            new ByteRange(bytes),
            at,
            status,
            contentType,
            values.length,
            block,
          );
          for (const value of values) {
            cursor = writeHeaderLatin1(bytes, cursor, HEADER_WWW_AUTHENTICATE, null, value);
          }
          bytes.set(body, cursor);

          const view = new ReplyView();
          expect(view.reset(bytes, at, cursor + body.length)).toBe(true);
          expect([view.status, view.contentType, view.headerCount]).toEqual([
            status,
            contentType,
            values.length,
          ]);
          const read: string[] = [];
          for (
            let next = view.nextHeader(view.headersStart);
            next >= 0;
            next = view.nextHeader(next)
          ) {
            read.push(
              Buffer.from(bytes.subarray(view.valueStart, view.valueEnd)).toString('latin1'),
            );
          }
          expect(read).toEqual(values);
          expect([...bytes.subarray(view.bodyStart, view.bodyEnd)]).toEqual([...body]);
          expect(view.find(HEADER_WWW_AUTHENTICATE)).toBe(values.length > 0);
          expect(view.find(HEADER_RETRY_AFTER)).toBe(false);
        },
      ),
    );
  });

  it('refuses a head that is short, has no status, an unknown content type or too large a block', () => {
    const view = new ReplyView();
    const reset = (status: number, contentType: number, block: number, end: number) => {
      const bytes = new Uint8Array(20);
      writeReplyHead(new ByteRange(bytes), 0, status, contentType, 0, block);
      return view.reset(bytes, 0, end);
    };
    expect(reset(200, REPLY_JSON, 0, 8)).toBe(true);
    expect(reset(200, REPLY_JSON, 0, 7)).toBe(false);
    expect(reset(200, REPLY_JSON, 0, 21)).toBe(false);
    expect(reset(99, REPLY_JSON, 0, 8)).toBe(false);
    expect(reset(600, REPLY_JSON, 0, 8)).toBe(false);
    expect(reset(200, 4, 0, 8)).toBe(false);
    expect(reset(200, REPLY_JSON, 1, 8)).toBe(false);
    expect(reset(200, REPLY_JSON, 2 ** 32 - 1, 8)).toBe(false);
  });

  it('gives names to fields that have no code of their own', () => {
    const bytes = new Uint8Array(64);
    const end = writeHeaderLatin1(bytes, 8, HEADER_OTHER, 'x-trace', 'abc');
    writeReplyHead(new ByteRange(bytes), 0, 200, REPLY_JSON, 1, end - 8);
    const view = new ReplyView();
    expect(view.reset(bytes, 0, end)).toBe(true);
    view.nextHeader(view.headersStart);
    expect(Buffer.from(bytes.subarray(view.nameStart, view.nameEnd)).toString()).toBe('x-trace');
  });
});
