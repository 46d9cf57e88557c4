/**
 * The end in good order. HTTP/1.1 cannot tell a client that its next request on a kept connection will
 * not be served before it has sent it. So requests that still come on living connections are served,
 * each with `Connection: close` in its answer, until nothing has been open for a moment; only then, or
 * when the time is over, are they refused.
 */
export interface DrainParts {
  stopAccepting(): void;
  /** Shards end event streams that would never end by themselves. */
  tellShards(): void;
  /** Exchanges that are open. */
  openCount(): number;
  refuseNew(): void;
  readonly timeoutMs: number;
}

const LOOK_MS = 10;
/** A busy client's next request is on its way for less than this. */
const QUIET_LOOKS = 10;

/** @returns exchanges that were still open when the time was over */
export function drain(parts: DrainParts): Promise<number> {
  parts.stopAccepting();
  parts.tellShards();
  return new Promise((resolve) => {
    let leftMs = parts.timeoutMs;
    let quietLooks = 0;
    const look = (): void => {
      const open = parts.openCount();
      quietLooks = open === 0 ? quietLooks + 1 : 0;
      if (quietLooks < QUIET_LOOKS && leftMs > 0) {
        leftMs -= LOOK_MS;
        setTimeout(look, LOOK_MS);
        return;
      }
      parts.refuseNew();
      resolve(open);
    };
    look();
  });
}
