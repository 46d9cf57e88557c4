import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAULTS, type FaultCode } from '../../../shared/fault.ts';
import {
  faultBytes,
  faultResponse,
  writeFault,
} from '../../../src/protocol/jsonrpc/fault-response.ts';
import {
  callBytes,
  copyBytes,
  errorBytes,
  resultBytes,
  stringToken,
  writeError,
  writeInteger,
  writeNotification,
  writeRequest,
  writeResult,
} from '../../../src/protocol/jsonrpc/write.ts';

/** Runs a writer on a buffer of exactly the room it asked for, and parses what it wrote. */
function written(room: number, write: (out: Buffer) => number): unknown {
  const out = Buffer.alloc(room);
  const end = write(out);
  expect(end).toBeLessThanOrEqual(room);
  return JSON.parse(out.toString('utf8', 0, end));
}

const id = Buffer.from('##"a\\u0062"##');

describe('the message writers', () => {
  it('write results, errors, requests and notifications', () => {
    const result = Buffer.from('{"tools":[]}');
    expect(
      written(resultBytes(9, result.length), (out) => writeResult(out, 0, id, 2, 11, result)),
    ).toEqual({
      jsonrpc: '2.0',
      id: 'ab',
      result: { tools: [] },
    });
    const message = stringToken('no "such" thing');
    const data = Buffer.from('[1]');
    const room = errorBytes(9, message.length, data.length);
    expect(written(room, (out) => writeError(out, 0, id, 2, 11, -32601, message, data))).toEqual({
      jsonrpc: '2.0',
      id: 'ab',
      error: { code: -32601, message: 'no "such" thing', data: [1] },
    });
    expect(written(room, (out) => writeError(out, 0, null, -1, -1, -1, message, null))).toEqual({
      jsonrpc: '2.0',
      id: null,
      error: { code: -1, message: 'no "such" thing' },
    });
    const method = Buffer.from('ping');
    const params = Buffer.from('{"a":1}');
    const callRoom = callBytes(9, method.length, params.length);
    expect(written(callRoom, (out) => writeRequest(out, 0, id, 2, 11, method, params))).toEqual({
      jsonrpc: '2.0',
      id: 'ab',
      method: 'ping',
      params: { a: 1 },
    });
    expect(written(callRoom, (out) => writeRequest(out, 0, id, 2, 11, method, null))).toEqual({
      jsonrpc: '2.0',
      id: 'ab',
      method: 'ping',
    });
    expect(written(callRoom, (out) => writeNotification(out, 0, method, params))).toEqual({
      jsonrpc: '2.0',
      method: 'ping',
      params: { a: 1 },
    });
  });

  it('write any text as one line of JSON', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\u2028\u2029\u0085', '\u0000\u001f"\\/', '\u007f'),
    );
    fc.assert(
      fc.property(text, (text) => {
        const token = stringToken(text).toString();
        expect(JSON.parse(token)).toBe(text.toWellFormed());
        expect(token).not.toMatch(/[\u0000-\u001f\u0085\u2028\u2029]/);
      }),
    );
  });

  it('write any safe integer', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.constantFrom(0, 9, 10, 99, 100)),
        (value) => {
          const out = Buffer.alloc(20);
          expect(out.toString('latin1', 0, writeInteger(value, out, 0))).toBe(String(value));
        },
      ),
    );
  });
});

describe('a copy', () => {
  it('has all bytes of the span and leaves those around it alone, at any length', () => {
    const source = Buffer.from(Array.from({ length: 512 }, (_, index) => (index * 7 + 1) & 0xff));
    for (let length = 0; length <= 400; length += 1) {
      const out = Buffer.alloc(420, 0xee);
      expect(copyBytes(source, 5, 5 + length, out, 3)).toBe(3 + length);
      expect(out.subarray(3, 3 + length)).toEqual(source.subarray(5, 5 + length));
      expect(out.subarray(0, 3)).toEqual(Buffer.alloc(3, 0xee));
      expect(out.subarray(3 + length)).toEqual(Buffer.alloc(417 - length, 0xee));
    }
  });
});

describe('a fault on the wire', () => {
  it.each(Object.keys(FAULTS) as FaultCode[])('%s has its code and message', (code) => {
    const response = JSON.parse(faultResponse(code, Buffer.from('7')).toString()) as unknown;
    const { rpc, message } = FAULTS[code];
    expect(response).toEqual({ jsonrpc: '2.0', id: 7, error: { code: rpc, message } });
  });

  it('carries detail and data, and null for an id that nobody could read', () => {
    const response = faultResponse('INVALID_PARAMS', null, 'missing "name"', '{"a":[1]}');
    expect(JSON.parse(response.toString())).toEqual({
      jsonrpc: '2.0',
      id: null,
      error: { code: -32602, message: 'invalid params: missing "name"', data: { a: [1] } },
    });
  });

  it('never needs more room than it says', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 2000 }),
        fc.boolean(),
        (detail, hasData) => {
          const data = hasData ? Buffer.from('{"x":1}') : null;
          const room = faultBytes(9, detail, data?.length ?? 0);
          const response = written(room, (out) =>
            writeFault(out, 0, 'INVALID_REQUEST', id, 2, 11, detail, data),
          );
          expect(response).toMatchObject({ id: 'ab', error: { code: -32600 } });
        },
      ),
    );
  });
});
