/** Calls through an HTTP client, and what came of them. */
import {
  failureName,
  requestHeadPrefix,
  type HttpCall,
  type HttpClient,
  type HttpExecuted,
  type HttpFailureKind,
  type HttpHeadView,
  type HttpResponseListener,
} from '../../src/transport/http/http-client.ts';

/** Builds a complete request. */
export function requestBytes(
  url: URL,
  method: 'POST' | 'GET' | 'DELETE',
  body: string | Buffer = '',
): Buffer {
  const bytes = Buffer.from(body as string);
  const prefix = requestHeadPrefix(url, method, [
    ['accept', 'application/json, text/event-stream'],
  ]);
  const length = method === 'POST' ? `content-length: ${bytes.length}\r\n` : '';
  return Buffer.concat([prefix, Buffer.from(`${length}\r\n`), bytes]);
}

/** How a call ended. */
export interface Outcome {
  readonly status: number;
  readonly body: string;
  /** Null for a complete response. */
  readonly failure: string | null;
  readonly executed: HttpExecuted | -1;
}

/** Keeps what it is told, and checks that it is told so in order. */
export class ProbeListener implements HttpResponseListener {
  status = 0;
  contentType = -1;
  contentLength = -2;
  readonly found: Record<string, string | null> = {};
  readonly wanted: readonly string[];
  bodyBytes = 0;
  keepsBody = true;
  /** What `onBody` answers; a pause lasts until the test calls `resume`. */
  answer: () => boolean = () => true;
  readonly outcome: Promise<Outcome>;
  isOver = false;
  readonly #pieces: Buffer[] = [];
  readonly #waiting: { bytes: number; resolve: () => void }[] = [];
  #resolve: (outcome: Outcome) => void = () => undefined;

  constructor(wanted: readonly string[] = []) {
    this.wanted = wanted;
    this.outcome = new Promise((resolve) => (this.#resolve = resolve));
  }

  get body(): string {
    return Buffer.concat(this.#pieces).toString('latin1');
  }

  /** Resolves when so many bytes of the body have come. */
  async received(bytes: number): Promise<void> {
    if (this.bodyBytes >= bytes) return;
    await new Promise<void>((resolve) => this.#waiting.push({ bytes, resolve }));
  }

  onHead(status: number, head: HttpHeadView): void {
    this.#check(this.status === 0, 'one head');
    this.status = status;
    this.contentType = head.contentType;
    this.contentLength = head.contentLength;
    for (const name of this.wanted) this.found[name] = head.find(name);
  }

  onBody(bytes: Buffer, start: number, end: number): boolean {
    this.#check(this.status !== 0 && end > start, 'body after head, and not empty');
    if (this.keepsBody) this.#pieces.push(Buffer.from(bytes.subarray(start, end)));
    this.bodyBytes += end - start;
    for (const waiter of this.#waiting.splice(0)) {
      if (this.bodyBytes >= waiter.bytes) waiter.resolve();
      else this.#waiting.push(waiter);
    }
    return this.answer();
  }

  onEnd(): void {
    this.#check(this.status !== 0, 'end after head');
    this.isOver = true;
    this.#resolve({ status: this.status, body: this.body, failure: null, executed: -1 });
  }

  onFailure(kind: HttpFailureKind, executed: HttpExecuted): void {
    this.#check(true, 'one end');
    this.isOver = true;
    const failure = failureName(kind);
    this.#resolve({ status: this.status, body: this.body, failure, executed });
  }

  #check(isInOrder: boolean, what: string): void {
    if (!isInOrder || this.isOver) throw new Error(`listener called out of order: ${what}`);
  }
}

export interface ProbeOptions {
  readonly method?: 'POST' | 'GET' | 'DELETE';
  readonly body?: string | Buffer;
  readonly timeoutMs?: number;
  readonly resendable?: boolean;
  readonly isLasting?: boolean;
  readonly wanted?: readonly string[];
}

export interface Probe {
  readonly listener: ProbeListener;
  readonly call: HttpCall;
  readonly outcome: Promise<Outcome>;
}

/** Sends a call; throws if the client refuses it. */
export function sendProbe(client: HttpClient, url: URL, options: ProbeOptions = {}): Probe {
  const listener = new ProbeListener(options.wanted);
  const request = requestBytes(url, options.method ?? 'POST', options.body ?? '');
  const call = client.send(
    request,
    0,
    request.length,
    listener,
    options.timeoutMs ?? 15_000,
    options.resendable ?? false,
    options.isLasting ?? false,
  );
  if (call === null) throw new Error('call refused');
  if (listener.isOver) throw new Error('the listener was called before send returned');
  return { listener, call, outcome: listener.outcome };
}

/** A response with a length. */
export function answer(body: string, status = 200, fields = ''): string {
  return `HTTP/1.1 ${status} X\r\n${fields}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** One turn of the event loop: timers, reads, and what they set off. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
