/**
 * Walks the members of one object of a message that `peek` has found to be valid JSON.
 */
import { scan, skipSpace, skipString, skipValue, STRING_ESCAPE } from './token.ts';

const COMMA = 0x2c;
const QUOTE = 0x22;

export class MemberCursor {
  /** The key's string content. */
  keyStart = 0;
  keyEnd = 0;
  keyHasEscape = false;
  /** The value as written. */
  valueStart = 0;
  valueEnd = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** `start` is the object's opening brace, `end` the index after its closing one. */
  open(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start + 1;
    this.#end = end;
  }

  /** Moves to the next member; false after the last one. */
  next(): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = skipSpace(bytes, this.#at, end);
    if (at < end && bytes[at] === COMMA) at = skipSpace(bytes, at + 1, end);
    if (at >= end || bytes[at] !== QUOTE) return false;
    this.keyStart = at + 1;
    at = skipString(bytes, at + 1, end);
    this.keyEnd = at - 1;
    this.keyHasEscape = (scan.string & STRING_ESCAPE) !== 0;
    at = skipSpace(bytes, at, end);
    this.valueStart = skipSpace(bytes, at + 1, end);
    this.valueEnd = skipValue(bytes, this.valueStart, end, 0);
    this.#at = this.valueEnd;
    return this.valueEnd >= 0;
  }
}
