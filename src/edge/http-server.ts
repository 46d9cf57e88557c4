/** The HTTP server port as its callers see it, and the choice of who fills it. */
import type { HttpServer, HttpServerOptions } from './http-port.ts';
import { canServeLean, createLeanServer } from './lean-server.ts';
import { createNodeServer } from './node-server.ts';
import { createUwsServer } from './uws-server.ts';

export type {
  HttpExchange,
  HttpImplementation,
  HttpListener,
  HttpServer,
  HttpServerOptions,
  KnownHeads,
} from './http-port.ts';

/**
 * Makes the server; `listen` starts it. What it runs on stands in `implementation` and, for people,
 * in `description`.
 *
 * @throws Error if `uws` was asked for and uWebSockets.js cannot be loaded
 */
export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { implementation = 'auto' } = options;
  if (implementation === 'lean' || (implementation === 'auto' && canServeLean())) {
    return createLeanServer(options);
  }
  if (implementation === 'node') return createNodeServer(options);
  try {
    return createUwsServer(options);
  } catch (error) {
    if (implementation === 'uws') throw error;
    return createNodeServer(options, error instanceof Error ? error.message : String(error));
  }
}
