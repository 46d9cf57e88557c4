/**
 * Google's access tokens, by its tokeninfo endpoint
 * (https://developers.google.com/identity/protocols/oauth2): `aud` says for which client a token was
 * issued. The token travels in the body, not in the URL.
 */
import type { PlanGoogleTokenMethod } from '../../src/config/plan.ts';
import type { FetchAnswer, FetchRequest } from '../../src/transport/http-fetch.ts';
import { Accepted } from './auth-method.ts';
import { identityOf, namesAudience } from './claims.ts';
import type { Credential } from './credential.ts';
import { jsonObject } from './oauth-client.ts';
import { TOKEN_ANSWER_BYTES_MAX } from './policy-limits.ts';
import { unexpectedAnswer } from './remote-check.ts';
import type { TokenProvider } from './remote-check.ts';

export class GoogleTokenProvider implements TokenProvider {
  readonly label: string;
  readonly #plan: PlanGoogleTokenMethod;

  constructor(plan: PlanGoogleTokenMethod) {
    this.label = plan.label;
    this.#plan = plan;
  }

  recognizes(credential: Credential): boolean {
    return this.#plan.tokenPrefixes.some((prefix) => credential.text.startsWith(prefix));
  }

  request(credential: Credential): FetchRequest {
    return {
      method: 'POST',
      url: this.#plan.tokenInfoUrl,
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams([['access_token', credential.text]]).toString(),
      timeoutMs: this.#plan.requestTimeoutMs,
      bodyBytesMax: TOKEN_ANSWER_BYTES_MAX,
    };
  }

  read(answer: FetchAnswer, nowWallMs: number): Accepted | string {
    if (answer.status === 400) return 'unknown-token';
    const claims = answer.status === 200 ? jsonObject(answer.body) : null;
    if (claims === null) throw unexpectedAnswer(this.#plan.tokenInfoUrl, answer.status);
    if (!namesAudience(claims['aud'], this.#plan.audiences)) return 'audience';
    // Google writes its numbers as strings.
    const expiresAtMs = Number(claims['exp'] ?? NaN) * 1000;
    if (!Number.isFinite(expiresAtMs)) return 'date';
    if (nowWallMs >= expiresAtMs) return 'expired';
    const { claims: mapping, issuer } = this.#plan;
    const identity = identityOf(claims, { mapping, issuer, expiresAtMs, method: this.label });
    if (typeof identity === 'string') return identity;
    return new Accepted(identity, Math.min(expiresAtMs, nowWallMs + this.#plan.rememberMs), true);
  }
}
