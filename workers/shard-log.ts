import type { ControlLogLevel } from '../shared/control-message.ts';

export type LogFields = Readonly<Record<string, string | number | boolean>>;
type LineLevel = Exclude<ControlLogLevel, 'silent'>;

const ORDER: readonly ControlLogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

/**
 * A shard's log: lines go to the edge over the control port, where one logger writes them all in
 * order. For what is rare; nothing on the path of a call logs above `debug`.
 */
export class ShardLog {
  readonly #send: (level: LineLevel, message: string, fields: LogFields) => void;
  #threshold: number;

  constructor(
    level: ControlLogLevel,
    send: (level: LineLevel, message: string, fields: LogFields) => void,
  ) {
    this.#send = send;
    this.#threshold = ORDER.indexOf(level);
  }

  setLevel(level: ControlLogLevel): void {
    this.#threshold = ORDER.indexOf(level);
  }

  isEnabled(level: LineLevel): boolean {
    return ORDER.indexOf(level) >= this.#threshold;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#line('debug', message, fields);
  }
  info(message: string, fields: LogFields = {}): void {
    this.#line('info', message, fields);
  }
  warn(message: string, fields: LogFields = {}): void {
    this.#line('warn', message, fields);
  }
  error(message: string, fields: LogFields = {}): void {
    this.#line('error', message, fields);
  }

  #line(level: LineLevel, message: string, fields: LogFields): void {
    if (ORDER.indexOf(level) >= this.#threshold) this.#send(level, message, fields);
  }
}
