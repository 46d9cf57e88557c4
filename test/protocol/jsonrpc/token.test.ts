import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JSON_DEPTH_MAX } from '../../../shared/limits.ts';
import {
  FAIL_DEPTH,
  FAIL_PARSE,
  scan,
  skipSpace,
  skipValue,
} from '../../../src/protocol/jsonrpc/token.ts';

/** Whether `bytes` hold exactly one JSON value, by our scanner. */
function accepts(bytes: Uint8Array): boolean {
  const at = skipValue(bytes, skipSpace(bytes, 0, bytes.length), bytes.length, 0);
  return at >= 0 && skipSpace(bytes, at, bytes.length) === bytes.length;
}

/** The same by what the platform offers. */
function isJson(bytes: Uint8Array): boolean {
  if (!isUtf8(bytes)) return false;
  try {
    JSON.parse(Buffer.from(bytes).toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

describe('the JSON scanner', () => {
  const accepted = [
    '0',
    '-0',
    '1.5',
    '-1.5e+10',
    '1E5',
    '10',
    '1e-7',
    '""',
    '"a"',
    '"\\u0041\\n\\/\\""',
    '"é漢😀"',
    'true',
    'false',
    'null',
    '[]',
    '{}',
    '[[],{}]',
    '{"a":[1,2,{"b":null}]}',
    ' \t\r\n[ 1 , 2 ] ',
    '"\\ud800"',
    '"\u007f"',
  ];
  const refused = [
    '',
    ' ',
    '01',
    '-',
    '+1',
    '.5',
    '1.',
    '1.e5',
    '1e',
    '1e+',
    '0x10',
    'NaN',
    'Infinity',
    'tru',
    'truee',
    'True',
    'nul',
    'nulll',
    'fals',
    'falsee',
    '"',
    '"a',
    '"\\',
    '"\\u12',
    '"\\u12g4"',
    '"\\x41"',
    '"\n"',
    '"\t"',
    '"\u0000"',
    "'a'",
    '[',
    '[1',
    '[1,',
    '[1,]',
    '[,1]',
    '[1 2]',
    '[1]]',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{a:1}',
    '{1:1}',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '{"a":1}}',
    '{]',
    '[}',
    '[{]',
    '[1}',
    '//x',
    '1 1',
    '\u000b1',
    '\u00a01',
    '\ufeff1',
    '\ufeff{}',
  ];
  it.each(accepted)('accepts %j', (text) => {
    expect(accepts(Buffer.from(text))).toBe(true);
    expect(isJson(Buffer.from(text))).toBe(true);
  });
  it.each(refused)('refuses %j', (text) => {
    expect(accepts(Buffer.from(text))).toBe(false);
    expect(isJson(Buffer.from(text))).toBe(false);
  });

  const badUtf8: Record<string, number[]> = {
    'a lone tail byte': [0x80],
    'a lead byte alone': [0xc3],
    'two bytes for an ASCII character': [0xc1, 0xa2],
    'three bytes for a two byte character': [0xe0, 0x80, 0xa2],
    'four bytes for a three byte character': [0xf0, 0x80, 0x82, 0xa2],
    'a surrogate': [0xed, 0xa0, 0x80],
    'a code point past the last': [0xf4, 0x90, 0x80, 0x80],
    'a byte that is never used': [0xff],
    'a character cut short by the quote': [0xe2, 0x82],
  };
  it.each(Object.entries(badUtf8))('refuses %s inside of a string', (_what, raw) => {
    const bytes = Buffer.from([0x22, ...raw, 0x22]);
    expect(accepts(bytes)).toBe(false);
    expect(isUtf8(bytes)).toBe(false);
  });

  it('takes as many levels as a message may have, and not one more', () => {
    const nested = (depth: number) => Buffer.from('['.repeat(depth) + ']'.repeat(depth));
    const deep = nested(JSON_DEPTH_MAX);
    expect(skipValue(deep, 0, deep.length, 0)).toBe(deep.length);
    const tooDeep = nested(JSON_DEPTH_MAX + 1);
    expect(skipValue(tooDeep, 0, tooDeep.length, 0)).toBe(FAIL_DEPTH);
    const objects = Buffer.from('{"a":'.repeat(JSON_DEPTH_MAX + 1) + '1');
    expect(skipValue(objects, 0, objects.length, 0)).toBe(FAIL_DEPTH);
  });

  it('sees an odd byte at any place of a string of any length', () => {
    for (const odd of ['\\', '"', '\n', '\u0085', '\\u0041', 'é', '\u0000']) {
      for (let before = 0; before < 50; before += 1) {
        for (const after of [0, 1, 7, 8, 30]) {
          const bytes = Buffer.from(`"${'x'.repeat(before)}${odd}${'x'.repeat(after)}"`);
          scan.lineBreak = 0;
          expect(accepts(bytes)).toBe(isJson(bytes));
          if (odd === '\u0085') expect(scan.lineBreak).toBe(1);
        }
      }
    }
  });

  it('ends at `end` though the buffer goes on', () => {
    const bytes = Buffer.from('[1,2]  "abc" é12');
    for (const end of [1, 2, 3, 4]) expect(skipValue(bytes, 0, end, 0)).toBe(FAIL_PARSE);
    expect(skipValue(bytes, 0, 5, 0)).toBe(5);
    for (const end of [8, 9, 10, 11]) expect(skipValue(bytes, 7, end, 0)).toBe(FAIL_PARSE);
    expect(skipValue(bytes, 7, 12, 0)).toBe(12);
  });

  it('notes line breaks between tokens and separators inside of strings', () => {
    const breaks = (text: string) => {
      scan.lineBreak = 0;
      accepts(Buffer.from(text));
      return scan.lineBreak;
    };
    expect(breaks('{"a": "b\\n\\u2028"}')).toBe(0);
    expect(breaks('{"a":\n1}')).toBe(1);
    expect(breaks('{"a":1}\r')).toBe(1);
    for (const separator of ['\u0085', '\u2028', '\u2029']) {
      expect(breaks(`{"a":"${separator}"}`)).toBe(1);
      expect(breaks(`{"a${separator}":1}`)).toBe(1);
    }
    expect(breaks('{"a":"\u0084\u2027\u202a"}')).toBe(0);
  });

  it('agrees with the platform on JSON, on JSON with flipped bytes, and on noise', () => {
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 5 }),
        fc.array(
          fc.tuple(
            fc.nat(),
            fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('{}[]",:\\eE.-+0u \n'))),
          ),
          { maxLength: 3 },
        ),
        (text, edits) => {
          const bytes = Buffer.from(text);
          for (const [place, byte] of edits) bytes[place % bytes.length] = byte;
          expect(accepts(bytes)).toBe(isJson(bytes));
        },
      ),
      { numRuns: 3000 },
    );
    fc.assert(
      // Short strings and long ones are read by different loops.
      fc.property(
        fc.uint8Array({ maxLength: 6 }),
        fc.nat(80),
        fc.nat(20),
        (noise, before, after) => {
          const pad = (length: number) => Buffer.alloc(length, 'x');
          const quote = Buffer.from('"');
          const bytes = Buffer.concat([quote, pad(before), noise, pad(after), quote]);
          expect(accepts(bytes)).toBe(isJson(bytes));
        },
      ),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...'{}[]",:\\u0e-.1tn ')), (letters) => {
        const bytes = Buffer.from(letters.join(''));
        expect(accepts(bytes)).toBe(isJson(bytes));
      }),
      { numRuns: 3000 },
    );
  });
});
