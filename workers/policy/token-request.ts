/** One request to a token endpoint: client credentials (RFC 6749 §4.4) or token exchange (RFC 8693). */
import type { PlanClientCredentials, PlanTokenExchange } from '../../src/config/plan.ts';
import type { HttpFetch } from '../../src/transport/http-fetch.ts';
import { loggableUrl } from '../../src/transport/http-fetch.ts';
import { formRequest, jsonObject } from './oauth-client.ts';

/** Where the answer does not say how long: short enough to notice a change, long enough to matter. */
const LIFETIME_UNSTATED_MS = 300_000;
const LIFETIME_MAX_MS: number = 24 * 3_600_000;
const GRANT_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** RFC 6750 §2.1 `b64token`. */
const BEARER_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

export interface IssuedToken {
  readonly accessToken: string;
  readonly lifetimeMs: number;
}

/**
 * @param subject the caller's verified token, to be exchanged; null: a token for the gateway itself
 * @throws Error without any part of the request or of the answer's body but its `error` code
 */
export async function requestToken(
  auth: PlanClientCredentials | PlanTokenExchange,
  subject: Buffer | null,
  fetch: HttpFetch,
): Promise<IssuedToken> {
  const fields: [string, string][] = [];
  if (auth.kind === 'clientCredentials' || subject === null) {
    fields.push(['grant_type', 'client_credentials']);
  } else {
    fields.push(['grant_type', GRANT_EXCHANGE]);
    fields.push(['subject_token', subject.toString('latin1')]);
    fields.push(['subject_token_type', auth.subjectTokenType]);
    fields.push(['requested_token_type', auth.requestedTokenType]);
  }
  if (auth.scopes.length > 0) fields.push(['scope', auth.scopes.join(' ')]);
  if (auth.audience !== null) fields.push(['audience', auth.audience]);
  if (auth.resource !== null) fields.push(['resource', auth.resource]);

  const answer = await fetch(formRequest(auth, auth.tokenUrl, fields, auth.requestTimeoutMs));
  const body = jsonObject(answer.body);
  const where = `${loggableUrl(auth.tokenUrl)} status=${answer.status}`;
  if (answer.status !== 200) throw new Error(`${where} ${errorCode(body)}`.trimEnd());
  const token = body?.['access_token'];
  const type = body?.['token_type'];
  if (typeof token !== 'string' || !BEARER_TOKEN.test(token))
    throw new Error(`${where} no access_token`);
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer')
    throw new Error(`${where} token_type`);
  return { accessToken: token, lifetimeMs: lifetimeMs(body?.['expires_in']) };
}

/** RFC 6749 §5.1: seconds. Some servers write them as a string. */
function lifetimeMs(expiresIn: unknown): number {
  const seconds = typeof expiresIn === 'string' && expiresIn !== '' ? Number(expiresIn) : expiresIn;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0)
    return LIFETIME_UNSTATED_MS;
  return Math.min(LIFETIME_MAX_MS, seconds * 1000);
}

/** RFC 6749 §5.2: a short word. */
function errorCode(body: Readonly<Record<string, unknown>> | null): string {
  const code = body?.['error'];
  return typeof code === 'string' && /^[a-z_]{1,40}$/.test(code) ? `error=${code}` : '';
}
