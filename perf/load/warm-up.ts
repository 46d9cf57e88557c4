/**
 * How long a gateway is warmed up. Its code is compiled while it runs: in its first seconds a request
 * costs up to twice of what it costs later, and a round measured then spoils mean and interval of all.
 */

/** Of one second each. */
const LOOKS_MAX = 12;
/** Two looks in a row that differ by less than this share: what is left is the noise of a look. */
const SHARE_SETTLED = 0.05;

/**
 * Puts load on until its cost has settled, or is taken as it is.
 *
 * @param look puts load on for a second and gives the CPU time of a request
 * @returns how many looks that took
 */
export async function warmUp(look: () => Promise<number>): Promise<number> {
  let last = await look();
  for (let looks = 2; looks <= LOOKS_MAX; looks += 1) {
    const next = await look();
    if (Math.abs(next - last) < SHARE_SETTLED * last) return looks;
    last = next;
  }
  return LOOKS_MAX;
}
