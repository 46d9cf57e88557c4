/** The kernel's reading of a shape and JavaScript's, held against each other. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteRange } from '../../../shared/byte-words.ts';
import {
  createKernelMemory,
  kernelOf,
  openKernel,
  takeBytes,
} from '../../../shared/kernel/byte-kernel.ts';
import {
  MessageShape,
  SHAPE_FITS,
  SHAPE_OVERHEAD_BYTES,
} from '../../../src/protocol/jsonrpc/message-shape.ts';
import { Peek, PEEK_FIELDS } from '../../../src/protocol/jsonrpc/peek-record.ts';
import { peek } from '../../../src/protocol/jsonrpc/peek.ts';
import { OUTLINE_ASKS } from '../../../src/protocol/jsonrpc/shape-outline.ts';
import { PEEK_OK } from '../../../src/protocol/jsonrpc/verdict.ts';

const MEMORY_BYTES = 1024 * 1024;
const memory = createKernelMemory(MEMORY_BYTES)!;
openKernel(memory, 0, MEMORY_BYTES / 2);
const kernel = kernelOf(memory.buffer)!;
/** Begins where nothing is aligned, and ends where the memory does: a load beyond it is a trap. */
const inKernel = new ByteRange(new Uint8Array(memory.buffer, MEMORY_BYTES / 2 + 3));
const elsewhere = new ByteRange(new Uint8Array(inKernel.bytes.length));
const LEARNED_AT = 40;

/** Messages with marks for what the generators put there, and what stands there at first. */
const TEMPLATES: readonly string[] = [
  '{"jsonrpc":"2.0","id":<id>,"method":"tools/call","params":{"name":"<name>","arguments":<value>,"_meta":{"a":1}}}',
  '{"method":"tools/call","params":{"_meta":{"progressToken":<id>,"traceparent":"<name>","baggage":"<name>"},"name":"<name>","arguments":<value>},"jsonrpc":"2.0","id":<id>}',
  '{ "jsonrpc" : "2.0", "id" : <id>, "method" : "resources/read", "params" : { "uri" : "<name>" } }',
  '{"jsonrpc":"2.0","id":<id>,"result":{"content":[{"type":"text","text":"<text>"}],"structuredContent":<value>,"isError":false}}',
  '{"result":{"content":<value>},"id":<id>,"jsonrpc":"2.0"}',
];
const FIRST: Readonly<Record<string, string>> = { id: '7', name: 'n', value: '{}', text: 't' };

function filled(template: string, valueOf: (kind: string) => string): string {
  return template.replace(/<(\w+)>/g, (_, kind: string) => valueOf(kind));
}

/** For what the kernel says when it is asked directly. */
const raw = new Peek();

/** One shape, learned where the kernel works and where it does not. */
class Pair {
  asked = 0;
  read = 0;
  fitted = 0;
  readonly #inKernel: MessageShape;
  readonly #elsewhere: MessageShape;
  readonly #address: number;
  readonly #record = new Peek();
  readonly #expected = new Peek();
  readonly #tail: boolean;

  /** @param atEnd messages are read at the end of the memory */
  constructor(template: string, atEnd = true) {
    const text = Buffer.from(filled(template, (kind) => FIRST[kind]!));
    const end = LEARNED_AT + text.length;
    const room = new ByteRange(takeBytes(SHAPE_OVERHEAD_BYTES + text.length));
    room.bytes.fill(0xee);
    const shapes = [
      [inKernel, room] as const,
      [elsewhere, new ByteRange(new Uint8Array(room.bytes.length))] as const,
    ].map(([range, place]) => {
      range.bytes.set(text, LEARNED_AT);
      const learned = new Peek();
      expect(peek(range.bytes, LEARNED_AT, end, learned)).toBe(PEEK_OK);
      return MessageShape.of(range.bytes, LEARNED_AT, end, learned, place, 0)!;
    });
    this.#inKernel = shapes[0]!;
    this.#elsewhere = shapes[1]!;
    this.#address = room.address;
    expect(room.kernel).toBe(kernel);
    this.#tail = atEnd;
  }

  /** @returns what the kernel said, after it was found to agree */
  readOne(message: Uint8Array): number {
    const start = this.#tail ? inKernel.bytes.length - message.length : 100;
    const end = start + message.length;
    for (const { bytes } of [inKernel, elsewhere]) {
      bytes.set(message, start);
      // What stands behind it would complete what is cut off.
      bytes.set(Buffer.from('"}]}1').subarray(0, bytes.length - end), end);
    }
    const { address } = inKernel;
    const at = address + start;
    const said = kernel.fitMessage(this.#address, address, at, address + end, raw.address);
    const outcome = this.#inKernel.fill(inKernel, start, end, this.#record);
    const expected = this.#elsewhere.fill(elsewhere, start, end, this.#expected);
    const isSame = PEEK_FIELDS.every((key) => this.#record[key] === this.#expected[key]);
    if (outcome !== expected || !isSame || (said !== OUTLINE_ASKS && said !== expected)) {
      const text = Buffer.from(message).toString('latin1');
      throw new Error(`read in another way: ${said} ${outcome} ${expected} of ${text}`);
    }
    this.read += 1;
    if (said === OUTLINE_ASKS) this.asked += 1;
    if (said === SHAPE_FITS) this.fitted += 1;
    return said;
  }
}

/** All strings of 0 to `length` letters. */
function* words(letters: readonly string[], length: number): Generator<string> {
  yield '';
  if (length === 0) return;
  for (const rest of words(letters, length - 1)) {
    for (const letter of letters) yield letter + rest;
  }
}

const VALUE = TEMPLATES[4]!;
const TEXT = TEMPLATES[3]!;
const latin = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('the kernel reads a shape as JavaScript does, or asks', () => {
  it('for all numbers of up to six characters', () => {
    const ids = new Pair('{"jsonrpc":"2.0","id":<id>,"method":"ping"}');
    const values = new Pair(VALUE);
    for (const word of words(['-', '0', '7', '.', 'e', '+'], 6)) {
      ids.readOne(latin(`{"jsonrpc":"2.0","id":${word},"method":"ping"}`));
      values.readOne(latin(filled(VALUE, (kind) => (kind === 'id' ? '7' : word))));
    }
    expect(values.fitted).toBeGreaterThan(500);
    expect(ids.fitted).toBeGreaterThan(50);
  });

  it('for integers around those that are safe, and ids around the longest', () => {
    const pair = new Pair(TEMPLATES[0]!);
    const digits = ['1', '9', '90071992547409'].map((head) => head.padEnd(13, '9'));
    const integers = digits.flatMap((head) =>
      ['', '1', '91', '92', '993', '0000'].map((tail) => head + tail),
    );
    const strings = [254, 255, 256].map((length) => `"${'x'.repeat(length)}"`);
    for (const id of [...integers, ...strings, '"\\n"', '"é"', '"\x7f"', 'null', '{}', '""']) {
      pair.readOne(
        Buffer.from(filled(TEMPLATES[0]!, (kind) => (kind === 'id' ? id : FIRST[kind]!))),
      );
      pair.readOne(
        Buffer.from(filled(TEMPLATES[0]!, (kind) => (kind === 'id' ? `-${id}` : FIRST[kind]!))),
      );
    }
    for (const length of [255, 256, 257, 8192, 8193]) {
      for (const template of [TEMPLATES[0]!, TEMPLATES[2]!]) {
        new Pair(template).readOne(
          latin(filled(template, (kind) => (kind === 'name' ? 'x'.repeat(length) : FIRST[kind]!))),
        );
      }
    }
  });

  it('for all short sequences of tokens, and pieces of them', () => {
    const pair = new Pair(VALUE);
    const letters = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '1',
      'true',
      'fals',
      'null',
      ' ',
      '\n',
    ];
    for (const word of words(letters, 4)) {
      pair.readOne(latin(filled(VALUE, (kind) => (kind === 'id' ? '7' : word))));
      pair.readOne(latin(filled(VALUE, (kind) => (kind === 'id' ? '7' : `[{"a":${word}}]`))));
    }
    expect(pair.fitted).toBeGreaterThan(400);
  });

  it('for all pairs of bytes in a text, and characters of three and four bytes', () => {
    const pair = new Pair(TEXT);
    const fits = (text: string) =>
      pair.readOne(latin(filled(TEXT, (kind) => (kind === 'text' ? text : FIRST[kind]!))));
    const byte = (value: number) => String.fromCharCode(value);
    for (let first = 0; first < 256; first += 1) {
      for (let second = 0; second < 256; second += 1) {
        fits(byte(first) + byte(second));
        fits(`\\${byte(first)}${byte(second)}00f`);
        if (first < 0xe0) continue;
        for (const third of [0x7f, 0x80, 0xa7, 0xa8, 0xa9, 0xaa, 0xbf, 0xc0]) {
          fits(byte(first) + byte(second) + byte(third));
          fits(`${byte(first)}${byte(second)}${byte(third)}\x80`);
          fits(`${byte(first)}${byte(second)}\x80${byte(third)}`);
        }
      }
    }
    expect(pair.fitted).toBeGreaterThan(20_000);
  });

  it('however deep values are nested', () => {
    const pair = new Pair(VALUE);
    const fits = (value: string) =>
      pair.readOne(latin(filled(VALUE, (kind) => (kind === 'id' ? '7' : value))));
    for (let depth = 0; depth < 140; depth += 1) {
      for (const [open, close] of [
        ['[', ']'],
        ['{"a":', '}'],
        ['[{"a":', '}]'],
      ] as const) {
        const value = `${open.repeat(depth)}1${close.repeat(depth)}`;
        const said = fits(value);
        fits(`{"a":${value}]`);
        fits(`[${value}}`);
        if (depth <= 16) expect(said).toBe(SHAPE_FITS);
      }
    }
  });

  it.each([true, false])(
    'wherever a message is cut, or a byte of it differs (at the end: %s)',
    (atEnd) => {
      for (const template of TEMPLATES) {
        const pair = new Pair(template, atEnd);
        const values: Readonly<Record<string, string>> = {
          id: '"a-1"',
          name: 'some name',
          value: '{"a": [1.5, -2e3, "x\\n\\u00e9"], "é" : {"b":null, "c":[]}}',
          text: 'a longer text, with é and \\"escapes\\"',
        };
        const message = Buffer.from(filled(template, (kind) => values[kind]!));
        expect(pair.readOne(message)).toBe(SHAPE_FITS);
        for (let at = 0; at <= message.length; at += 1) {
          pair.readOne(message.subarray(0, at));
          pair.readOne(message.subarray(at));
          if (at === message.length) continue;
          const changed = Buffer.from(message);
          for (let byte = 0; byte < 256; byte += 1) {
            changed[at] = byte;
            pair.readOne(changed);
          }
        }
      }
    },
  );

  it('for values of all kinds, mutated', () => {
    const pairs = TEMPLATES.map((template) => new Pair(template));
    const near = fc.constantFrom(
      ' ',
      '\n',
      '\u2028',
      '\u0085',
      '\x7f',
      '\\',
      '"',
      '\0',
      'é',
      '漢',
      '😀',
      '}',
      '{',
      ',',
      '1',
    );
    const string = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.string({ maxLength: 40 }),
    );
    const json = fc.oneof(
      fc.json({ maxDepth: 5 }),
      fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value, null, 1)),
      fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value).replaceAll(',', ' ,\t')),
      fc.double().map(String),
    );
    const content = string.map((text) => JSON.stringify(text).slice(1, -1));
    const id = fc.oneof(
      fc.integer().map(String),
      content.map((text) => `"${text}"`),
      json,
    );
    const slots = fc.record({
      id,
      name: fc.oneof(
        fc.string({ unit: 'grapheme-ascii' }).map((text) => text.replace(/["\\]/g, '')),
        content,
      ),
      value: json,
      text: content,
    });
    const edits = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(2), near), {
      maxLength: 2,
    });
    fc.assert(
      fc.property(fc.nat(TEMPLATES.length - 1), slots, edits, (index, values, changes) => {
        let text = filled(TEMPLATES[index]!, (kind) => values[kind as keyof typeof values]);
        pairs[index]!.readOne(Buffer.from(text));
        for (const [where, removed, inserted] of changes) {
          const at = Math.floor(where * text.length);
          text = text.slice(0, at) + inserted + text.slice(at + removed);
          pairs[index]!.readOne(Buffer.from(text));
        }
      }),
      { numRuns: 8000 },
    );
    for (const { fitted, asked, read } of pairs) {
      expect(fitted).toBeGreaterThan(read / 20);
      expect(asked).toBeGreaterThan(0);
    }
  });
});

it('the kernel does not ask about what is usual', () => {
  const texts = ['42', '', 'line\\nline', '{\\"a\\": 1}', 'Grüße, 漢字 😀', 'x'.repeat(3000)];
  const values = [
    '{}',
    '{"a":1,"b":2.5}',
    '{"region": "us-west1", "rows": [{"id": -1, "ok": true}, null]}',
    '[]',
    '"\\u00fc"',
    '{"ü":"é"}',
  ];
  const ids = [
    '1',
    '-3',
    '1234567890',
    '1318035000000250',
    '"a-1"',
    '"0b9c7cf0-4a1e-4d9a-b8c5-5f4f3c2d1e0f"',
  ];
  for (const template of TEMPLATES) {
    const pair = new Pair(template, false);
    for (const text of texts)
      for (const value of values)
        for (const id of ids) {
          const slots: Readonly<Record<string, string>> = { id, name: 'execute_sql', value, text };
          pair.readOne(Buffer.from(filled(template, (kind) => slots[kind]!)));
        }
    expect(pair.fitted).toBe(pair.read);
  }
});

it('the kernel is not asked where a message lies elsewhere, or not where it is said to', () => {
  const text = Buffer.from(filled(VALUE, (kind) => FIRST[kind]!));
  const place = new ByteRange(takeBytes(SHAPE_OVERHEAD_BYTES + text.length));
  const range = new ByteRange(Buffer.from(text));
  const record = new Peek();
  peek(range.bytes, 0, text.length, record);
  const shape = MessageShape.of(range.bytes, 0, text.length, record, place, 0)!;
  expect(shape.fill(range, 0, text.length, record)).toBe(SHAPE_FITS);
  // JavaScript finds the end of the bytes by itself.
  inKernel.bytes.set(text, 0);
  const short = new ByteRange(inKernel.bytes.subarray(0, text.length - 1));
  expect(() => shape.fill(short, 0, text.length, record)).toThrow(RangeError);
});
