/** What the edge needs of a log; pino's loggers have it. Fields never hold secrets or client data. */
export interface EdgeLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
