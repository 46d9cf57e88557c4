/** A listener of the HTTP server port that writes down what it hears and answers as a test says. */
import type { HttpExchange, HttpListener } from '../../src/edge/http-server.ts';

export interface HeardRequest {
  readonly exchange: HttpExchange;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** `name: value`, in the order they came. */
  readonly fields: string[];
  body: Buffer;
  /** Sizes of the pieces the body came in. */
  readonly chunks: number[];
  isComplete: boolean;
  isAborted: boolean;
}

const NONE: readonly string[] = [];

export class HttpRecorder implements HttpListener {
  readonly requests: HeardRequest[] = [];
  /** What was heard, in order: `head /path`, `end /path`, `writable /path`, `aborted /path`. */
  readonly events: string[] = [];
  wantsBody: (request: HeardRequest) => boolean = () => true;
  onChunk: (request: HeardRequest, isLast: boolean) => void = () => undefined;
  onComplete: (request: HeardRequest) => void = (request) => replyText(request.exchange, 'ok');
  onDrained: (request: HeardRequest) => void = () => undefined;
  #current: HeardRequest | null = null;
  #waiting: { readonly event: string; readonly resolve: () => void }[] = [];

  get paths(): string[] {
    return this.requests.map((request) => request.path);
  }

  /** Resolves once this event was heard. */
  async heard(event: string): Promise<void> {
    if (this.events.includes(event)) return;
    await new Promise<void>((resolve) => this.#waiting.push({ event, resolve }));
  }

  onHead(exchange: HttpExchange, method: string, path: string, query: string): void {
    if (exchange.slot !== -1 || exchange.state !== undefined)
      throw new Error('not a fresh exchange');
    const request: HeardRequest = {
      exchange,
      method,
      path,
      query,
      fields: [],
      body: Buffer.alloc(0),
      chunks: [],
      isComplete: false,
      isAborted: false,
    };
    exchange.state = request;
    exchange.slot = this.requests.length;
    this.#current = request;
    this.requests.push(request);
  }

  onHeader(name: string, value: string): void {
    this.#current!.fields.push(`${name}: ${value}`);
  }

  onHeadEnd(exchange: HttpExchange): boolean {
    const request = this.#of(exchange);
    this.#note(`head ${request.path}`);
    return this.wantsBody(request);
  }

  onBody(
    exchange: HttpExchange,
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
  ): void {
    const chunk = bytes.subarray(start, end);
    const request = this.#of(exchange);
    if (request.isComplete || request.isAborted) throw new Error('body after the end');
    request.body = Buffer.concat([request.body, chunk]);
    request.chunks.push(chunk.length);
    this.onChunk(request, isLast);
    if (!isLast || !exchange.isOpen) return;
    request.isComplete = true;
    this.#note(`end ${request.path}`);
    this.onComplete(request);
  }

  onWritable(exchange: HttpExchange): void {
    const request = this.#of(exchange);
    this.#note(`writable ${request.path}`);
    this.onDrained(request);
  }

  onAborted(exchange: HttpExchange): void {
    const request = this.#of(exchange);
    if (request.isAborted) throw new Error('aborted twice');
    request.isAborted = true;
    this.#note(`aborted ${request.path}`);
  }

  #of(exchange: HttpExchange): HeardRequest {
    const request = exchange.state as HeardRequest;
    if (request.exchange !== exchange) throw new Error('an exchange was lent twice');
    return request;
  }

  #note(event: string): void {
    this.events.push(event);
    this.#waiting = this.#waiting.filter((one) => {
      if (one.event !== event) return true;
      one.resolve();
      return false;
    });
  }
}

export function replyText(
  exchange: HttpExchange,
  text: string,
  headers = NONE,
  status = 200,
): void {
  const body = Buffer.from(text, 'latin1');
  exchange.reply(status, 'text/plain', headers, body, 0, body.length);
}

export function writeText(exchange: HttpExchange, text: string): boolean {
  const body = Buffer.from(text, 'latin1');
  return exchange.write(body, 0, body.length);
}
