// Payloads whose size and bytes follow from a seed, with a checksum in front, so that the reading
// thread tells a torn frame from a whole one without having seen the writing one.

const CHECKSUM_BYTES = 4;

/** Fills `bytes[at, at + size)`, size at least 4. `seed` is any 32-bit integer. */
export function fillPayload(bytes, at, size, seed) {
  let state = seed | 1;
  let sum = 0x811c9dc5 ^ size;
  for (let index = at + CHECKSUM_BYTES; index < at + size; index += 1) {
    state = nextRandom(state);
    bytes[index] = state;
    sum = Math.imul(sum ^ (state & 0xff), 0x01000193);
  }
  bytes[at] = sum;
  bytes[at + 1] = sum >>> 8;
  bytes[at + 2] = sum >>> 16;
  bytes[at + 3] = sum >>> 24;
}

/** Whether `bytes[start, end)` is a payload as `fillPayload` writes it. */
export function isWhole(bytes, start, end) {
  let sum = 0x811c9dc5 ^ (end - start);
  for (let index = start + CHECKSUM_BYTES; index < end; index += 1) {
    sum = Math.imul(sum ^ bytes[index], 0x01000193);
  }
  const stored =
    bytes[start] | (bytes[start + 1] << 8) | (bytes[start + 2] << 16) | (bytes[start + 3] << 24);
  return stored === sum;
}

/** A payload size from 4 to `most`, small ones more often. */
export function payloadSize(random, most) {
  const span = (random & 15) === 0 ? most - 4 : Math.min(60, most - 4);
  return 4 + ((random >>> 8) % (span + 1));
}

/** xorshift32; never 0 for a start that is not. */
export function nextRandom(state) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state;
}
