/**
 * Values of WWW-Authenticate (RFC 6750 §3, RFC 9728 §5.1, MCP authorization): they send a client to
 * the metadata, and tell it which scopes to ask for.
 *
 * A 401 names the scopes of the metadata, nothing that depends on what was called. Scopes that a
 * route lacks are named in a 403 only, to a caller whose credential was verified, and all at once: a
 * client that gets them one by one has to ask its user as often.
 */
import type { AuthFault } from './auth-verdict.ts';
import { ResourceMetadata } from '../../src/config/plan-resource-metadata.ts';
import type { ResourcePlan } from '../../src/config/plan-resource-metadata.ts';

/** Not asked for in a challenge: it is the client's own decision (MCP authorization, scopes). */
const OFFLINE_ACCESS = 'offline_access';

export class Challenges {
  readonly #metadata: ResourceMetadata;
  readonly #scope: string;

  /** @param metadata of the same plan */
  constructor(plan: ResourcePlan, metadata: ResourceMetadata = new ResourceMetadata(plan)) {
    const scopes = plan.auth.resource.scopesSupported.filter((scope) => scope !== OFFLINE_ACCESS);
    this.#metadata = metadata;
    this.#scope = scopes.join(' ');
  }

  /**
   * For a 401. A request without a credential gets no error code (RFC 6750 §3.1).
   * @param endpoint index in the plan
   * @param host the request's Host; null: not known
   */
  unauthorized(fault: AuthFault, endpoint: number, host: string | null): string {
    const isWrong = fault === 'CREDENTIAL_INVALID';
    const error = isWrong ? (['invalid_token', 'the credential is not valid'] as const) : null;
    return this.#write(error, endpoint, host, this.#scope);
  }

  /**
   * For a 403 to an authenticated caller.
   * @param missing as of `AccessRules.missingScopes`
   */
  insufficientScope(missing: readonly string[], endpoint: number, host: string | null): string {
    const error = ['insufficient_scope', 'more scopes are needed for this'] as const;
    return this.#write(error, endpoint, host, missing.join(' '));
  }

  #write(
    error: readonly [code: string, description: string] | null,
    endpoint: number,
    host: string | null,
    scope: string,
  ): string {
    const fields: string[] = [];
    if (error !== null) fields.push(`error="${error[0]}"`, `error_description="${error[1]}"`);
    const url = this.#metadata.url(endpoint, host);
    if (url !== null) fields.push(`resource_metadata="${quoted(url)}"`);
    if (scope !== '') fields.push(`scope="${quoted(scope)}"`);
    // A scheme without parameters is read as something else by some clients (RFC 9110 §11.6.1).
    if (fields.length === 0) fields.push('realm="mcp"');
    return `Bearer ${fields.join(', ')}`;
  }
}

/** Content of a quoted-string (RFC 9110 §5.6.4). Neither URLs nor scopes have such characters; still. */
function quoted(text: string): string {
  return text.replace(/[^\x21-\x7e ]|["\\]/g, '');
}
