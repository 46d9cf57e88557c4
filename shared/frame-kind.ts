/**
 * The closed list of frame kinds. Numbers cross threads (and, recorded, processes): never reused.
 *
 * | kind    | from → to                  | payload                             | aux                   |
 * |---------|----------------------------|-------------------------------------|-----------------------|
 * | OPEN    | edge → shard, shard → peer | open head, header fields, body      | body bytes in all     |
 * | DATA    | either way                 | body bytes                          | 0                     |
 * | CREDIT  | receiver → sender of DATA  | none                                | bytes it may send more|
 * | CANCEL  | opener → other             | none                                | a cancel reason       |
 * | HEAD    | shard → edge               | reply head, header fields, body     | body bytes, or 0      |
 * | IDS     | shard → edge               | JSON array of JSON-RPC ids          | 1 for those of a batch|
 * | ABORT   | shard → edge, peer → shard | none                                | fault id              |
 * | MESSAGE | peer → shard, both ways    | part of one JSON-RPC message        | MESSAGE_* bits        |
 * | EVENT   | shard → peer               | event head and body (`event-kind`)  | event kind            |
 *
 * A message that does not fit one frame travels in several; `FLAG_FIN` stands on the last one.
 * Every exchange ends with exactly one frame that carries `FLAG_FIN` from the answering side
 * (HEAD or DATA), or with ABORT.
 */
export const FRAME_PAD = 1;
export const FRAME_OPEN = 2;
export const FRAME_DATA = 3;
export const FRAME_CREDIT = 4;
export const FRAME_CANCEL = 5;
export const FRAME_HEAD = 6;
export const FRAME_IDS = 7;
export const FRAME_ABORT = 8;
export const FRAME_MESSAGE = 9;
export const FRAME_EVENT = 10;

/** Last frame of this direction of the exchange. */
export const FLAG_FIN = 1;
/** On OPEN between shards: the exchange is a notification, nothing is answered. */
export const FLAG_NOTIFY = 2;

/** Why an exchange is cancelled (`aux` of CANCEL). */
export const CANCEL_CLIENT_GONE = 1;
export const CANCEL_DEADLINE = 2;
export const CANCEL_REQUESTED = 3;
export const CANCEL_SLOW_CLIENT = 4;
export const CANCEL_DRAIN = 5;
