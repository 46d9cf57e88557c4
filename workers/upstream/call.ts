import type { FaultCode } from '../../shared/fault.ts';
import type { HttpExecuted } from '../../src/transport/http/http-client.ts';
import type { Peek } from '../../src/protocol/jsonrpc/peek.ts';
import type { ResponseStream } from '../../src/protocol/jsonrpc/response-stream.ts';
import type { Exchange } from '../exchange.ts';
import type { Session } from '../session/session.ts';

/** Why a call is given up. */
export const GIVEN_UP_BY_CLIENT = 1;
export const GIVEN_UP_BY_DEADLINE = 2;

/**
 * Hears what belongs to one call. The messages are valid during the method only. Each call ends
 * exactly once: by `onResponse`, `onStreamEnd` or `onFault`; a call that was given up hears nothing.
 */
export interface CallListener {
  /** A notification that came for this call, before its response. */
  onNotification(call: UpstreamCall, bytes: Buffer, start: number, end: number, peek: Peek): void;
  /** A request of a legacy server in the course of this call; answered through `call.respond`. */
  onServerRequest(call: UpstreamCall, bytes: Buffer, start: number, end: number, peek: Peek): void;
  onResponse(call: UpstreamCall, bytes: Buffer, start: number, end: number, peek: Peek): void;
  /**
   * The response is too large to be held: it goes through the stream that is returned, which puts id
   * and era right on the way. null if this listener needs it whole nevertheless (up to the upstream's
   * message bound).
   */
  onStreamBegin(call: UpstreamCall): ResponseStream | null;
  /** False: pause until `call.resume()`. */
  onStreamData(call: UpstreamCall, bytes: Buffer, start: number, end: number): boolean;
  onStreamEnd(call: UpstreamCall, isComplete: boolean, isError: boolean): void;
  onFault(call: UpstreamCall, code: FaultCode, executed: HttpExecuted, detail: string): void;
}

/** One JSON-RPC request that an upstream works on. */
export abstract class UpstreamCall {
  /** Our JSON-RPC id, as the digits that stand in the message. */
  idToken: Buffer = NO_TOKEN;
  listener: CallListener | null = null;
  /** The downstream exchange, where there is one; lists and handshakes have none. */
  exchange: Exchange | null = null;
  /** Downstream legacy session, for what belongs to a session rather than to a call. */
  session: Session | null = null;
  upstreamSlot = -1;
  methodId = 0;
  /** Status of the HTTP answer that carried the response; 200 on links without one. */
  httpStatus = 200;
  timeoutMs = 0;
  deadlineMs = 0;
  /** Progress may move the deadline, but never past this. */
  deadlineCapMs = 0;
  /** Requests of the server that wait for the client: while there are any, the deadline rests. */
  serverRequests = 0;
  previous: UpstreamCall | null = null;
  next: UpstreamCall | null = null;
  isListed = false;

  /** Gives the call up: the upstream is told in the way of its era, the listener hears no more. */
  abstract giveUp(reason: number): void;
  /** Sends a response (a complete message under the server's own id) to a request of the server. */
  abstract respond(bytes: Buffer, start: number, end: number): void;
  /** Reads on after `onStreamData` answered false. */
  abstract resume(): void;
}

const NO_TOKEN = Buffer.alloc(0);
