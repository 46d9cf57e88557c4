/**
 * JSON-RPC ids of our own towards upstreams: integers of 16 digits, a random prefix of 7 and a counter
 * of 9. Within 2^53, so every server reads them as one number; unlikely to occur by chance in a result
 * that streams through, where the id is found by its bytes.
 */
import { randomInt } from 'node:crypto';
import { ByteRange, equalRanges } from '../../shared/byte-words.ts';
import { equalsAt } from '../../src/protocol/jsonrpc/key-set.ts';

const PREFIX_MIN = 1_000_000;
/** 9,007,198 999999999 is below 2^53 - 1. */
const PREFIX_MAX = 9_007_198;
const COUNTER_DIGITS = 9;
const COUNTER_MAX = 1_000_000_000;
export const CALL_ID_DIGITS = 16;
const ZERO = 0x30;
const NINE = 0x39;

export class CallIds {
  /** Digits of the id given out last. */
  readonly #digits: Buffer;
  readonly #view: DataView;
  #counter = 0;

  constructor() {
    const range = new ByteRange(firstDigits());
    this.#digits = range.bytes as Buffer;
    this.#view = range.view;
  }

  /** Writes the next id's digits into `out`; returns the counter, which identifies the call here. */
  next(out: Buffer): number {
    const counter = this.#count();
    this.#digits.copy(out);
    return counter;
  }

  /** The same for a token that serves many calls: a word at a time. */
  nextInto(token: ByteRange): void {
    const from = this.#view;
    const to = token.view;
    this.#count();
    for (let at = 0; at < CALL_ID_DIGITS; at += 4) to.setInt32(at, from.getInt32(at, true), true);
  }

  /** Sets the digits of the next id. */
  #count(): number {
    const digits = this.#digits;
    this.#counter += 1;
    if (this.#counter >= COUNTER_MAX) {
      this.#counter = 1;
      firstDigits().copy(digits);
    }
    // Counts in decimal: nine of ten times one digit changes.
    let at = CALL_ID_DIGITS - 1;
    while (digits[at] === NINE) {
      digits[at] = ZERO;
      at -= 1;
    }
    digits[at]! += 1;
    return this.#counter;
  }
}

/** The counter in an id token, or -1 for anything that is no id of ours in form. */
export function callCounter(bytes: Uint8Array, start: number, end: number): number {
  if (end - start !== CALL_ID_DIGITS) return -1;
  let counter = 0;
  for (let i = end - COUNTER_DIGITS; i < end; i += 1) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) return -1;
    counter = counter * 10 + digit;
  }
  return counter;
}

/** True if the bytes are the digits of this id. */
export function isCallId(
  token: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  return end - start === token.length && equalsAt(bytes, start, token);
}

/** Whether `range` has the digits of this token in `[start, end)`. */
export function isCallToken(
  token: ByteRange,
  range: ByteRange,
  start: number,
  end: number,
): boolean {
  return end - start === CALL_ID_DIGITS && equalRanges(token, 0, range, start, CALL_ID_DIGITS);
}

/** A token that serves many calls. */
export function newCallToken(): ByteRange {
  return new ByteRange(Buffer.allocUnsafeSlow(CALL_ID_DIGITS));
}

/** A new prefix, and a counter of zero. */
function firstDigits(): Buffer {
  const prefix = String(randomInt(PREFIX_MIN, PREFIX_MAX));
  return Buffer.from(prefix.padEnd(CALL_ID_DIGITS, '0'), 'latin1');
}
