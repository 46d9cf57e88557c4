/**
 * The lean client against undici: the same responses, well-formed and broken, cut at random places.
 * Where both take a response they must read the same; the lean client may refuse more, never less.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HttpClient } from '../../../src/transport/http/http-client.ts';
import { LeanHttpClient } from '../../../src/transport/http/lean-http-client.ts';
import { UndiciHttpClient } from '../../support/undici-http-client.ts';
import { optionsFor } from '../../support/http-bench.ts';
import { sendProbe, type Outcome } from '../../support/http-probe.ts';
import { RawServer } from '../../support/raw-server.ts';

interface Script {
  readonly bytes: Buffer;
  readonly cuts: readonly number[];
}

let server: RawServer;
let lean: HttpClient;
let undici: HttpClient;
let script: Script = { bytes: Buffer.alloc(0), cuts: [] };

beforeAll(async () => {
  server = await RawServer.start(async ({ connection }) => {
    const { bytes, cuts } = script;
    let from = 0;
    for (const cut of [...cuts, bytes.length]) {
      if (cut < from) continue;
      connection.write(bytes.subarray(from, cut));
      from = cut;
      await new Promise((resolve) => setImmediate(resolve));
    }
    connection.socket.end();
  });
  lean = new LeanHttpClient(optionsFor(server.url));
  undici = new UndiciHttpClient(optionsFor(server.url));
});

afterAll(async () => {
  await Promise.all([lean.close(), undici.close()]);
  await server.close();
});

async function both(next: Script): Promise<[Outcome, Outcome]> {
  script = next;
  const calls = [
    sendProbe(lean, server.url).outcome,
    sendProbe(undici, server.url).outcome,
  ] as const;
  const outcomes = await Promise.all(calls);
  // A connection that is about to end must not be there for the next round: that call would be in doubt.
  await Promise.all(server.connections.splice(0).map(({ closed }) => closed));
  return [outcomes[0], outcomes[1]];
}

const text = fc.string({
  unit: fc.constantFrom('a', 'b', '\r', '\n', '0', '{', '\xff'),
  maxLength: 60,
});

function chunked(parts: readonly string[], extension: string, trailer: string): string {
  const chunks = parts
    .filter((part) => part !== '')
    .map((part) => `${part.length.toString(16)}${extension}\r\n${part}\r\n`);
  return `${chunks.join('')}0\r\n${trailer}\r\n`;
}

/**
 * A complete, valid response and its body. The connection ends behind it. Left out: an interim response
 * before a body that ends with the connection, which undici takes for cut off.
 */
const responseWith = (extensions: readonly string[]) =>
  fc
    .record({
      status: fc.constantFrom(200, 201, 202, 400, 404, 500),
      fields: fc.array(
        fc.constantFrom(
          'x-a: b\r\n',
          'Server: x/1\r\n',
          'date:\r\n',
          'X-L:  a, b \r\n',
          'connection: close\r\n',
        ),
        { maxLength: 4 },
      ),
      framing: fc.constantFrom('length', 'chunked', 'close'),
      interim: fc.constantFrom(
        '',
        '',
        'HTTP/1.1 102 Processing\r\n\r\n',
        'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n',
      ),
      parts: fc.array(text, { maxLength: 4 }),
      extension: fc.constantFrom(...extensions),
      trailer: fc.constantFrom('', 'x-t: 1\r\n'),
    })
    .map(({ status, fields, framing, interim, parts, extension, trailer }) => {
      const body = parts.join('');
      const before = framing === 'close' ? '' : interim;
      const start = `${before}HTTP/1.1 ${status} Reason\r\n${fields.join('')}`;
      if (framing === 'length')
        return { status, body, response: `${start}content-length: ${body.length}\r\n\r\n${body}` };
      if (framing === 'close') return { status, body, response: `${start}\r\n${body}` };
      return {
        status,
        body,
        response: `${start}transfer-encoding: chunked\r\n\r\n${chunked(parts, extension, trailer)}`,
      };
    });

const cuts = fc.array(fc.nat(300), { maxLength: 4 }).map((list) => list.sort((a, b) => a - b));

/**
 * Something that goes wrong at one place of a response. Not within chunk extensions: undici checks how
 * they are built, we only skip them (RFC 9112 7.1.1), and refuse the bytes that could end a line.
 */
const damage = fc.record({
  at: fc.nat(300),
  remove: fc.nat(3),
  insert: fc.constantFrom(
    '',
    '',
    '\r',
    '\n',
    '\0',
    ' ',
    ':',
    '0',
    'f',
    'x',
    '\r\n',
    'content-length: 3\r\n',
    'transfer-encoding: chunked\r\n',
    '-',
  ),
});

/** undici refuses 100 Continue, and framing fields in trailers, which we drop unread. */
function isKnownDifference(response: string): boolean {
  const end = response.lastIndexOf('0\r\n');
  return response.includes('/1.1 100') || /content-length|transfer-enc/.test(response.slice(end));
}

describe('the lean client beside undici', () => {
  it('reads every well-formed response as undici does, and as it was meant', async () => {
    await fc.assert(
      fc.asyncProperty(
        responseWith(['', ';a', ';a=b']),
        cuts,
        async ({ status, body, response }, places) => {
          const outcomes = await both({ bytes: Buffer.from(response, 'latin1'), cuts: places });
          for (const outcome of outcomes) {
            expect(outcome).toEqual({ status, body, failure: null, executed: -1 });
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('takes no damaged response that undici refuses, and reads none differently', async () => {
    await fc.assert(
      fc.asyncProperty(
        responseWith(['']),
        cuts,
        fc.array(damage, { minLength: 1, maxLength: 2 }),
        async ({ response }, places, damages) => {
          let broken = response;
          for (const { at, remove, insert } of damages) {
            const place = at % (broken.length + 1);
            broken = broken.slice(0, place) + insert + broken.slice(place + remove);
          }
          if (isKnownDifference(broken)) return;
          const [ours, theirs] = await both({ bytes: Buffer.from(broken, 'latin1'), cuts: places });
          if (ours.failure !== null) return; // refused, or cut off: stricter is fine
          expect([theirs.failure, theirs.status, theirs.body]).toEqual([
            null,
            ours.status,
            ours.body,
          ]);
        },
      ),
      { numRuns: 700 },
    );
  });
});
