import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  HEADER_CLIENT_CERT,
  HEADER_CODES,
  HEADER_HOST,
  HEADER_OTHER,
  headerCode,
  headerName,
} from '../../shared/header-code.ts';

const codes = Array.from({ length: HEADER_CODES }, (_, code) => code).filter(
  (code) => headerName(code) !== '',
);

it('finds the code of each name, but takes no word of a client for what the edge vouches for', () => {
  expect(codes.length).toBe(21);
  const vouched = [HEADER_CLIENT_CERT, HEADER_HOST];
  for (const code of codes) {
    const found = headerCode(headerName(code));
    expect(found).toBe(vouched.includes(code) ? HEADER_OTHER : code);
  }
});

it('takes no other name for a known one', () => {
  expect(headerCode('')).toBe(HEADER_OTHER);
  for (const code of codes) {
    const name = headerName(code);
    for (const wrong of [`${name}x`, name.slice(1), name.toUpperCase(), `${name.slice(0, -1)}_`]) {
      expect(headerCode(wrong)).toBe(HEADER_OTHER);
    }
  }
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (name) => {
      const code = headerCode(name);
      expect(code === HEADER_OTHER || headerName(code) === name).toBe(true);
    }),
  );
});

it('has no name for codes that are free', () => {
  for (const code of [HEADER_OTHER, 15, 19, 27, 31, 32, -1]) expect(headerName(code)).toBe('');
});
