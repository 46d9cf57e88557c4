import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKernelMemory, kernelOf, openKernel } from '../../shared/kernel/byte-kernel.ts';
import * as header from '../../shared/header-code.ts';
import {
  OpenHead,
  OpenView,
  headerFieldBytes,
  writeHeader,
  writeHeaderLatin1,
  writeOpenHead,
} from '../../shared/open-codec.ts';

interface Field {
  code: number;
  name: string;
  value: string;
}

const KNOWN = Array.from({ length: header.HEADER_CODES }, (_, code) => code).filter(
  (code) => header.headerName(code) !== '',
);

/** Letters a field value may have, one byte each. */
const valueCharacters = Array.from({ length: 256 }, (_, code) => code)
  .filter((code) => code === 9 || (code >= 0x20 && code !== 0x7f))
  .map((code) => String.fromCharCode(code));

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({
    code: fc.constantFrom(...KNOWN),
    name: fc.constant(''),
    value: fc.string({ unit: fc.constantFrom(...valueCharacters), maxLength: 300 }),
  }),
  fc.record({
    code: fc.constant(header.HEADER_OTHER),
    name: fc.stringMatching(/^[a-z0-9-]{1,255}$/),
    value: fc.string({ unit: fc.constantFrom(...valueCharacters), maxLength: 40 }),
  }),
);

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const head = fc.record({
  method: fc.integer({ min: 1, max: 3 }),
  listener: fc.nat(255),
  endpoint: fc.nat(65_535),
  planNumber: u32,
  deadlineMs: u32,
  arrivalUs: u32,
  peerFamily: fc.constantFrom(0, 4, 6),
  flags: fc.nat(255),
});

const latin1 = (bytes: Uint8Array, start: number, end: number) =>
  Buffer.from(bytes.subarray(start, end)).toString('latin1');

function readFields(view: OpenView): Field[] {
  const fields: Field[] = [];
  for (let at = view.nextHeader(view.headersStart); at >= 0; at = view.nextHeader(at)) {
    fields.push({
      code: view.code,
      name: latin1(view.bytes, view.nameStart, view.nameEnd),
      value: latin1(view.bytes, view.valueStart, view.valueEnd),
    });
  }
  return fields;
}

/** Writes a whole payload at `at` in a buffer of `size` bytes; returns it and where it ends. */
function writePayload(
  at: number,
  parts: Partial<OpenHead>,
  fields: readonly Field[],
  body: Uint8Array,
  asString = true,
): { bytes: Uint8Array; end: number } {
  const block = fields.reduce(
    (sum, { code, name, value }) => sum + headerFieldBytes(code, name.length, value.length),
    0,
  );
  const bytes = new Uint8Array(at + 40 + block + body.length + 5).fill(0xee);
  const open = Object.assign(new OpenHead(), parts, {
    headerCount: fields.length,
    headerBytes: block,
  });
  const peer = Uint8Array.from(
    { length: open.peerFamily === 6 ? 16 : open.peerFamily },
    (_, i) => i + 1,
  );
  let cursor = writeOpenHead(bytes, at, open, peer);
  for (const { code, name, value } of fields) {
    const raw = Buffer.from(`..${value}..`, 'latin1');
    cursor = asString
      ? writeHeaderLatin1(bytes, cursor, code, name, value)
      : writeHeader(bytes, cursor, code, name, raw, 2, raw.length - 2);
    expect(cursor).toBeGreaterThan(0);
  }
  expect(cursor).toBe(at + 40 + block);
  bytes.set(body, cursor);
  return { bytes, end: cursor + body.length };
}

/** A view whose fields the kernel finds, and one whose bytes and fields lie where it does not work. */
const memory = createKernelMemory(256 * 1024)!;
const ordinaryView = new OpenView();
openKernel(memory, 64 * 1024, 192 * 1024);
const kernelView = new OpenView();
const inKernel = new Uint8Array(memory.buffer, 0, 64 * 1024);

/** What a view says of a payload, all of it. */
function told(view: OpenView, bytes: Uint8Array, start: number, end: number): unknown {
  if (!view.reset(bytes, start, end)) return 'malformed';
  const found = KNOWN.map((code) => view.find(code) && [view.valueStart, view.valueEnd]);
  return { found, fields: readFields(view), body: [view.bodyStart, view.bodyEnd] };
}

describe('open codec', () => {
  it('finds the same fields by the kernel and without, in any bytes', () => {
    expect(kernelOf(memory.buffer)).not.toBeNull();
    let sound = 0;
    fc.assert(
      fc.property(
        head,
        fc.array(field, { maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 }),
        fc.nat(30),
        (parts, fields, changes, cut) => {
          const { bytes, end } = writePayload(3, parts, fields, new Uint8Array(9), false);
          for (const [at, byte] of changes) if (at < end) bytes[at] = byte;
          inKernel.fill(0xff);
          inKernel.set(bytes);
          const stop = end - (cut % 3 === 0 ? cut : 0);
          const expected = told(ordinaryView, bytes, 3, Math.max(3, stop));
          expect(told(kernelView, inKernel, 3, Math.max(3, stop))).toEqual(expected);
          if (expected !== 'malformed') sound += 1;
        },
      ),
      { numRuns: 1000 },
    );
    expect(sound).toBeGreaterThan(200);
  });

  it('reads back what was written, wherever it lies', () => {
    fc.assert(
      fc.property(
        fc.nat(40),
        head,
        fc.array(field, { maxLength: 20 }),
        fc.uint8Array({ maxLength: 60 }),
        fc.boolean(),
        (at, parts, fields, body, asString) => {
          const { bytes, end } = writePayload(at, parts, fields, body, asString);
          const view = new OpenView();
          expect(view.reset(bytes, at, end)).toBe(true);
          expect(view).toMatchObject({
            ...parts,
            arrivalUs: parts.arrivalUs | 0,
            headerCount: fields.length,
          });
          expect(readFields(view)).toEqual(fields);
          expect([...bytes.subarray(view.bodyStart, view.bodyEnd)]).toEqual([...body]);
          const address = { 0: 0, 4: 4, 6: 16 }[parts.peerFamily]!;
          expect([...bytes.subarray(view.peerStart, view.peerEnd)]).toEqual(
            Array.from({ length: address }, (_, index) => index + 1),
          );
          for (const code of KNOWN) {
            const first = fields.find((candidate) => candidate.code === code);
            expect(view.find(code)).toBe(first !== undefined);
            if (first !== undefined) {
              expect(latin1(bytes, view.valueStart, view.valueEnd)).toBe(first.value);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('forgets the message before when it is pointed at the next', () => {
    const view = new OpenView();
    const first = writePayload(
      0,
      {},
      [{ code: header.HEADER_ORIGIN, name: '', value: 'a' }],
      new Uint8Array(0),
    );
    expect(view.reset(first.bytes, 0, first.end)).toBe(true);
    expect(view.find(header.HEADER_ORIGIN)).toBe(true);
    const second = writePayload(0, {}, [], new Uint8Array(0));
    expect(view.reset(second.bytes, 0, second.end)).toBe(true);
    expect(view.find(header.HEADER_ORIGIN)).toBe(false);
    expect(view.find(header.HEADER_OTHER)).toBe(false);
    expect(view.nextHeader(view.headersStart)).toBe(-1);
  });

  it('refuses bytes that are no payload, and never reads past their end', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(20),
        fc.boolean(),
        (noise, cut, asHead) => {
          const start = Math.min(cut, noise.length);
          if (asHead && noise.length > start + 40) {
            noise[start] = 1; // a method, and plausible numbers, so that the block is looked at
            noise[start + 19] = 0;
            noise.fill(0, start + 21, start + 24);
          }
          const view = new OpenView();
          if (!view.reset(noise, start, noise.length)) return;
          expect(view.bodyStart).toBeLessThanOrEqual(noise.length);
          const fields = readFields(view);
          expect(fields.length).toBe(view.headerCount);
          expect(view.valueEnd).toBeLessThanOrEqual(noise.length);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('refuses every truncation of a payload but those that only shorten the body', () => {
    const fields = [
      { code: header.HEADER_ORIGIN, name: '', value: 'https://x.example' },
      { code: header.HEADER_OTHER, name: 'mcp-param-region', value: 'eu' },
    ];
    const { bytes, end } = writePayload(0, {}, fields, new Uint8Array(4));
    const view = new OpenView();
    for (let cut = 0; cut <= end; cut += 1) {
      expect(view.reset(bytes, 0, cut)).toBe(cut >= end - 4);
    }
    expect(view.reset(bytes.subarray(0, end), 0, end + 1)).toBe(false);
  });

  it('refuses a block that miscounts its fields, knows no such code, or names a known field', () => {
    const fields = [{ code: header.HEADER_ORIGIN, name: '', value: 'abc' }];
    const view = new OpenView();
    const broken = (index: number, value: number) => {
      const { bytes, end } = writePayload(0, {}, fields, new Uint8Array(0));
      bytes[index] = value;
      return view.reset(bytes, 0, end);
    };
    expect(broken(18, 1)).toBe(true); // as it is
    expect(broken(18, 0)).toBe(false); // too few fields counted
    expect(broken(18, 2)).toBe(false); // too many
    expect(broken(20, 6)).toBe(false); // block shorter than its field
    expect(broken(40, 32)).toBe(false); // a code out of range
    expect(broken(40, header.HEADER_OTHER)).toBe(false); // no name
    expect(broken(41, 1)).toBe(false); // a name for a known code
    expect(broken(0, 0)).toBe(false); // no method
    expect(broken(0, 4)).toBe(false);
  });
});

describe('a header field that cannot travel', () => {
  const bytes = new Uint8Array(70_000);
  it.each(['a\rb', 'a\nb', 'a\0b', 'a\x7fb', 'a\u0100b', 'a\u010ab', '\ud800'])(
    'is refused for its characters: %j',
    (value) => {
      expect(writeHeaderLatin1(bytes, 0, header.HEADER_MCP_NAME, '', value)).toBe(-1);
    },
  );

  it.each(['', 'a b', 'a:b', 'a\n', 'ä', 'a'.repeat(256)])(
    'is refused for its name: %j',
    (name) => {
      expect(writeHeaderLatin1(bytes, 0, header.HEADER_OTHER, name, 'x')).toBe(-1);
      expect(writeHeader(bytes, 0, header.HEADER_OTHER, name, bytes, 0, 1)).toBe(-1);
    },
  );

  it('is refused without a name where it needs one', () => {
    expect(writeHeader(bytes, 0, header.HEADER_OTHER, null, bytes, 0, 1)).toBe(-1);
  });

  it('is refused for its length: 65,536 bytes, or more than there is room', () => {
    expect(writeHeaderLatin1(bytes, 0, header.HEADER_ACCEPT, '', 'x'.repeat(65_535))).toBe(65_539);
    expect(writeHeaderLatin1(bytes, 0, header.HEADER_ACCEPT, '', 'x'.repeat(65_536))).toBe(-1);
    const small = new Uint8Array(10);
    expect(writeHeaderLatin1(small, 0, header.HEADER_ACCEPT, '', 'x'.repeat(6))).toBe(10);
    expect(writeHeaderLatin1(small, 0, header.HEADER_ACCEPT, '', 'x'.repeat(7))).toBe(-1);
    expect(writeHeaderLatin1(small, 1, header.HEADER_ACCEPT, '', 'x'.repeat(6))).toBe(-1);
    expect(writeHeader(small, 0, header.HEADER_OTHER, 'abc', small, 0, 4)).toBe(-1);
  });
});
