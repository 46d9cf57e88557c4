import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FAULTS } from '../../shared/fault.ts';
import type { FaultCode } from '../../shared/fault.ts';
import {
  faultBody,
  faultEvents,
  faultHeaders,
  faultReplyBody,
  splitIds,
} from '../../src/edge/fault-reply.ts';

const parse = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));
const id = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.double({ noNaN: true }));

describe('the ids of an IDS frame', () => {
  it('are split where a JSON parser splits them, and not changed', () => {
    fc.assert(
      fc.property(fc.array(id, { minLength: 1 }), fc.constantFrom(0, 1), (ids, indent) => {
        const finite = ids.filter((value) => typeof value === 'string' || Number.isFinite(value));
        const array = JSON.stringify(finite, null, indent);
        expect(splitIds(array)).toEqual(finite.map((value) => JSON.stringify(value)));
      }),
    );
    expect(splitIds('[9007199254740993, 1.0]')).toEqual(['9007199254740993', '1.0']);
  });
});

describe('a fault', () => {
  it('is one JSON-RPC error without an id, made once', () => {
    for (const code of Object.keys(FAULTS) as FaultCode[]) {
      const { rpc, message } = FAULTS[code];
      expect(parse(faultBody(code))).toEqual({
        jsonrpc: '2.0',
        id: null,
        error: { code: rpc, message },
      });
      expect(faultBody(code)).toBe(faultBody(code));
    }
  });

  it('names the ids of the client, as an array for a batch', () => {
    expect(parse(faultReplyBody('SHARD_LOST', ['"a"'], false))).toMatchObject({ id: 'a' });
    expect(parse(faultReplyBody('SHARD_LOST', ['1', '2'], true))).toMatchObject([
      { id: 1 },
      { id: 2 },
    ]);
    expect(parse(faultReplyBody('SHARD_LOST', [], true))).toMatchObject({ id: null });
  });

  it('says when to come back where that helps', () => {
    expect(faultHeaders('BUSY')).toEqual(['retry-after', '1']);
    expect(faultHeaders('PATH_NOT_FOUND')).toEqual([]);
  });

  it('within a stream is an event, and no event if nobody waits for an answer', () => {
    expect(new TextDecoder().decode(faultEvents('SHARD_LOST', [], true))).toBe('');
    const text = new TextDecoder().decode(faultEvents('SHARD_LOST', ['1'], false));
    expect(text).toMatch(/^\nevent: cut\n\nevent: message\ndata: \{.*\}\n\n$/);
  });
});
