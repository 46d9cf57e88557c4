/** How the gateway itself authenticates at an authorization server (RFC 6749 §2.3.1). */
import type { PlanClientAuthentication } from '../../src/config/plan.ts';
import type { FetchRequest } from '../../src/transport/http-fetch.ts';
import { TOKEN_ANSWER_BYTES_MAX } from './policy-limits.ts';

export interface OAuthClient {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clientAuthentication: PlanClientAuthentication;
}

/** A form POST with our client credentials. */
export function formRequest(
  client: OAuthClient,
  url: string,
  fields: readonly (readonly [string, string])[],
  timeoutMs: number,
): FetchRequest {
  const form = new URLSearchParams();
  for (const [name, value] of fields) form.append(name, value);
  const headers: Record<string, string> = {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
  };
  if (client.clientAuthentication === 'client_secret_post') {
    form.set('client_id', client.clientId);
    form.set('client_secret', client.clientSecret);
  } else {
    headers['authorization'] = basic(
      formEncoded(client.clientId),
      formEncoded(client.clientSecret),
    );
  }
  return {
    method: 'POST',
    url,
    headers,
    body: form.toString(),
    timeoutMs,
    bodyBytesMax: TOKEN_ANSWER_BYTES_MAX,
  };
}

/** RFC 7617. */
export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
}

/** `application/x-www-form-urlencoded`, which RFC 6749 asks for before the two are joined. */
function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}

/** A JSON object as an endpoint answered it; null: anything else. */
export function jsonObject(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}
