import { ByteRange } from '../../../shared/byte-words.ts';
import { createKernelMemory, openKernel, takeBytes } from '../../../shared/kernel/byte-kernel.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MessageShape,
  SHAPE_DIFFERS,
  SHAPE_DIFFERS_LATE,
  SHAPE_FITS,
} from '../../../src/protocol/jsonrpc/message-shape.ts';
import { PeekMemo } from '../../../src/protocol/jsonrpc/peek-memo.ts';
import { Peek, PEEK_FIELDS } from '../../../src/protocol/jsonrpc/peek-record.ts';
import { peek } from '../../../src/protocol/jsonrpc/peek.ts';
import { PEEK_OK } from '../../../src/protocol/jsonrpc/verdict.ts';
import { messageText, peekText } from '../support/messages.ts';

const META =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"a","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}';

/** One message each of senders that write in their own way. */
const SENDERS: readonly string[] = [
  `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":"x\\n"},${META}}}`,
  '{"method":"tools/call","params":{"_meta":{"progressToken":3,"traceparent":"00-aa-bb-01","baggage":"k=v"},"name":"add","arguments":{"a":[1,{}]}},"jsonrpc":"2.0","id":"a-1"}',
  '{ "jsonrpc" : "2.0", "id" : "x", "method" : "resources/read", "params" : { "uri" : "file:///a", "other": 1 } }',
  '{"jsonrpc":"2.0","id":-3,"method":"prompts/get","params":{"name":"p","arguments":null}}',
  '{"id":1,"jsonrpc":"2.0","method":"no/such"}',
  '{"jsonrpc":"2.0","id":1234567890123456,"result":{"content":[{"type":"text","text":"42"}],"structuredContent":{"result":42},"isError":false,"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}}}}',
  '{"result":{"content":[],"ttlMs":5,"cacheScope":"private"},"id":5,"jsonrpc":"2.0"}',
  '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}',
  '{"jsonrpc":"2.0","id":1,"result":{}}',
];

/** Values that a slot may hold, may not hold, or must not be taken for a value at all. */
const INSERTS: readonly string[] = [
  ...[
    '',
    '0',
    '00',
    '-',
    '1.5',
    '1e3',
    '9007199254740993',
    '"',
    '""',
    '"\\u0041"',
    '"\\ud800"',
    '\\',
  ],
  ...['null', 'true', '{}', '[]', '{"a":1}', '[1,2', '}', ']', ',', ':', ' ', '\n', '\r\n', '\t'],
  ...[
    '\u0085',
    '\u2028',
    '\u007f',
    'é',
    '😀',
    '\0',
    '\u0001',
    '"id":9,',
    '"name":"x",',
    '"Name":"x",',
  ],
  ...['"params":{},', '"error":{},', `${'['.repeat(70)}${']'.repeat(70)}`],
];

/** The same bytes read by `peek` and by a memory of earlier ones; its record is used again and again. */
class Reader {
  readonly #memo: PeekMemo;
  readonly #record = new Peek();
  readonly #expected = new Peek();
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, isBusy: boolean) {
    this.#bytes = bytes;
    this.#memo = new PeekMemo(isBusy);
  }

  expectAgreement(message: Uint8Array): void {
    const bytes = this.#bytes;
    const record = this.#record;
    const expected = this.#expected;
    const end = 8 + message.length;
    bytes.set(message, 8);
    bytes.fill('"}]1', end, end + 16);
    // Elsewhere, where no kernel is at hand.
    const verdict = peek(Buffer.from(bytes.subarray(0, end + 16)), 8, end, expected);
    const found = this.#memo.peek(bytes, 8, end, record);
    const differing = PEEK_FIELDS.filter((key) => record[key] !== expected[key]);
    if (found === verdict && differing.length === 0) return;
    const text = Buffer.from(message).toString('utf8');
    throw new Error(`read in another way: ${found} ${verdict} ${differing.join(' ')} of ${text}`);
  }
}

const BUFFER_BYTES = 16 * 1024;
const memory = createKernelMemory(4 * 1024 * 1024)!;
openKernel(memory, 0, 4 * 1024 * 1024);
const inKernel = Buffer.from(memory.buffer, takeBytes(BUFFER_BYTES).byteOffset, BUFFER_BYTES);

/** One reads where the kernel works, the other elsewhere. */
class Readers {
  readonly #readers = [
    new Reader(inKernel, true),
    new Reader(Buffer.from(new SharedArrayBuffer(BUFFER_BYTES)), false),
  ];

  expectAgreement(message: Uint8Array): void {
    for (const reader of this.#readers) reader.expectAgreement(message);
  }
}

function shapeOf(text: string): MessageShape | null {
  const { bytes, record } = peekText(text);
  const place = new ByteRange(new Uint8Array(8192));
  return MessageShape.of(bytes, 8, bytes.length - 8, record, place, 100);
}

function fill(shape: MessageShape | null, text: string): number {
  const { bytes } = peekText(text);
  return shape?.fill(new ByteRange(bytes), 8, bytes.length - 8, new Peek()) ?? NaN;
}

describe('a remembered shape', () => {
  it.each(SENDERS.filter((text) => text.includes('"add"')))(
    'takes on %s with other values',
    (text) => {
      const shape = shapeOf(text);
      expect(fill(shape, text)).toBe(SHAPE_FITS);
      expect(fill(shape, text.replace('"add"', '"another-name"'))).toBe(SHAPE_FITS);
      expect(fill(shape, text.replace(/"id":[^,}]+/, '"id":"x\\n"'))).toBe(SHAPE_FITS);
      expect(fill(shape, text.replace(/"arguments":\{"a":./, '"arguments":{"é":['))).toBe(
        text.includes('"a":[') ? SHAPE_FITS : SHAPE_DIFFERS_LATE,
      );
    },
  );

  it('takes on answers with other content', () => {
    const [answer] = SENDERS.filter((text) => text.includes('structuredContent'));
    const other = answer!.replace('"42"', '"a longer text"').replace('{"result":42}', '[]');
    expect(fill(shapeOf(answer!), other)).toBe(SHAPE_FITS);
  });

  it('takes on any text as the only content, and any content where there was more than one', () => {
    const answer = (content: string) => `{"jsonrpc":"2.0","id":1,"result":{"content":${content}}}`;
    const one = (text: string) => answer(`[{"type":"text","text":"${text}"}]`);
    const two = answer('[{"type":"text","text":"a"},{"type":"text","text":"b"}]');
    expect(fill(shapeOf(one('a')), one('\\n\u2028\u007fé'))).toBe(SHAPE_FITS);
    expect(fill(shapeOf(one('a')), one(''))).toBe(SHAPE_FITS);
    expect(fill(shapeOf(one('a')), two)).toBe(SHAPE_DIFFERS_LATE);
    expect(fill(shapeOf(one('a')), one('\n'))).toBe(SHAPE_DIFFERS_LATE);
    expect(fill(shapeOf(two), one('a'))).toBe(SHAPE_FITS);
    expect(fill(shapeOf(one('')), answer('[]'))).toBe(SHAPE_FITS);
  });

  it('leaves to the parser what is written in another way or must be refused', () => {
    const text = SENDERS[0]!;
    const shape = shapeOf(text);
    expect(fill(shape, text.replace('"jsonrpc":"2.0","id":7', '"id":7,"jsonrpc":"2.0"'))).toBe(
      SHAPE_DIFFERS,
    );
    for (const name of ['\\u0061', '\u0085', 'x'.repeat(257)])
      expect(fill(shape, text.replace('"add"', `"${name}"`))).toBe(SHAPE_DIFFERS);
    for (const id of ['null', '1.5', '{}', '9007199254740993', '"\\ud800"'])
      expect(fill(shape, text.replace('"id":7', `"id":${id}`))).toBe(SHAPE_DIFFERS);
    expect(fill(shape, text.replace('"a":1', '"a":01'))).toBe(SHAPE_DIFFERS_LATE);
  });

  it('is not made of notifications, errors, batches, messages with line breaks or unusual members', () => {
    expect(shapeOf('{"jsonrpc":"2.0","method":"notifications/progress","params":{}}')).toBeNull();
    expect(shapeOf('{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}')).toBeNull();
    expect(shapeOf('[{"jsonrpc":"2.0","id":1,"method":"ping"}]')).toBeNull();
    expect(shapeOf('{"jsonrpc":"2.0",\n"id":1,"method":"ping"}')).toBeNull();
    expect(shapeOf(SENDERS[0]!.replace('"name"', '\n"name"').replace('{"a"', '{\n"a"'))).toBeNull();
    expect(shapeOf(SENDERS[0]!.replace('"add"', '""'))).toBeNull();
    expect(
      shapeOf('{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"c"}}'),
    ).toBeNull();
  });
});

describe('reading by memory', () => {
  it.each(SENDERS)('agrees with reading at each byte that differs from %s', (text) => {
    const readers = new Readers();
    const original = Buffer.from(text);
    readers.expectAgreement(original);
    for (let at = 0; at < original.length; at += 1) {
      const changed = Buffer.from(original);
      readers.expectAgreement(original);
      for (let byte = 0; byte < 256; byte += 1) {
        changed[at] = byte;
        readers.expectAgreement(changed);
      }
    }
    readers.expectAgreement(original);
  });

  it.each(SENDERS)('agrees with reading wherever %s is cut, or has more in it', (text) => {
    const readers = new Readers();
    readers.expectAgreement(Buffer.from(text));
    for (let at = 0; at <= text.length; at += 1) {
      readers.expectAgreement(Buffer.from(text.slice(0, at)));
      readers.expectAgreement(Buffer.from(text.slice(at)));
      for (const insert of INSERTS) {
        readers.expectAgreement(Buffer.from(text.slice(0, at) + insert + text.slice(at)));
        readers.expectAgreement(Buffer.from(text.slice(0, at) + insert + text.slice(at + 1)));
      }
    }
  });

  it('agrees with reading for all that senders mix and get wrong', () => {
    const readers = new Readers();
    const piece = fc.tuple(fc.constantFrom(...SENDERS), fc.double({ min: 0, max: 1, noNaN: true }));
    const spliced = fc
      .tuple(piece, fc.constantFrom(...INSERTS), piece)
      .map(([[head, cut], insert, [tail, from]]) => {
        const start = head.slice(0, Math.floor(head.length * cut));
        return start + insert + tail.slice(Math.floor(tail.length * from));
      });
    const values = fc
      .tuple(fc.constantFrom(...SENDERS), fc.json({ maxDepth: 3 }), fc.json({ maxDepth: 0 }))
      .map(([text, any, scalar]) =>
        text
          .replace(/"arguments":\{.*?\}/, () => `"arguments":${any}`)
          .replace(/"content":\[.*?\]/, () => `"content":${any}`)
          .replace(/"id":[^,}]+/, () => `"id":${scalar}`)
          .replace(/"(name|uri)":"[^"]*"/, (_, key: string) => `"${key}":${JSON.stringify(any)}`),
      );
    const any = fc.oneof(fc.constantFrom(...SENDERS), messageText, spliced, values);
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 12 }), (texts) => {
        for (const text of texts) {
          readers.expectAgreement(Buffer.from(text));
          readers.expectAgreement(Buffer.from(text));
        }
      }),
      { numRuns: 1500 },
    );
  });

  it('keeps agreeing when more shapes come by than are remembered', () => {
    const readers = new Readers();
    for (let round = 0; round < 60; round += 1) {
      for (let shape = 0; shape < 30; shape += 1) {
        const text = SENDERS[0]!.replace('"version":"1"', `"version":"${shape * round}"`);
        readers.expectAgreement(Buffer.from(text.replace('"id":7', `"id":${round}`)));
      }
    }
  });

  it('agrees about messages too large to be remembered', () => {
    const readers = new Readers();
    const text = SENDERS[0]!.replace('"a":1', `"a":"${'x'.repeat(5000)}"`);
    readers.expectAgreement(Buffer.from(text));
    readers.expectAgreement(Buffer.from(text));
    expect(peekText(text).verdict).toBe(PEEK_OK);
  });

  it('gives its memory back when it is closed', () => {
    // There is room for some ninety of them at once.
    for (let round = 0; round < 200; round += 1) {
      const memo = new PeekMemo(true);
      const text = Buffer.from(SENDERS[0]!);
      for (let time = 0; time < 2; time += 1) {
        expect(memo.peek(text, 0, text.length, new Peek())).toBe(PEEK_OK);
      }
      memo.close();
    }
    expect(takeBytes(64).buffer).toBe(memory.buffer);
  });
});
