import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CHUNK_DATA,
  CHUNK_DONE,
  CHUNK_MALFORMED,
  CHUNK_MORE,
  CHUNK_TOO_LARGE,
  ChunkDecoder,
} from '../../../src/transport/http/chunk-decoder.ts';

const TRAILER_BYTES_MAX = 200;

/** Decodes text that comes cut at the given places: data, what it ended with, and bytes left over. */
function decode(
  decoder: ChunkDecoder,
  text: string,
  cuts: readonly number[] = [],
): [string, number, number] {
  const bytes = Buffer.from(text, 'latin1');
  let data = '';
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    if (cut < from || cut > bytes.length) continue;
    for (let at = from; at < cut; at = decoder.at) {
      const outcome = decoder.next(bytes, at, cut);
      if (outcome === CHUNK_DATA) {
        data += bytes.toString('latin1', decoder.dataStart, decoder.dataEnd);
      } else if (outcome !== CHUNK_MORE) {
        return [data, outcome, bytes.length - decoder.at];
      }
    }
    from = cut;
  }
  return [data, CHUNK_MORE, 0];
}

const decodeNew = (text: string, cuts?: readonly number[]): [string, number, number] =>
  decode(new ChunkDecoder(TRAILER_BYTES_MAX), text, cuts);

const chunk = (data: string, extension = ''): string =>
  `${data.length.toString(16)}${extension}\r\n${data}\r\n`;

describe('the chunk decoder', () => {
  it('gives back any data, however it was chunked and cut, and stops right behind the body', () => {
    const part = fc.tuple(
      fc.string({ unit: fc.constantFrom('a', '\r', '\n', '0', ';'), minLength: 1, maxLength: 40 }),
      fc.constantFrom('', ';', ';a', ';a=b', ';a="b c"', ' '.repeat(0)),
    );
    const trailers = fc.array(fc.constantFrom('x: y\r\n', 'long-name:\r\n', 'a:  b \r\n'), {
      maxLength: 4,
    });
    const cuts = fc.array(fc.nat(400), { maxLength: 20 });
    const decoder = new ChunkDecoder(TRAILER_BYTES_MAX);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), trailers, cuts, (parts, fields, rawCuts) => {
        const body = parts.map(([data, extension]) => chunk(data, extension)).join('');
        const text = `${body}0\r\n${fields.join('')}\r\nrest`;
        decoder.reset();
        const sorted = [...rawCuts].sort((a, b) => a - b);
        const [data, outcome, left] = decode(decoder, text, sorted);
        expect(data).toBe(parts.map(([piece]) => piece).join(''));
        expect(outcome).toBe(CHUNK_DONE);
        expect(left).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1000 },
    );
    expect(decodeNew('2\r\nab\r\n0\r\n\r\nrest')).toEqual(['ab', CHUNK_DONE, 4]);
  });

  it('refuses framing that is not exactly right, wherever it is cut', () => {
    const refused = [
      '\r\n',
      'g\r\n',
      '-1\r\n',
      ' 1\r\na\r\n',
      '1 \r\na\r\n',
      '0x1\r\na\r\n',
      '1\na\r\n',
      '1\r\rna\r\n',
      '1\r\nab\r\n',
      '1\r\na\n0\r\n\r\n',
      '1\r\na\rb',
      '1;a\nb\r\na\r\n',
      '1;\x00\r\na\r\n',
      '00000000000001\r\na\r\n',
      'ffffffffffffffff\r\na',
      '0\r\nno colon\r\n\r\n',
      '0\r\n: x\r\n\r\n',
      '0\r\n folded\r\n\r\n',
      '0\r\na: \x00\r\n\r\n',
      '0\r\na: b\n\r\n',
      '0\r\n\rx',
    ];
    for (const text of refused) {
      expect([text, decodeNew(text)[1]]).toEqual([text, CHUNK_MALFORMED]);
      const everywhere = Array.from({ length: text.length }, (_, at) => at);
      expect([text, decodeNew(text, everywhere)[1]]).toEqual([text, CHUNK_MALFORMED]);
    }
  });

  it('bounds extensions over the whole body, and trailers', () => {
    const extended = chunk('a', `;${'x'.repeat(4000)}`);
    expect(decodeNew(extended.repeat(4))[1]).toBe(CHUNK_MORE);
    expect(decodeNew(extended.repeat(5))[1]).toBe(CHUNK_TOO_LARGE);
    expect(decodeNew(`0\r\na: ${'x'.repeat(100)}\r\n\r\n`)[1]).toBe(CHUNK_DONE);
    expect(decodeNew(`0\r\na: ${'x'.repeat(200)}\r\n\r\n`)[1]).toBe(CHUNK_TOO_LARGE);
  });
});
