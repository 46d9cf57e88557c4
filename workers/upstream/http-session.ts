import type { Principal } from '../policy/principal.ts';
import type { Session } from '../session/session.ts';
import type { WaitingRoom } from '../waiting-room.ts';

const EMPTY = Buffer.alloc(0);

export const SESSION_OPENING = 0;
export const SESSION_READY = 1;
/** The upstream forgot it, or it was closed: the next use opens another. */
export const SESSION_GONE = 2;

/**
 * A legacy session that this shard holds at an HTTP upstream. Whose it is decides who may use it:
 * a downstream legacy session has its own (that is how capabilities, subscriptions and per-session state
 * stay apart); modern callers share one per principal, as their requests carry no session; the
 * gateway's own fetches lists. Never one for two principals.
 */
export class HttpUpstreamSession {
  state = SESSION_OPENING;
  readonly owner: Session | null;
  /** In whose name its messages are sent; null: the gateway's own. */
  readonly principal: Principal | null;
  /** The last credential that was there for it. */
  credential: Buffer = EMPTY;
  /** null: the server is stateless, it gave none. */
  id: string | null = null;
  revision = '';
  /** The header lines that every request of the session carries. */
  head: Buffer = EMPTY;
  /** Exchanges that wait until it is open; null for the gateway's own, which is open first. */
  readonly waiting: WaitingRoom | null;
  lastUsedMs = 0;
  calls = 0;
  /** Ends the session's event stream; null while there is none. */
  endStream: (() => void) | null = null;

  constructor(owner: Session | null, principal: Principal | null, waiting: WaitingRoom | null) {
    this.owner = owner;
    this.waiting = waiting;
    this.principal = principal;
  }

  get principalKey(): string {
    return this.principal?.key ?? '';
  }

  ready(id: string | null, revision: string): void {
    this.id = id;
    this.revision = revision;
    const lines = id === null ? '' : `Mcp-Session-Id: ${id}\r\n`;
    // 2025-03-26 does not know the version header and ignores it.
    this.head = Buffer.from(`${lines}MCP-Protocol-Version: ${revision}\r\n`, 'latin1');
    this.state = SESSION_READY;
  }
}
