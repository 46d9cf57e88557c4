import type {
  HttpCall,
  HttpClient,
  HttpResponseListener,
} from '../../src/transport/http/http-client.ts';

/** Hands each call that has ended well to the next one, as a shard does. */
export class ThriftyClient implements HttpClient {
  /** Calls that served again. */
  reused = 0;
  readonly #inner: HttpClient;
  readonly #spent: HttpCall[] = [];

  constructor(inner: HttpClient) {
    this.#inner = inner;
  }

  get pending(): number {
    return this.#inner.pending;
  }

  get connections(): number {
    return this.#inner.connections;
  }

  get connectError(): string {
    return this.#inner.connectError;
  }

  send(
    request: Uint8Array,
    start: number,
    end: number,
    listener: HttpResponseListener,
    timeoutMs: number,
    resendable: boolean,
    isLasting = false,
  ): HttpCall | null {
    let call: HttpCall | null = null;
    const told: HttpResponseListener = {
      onHead: (status, head) => listener.onHead(status, head),
      onBody: (bytes, from, to) => listener.onBody(bytes, from, to),
      onEnd: () => {
        if (call !== null) this.#spent.push(call);
        listener.onEnd();
      },
      onFailure: (kind, executed) => listener.onFailure(kind, executed),
    };
    const spent = this.#spent.pop() ?? null;
    call = this.#inner.send(request, start, end, told, timeoutMs, resendable, isLasting, spent);
    if (call !== null && call === spent) this.reused += 1;
    return call;
  }

  close(graceMs = 0): Promise<void> {
    return this.#inner.close(graceMs);
  }
}
