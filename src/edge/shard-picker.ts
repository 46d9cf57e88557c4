/**
 * Which shard gets a request. A legacy session's shard stands in its id in clear text: the edge reads
 * it without any cryptography, and the shard, which authenticates the whole id, answers 404 to one that
 * lies. Everything else goes to the shard with the fewest open exchanges.
 */

/** What the picker needs to know of a shard. */
export interface PickableShard {
  /** Runs and may be given exchanges. */
  readonly isRunning: boolean;
  readonly openCount: number;
}

/** First byte of a session id: the version of its format (`workers/session/session-id.ts`). */
const SESSION_ID_VERSION = 1;
/** Four bytes, `version, key id, shard u16`, stand in the first six base64url characters. */
const SESSION_HEAD_CHARACTERS = 6;

const BASE64URL_VALUE = new Int8Array(128).fill(-1);
const BASE64URL_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
for (let i = 0; i < 64; i += 1) BASE64URL_VALUE[BASE64URL_ALPHABET.charCodeAt(i)] = i;

/** The shard a session id names, or -1 if it is none of ours. Reads only the id's clear text. */
export function shardOfSessionId(id: string): number {
  if (id.length < SESSION_HEAD_CHARACTERS) return -1;
  let high = 0; // characters 0 to 3: version, key id, high byte of the shard
  for (let i = 0; i < 4; i += 1) {
    const value = BASE64URL_VALUE[id.charCodeAt(i)] ?? -1;
    if (value < 0) return -1;
    high = (high << 6) | value;
  }
  if (high >>> 16 !== SESSION_ID_VERSION) return -1;
  const fifth = BASE64URL_VALUE[id.charCodeAt(4)] ?? -1;
  const sixth = BASE64URL_VALUE[id.charCodeAt(5)] ?? -1;
  if (fifth < 0 || sixth < 0) return -1;
  return ((high & 0xff) << 8) | (fifth << 2) | (sixth >>> 4);
}

/** Picks among shards that run. Ties rotate, so that an idle gateway warms every shard. */
export class ShardPicker {
  readonly #shards: readonly PickableShard[];
  #next = 0;

  constructor(shards: readonly PickableShard[]) {
    this.#shards = shards;
  }

  /**
   * @param sessionId the request's Mcp-Session-Id, empty for none
   * @returns a shard's index, or -1 if none may be given the request now
   */
  pick(sessionId: string): number {
    if (sessionId !== '') {
      const named = shardOfSessionId(sessionId);
      const shard = this.#shards[named];
      // Its sessions died with a shard that is down: any other answers 404, and the client starts anew.
      if (shard !== undefined && shard.isRunning) return named;
    }
    return this.#leastBusy();
  }

  #leastBusy(): number {
    const count = this.#shards.length;
    let best = -1;
    let bestCount = Infinity;
    let index = this.#next;
    for (let i = 0; i < count; i += 1) {
      if (index >= count) index = 0;
      const shard = this.#shards[index];
      if (shard !== undefined && shard.isRunning && shard.openCount < bestCount) {
        best = index;
        bestCount = shard.openCount;
      }
      index += 1;
    }
    if (best >= 0) this.#next = best + 1;
    return best;
  }
}
