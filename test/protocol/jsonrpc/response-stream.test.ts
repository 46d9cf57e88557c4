import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JSON_DEPTH_MAX } from '../../../shared/limits.ts';
import {
  ResponseStream,
  STREAM_DONE,
  STREAM_FAILED,
  STREAM_OPEN,
} from '../../../src/protocol/jsonrpc/response-stream.ts';

const SENT = '"g-5d41402abc4b2a76"';

interface Passed {
  stream: ResponseStream;
  text: string;
}

/** Streams `text` in chunks of the given sizes, each in a larger buffer as a socket's reads are. */
function pass(
  text: string,
  sizes: readonly number[] = [],
  options: { sent?: string; members?: string; isSingleLine?: boolean } = {},
): Passed {
  const { sent = SENT, members = null, isSingleLine = false } = options;
  const stream = new ResponseStream(
    Buffer.from(sent),
    Buffer.from('"client"'),
    members === null ? null : Buffer.from(members),
    isSingleLine,
  );
  const bytes = Buffer.from(text);
  const parts: Buffer[] = [];
  const sink = {
    write(from: Uint8Array, start: number, end: number) {
      expect(end).toBeGreaterThan(start);
      parts.push(Buffer.from(from.subarray(start, end)));
    },
  };
  let at = 0;
  for (let i = 0; at < bytes.length; i += 1) {
    const size = Math.max(1, sizes.length === 0 ? bytes.length : sizes[i % sizes.length]);
    const next = Math.min(bytes.length, at + size);
    const chunk = Buffer.from(`"${' '.repeat(next - at)}"}`);
    bytes.copy(chunk, 1, at, next);
    stream.push(chunk, 1, 1 + next - at, sink);
    at = next;
  }
  return { stream, text: Buffer.concat(parts).toString() };
}

const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 400 })), {
  minLength: 1,
  maxLength: 5,
});
const hardText = fc.oneof(
  fc.string({ maxLength: 200 }),
  fc.constantFrom(
    '"',
    '\\',
    '\\"',
    '\\\\',
    '}',
    '{',
    '"id":',
    `"id":${SENT}`,
    '"isError":true',
    'é漢',
  ),
);
const payload = fc.object({
  key: fc.oneof(fc.constantFrom('id', 'result', 'isError', 'error', 'method'), hardText),
  maxDepth: 4,
  values: [hardText, fc.array(hardText).map((parts) => parts.join('')), fc.integer(), fc.boolean()],
});

describe('a response that streams through', () => {
  it('gets the client id, wherever the id stands and however the chunks are cut', () => {
    const response = fc
      .tuple(
        payload,
        fc.option(fc.boolean(), { nil: undefined }),
        fc.boolean(),
        fc.constantFrom(0, 1),
      )
      .map(([body, isError, isFailure, indent]) => {
        const result: Record<string, unknown> = { ...body, isError };
        if (isError === undefined) delete result.isError;
        const members = [
          ['jsonrpc', '2.0'],
          ['id', JSON.parse(SENT)],
          isFailure ? ['error', { code: 1, message: 'm', data: result }] : ['result', result],
        ] as const;
        return { members, indent, isError: isError === true && !isFailure };
      });
    fc.assert(
      fc.property(
        response,
        fc.nat(5),
        sizes,
        fc.boolean(),
        ({ members, indent, isError }, order, sizes, isSingleLine) => {
          const turned = [...members.slice(order % 3), ...members.slice(0, order % 3)];
          const text = JSON.stringify(Object.fromEntries(turned), null, indent);
          const { stream, text: out } = pass(text, sizes, { isSingleLine });
          expect(stream.state).toBe(STREAM_DONE);
          expect([stream.hasReplacedId, stream.isError]).toEqual([true, isError]);
          expect(JSON.parse(out)).toEqual({ ...Object.fromEntries(turned), id: 'client' });
          expect(out.length).toBe(text.length - SENT.length + '"client"'.length);
          if (isSingleLine) expect(out).not.toMatch(/[\r\n]/);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('gets members at the start of its result', () => {
    const add = (text: string, sizes: number[]) =>
      JSON.parse(pass(text, sizes, { members: '"resultType":"complete"' }).text) as object;
    for (const chunk of [1, 2, 3, 7, 1000]) {
      expect(add(`{"result": {"content":[]},"id":${SENT}}`, [chunk])).toEqual({
        id: 'client',
        result: { resultType: 'complete', content: [] },
      });
      expect(add(`{"id":${SENT},"result":\n{\n}\n}`, [chunk])).toEqual({
        id: 'client',
        result: { resultType: 'complete' },
      });
    }
  });

  it('is done at its last bracket, and takes nothing but white space after it', () => {
    const whole = `{"id":${SENT},"result":{}}`;
    expect(pass(whole.slice(0, -1)).stream.state).toBe(STREAM_OPEN);
    expect(pass(`${whole} \n`).stream.state).toBe(STREAM_DONE);
    expect(pass(`${whole},`).stream.state).toBe(STREAM_FAILED);
    expect(pass(whole + whole).stream.state).toBe(STREAM_FAILED);
  });

  it.each([
    ['another id', '{"id":"g-other","result":{}}'],
    ['an id of another type', '{"id":7,"result":{}}'],
    ['a longer id', `{"id":${SENT.slice(0, -1)}0","result":{}}`],
    ['a second id', `{"id":${SENT},"id":${SENT},"result":{}}`],
    ['no id', '{"result":{}}'],
    ['neither result nor error', `{"id":${SENT}}`],
    ['both result and error', `{"id":${SENT},"result":{},"error":{}}`],
    ['two results', `{"id":${SENT},"result":{},"result":{}}`],
    ['a result that is no object', `{"id":${SENT},"result":[]}`],
    ['a request', `{"id":${SENT},"method":"ping"}`],
    ['an escaped key at the top level', `{"\\u0069d":${SENT},"result":{}}`],
    ['a batch', `[{"id":${SENT},"result":{}}]`],
    ['text', 'busy'],
    ['too many levels', `{"id":${SENT},"result":{"a":${'['.repeat(JSON_DEPTH_MAX)}`],
  ])('fails with %s', (_what, text) => {
    for (const chunk of [1, 5, 1000]) {
      const { stream } = pass(text, [chunk]);
      expect(stream.state).toBe(STREAM_FAILED);
    }
  });

  it('matches a number to its last digit', () => {
    const sent = '17';
    expect(pass('{"id":17,"result":{}}', [1], { sent }).stream.state).toBe(STREAM_DONE);
    expect(pass('{"id": 17 }', [1], { sent }).stream.hasReplacedId).toBe(true);
    for (const other of ['1', '170', '17.5', '17e1', '"17"']) {
      expect(pass(`{"id":${other},"result":{}}`, [1], { sent }).stream.state).toBe(STREAM_FAILED);
    }
  });

  it('leaves the id alone inside of the result and inside of strings', () => {
    const inner = `{"id":${SENT},"text":${JSON.stringify(`{"id":${SENT}}`)}}`;
    const { stream, text } = pass(`{"result":${inner},"id":${SENT}}`, [3]);
    expect(stream.state).toBe(STREAM_DONE);
    expect(text).toBe(`{"result":${inner},"id":"client"}`);
  });
});
