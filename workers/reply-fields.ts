import { HEADER_OTHER } from '../shared/header-code.ts';
import { headerFieldBytes, writeHeaderLatin1 } from '../shared/reply-codec.ts';

/** A header block for a reply, encoded once. */
export interface ReplyFields {
  readonly bytes: Buffer;
  readonly count: number;
}

export const NO_FIELDS: ReplyFields = { bytes: Buffer.alloc(0), count: 0 };

/** One field: a known code, or HEADER_OTHER with a lower-case name. */
export type ReplyField = readonly [code: number, value: string, name?: string];

/**
 * Encodes reply header fields.
 * @throws RangeError for a value that cannot travel in a header (controls, beyond Latin-1)
 */
export function replyFields(fields: readonly ReplyField[]): ReplyFields {
  let size = 0;
  for (const [code, value, name] of fields) {
    size += headerFieldBytes(code, code === HEADER_OTHER ? (name ?? '').length : 0, value.length);
  }
  const bytes = Buffer.alloc(size);
  let at = 0;
  for (const [code, value, name] of fields) {
    at = writeHeaderLatin1(bytes, at, code, name ?? null, value);
    if (at < 0) throw new RangeError(`reply field cannot travel: code=${code}`);
  }
  return { bytes, count: fields.length };
}
