/** simdjson as an oracle of what JSON is. It is an optional package: without it this suite says so and is skipped. */
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PEEK_OK, Peek, peek } from '../../../src/protocol/jsonrpc/peek.ts';

interface Validator {
  isValid(text: string): boolean;
  lazyParse?: unknown;
}

function load(): Validator | null {
  try {
    const found = createRequire(import.meta.url)('simdjson') as Validator;
    // Not built, the package answers with a changed global JSON.
    return typeof found.lazyParse === 'function' ? found : null;
  } catch {
    return null;
  }
}

const simdjson = load();

/** What is JSON by RFC 8259 and simdjson refuses all the same: numbers no 64 bits hold, lone surrogates. */
const BEYOND = /\d{16}|[eE][+-]?\d{2}|\\u[dD]/;

describe.skipIf(simdjson === null)(
  'the scanner and simdjson (skipped where simdjson is not built)',
  () => {
    const record = new Peek();
    const accepts = (bytes: Buffer): boolean => peek(bytes, 0, bytes.length, record) === PEEK_OK;
    const call = (args: string): Buffer =>
      Buffer.from(
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":${args}}}`,
      );

    it('agree on any JSON value as arguments', () => {
      fc.assert(
        fc.property(fc.json({ maxDepth: 6 }), (json) => {
          fc.pre(!BEYOND.test(json));
          const bytes = call(json);
          expect(accepts(bytes)).toBe(true);
          expect(simdjson?.isValid(bytes.toString())).toBe(true);
        }),
      );
    });

    it('agree on damaged JSON: nothing that simdjson refuses is accepted', () => {
      const damage = fc.tuple(fc.nat(), fc.constantFrom(...'{}[]",:\\\u0001 0e+-.tfn'));
      fc.assert(
        fc.property(fc.json({ maxDepth: 4 }), fc.array(damage, { maxLength: 3 }), (json, edits) => {
          let text = json;
          for (const [at, by] of edits) {
            const place = at % (text.length + 1);
            text = text.slice(0, place) + by + text.slice(place + 1);
          }
          fc.pre(!BEYOND.test(text));
          const bytes = call(text);
          if (accepts(bytes)) expect(simdjson?.isValid(bytes.toString()), text).toBe(true);
        }),
        { numRuns: 2000 },
      );
    });
  },
);
