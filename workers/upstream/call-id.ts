/**
 * JSON-RPC ids of our own towards upstreams: integers of 16 digits, a random prefix of 7 and a counter
 * of 9. Within 2^53, so every server reads them as one number; unlikely to occur by chance in a result
 * that streams through, where the id is found by its bytes.
 */
import { randomInt } from 'node:crypto';
import { equalsAt } from '../../src/protocol/jsonrpc/key-set.ts';

const PREFIX_MIN = 1_000_000;
/** 9,007,198 999999999 is below 2^53 - 1. */
const PREFIX_MAX = 9_007_198;
const COUNTER_DIGITS = 9;
const COUNTER_MAX = 1_000_000_000;
export const CALL_ID_DIGITS = 16;

export class CallIds {
  #prefix: Buffer;
  #counter = 0;

  constructor() {
    this.#prefix = newPrefix();
  }

  /** Writes the next id's digits into `out`; returns the counter, which identifies the call here. */
  next(out: Buffer): number {
    this.#counter += 1;
    if (this.#counter >= COUNTER_MAX) {
      this.#counter = 1;
      this.#prefix = newPrefix();
    }
    const prefix = this.#prefix;
    for (let i = 0; i < 7; i += 1) out[i] = prefix[i] as number;
    let rest = this.#counter;
    for (let i = CALL_ID_DIGITS - 1; i >= CALL_ID_DIGITS - COUNTER_DIGITS; i -= 1) {
      const tens = (rest / 10) | 0;
      out[i] = 48 + rest - tens * 10;
      rest = tens;
    }
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

function newPrefix(): Buffer {
  return Buffer.from(String(randomInt(PREFIX_MIN, PREFIX_MAX)), 'latin1');
}
