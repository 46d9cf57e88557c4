/**
 * Layout of one frame in a ring. Frames start at multiples of 16, so a header never straddles the
 * end of a ring and every word in it is aligned.
 *
 *      0          4      5       6        8            12           16
 *      +----------+------+-------+--------+------------+------------+-----------+--------+
 *      |  bytes   | kind | flags |   0    |  exchange  |    aux     |  payload  | filler |
 *      +----------+------+-------+--------+------------+------------+-----------+--------+
 *      '---------------------- bytes (header and payload) ---------------------'
 *      '----------------------------- footprint, a multiple of 16 ----------------------'
 *
 * `bytes`, `exchange` and `aux` are signed 32-bit words: exchange numbers above 2^31 read as
 * negative numbers on both sides, which keeps them small integers for the engine. A pad frame
 * (FRAME_PAD) fills the room before the end of the ring that the next frame does not fit into.
 */
export const FRAME_HEADER_BYTES = 16;
export const FRAME_ALIGN_BYTES = 16;

/** Words of the header, counted from its start. */
export const FRAME_BYTES_WORD = 0;
export const FRAME_KIND_WORD = 1;
export const FRAME_EXCHANGE_WORD = 2;
export const FRAME_AUX_WORD = 3;

/** Bytes a frame of `bytes` (header included) takes in the ring. */
export function frameFootprint(bytes: number): number {
  return (bytes + (FRAME_ALIGN_BYTES - 1)) & -FRAME_ALIGN_BYTES;
}
