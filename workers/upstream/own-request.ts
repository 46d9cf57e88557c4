import { Fault } from '../../shared/fault.ts';
import type { FaultCode } from '../../shared/fault.ts';
import { KIND_ERROR } from '../../src/protocol/jsonrpc/peek-record.ts';
import type { Peek } from '../../src/protocol/jsonrpc/peek.ts';
import type { HttpExecuted } from '../../src/transport/http/http-client.ts';
import type { CallListener, UpstreamCall } from './call.ts';
import type { JsonObject } from './upstream.ts';

/** An upstream answered a request of ours with a JSON-RPC error. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: number;
  readonly data: unknown;
  readonly httpStatus: number;
  constructor(code: number, message: string, data: unknown, httpStatus: number) {
    super(`upstream answered error ${code}: ${message.slice(0, 200)}`);
    this.code = code;
    this.data = data;
    this.httpStatus = httpStatus;
  }
}

/**
 * A request of the gateway's own (handshakes, lists) as a promise. Off the path of calls. Notifications
 * are dropped; requests of the server are refused, as nobody stands behind this request who could
 * answer them.
 */
export class OwnRequest implements CallListener {
  readonly promise: Promise<JsonObject>;
  #resolve!: (result: JsonObject) => void;
  #reject!: (error: Error) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  onNotification(): void {}

  onServerRequest(
    call: UpstreamCall,
    bytes: Buffer,
    _start: number,
    _end: number,
    peek: Peek,
  ): void {
    refuseServerRequest(call, bytes, peek);
  }

  onResponse(call: UpstreamCall, bytes: Buffer, start: number, end: number, peek: Peek): void {
    let message: { result?: JsonObject; error?: { code: number; message: string; data?: unknown } };
    try {
      message = JSON.parse(bytes.toString('utf8', start, end)) as typeof message;
    } catch (error) {
      this.#reject(new Fault('UPSTREAM_INVALID', String(error)));
      return;
    }
    if (peek.kind === KIND_ERROR || message.error !== undefined) {
      const { code = 0, message: text = '', data } = message.error ?? {};
      this.#reject(new RpcError(code, String(text), data, call.httpStatus));
    } else this.#resolve(message.result ?? {});
  }

  onStreamBegin(): null {
    return null;
  }
  onStreamData(): boolean {
    return true;
  }
  onStreamEnd(): void {
    this.#reject(new Fault('UPSTREAM_TOO_LARGE', 'own request was streamed'));
  }

  onFault(_call: UpstreamCall, code: FaultCode, _executed: HttpExecuted, detail: string): void {
    this.#reject(new Fault(code, detail));
  }
}

/** A stream of the gateway's own whose news are heard elsewhere; its end says nothing new. */
export class OwnStream implements CallListener {
  onNotification(): void {}
  onServerRequest(
    call: UpstreamCall,
    bytes: Buffer,
    _start: number,
    _end: number,
    peek: Peek,
  ): void {
    refuseServerRequest(call, bytes, peek);
  }
  onResponse(): void {}
  onStreamBegin(): null {
    return null;
  }
  onStreamData(): boolean {
    return true;
  }
  onStreamEnd(): void {}
  onFault(): void {}
}

/** Answers a server's request that no client can be asked: the method does not exist here. */
export function refuseServerRequest(call: UpstreamCall, bytes: Buffer, peek: Peek): void {
  const id = bytes.toString('latin1', peek.idStart, peek.idEnd);
  const answer = refusalText(id);
  const message = Buffer.from(answer, 'latin1');
  call.respond(message, 0, message.length);
}

/** The refusal as a message; `id` is the server's id token, byte for byte. */
export function refusalText(id: string): string {
  return `{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"method not found: no client can answer this"}}`;
}
