import { sessionSlot } from './session-id.ts';
import type { Session } from './session.ts';

/** How many slots an insert into a full table looks at to find an idle session that may go. */
const EVICTION_STEPS = 64;

/**
 * The legacy sessions of one shard, by slot. A session is found from its id alone: the slot stands in
 * the id in clear, and the whole id must equal the one kept there. Bounded: a full table evicts an
 * idle session (second-chance order); with none idle in reach the newcomer is refused.
 */
export class SessionTable {
  readonly #max: number;
  readonly #sessions: (Session | null)[] = [];
  readonly #free: number[] = [];
  #count = 0;
  #hand = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * A free slot, or -1. `onEvict` is told which session had to go for it.
   * @param limit sessions there may be by the plan, at most the table's size
   */
  claimSlot(limit: number, onEvict: (session: Session) => void): number {
    if (this.#count < Math.min(limit, this.#max)) {
      const reused = this.#free.pop();
      if (reused !== undefined) return reused;
      this.#sessions.push(null);
      return this.#sessions.length - 1;
    }
    let oldest: Session | null = null;
    for (let step = 0; step < EVICTION_STEPS; step += 1) {
      this.#hand = (this.#hand + 1) % this.#sessions.length;
      const session = this.#sessions[this.#hand] ?? null;
      if (session === null || !session.isIdle) continue;
      if (oldest === null || session.lastUsedMs < oldest.lastUsedMs) oldest = session;
    }
    if (oldest === null) return -1;
    onEvict(oldest);
    this.remove(oldest);
    return this.#free.pop() ?? -1;
  }

  put(session: Session): void {
    this.#sessions[session.slot] = session;
    this.#count += 1;
  }

  find(bytes: Buffer, start: number, end: number): Session | null {
    const slot = sessionSlot(bytes, start, end);
    if (slot < 0) return null;
    const session = this.#sessions[slot];
    if (session === undefined || session === null) return null;
    return session.id.compare(bytes, start, end) === 0 ? session : null;
  }

  remove(session: Session): void {
    if (this.#sessions[session.slot] !== session) return;
    this.#sessions[session.slot] = null;
    this.#free.push(session.slot);
    this.#count -= 1;
    session.closed = true;
  }

  /** Removes what nobody used since `beforeMs`; open streams and running calls count as use. */
  expire(beforeMs: number, onExpire: (session: Session) => void): void {
    for (const session of this.#sessions) {
      if (session !== null && session.isIdle && session.lastUsedMs < beforeMs) {
        onExpire(session);
        this.remove(session);
      }
    }
  }

  forEach(visit: (session: Session) => void): void {
    for (const session of this.#sessions) if (session !== null) visit(session);
  }
}
