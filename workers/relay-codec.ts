/**
 * Payload of an OPEN frame between shards: a call (or notification) for a child process that the
 * reader owns.
 *
 *      0               2               4               6        7        8              16
 *      +---------------+---------------+---------------+--------+--------+--------------+---------
 *      | upstream slot | process index | method number | caps   | 0      | session key  | message
 *      +---------------+---------------+---------------+--------+--------+--------------+---------
 *        u16 LE          u16             u16             u8                f64
 *
 * The message is as the process will see it, but for its id and progress token, which the owner sets.
 * Longer messages go on in DATA frames; `aux` of the OPEN frame is the size of the whole message.
 *
 * MESSAGE frames go both ways: from the owner, messages of the process that belong to the call; to the
 * owner (RELAY_TO_OWNER), responses to requests of the process.
 */
export const RELAY_HEAD_BYTES = 16;

/** Bits of `aux` on MESSAGE frames. */
export const RELAY_FIRST = 1;
export const RELAY_LAST = 2;
export const RELAY_TO_OWNER = 4;

/** `aux` of EVENT frames beside the kinds in `shared/event-kind.ts`: tell me what this upstream speaks. */
export const RELAY_ASK_DESCRIPTION = 64;

export interface RelayOpen {
  readonly slot: number;
  readonly process: number;
  readonly methodId: number;
  readonly clientCapabilities: number;
  /** 0: a request of the gateway itself; negative: a caller without a session. */
  readonly sessionKey: number;
  readonly isNotification: boolean;
  readonly message: Buffer;
  readonly length: number;
}

export function writeRelayHead(target: Buffer, at: number, open: RelayOpen): number {
  target.writeUInt16LE(open.slot, at);
  target.writeUInt16LE(open.process, at + 2);
  target.writeUInt16LE(open.methodId, at + 4);
  target[at + 6] = open.clientCapabilities;
  target[at + 7] = 0;
  target.writeDoubleLE(open.sessionKey, at + 8);
  return at + RELAY_HEAD_BYTES;
}
