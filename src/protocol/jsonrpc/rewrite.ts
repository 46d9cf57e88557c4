/**
 * The way out for messages that parsers could read differently: written anew, so that there is one
 * reading left, JavaScript's.
 *
 * Only what the gateway reads changes. Of a listed member (`member.ts`) that occurs twice the last
 * one stays, its key is spelled plainly, and its string value without needless escapes; members at the
 * top level that JSON-RPC does not know are dropped; all else is copied token by token, so numbers of
 * any size and the id survive as they were. The result is one line and has passed `peek`.
 */
import {
  LEVEL_TOP,
  LEVELS_COUNT,
  MEMBERS,
  MEMBER_STRIDE,
  NESTED_LEVEL,
  quotedKey,
  MEMBER_NAMES,
  TOP_ID,
} from './member.ts';
import { MemberCursor } from './member-cursor.ts';
import { asciiBytes } from './key-set.ts';
import { peek } from './peek.ts';
import type { Peek } from './peek-record.ts';
import { singleLineBytes, toSingleLine } from './single-line.ts';
import { skipSpace } from './token.ts';
import { PEEK_INVALID_PARAMS, PEEK_INVALID_REQUEST, PEEK_REWRITE } from './verdict.ts';
import { copyAll, stringToken } from './write.ts';

const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const COMMA = 0x2c;
const COLON = 0x3a;
const QUOTE = 0x22;

/** `"key":` by level and member. */
const KEYS: readonly (readonly Uint8Array[])[] = MEMBER_NAMES.map((names, level) =>
  names.map((_name, member) => asciiBytes(member === 0 ? '' : quotedKey(level, member))),
);

export interface Rewritten {
  /** PEEK_OK, or the fault id of a message that cannot be put right. */
  readonly verdict: number;
  /** The message anew, in any case: the record's offsets, the id's among them, mean this buffer. */
  readonly bytes: Buffer;
}

/**
 * Writes anew the message in `bytes[start, end)`, for which `peek` said PEEK_REWRITE, and peeks the
 * result into `out`.
 *
 * Routed values that cannot be written without escapes (a quote, a backslash or a control character in
 * a name or URI) are refused: what compares bytes would see something else than what parses.
 */
export function rewriteMessage(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Peek,
): Rewritten {
  const target = Buffer.allocUnsafe(singleLineBytes(end - start) + 2);
  const rewriter = new Rewriter(bytes, target);
  rewriter.writeObject(skipSpace(bytes, start, end), end, LEVEL_TOP);
  const written = target.subarray(0, rewriter.at);
  let verdict = peek(written, 0, written.length, out);
  if (verdict === PEEK_REWRITE) {
    verdict = out.methodStart < 0 ? PEEK_INVALID_REQUEST : PEEK_INVALID_PARAMS;
  }
  return { verdict, bytes: Buffer.from(written) };
}

class Rewriter {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #out: Buffer;
  /** Per level, where the value of each member's last occurrence begins. */
  readonly #last: readonly Int32Array[];

  constructor(bytes: Uint8Array, out: Buffer) {
    this.#bytes = bytes;
    this.#out = out;
    this.#last = Array.from({ length: LEVELS_COUNT }, () => new Int32Array(MEMBER_STRIDE));
  }

  writeObject(start: number, end: number, level: number): void {
    const cursor = new MemberCursor();
    const last = this.#last[level]!;
    last.fill(-1);
    cursor.open(this.#bytes, start, end);
    while (cursor.next()) last[this.#memberOf(cursor, level)] = cursor.valueStart;

    this.#put(BRACE_OPEN);
    let isFirst = true;
    cursor.open(this.#bytes, start, end);
    while (cursor.next()) {
      const member = this.#memberOf(cursor, level);
      const isKept = member === 0 ? level !== LEVEL_TOP : last[member] === cursor.valueStart;
      if (!isKept) continue;
      if (!isFirst) this.#put(COMMA);
      isFirst = false;
      this.#writeMember(cursor, level, member);
    }
    this.#put(BRACE_CLOSE);
  }

  /** The number of the listed member whose key this is when decoded, or 0. */
  #memberOf(cursor: MemberCursor, level: number): number {
    const keys = MEMBERS[level]!;
    if (!cursor.keyHasEscape) return keys.find(this.#bytes, cursor.keyStart, cursor.keyEnd);
    return Math.max(0, keys.findLoosely(this.#bytes, cursor.keyStart, cursor.keyEnd));
  }

  #writeMember(cursor: MemberCursor, level: number, member: number): void {
    const { valueStart, valueEnd } = cursor;
    if (member === 0) {
      this.#copy(cursor.keyStart - 1, cursor.keyEnd + 1);
      this.#put(COLON);
      this.#copy(valueStart, valueEnd);
      return;
    }
    this.at = copyAll(KEYS[level]![member]!, this.#out, this.at);
    const nested = NESTED_LEVEL[level * MEMBER_STRIDE + member]!;
    const first = this.#bytes[valueStart];
    if (nested !== 0 && first === BRACE_OPEN) {
      this.writeObject(valueStart, valueEnd, nested);
    } else if (first === QUOTE && !(level === LEVEL_TOP && member === TOP_ID)) {
      this.#writeString(valueStart, valueEnd);
    } else {
      this.#copy(valueStart, valueEnd);
    }
  }

  /** A string in its shortest spelling, as JavaScript reads it. */
  #writeString(start: number, end: number): void {
    const token = Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start);
    const text = JSON.parse(token.toString('utf8')) as string;
    // A lone surrogate has no bytes of its own: such a string is left as it is.
    if (text.isWellFormed()) this.at = copyAll(stringToken(text), this.#out, this.at);
    else this.#copy(start, end);
  }

  #copy(start: number, end: number): void {
    this.at = toSingleLine(this.#bytes, start, end, this.#out, this.at);
  }

  #put(byte: number): void {
    this.#out[this.at] = byte;
    this.at += 1;
  }
}
