import { COUNTERS } from '../shared/counter-catalogue.ts';
import type { CounterBlock } from '../shared/counter-cell.ts';
import { ERA_MODERN } from '../src/protocol/eras/era.ts';
import type { Exchange } from './exchange.ts';
import type { Replier } from './reply.ts';
import { NAME_RESOURCE, NameRoute } from './routing/name-route.ts';
import { GIVEN_UP_BY_CLIENT } from './upstream/call.ts';
import type { UpstreamCall } from './upstream/call.ts';
import type { CatalogKind } from './upstream/catalog.ts';
import { OwnStream } from './upstream/own-request.ts';
import type { UpstreamSet } from './upstream/upstream-set.ts';

/** URIs one stream may subscribe to. */
const URIS_MAX = 256;

interface Listen {
  readonly exchange: Exchange;
  readonly tools: boolean;
  readonly prompts: boolean;
  readonly resources: boolean;
  readonly uris: ReadonlySet<string>;
  readonly calls: readonly UpstreamCall[];
}

/**
 * Open `subscriptions/listen` streams of modern clients (2026-07-28, subscriptions): the acknowledgement
 * first, then only what was asked for and granted, each message under the stream's own id.
 */
export class ListenTable {
  readonly #replier: Replier;
  readonly #upstreams: UpstreamSet;
  readonly #counters: CounterBlock;
  readonly #streams = new Map<Exchange, Listen>();

  constructor(replier: Replier, upstreams: UpstreamSet, counters: CounterBlock) {
    this.#replier = replier;
    this.#upstreams = upstreams;
    this.#counters = counters;
  }

  get count(): number {
    return this.#streams.size;
  }

  /** @param filter `params.notifications`, parsed */
  open(exchange: Exchange, filter: Readonly<Record<string, unknown>>): void {
    const uris = this.#grantedUris(exchange, filter['resourceSubscriptions']);
    const listen: Listen = {
      exchange,
      tools: filter['toolsListChanged'] === true,
      prompts: filter['promptsListChanged'] === true,
      resources: filter['resourcesListChanged'] === true,
      uris: new Set([...uris.values()].flat()),
      calls: this.#subscribe(uris),
    };
    exchange.acceptsEvents = true;
    this.#streams.set(exchange, listen);
    this.#counters.add(COUNTERS.SUBSCRIPTIONS.id);
    const granted = {
      ...(listen.tools ? { toolsListChanged: true } : {}),
      ...(listen.prompts ? { promptsListChanged: true } : {}),
      ...(listen.resources ? { resourcesListChanged: true } : {}),
      ...(listen.uris.size > 0 ? { resourceSubscriptions: [...listen.uris] } : {}),
    };
    this.#send(
      listen,
      'notifications/subscriptions/acknowledged',
      `"notifications":${JSON.stringify(granted)}`,
    );
  }

  onListChanged(slot: number, kind: CatalogKind): void {
    const method = kind === 'tools' ? 'tools' : kind === 'prompts' ? 'prompts' : 'resources';
    for (const listen of this.#streams.values()) {
      if (listen[method] && hears(listen.exchange, slot)) {
        this.#send(listen, `notifications/${method}/list_changed`, '');
      }
    }
  }

  onResourceUpdated(uri: string): void {
    for (const listen of this.#streams.values()) {
      if (listen.uris.has(uri)) {
        this.#send(listen, 'notifications/resources/updated', `"uri":${JSON.stringify(uri)}`);
      }
    }
  }

  /** The client closed the stream, or it ended. */
  close(exchange: Exchange): boolean {
    // Asked for every exchange that ends; hardly any is one.
    const listen = this.#streams.size === 0 ? undefined : this.#streams.get(exchange);
    if (listen === undefined) return false;
    this.#streams.delete(exchange);
    for (const call of listen.calls) call.giveUp(GIVEN_UP_BY_CLIENT);
    return true;
  }

  /** Ends all streams in good order: the result first, then the stream. */
  drain(): void {
    for (const listen of [...this.#streams.values()]) {
      const { exchange } = listen;
      this.close(exchange);
      const result = `{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":${exchange.idText()}}}`;
      this.#replier.result(exchange, Buffer.from(result));
    }
  }

  keepAlive(): void {
    for (const { exchange } of this.#streams.values()) this.#replier.keepAlive(exchange);
  }

  #send(listen: Listen, method: string, params: string): void {
    const meta = `"_meta":{"io.modelcontextprotocol/subscriptionId":${listen.exchange.idText()}}`;
    const members = params === '' ? meta : `${meta},${params}`;
    const message = Buffer.from(`{"jsonrpc":"2.0","method":"${method}","params":{${members}}}`);
    this.#replier.event(listen.exchange, message, 0, message.length);
  }

  /** URIs by upstream slot that this caller may read and a modern upstream can watch. */
  #grantedUris(exchange: Exchange, asked: unknown): Map<number, string[]> {
    const granted = new Map<number, string[]>();
    if (!Array.isArray(asked)) return granted;
    const { plan, endpointIndex } = exchange;
    for (const uri of (asked as unknown[]).slice(0, URIS_MAX)) {
      if (typeof uri !== 'string') continue;
      const route = plan.routes.resolve(plan.endpoint(endpointIndex), NAME_RESOURCE, uri);
      if (!(route instanceof NameRoute) || !plan.mayUse(route, exchange.principal)) continue;
      if (this.#upstreams.get(route.slot)?.description?.era !== ERA_MODERN) continue;
      granted.set(route.slot, [...(granted.get(route.slot) ?? []), uri]);
    }
    return granted;
  }

  #subscribe(uris: Map<number, string[]>): UpstreamCall[] {
    const calls: UpstreamCall[] = [];
    for (const [slot, resourceSubscriptions] of uris) {
      const call = this.#upstreams
        .get(slot)
        ?.stream(
          'subscriptions/listen',
          { notifications: { resourceSubscriptions } },
          new OwnStream(),
        );
      if (call !== null && call !== undefined) calls.push(call);
    }
    return calls;
  }
}

function hears(exchange: Exchange, slot: number): boolean {
  const endpoint = exchange.plan.endpoint(exchange.endpointIndex);
  if (endpoint.upstream === null) return true;
  return exchange.plan.plan.upstreams[endpoint.upstream]?.slot === slot;
}
