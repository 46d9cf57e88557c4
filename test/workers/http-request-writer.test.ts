import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Peek } from '../../src/protocol/jsonrpc/peek-record.ts';
import { peek } from '../../src/protocol/jsonrpc/peek.ts';
import { HttpUpstreamCall } from '../../workers/upstream/http-call.ts';
import { HttpRequestWriter } from '../../workers/upstream/http-request-writer.ts';
import type { HttpUpstream } from '../../workers/upstream/http-upstream.ts';
import { Outgoing } from '../../workers/upstream/outgoing.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const writer = new HttpRequestWriter(
  bytes('POST /up HTTP/1.1\r\nhost: up\r\n'),
  bytes('GET /up HTTP/1.1\r\nhost: up\r\n'),
  bytes('DELETE /up HTTP/1.1\r\nhost: up\r\n'),
);

/** Nothing of it is asked for before a call is sent. */
function newCall(): HttpUpstreamCall {
  const call = new HttpUpstreamCall(null as unknown as HttpUpstream);
  call.idToken = bytes('1234567890123456');
  return call;
}

const METHODS = ['tools/call', 'prompts/get', 'resources/read', 'own'] as const;

function write(call: HttpUpstreamCall, method: (typeof METHODS)[number], length: number): string {
  const text = 'x'.repeat(length);
  if (method === 'own') writer.own(call, null, 'a: b\r\n', bytes(text), bytes(''));
  else {
    const message = bytes(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":{"a":"${text}"}}`);
    const record = new Peek();
    peek(message, 0, message.length, record);
    const outgoing = new Outgoing();
    outgoing.plain(message, 0, message.length, record, call.idToken);
    writer.call(call, null, outgoing);
  }
  return call.request.bytes.toString('latin1', 0, call.request.end);
}

describe('a call object that serves many calls', () => {
  it('has the same request each time as a new one would have', () => {
    const uses = fc.array(
      fc.tuple(fc.constantFrom(...METHODS), fc.constantFrom(0, 9, 10, 500, 3000, 80_000)),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(uses, (all) => {
        const call = newCall();
        for (const [method, length] of all) {
          const request = write(call, method, length);
          expect(request).toBe(write(newCall(), method, length));
          const [head, body] = request.split('\r\n\r\n') as [string, string];
          expect(head).toContain(`\r\ncontent-length: ${body.length}`);
          if (method !== 'own') expect(head).toContain(`\r\nMcp-Method: ${method}\r\n`);
          call.recycle();
        }
      }),
      { numRuns: 200 },
    );
  });
});
