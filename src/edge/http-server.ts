/** The HTTP server port as its callers see it. */
export type {
  HttpExchange,
  HttpImplementation,
  HttpListener,
  HttpServer,
  HttpServerOptions,
} from './http-port.ts';
