/** Picks the client for an upstream: lean for http://, undici for https://. */
import type { HttpClient, HttpClientOptions } from './http-client.ts';
import { LeanHttpClient } from './lean-http-client.ts';
import { UndiciHttpClient } from './undici-http-client.ts';

/** @throws TypeError for a scheme other than http: and https: */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  switch (options.url.protocol) {
    case 'http:':
      return new LeanHttpClient(options);
    case 'https:':
      return new UndiciHttpClient(options);
    default:
      throw new TypeError(`scheme is not supported: scheme=${options.url.protocol}`);
  }
}
