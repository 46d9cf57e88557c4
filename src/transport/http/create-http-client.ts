/** Picks the client for an upstream. One fills the port today; a proxy on the way would be another. */
import type { HttpClient, HttpClientOptions } from './http-client.ts';
import { LeanHttpClient } from './lean-http-client.ts';

/** @throws TypeError for a scheme other than http: and https: */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { protocol } = options.url;
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new TypeError(`scheme is not supported: scheme=${protocol}`);
  }
  return new LeanHttpClient(options);
}
