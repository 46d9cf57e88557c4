/** Opaque tokens by introspection (RFC 7662): the authorization server says whether one is active. */
import type { PlanIntrospectionMethod } from '../../src/config/plan.ts';
import type { FetchAnswer, FetchRequest } from '../../src/transport/http-fetch.ts';
import { Accepted } from './auth-method.ts';
import { dateClaimMs, identityOf, namesAudience } from './claims.ts';
import type { Credential } from './credential.ts';
import { formRequest, jsonObject } from './oauth-client.ts';
import { unexpectedAnswer } from './remote-check.ts';
import type { TokenProvider } from './remote-check.ts';

export class IntrospectionProvider implements TokenProvider {
  readonly label: string;
  readonly #plan: PlanIntrospectionMethod;

  constructor(plan: PlanIntrospectionMethod) {
    this.label = plan.label;
    this.#plan = plan;
  }

  recognizes(credential: Credential): boolean {
    return this.#plan.recognizes === 'any' || credential.signed() === null;
  }

  /** RFC 7662 §2.1. */
  request(credential: Credential): FetchRequest {
    const fields = [
      ['token', credential.text],
      ['token_type_hint', 'access_token'],
    ] as const;
    return formRequest(this.#plan, this.#plan.url, fields, this.#plan.requestTimeoutMs);
  }

  /**
   * RFC 7662 §2.2. `aud` is optional there, but MCP asks that a token was issued for this server, so
   * an answer without it is refused.
   */
  read(answer: FetchAnswer, nowWallMs: number): Accepted | string {
    const { issuer, audiences, leewayMs, rememberMs, claims: mapping } = this.#plan;
    const claims = answer.status === 200 ? jsonObject(answer.body) : null;
    const isActive = claims?.['active'];
    if (claims === null || typeof isActive !== 'boolean')
      throw unexpectedAnswer(this.#plan.url, answer.status);
    if (!isActive) return 'inactive';
    if (claims['iss'] !== undefined && claims['iss'] !== issuer) return 'issuer';
    if (!namesAudience(claims['aud'], audiences)) return 'audience';
    const tokenType = claims['token_type'];
    if (typeof tokenType === 'string' && /^refresh/i.test(tokenType)) return 'token-type';
    const expiryMs = dateClaimMs(claims['exp']);
    const startMs = dateClaimMs(claims['nbf']);
    if (expiryMs === null || startMs === null) return 'date';
    const expiresAtMs = expiryMs === undefined ? Infinity : expiryMs + leewayMs;
    if (nowWallMs >= expiresAtMs) return 'expired';
    if (startMs !== undefined && nowWallMs < startMs - leewayMs) return 'not-yet-valid';
    const identity = identityOf(claims, { mapping, issuer, expiresAtMs, method: this.label });
    if (typeof identity === 'string') return identity;
    return new Accepted(identity, Math.min(expiresAtMs, nowWallMs + rememberMs), true);
  }
}
