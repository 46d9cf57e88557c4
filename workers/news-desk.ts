import { COUNTERS } from '../shared/counter-catalogue.ts';
import type { CounterBlock } from '../shared/counter-cell.ts';
import {
  EVENT_HEAD_BYTES,
  EVENT_PROMPTS_CHANGED,
  EVENT_RESOURCES_CHANGED,
  EVENT_RESOURCE_UPDATED,
  EVENT_TOOLS_CHANGED,
  EVENT_UPSTREAM_DOWN,
  EVENT_UPSTREAM_READY,
  eventUpstream,
} from '../shared/event-kind.ts';
import { logLevelFromBytes } from '../src/protocol/eras/era.ts';
import type { Peek } from '../src/protocol/jsonrpc/peek-record.ts';
import { METHOD_LOG_MESSAGE } from '../src/protocol/methods.ts';
import { singleLineBytes, toSingleLine } from '../src/protocol/jsonrpc/single-line.ts';
import type { ListenTable } from './listen-table.ts';
import type { PeerSet } from './peer-set.ts';
import { RELAY_ASK_DESCRIPTION } from './relay-codec.ts';
import type { Replier } from './reply.ts';
import type { SessionTable } from './session/session-table.ts';
import type { Session } from './session/session.ts';
import type { ShardLog } from './shard-log.ts';
import type { ShardPlan } from './shard-plan.ts';
import type { CatalogKind } from './upstream/catalog.ts';
import type { UpstreamDescription } from './upstream/description.ts';
import { StdioUpstream } from './upstream/stdio-upstream.ts';
import type { UpstreamEvents } from './upstream/upstream-event.ts';
import type { UpstreamSet } from './upstream/upstream-set.ts';
import type { Upstream } from './upstream/upstream.ts';

export interface NewsDeskParts {
  readonly sessions: SessionTable;
  readonly listens: ListenTable;
  readonly replier: Replier;
  readonly peers: PeerSet;
  readonly upstreams: UpstreamSet;
  readonly counters: CounterBlock;
  readonly plans: { readonly current: ShardPlan };
}

const NO_BODY = Buffer.alloc(0);
/** Body of a list event that is only worth telling clients if the list differs. */
const QUIET = Buffer.from([1]);

/**
 * What upstreams say outside of calls: to this shard's clients, and to the other shards where this one
 * alone heard it. A changed list is announced once it has been loaded again, so a client that asks at
 * once gets the new one.
 */
export class NewsDesk implements UpstreamEvents {
  readonly #parts: NewsDeskParts;
  readonly #log: ShardLog;

  constructor(parts: NewsDeskParts, log: ShardLog) {
    this.#parts = parts;
    this.#log = log;
  }

  onReady(upstream: Upstream): void {
    const { peers } = this.#parts;
    const { description, plan } = upstream;
    if (description === null) return;
    this.#log.info('upstream is up', { upstream: plan.name, revision: description.revision });
    if (upstream instanceof StdioUpstream && upstream.isOwner) {
      peers.tell(EVENT_UPSTREAM_READY, upstream.slot, Buffer.from(JSON.stringify(description)));
    }
  }

  onDown(upstream: Upstream, reason: string): void {
    const { peers } = this.#parts;
    this.#log.warn('upstream is down', { upstream: upstream.plan.name, reason });
    if (upstream instanceof StdioUpstream && upstream.isOwner) {
      peers.tell(EVENT_UPSTREAM_DOWN, upstream.slot, Buffer.from(reason.slice(0, 1024)));
    }
  }

  onListChanged(upstream: Upstream, kind: CatalogKind, isShared: boolean): void {
    upstream.loader.renew(kind, isShared);
    const event = eventOf(kind);
    if (event !== 0) this.#parts.peers.tell(event, upstream.slot, isShared ? NO_BODY : QUIET);
  }

  onResourceUpdated(upstream: Upstream, uri: string, session: Session | null): void {
    if (session !== null) {
      this.#toSession(session, updatedText(uri));
      return;
    }
    this.#spreadUpdate(upstream.slot, uri);
    this.#parts.peers.tell(EVENT_RESOURCE_UPDATED, upstream.slot, Buffer.from(uri));
  }

  onNotification(
    _upstream: Upstream,
    bytes: Buffer,
    start: number,
    end: number,
    peek: Peek,
    session: Session | null,
  ): void {
    const { counters, replier } = this.#parts;
    const stream = session?.stream ?? null;
    if (session === null || stream === null) {
      counters.add(COUNTERS.NOTIFICATIONS_UNATTRIBUTED.id);
      return;
    }
    if (peek.methodId === METHOD_LOG_MESSAGE && session.logLevel >= 0) {
      const isBelow =
        peek.levelStart < 0 ||
        logLevelFromBytes(bytes, peek.levelStart, peek.levelEnd) < session.logLevel;
      if (isBelow) return;
    }
    const line = Buffer.allocUnsafe(singleLineBytes(end - start));
    replier.event(stream, line, 0, toSingleLine(bytes, start, end, line, 0));
  }

  onCatalog(upstream: Upstream, kind: CatalogKind): void {
    const { sessions, listens, plans } = this.#parts;
    plans.current.remembered.clear();
    if (kind === 'templates') return;
    const text = listChangedText(kind);
    sessions.forEach((session) => {
      if (session.stream !== null && this.#hears(session, upstream.slot))
        this.#toSession(session, text);
    });
    listens.onListChanged(upstream.slot, kind);
  }

  /** An EVENT frame of another shard. */
  onEvent(from: number, kind: number, bytes: Buffer, start: number, end: number): void {
    const { upstreams, peers } = this.#parts;
    const slot = eventUpstream(bytes, start, end);
    const upstream = upstreams.get(slot);
    if (upstream === null) return;
    const body = start + EVENT_HEAD_BYTES;
    const isShared = end === body;
    switch (kind) {
      case EVENT_TOOLS_CHANGED:
        upstream.loader.renew('tools', isShared);
        break;
      case EVENT_PROMPTS_CHANGED:
        upstream.loader.renew('prompts', isShared);
        break;
      case EVENT_RESOURCES_CHANGED:
        upstream.loader.renew('resources', isShared);
        upstream.loader.renew('templates', isShared);
        break;
      case EVENT_RESOURCE_UPDATED:
        this.#spreadUpdate(slot, bytes.toString('utf8', body, end));
        break;
      case EVENT_UPSTREAM_READY:
        if (upstream instanceof StdioUpstream) {
          upstream.onDescribed(
            JSON.parse(bytes.toString('utf8', body, end)) as UpstreamDescription,
            '',
          );
        }
        break;
      case EVENT_UPSTREAM_DOWN:
        if (upstream instanceof StdioUpstream)
          upstream.onDescribed(null, bytes.toString('utf8', body, end));
        break;
      case RELAY_ASK_DESCRIPTION:
        if (upstream.isUp && upstream.description !== null) {
          peers.tell(
            EVENT_UPSTREAM_READY,
            slot,
            Buffer.from(JSON.stringify(upstream.description)),
            from,
          );
        }
        break;
      default:
        break;
    }
  }

  keepAlive(): void {
    const { sessions, listens, replier } = this.#parts;
    sessions.forEach(({ stream }) => {
      if (stream !== null) replier.keepAlive(stream);
    });
    listens.keepAlive();
  }

  #spreadUpdate(slot: number, uri: string): void {
    const { sessions, listens } = this.#parts;
    sessions.forEach((session) => {
      if (session.subscriptions?.get(uri) === slot) this.#toSession(session, updatedText(uri));
    });
    listens.onResourceUpdated(uri);
  }

  #toSession(session: Session, text: string): void {
    if (session.stream === null) return;
    const message = Buffer.from(text);
    this.#parts.replier.event(session.stream, message, 0, message.length);
  }

  #hears(session: Session, slot: number): boolean {
    const { plan } = this.#parts.plans.current;
    const endpoint = plan.endpoints.find(({ path }) => path === session.endpointPath);
    const upstream = endpoint?.upstream ?? null;
    return upstream === null || plan.upstreams[upstream]?.slot === slot;
  }
}

function eventOf(kind: CatalogKind): number {
  if (kind === 'tools') return EVENT_TOOLS_CHANGED;
  if (kind === 'prompts') return EVENT_PROMPTS_CHANGED;
  return kind === 'resources' ? EVENT_RESOURCES_CHANGED : 0;
}

function listChangedText(kind: CatalogKind): string {
  return `{"jsonrpc":"2.0","method":"notifications/${kind}/list_changed"}`;
}

function updatedText(uri: string): string {
  return `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":${JSON.stringify(uri)}}}`;
}
