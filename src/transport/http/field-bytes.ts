/** Which bytes HTTP allows where, as tables of 256 entries: 1 for allowed (RFC 9110 5.5, 5.6.2). */

/** A `token`: field names, methods. */
export const FIELD_TOKEN: Uint8Array = new Uint8Array(256);
/** A field value or reason phrase: visible characters, space, tab, and bytes above ASCII. */
export const FIELD_VALUE: Uint8Array = new Uint8Array(256);

const TOKEN_MARKS = "!#$%&'*+-.^_`|~";

for (let byte = 0x21; byte < 0x7f; byte += 1) {
  const isDigit = byte >= 0x30 && byte <= 0x39;
  const isLetter = (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
  if (isDigit || isLetter || TOKEN_MARKS.includes(String.fromCharCode(byte))) FIELD_TOKEN[byte] = 1;
}
for (let byte = 0; byte < 256; byte += 1) {
  if (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)) FIELD_VALUE[byte] = 1;
}

/** True if the bytes are `lowerCase` but for the case of ASCII letters. */
export function equalsFold(bytes: Buffer, start: number, end: number, lowerCase: Buffer): boolean {
  if (end - start !== lowerCase.length) return false;
  for (let i = 0; i < lowerCase.length; i += 1) {
    const byte = bytes[start + i] as number;
    const expected = lowerCase[i] as number;
    if (byte === expected) continue;
    const isUpper = byte >= 0x41 && byte <= 0x5a;
    if (!isUpper || byte + 0x20 !== expected) return false;
  }
  return true;
}
