/**
 * GitHub's tokens, by "check a token" with our client id and secret
 * (https://docs.github.com/rest/apps/oauth-applications#check-a-token). A token of another
 * application answers 404 there. Asking for `/user` instead would accept any application's token.
 */
import type { PlanGithubMethod } from '../../src/config/plan.ts';
import type { FetchAnswer, FetchRequest } from '../../src/transport/http-fetch.ts';
import { Accepted } from './auth-method.ts';
import { claimAt, identityOf } from './claims.ts';
import type { Credential } from './credential.ts';
import { basic, jsonObject } from './oauth-client.ts';
import { TOKEN_ANSWER_BYTES_MAX } from './policy-limits.ts';
import { unexpectedAnswer } from './remote-check.ts';
import type { TokenProvider } from './remote-check.ts';

export class GithubProvider implements TokenProvider {
  readonly label: string;
  readonly #plan: PlanGithubMethod;
  readonly #url: string;

  constructor(plan: PlanGithubMethod) {
    this.label = plan.label;
    this.#plan = plan;
    this.#url = `${plan.apiUrl}/applications/${encodeURIComponent(plan.clientId)}/token`;
  }

  recognizes(credential: Credential): boolean {
    return this.#plan.tokenPrefixes.some((prefix) => credential.text.startsWith(prefix));
  }

  request(credential: Credential): FetchRequest {
    return {
      method: 'POST',
      url: this.#url,
      headers: {
        accept: 'application/vnd.github+json',
        'content-type': 'application/json',
        authorization: basic(this.#plan.clientId, this.#plan.clientSecret),
        'user-agent': 'mcp-sluice', // GitHub refuses requests without one
        'x-github-api-version': '2022-11-28',
      },
      body: JSON.stringify({ access_token: credential.text }),
      timeoutMs: this.#plan.requestTimeoutMs,
      bodyBytesMax: TOKEN_ANSWER_BYTES_MAX,
    };
  }

  read(answer: FetchAnswer, nowWallMs: number): Accepted | string {
    // 404: not a token of ours. 422: not a token at all.
    if (answer.status === 404 || answer.status === 422) return 'unknown-token';
    const claims = answer.status === 200 ? jsonObject(answer.body) : null;
    if (claims === null) throw unexpectedAnswer(this.#url, answer.status);
    if (claimAt(claims, ['app', 'client_id']) !== this.#plan.clientId) return 'audience';
    const expiresAtMs = expiryOf(claims['expires_at']);
    if (Number.isNaN(expiresAtMs)) return 'date';
    if (nowWallMs >= expiresAtMs) return 'expired';
    const { claims: mapping, issuer } = this.#plan;
    const subjectPath = ['user', 'id']; // a login may be renamed and taken by someone else
    const identity = identityOf(claims, {
      mapping,
      issuer,
      subjectPath,
      expiresAtMs,
      method: this.label,
    });
    if (typeof identity === 'string') return identity;
    return new Accepted(identity, Math.min(expiresAtMs, nowWallMs + this.#plan.rememberMs), true);
  }
}

/** An ISO date; null or absent for a token that does not expire. NaN: neither. */
function expiryOf(value: unknown): number {
  if (value === null || value === undefined) return Infinity;
  return typeof value === 'string' ? Date.parse(value) : NaN;
}
