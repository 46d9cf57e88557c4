/**
 * Whether all parsers read the same in a value that the gateway passes on but somebody has a rule on:
 * tool arguments. `peek` has found it to be valid JSON.
 *
 * A member that occurs twice is read as its first or its last value, depending on the parser; members
 * that differ by letter case only are one to parsers that ignore case. Who decides by what stands in
 * arguments refuses those that are not unambiguous, and compares names folded by `foldMemberName`.
 */
import { skipSpace, skipString } from './token.ts';

/** Members looked at before a value counts as ambiguous: a rule is no place for bulk data. */
const MEMBERS_MAX = 16_384;

const QUOTE = 0x22;
const COLON = 0x3a;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/** Whether no object within the valid JSON `bytes[start, end)` has two members of one folded name. */
export function isUnambiguous(bytes: Uint8Array, start: number, end: number): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const open: Set<string>[] = [];
  let members = 0;
  let at = start;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === BRACE_OPEN) open.push(new Set());
    else if (byte === BRACE_CLOSE) open.pop();
    if (byte !== QUOTE) {
      at += 1;
      continue;
    }
    const next = skipString(bytes, at + 1, end);
    const after = skipSpace(bytes, next, end);
    if (after < end && bytes[after] === COLON) {
      const name = foldMemberName(JSON.parse(buffer.toString('utf8', at, next)) as string);
      const names = open[open.length - 1]!;
      members += 1;
      if (names.has(name) || members > MEMBERS_MAX) return false;
      names.add(name);
    }
    at = next;
  }
  return true;
}

/** A member's name as a parser that ignores letter case, or stops at NUL, may read it. */
export function foldMemberName(name: string): string {
  const end = name.indexOf('\0');
  const read = end < 0 ? name : name.slice(0, end);
  return read
    .toLowerCase()
    .replaceAll('\u017f', 's')
    .replaceAll('i\u0307', 'i')
    .replaceAll('\u0131', 'i');
}
