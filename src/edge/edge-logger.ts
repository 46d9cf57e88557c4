import type { FromShardMessage } from '../../shared/control-message.ts';

/** What the edge needs of a log; pino's loggers have it. Fields never hold secrets or client data. */
export interface EdgeLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Writes a line that a shard sent. */
export function logShardLine(
  logger: EdgeLogger,
  shard: number,
  line: FromShardMessage<unknown> & { readonly kind: 'log' },
): void {
  const fields = { ...line.fields, shard };
  // A shard sends trace lines only where the level is trace; there they are shown as debug.
  const level = line.level === 'trace' ? 'debug' : line.level;
  logger[level](fields, line.message);
}
