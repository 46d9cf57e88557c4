import { COUNTERS } from '../../shared/counter-catalogue.ts';
import { ERA_MODERN } from '../../src/protocol/eras/era.ts';
import { KIND_NOTIFICATION, KIND_REQUEST } from '../../src/protocol/jsonrpc/peek-record.ts';
import type { EventStreamListener } from '../../src/transport/event-stream.ts';
import { EventStreamParser } from '../../src/transport/event-stream.ts';
import { CONTENT_EVENT_STREAM } from '../../src/transport/http/http-client.ts';
import type {
  HttpCall,
  HttpHeadView,
  HttpResponseListener,
} from '../../src/transport/http/http-client.ts';
import type { ShardContext } from '../shard-context.ts';
import type { UpstreamDescription } from './description.ts';
import type { HttpUpstream } from './http-upstream.ts';
import type { HttpUpstreamSession } from './http-session.ts';
import { MessageReader } from './message-reader.ts';
import { refusalText } from './own-request.ts';
import { ownEnvelope } from './own-identity.ts';

/** Pause before a stream that ended is opened again; a server may ask for another with `retry`. */
const REOPEN_MS = 1_000;
const REOPEN_MAX_MS = 30_000;

/**
 * The stream on which an HTTP upstream tells news: GET for a legacy session, `subscriptions/listen` for
 * a modern upstream. Opened again when it ends, for as long as the upstream offers one.
 */
export class HttpEventStream implements HttpResponseListener, EventStreamListener {
  readonly #upstream: HttpUpstream;
  readonly #shard: ShardContext;
  readonly #session: HttpUpstreamSession | null;
  readonly #isModern: boolean;
  readonly #reader = new MessageReader();
  #parser: EventStreamParser | null = null;
  #handle: HttpCall | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;
  #status = 0;
  #attempts = 0;
  #lastEventId = '';

  constructor(
    upstream: HttpUpstream,
    shard: ShardContext,
    session: HttpUpstreamSession | null,
    description: UpstreamDescription,
  ) {
    this.#upstream = upstream;
    this.#shard = shard;
    this.#session = session;
    this.#isModern = description.era === ERA_MODERN;
  }

  start(): void {
    if (this.#isStopped) return;
    this.#upstream.credential(this.#session?.principal ?? null).then(
      (credential) => this.#open(credential),
      () => this.#again(),
    );
  }

  #open(credential: Buffer): void {
    if (this.#isStopped) return;
    const request = this.#isModern ? this.#listenRequest(credential) : this.#getRequest(credential);
    if (request === null) return;
    this.#status = 0;
    this.#parser = null;
    this.#handle = this.#upstream.client.send(request, 0, request.length, this, 0, true, true);
    if (this.#handle === null) this.#again();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#handle?.abort();
    this.#handle = null;
  }

  onHead(status: number, head: HttpHeadView): void {
    this.#status = status;
    if (status === 200 && head.contentType === CONTENT_EVENT_STREAM) {
      this.#attempts = 0;
      this.#parser = new EventStreamParser(this, this.#upstream.plan.messageBytesMax);
    }
  }

  onBody(bytes: Buffer, start: number, end: number): boolean {
    this.#parser?.push(bytes, start, end);
    return true;
  }

  onEnd(): void {
    this.#handle = null;
    if (this.#status === 404 && this.#session !== null) {
      this.stop();
      return;
    }
    // 405: the upstream offers no stream (2025-03-26 and later). Any other refusal will not change soon.
    if (this.#status >= 400) {
      this.stop();
      return;
    }
    this.#again();
  }

  onFailure(): void {
    this.#handle = null;
    this.#again();
  }

  onEvent(bytes: Buffer, start: number, end: number): boolean {
    if (this.#parser !== null) this.#lastEventId = this.#parser.lastEventId;
    if (start === end) return true;
    this.#reader.read(bytes, start, end, (message, from, to, record) => {
      if (record === null) return;
      const { events } = this.#shard;
      const owner = this.#session?.owner ?? null;
      if (this.#reader.isNews(this.#upstream, record, message, owner, events)) return;
      if (record.kind === KIND_NOTIFICATION) {
        events.onNotification(this.#upstream, message, from, to, record, owner);
      } else if (record.kind === KIND_REQUEST) {
        // Nothing says which call it belongs to; who asks on this stream gets a defined answer.
        this.#shard.counters.add(COUNTERS.REQUESTS_UNATTRIBUTED.id);
        const id = message.toString('latin1', record.idStart, record.idEnd);
        this.#upstream.post(this.#session, Buffer.from(refusalText(id), 'latin1'));
      }
    });
    return true;
  }

  onEventChunk(): boolean {
    return true;
  }

  onEventTooLarge(): void {
    this.#handle?.abort();
    this.#handle = null;
    this.#again();
  }

  #again(): void {
    if (this.#isStopped || this.#timer !== null) return;
    const wished = this.#parser?.retryMs ?? -1;
    const pause = wished >= 0 ? wished : REOPEN_MS * 2 ** Math.min(this.#attempts, 5);
    this.#attempts += 1;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.start();
      },
      Math.min(Math.max(pause, 100), REOPEN_MAX_MS),
    );
  }

  #getRequest(credential: Buffer): Buffer | null {
    const session = this.#session;
    // Without a session there is nothing to listen to.
    if (session === null || session.id === null) return null;
    return this.#upstream.writer.stream(session, this.#lastEventId, credential);
  }

  #listenRequest(credential: Buffer): Buffer {
    const text = `{"jsonrpc":"2.0","id":"sluice-news","method":"subscriptions/listen","params":{"_meta":${ownEnvelope()},"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}}}`;
    return this.#upstream.writer.message('subscriptions/listen', Buffer.from(text), credential);
  }
}
