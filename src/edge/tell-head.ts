import type { HttpExchange, HttpListener } from './http-port.ts';
import type { RequestParser } from './request-parser.ts';

/** The head as text, for listeners that read no bytes. */
export function tellHead(
  listener: HttpListener,
  exchange: HttpExchange,
  parser: RequestParser,
): boolean {
  listener.onHead(exchange, parser.method, parser.path, parser.query);
  const { count } = parser;
  for (let index = 0; index < count; index += 1) {
    listener.onHeader(parser.nameAt(index), parser.valueAt(index));
  }
  return listener.onHeadEnd(exchange);
}
