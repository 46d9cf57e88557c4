/**
 * Finds an issuer's key set through its metadata (RFC 8414 §3, OpenID Connect Discovery 1.0 §4).
 * The document must name the very issuer that was asked for (RFC 8414 §3.3), or one issuer could
 * hand out keys for another.
 */
import type { HttpFetch } from '../../src/transport/http-fetch.ts';
import { isFetchable, loggableUrl } from '../../src/transport/http-fetch.ts';
import { KEY_SET_BYTES_MAX } from './policy-limits.ts';

/**
 * @returns the `jwks_uri` of the first of `urls` that has proper metadata
 * @throws Error that says what was wrong with the last one
 */
export async function discoverKeySetUrl(
  source: {
    readonly issuer: string;
    readonly urls: readonly string[];
    readonly requestTimeoutMs: number;
  },
  fetch: HttpFetch,
): Promise<string> {
  let problem = 'no metadata URL';
  for (const url of source.urls) {
    try {
      const answer = await fetch({
        method: 'GET',
        url,
        headers: { accept: 'application/json' },
        body: null,
        timeoutMs: source.requestTimeoutMs,
        bodyBytesMax: KEY_SET_BYTES_MAX,
      });
      if (answer.status !== 200) throw new Error(`status=${answer.status}`);
      return keySetUrlIn(answer.body, source.issuer);
    } catch (error) {
      problem = `${loggableUrl(url)}: ${error instanceof Error ? error.message : 'unknown'}`;
    }
  }
  throw new Error(`issuer metadata: ${problem}`);
}

function keySetUrlIn(body: Buffer, issuer: string): string {
  let metadata: unknown;
  try {
    metadata = JSON.parse(body.toString('utf8'));
  } catch {
    throw new Error('invalid JSON');
  }
  if (typeof metadata !== 'object' || metadata === null) throw new Error('not an object');
  const { issuer: named, jwks_uri: url } = metadata as Readonly<Record<string, unknown>>;
  if (named !== issuer) throw new Error('the metadata is of another issuer');
  if (typeof url !== 'string' || !isFetchable(url))
    throw new Error('jwks_uri is missing or not https');
  return url;
}
