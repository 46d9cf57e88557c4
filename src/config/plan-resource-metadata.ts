/**
 * The gateway as a protected resource (RFC 9728): what a client has to know to get a token.
 *
 * One document per endpoint. For `publicUrl: https://mcp.example/edge` and the endpoint `/mcp` the
 * resource is `https://mcp.example/edge/mcp`, and its document is served for
 *
 *   /.well-known/oauth-protected-resource/edge/mcp   RFC 9728 §3.1, a proxy that leaves paths alone
 *   /.well-known/oauth-protected-resource/mcp        the same without the prefix, or it was cut off
 *   /edge/.well-known/oauth-protected-resource/mcp   what challenges name
 *   /.well-known/oauth-protected-resource            the first endpoint only
 *
 * Challenges name a place below `publicUrl`, since a proxy that forwards `/edge` only would never
 * bring a request for `/.well-known` here; a client takes the URL from the challenge as it is.
 *
 * It is plain work on the plan, as the edge serves the documents (it knows the path and the Host) and
 * the shards name their places in challenges.
 *
 * Without `publicUrl` the request's Host says where we are, with `http`: a gateway behind TLS needs
 * `publicUrl`.
 */
import type { Plan } from './plan.ts';

const WELL_KNOWN = '/.well-known/oauth-protected-resource';
/** RFC 9110 §7.2: host and port. What is not of that form is not echoed. */
const HOST = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

export type ResourcePlan = Pick<Plan, 'endpoints' | 'publicUrl' | 'listen'> & {
  readonly auth: Pick<Plan['auth'], 'resource'>;
};

export class ResourceMetadata {
  readonly #plan: ResourcePlan;
  readonly #endpointByPath = new Map<string, number>();
  /** Documents that do not depend on the request's Host. */
  readonly #documents = new Map<number, Buffer>();

  constructor(plan: ResourcePlan) {
    this.#plan = plan;
    if (!this.isServed) return;
    const prefix = plan.publicUrl?.path ?? '';
    for (const { index, path } of plan.endpoints) {
      this.#endpointByPath.set(`${WELL_KNOWN}${path}`, index);
      this.#endpointByPath.set(`${WELL_KNOWN}${prefix}${path}`, index);
      this.#endpointByPath.set(`${prefix}${WELL_KNOWN}${path}`, index);
    }
    const first = plan.endpoints[0];
    if (first === undefined) return;
    this.#endpointByPath.set(WELL_KNOWN, first.index);
    this.#endpointByPath.set(`${prefix}${WELL_KNOWN}`, first.index);
  }

  /** RFC 9728 metadata make sense only with an authorization server to name (MCP authorization). */
  get isServed(): boolean {
    return this.#plan.auth.resource.authorizationServers.length > 0;
  }

  /** Every path under which `find` has a document. */
  paths(): string[] {
    return [...this.#endpointByPath.keys()];
  }

  /**
   * The document (application/json) for a GET of this path; null: not found.
   * @param host the request's Host, used where there is no `publicUrl`
   */
  find(path: string, host: string | null): Buffer | null {
    const endpoint = this.#endpointByPath.get(path);
    if (endpoint === undefined) return null;
    const isFixed = this.#plan.publicUrl !== null || this.#plan.auth.resource.identifier !== null;
    const known = isFixed ? this.#documents.get(endpoint) : undefined;
    if (known !== undefined) return known;
    const document = this.#write(this.resource(endpoint, host));
    if (isFixed) this.#documents.set(endpoint, document);
    return document;
  }

  /** Resource identifier of an endpoint (RFC 8707 §2): also what a token's audience should be. */
  resource(endpoint: number, host: string | null): string {
    const { identifier } = this.#plan.auth.resource;
    return identifier ?? `${this.#base(host)}${this.#plan.endpoints[endpoint]?.path ?? ''}`;
  }

  /** Where a challenge sends the client; null: there is no document. */
  url(endpoint: number, host: string | null): string | null {
    if (!this.isServed) return null;
    return `${this.#base(host)}${WELL_KNOWN}${this.#plan.endpoints[endpoint]?.path ?? ''}`;
  }

  #base(host: string | null): string {
    const { publicUrl, listen } = this.#plan;
    if (publicUrl !== null) return publicUrl.href;
    if (host !== null && HOST.test(host)) return `http://${host}`;
    return `http://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}`;
  }

  /** RFC 9728 §2. */
  #write(resource: string): Buffer {
    const { authorizationServers, scopesSupported, name, documentation } = this.#plan.auth.resource;
    const document = {
      resource,
      authorization_servers: authorizationServers,
      ...(scopesSupported.length > 0 && { scopes_supported: scopesSupported }),
      bearer_methods_supported: ['header'],
      ...(name !== null && { resource_name: name }),
      ...(documentation !== null && { resource_documentation: documentation }),
    };
    return Buffer.from(JSON.stringify(document), 'utf8');
  }
}
