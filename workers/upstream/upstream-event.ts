import type { Peek } from '../../src/protocol/jsonrpc/peek.ts';
import type { Session } from '../session/session.ts';
import type { CatalogKind } from './catalog.ts';
import type { Upstream } from './upstream.ts';

/**
 * What an upstream says outside of any call. Implemented by the shard's `NewsDesk`, which tells this
 * shard's clients and, where the link belongs to this shard alone, the other shards.
 */
export interface UpstreamEvents {
  /** An upstream became usable, or usable again. */
  onReady(upstream: Upstream): void;
  onDown(upstream: Upstream, reason: string): void;
  /**
   * A `list_changed` notification. `isShared`: on a link that stands for the upstream as a whole. On a
   * session's own link the same news comes once per session; a client gets the list that is kept for
   * all, so only what is new there is passed on.
   */
  onListChanged(upstream: Upstream, kind: CatalogKind, isShared: boolean): void;
  /** `notifications/resources/updated`. `session`: it came on that downstream session's own link. */
  onResourceUpdated(upstream: Upstream, uri: string, session: Session | null): void;
  /**
   * Any other notification (logs above all) that belongs to no call. `session` is the downstream
   * session whose own link it came on; null on a link that several share.
   */
  onNotification(
    upstream: Upstream,
    bytes: Buffer,
    start: number,
    end: number,
    peek: Peek,
    session: Session | null,
  ): void;
  /** A list of an upstream has been (re)loaded and differs. */
  onCatalog(upstream: Upstream, kind: CatalogKind): void;
}
