/** One call of the undici client: undici's handler on one side, our listener and handle on the other. */
import type { Dispatcher } from 'undici';
import {
  ANSWERED,
  CLOSED,
  CONNECT_REFUSED,
  CONNECT_TIMEOUT,
  CONTENT_EVENT_STREAM,
  CONTENT_JSON,
  CONTENT_NONE,
  CONTENT_OTHER,
  MAYBE,
  NOT_SENT,
  PROTOCOL,
  TOO_LARGE,
  type HttpCall,
  type HttpContentType,
  type HttpExecuted,
  type HttpFailureKind,
  type HttpHeadView,
  type HttpResponseListener,
} from '../../src/transport/http/http-client.ts';
import { readRequestHead } from '../../src/transport/http/request-head.ts';

type Controller = Dispatcher.DispatchController;
type Headers = Record<string, string | string[] | undefined>;

export interface UndiciCallOwner {
  onSent(): void;
  /** `kind` 0: by the response's end, or by `abort` (which counts as no failure). */
  onEnded(call: UndiciCall, kind: HttpFailureKind | 0): void;
  /** Sends the call once more. False if that is out of the question. */
  resend(call: UndiciCall): boolean;
  renewCall(call: UndiciCall, timeoutMs: number): void;
}

export class UndiciCall implements HttpCall, Dispatcher.DispatchHandler {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly headers: string[];
  readonly body: Buffer | null;
  deadlineMs = Infinity;
  isEnded = false;
  /** It reads what it is given from a copy. */
  readonly isHeld = false;
  readonly #owner: UndiciCallOwner;
  readonly #listener: HttpResponseListener;
  readonly #resendable: boolean;
  #isResent = false;
  #executed: HttpExecuted = NOT_SENT;
  #controller: Controller | null = null;

  constructor(
    owner: UndiciCallOwner,
    request: Buffer,
    start: number,
    end: number,
    listener: HttpResponseListener,
    resendable: boolean,
  ) {
    const head = readRequestHead(request, start, end);
    this.method = head.method as Dispatcher.HttpMethod;
    this.path = head.path;
    this.headers = head.headers;
    this.body = head.bodyStart < end ? request.subarray(head.bodyStart, end) : null;
    this.#owner = owner;
    this.#listener = listener;
    this.#resendable = resendable;
  }

  abort(): HttpExecuted {
    if (this.isEnded) return ANSWERED;
    const executed = this.#executed;
    this.#end(0);
    this.#controller?.abort(GIVEN_UP);
    return executed;
  }

  resume(): void {
    const controller = this.#controller;
    if (controller === null || this.isEnded || !controller.paused) return;
    setImmediate(() => {
      if (!this.isEnded) controller.resume();
    });
  }

  renew(timeoutMs: number): void {
    if (!this.isEnded) this.#owner.renewCall(this, timeoutMs);
  }

  /** Ends the call as failed, for a reason of the client's own. */
  fail(kind: HttpFailureKind): void {
    if (this.isEnded) return;
    this.#end(kind);
    this.#controller?.abort(GIVEN_UP);
    this.#listener.onFailure(kind, this.#executed);
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.isEnded) {
      controller.abort(GIVEN_UP);
      return;
    }
    this.#executed = MAYBE;
    this.#owner.onSent();
  }

  onResponseStart(_controller: Controller, status: number, headers: Headers): void {
    if (this.isEnded || status < 200) return;
    this.#executed = ANSWERED;
    this.#listener.onHead(status, new UndiciHead(headers));
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.isEnded) return;
    if (!this.#listener.onBody(chunk, 0, chunk.length) && !this.isEnded) controller.pause();
  }

  onResponseEnd(): void {
    if (this.isEnded) return;
    this.#end(0);
    this.#listener.onEnd();
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.isEnded) return;
    const kind = failureKind(error, this.#executed);
    // undici shows no first byte, but what it could not read must have come.
    if (kind === PROTOCOL || kind === TOO_LARGE) this.#executed = ANSWERED;
    const canResend = this.#resendable && !this.#isResent && this.#executed === MAYBE;
    if (kind === CLOSED && canResend && this.#owner.resend(this)) {
      this.#isResent = true;
      this.#controller = null;
      return;
    }
    this.#end(kind);
    this.#listener.onFailure(kind, this.#executed);
  }

  #end(kind: HttpFailureKind | 0): void {
    this.isEnded = true;
    this.#owner.onEnded(this, kind);
  }
}

/** undici wants a reason; nobody sees it. */
const GIVEN_UP = new Error('call given up');

class UndiciHead implements HttpHeadView {
  readonly contentType: HttpContentType;
  readonly contentLength: number;
  readonly #headers: Headers;

  constructor(headers: Headers) {
    this.#headers = headers;
    this.contentType = contentTypeOf(this.find('content-type'));
    const length = this.find('content-length');
    this.contentLength = length !== null && /^\d{1,15}$/.test(length) ? Number(length) : -1;
  }

  find(lowerCaseName: string): string | null {
    const value = this.#headers[lowerCaseName];
    if (value === undefined) return null;
    return typeof value === 'string' ? value : value.join(', ');
  }
}

function contentTypeOf(value: string | null): HttpContentType {
  if (value === null) return CONTENT_NONE;
  const essence = (/^[^; \t]*/.exec(value)?.[0] ?? '').toLowerCase();
  if (essence === 'application/json') return CONTENT_JSON;
  return essence === 'text/event-stream' ? CONTENT_EVENT_STREAM : CONTENT_OTHER;
}

function failureKind(error: Error, executed: HttpExecuted): HttpFailureKind {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return CONNECT_TIMEOUT;
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || code === 'HPE_HEADER_OVERFLOW') return TOO_LARGE;
  if (error.name === 'HTTPParserError' || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
    return PROTOCOL;
  }
  return executed === NOT_SENT ? CONNECT_REFUSED : CLOSED;
}
