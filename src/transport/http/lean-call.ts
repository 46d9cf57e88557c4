/**
 * One call of the lean client, and the list that calls wait in: for a connection, or on one for their
 * answer. A call is in at most one list at a time, so the links are in the call itself.
 *
 *   QUEUED ─▶ ASSIGNED ─▶ SENT ─▶ ANSWERED ─▶ ENDED
 *      ▲          │        │                     ▲ │
 *      └──────────┴────────┴── connection lost ──┘ │
 *      ▲ ─────────────────── begin ────────────────┘
 */
import { ByteRange } from '../../../shared/byte-words.ts';
import {
  ANSWERED,
  MAYBE,
  NOT_SENT,
  type HttpCall,
  type HttpExecuted,
  type HttpResponseListener,
} from './http-client.ts';
import type { LeanConnection } from './lean-connection.ts';

export const CALL_QUEUED = 0;
/** On a connection, not yet written. */
export const CALL_ASSIGNED = 1;
/** Handed to the socket, perhaps in part. */
export const CALL_SENT = 2;
/** A byte of the response came. */
export const CALL_ANSWERED = 3;
export const CALL_ENDED = 4;

/** What a call's handle asks of its client. */
export interface CallOwner {
  abortCall(call: LeanCall): void;
  resumeCall(call: LeanCall): void;
  renewCall(call: LeanCall, timeoutMs: number): void;
}

/** Takes the place of the listener of a call that was given up while others share its connection. */
export const DROP_RESPONSE: HttpResponseListener = {
  onHead: () => undefined,
  onBody: () => true,
  onEnd: () => undefined,
  onFailure: () => undefined,
};

const NO_REQUEST = new ByteRange(new Uint8Array(0));

export class LeanCall implements HttpCall {
  request: ByteRange = NO_REQUEST;
  start = 0;
  end = 0;
  resendable = false;
  /** Shares its connection with no other call. */
  isLasting = false;
  listener: HttpResponseListener = DROP_RESPONSE;
  /** On the client's clock; Infinity for none. */
  deadlineMs = Infinity;
  /** When it was handed in. */
  bornMs = 0;
  /** When it was written last. */
  sentMs = 0;
  state = CALL_QUEUED;
  /** Given to a connection so many times. */
  attempts = 0;
  /** Written a second time, or about to be. */
  isResent = false;
  /** Its own bytes may still wait in the socket: whoever made them must not write others there. */
  isHeld = false;
  /** Waits for a connection that is new or has just answered; idle ones are as suspect as the lost one. */
  needsFresh = false;
  /** Ended for its listener, but its answer is still to come on a connection that others use. */
  isGivenUp = false;
  /** Its answer came to its end, and nothing in the client knows it any more. */
  isSpent = false;
  connection: LeanConnection | null = null;
  previous: LeanCall | null = null;
  next: LeanCall | null = null;
  readonly #owner: CallOwner;

  constructor(owner: CallOwner) {
    this.#owner = owner;
  }

  /** A new call begins, or a spent one anew, for the one who had it before. */
  begin(
    request: Uint8Array,
    start: number,
    end: number,
    listener: HttpResponseListener,
    bornMs: number,
    deadlineMs: number,
    resendable: boolean,
    isLasting: boolean,
  ): void {
    // A store of an object costs more than a look: the collector has to hear of it.
    if (this.request.bytes !== request) this.request = new ByteRange(request);
    if (this.listener !== listener) this.listener = listener;
    this.start = start;
    this.end = end;
    this.bornMs = bornMs;
    this.deadlineMs = deadlineMs;
    this.resendable = resendable;
    this.isLasting = isLasting;
    this.sentMs = 0;
    this.state = CALL_QUEUED;
    this.attempts = 0;
    this.isResent = false;
    this.isHeld = false;
    this.needsFresh = false;
    this.isSpent = false;
  }

  executed(): HttpExecuted {
    if (this.state >= CALL_ANSWERED) return ANSWERED;
    return this.state === CALL_SENT || this.isResent ? MAYBE : NOT_SENT;
  }

  abort(): HttpExecuted {
    if (this.state === CALL_ENDED || this.isGivenUp) return ANSWERED;
    const executed = this.executed();
    this.#owner.abortCall(this);
    return executed;
  }

  resume(): void {
    if (this.state === CALL_ANSWERED && !this.isGivenUp) this.#owner.resumeCall(this);
  }

  renew(timeoutMs: number): void {
    if (this.state !== CALL_ENDED && !this.isGivenUp) this.#owner.renewCall(this, timeoutMs);
  }
}

/** First in, first out, with removal anywhere. */
export class CallList {
  first: LeanCall | null = null;
  last: LeanCall | null = null;
  count = 0;

  pushBack(call: LeanCall): void {
    call.next = null;
    call.previous = this.last;
    if (this.last === null) this.first = call;
    else this.last.next = call;
    this.last = call;
    this.count += 1;
  }

  pushFront(call: LeanCall): void {
    call.previous = null;
    call.next = this.first;
    if (this.first === null) this.last = call;
    else this.first.previous = call;
    this.first = call;
    this.count += 1;
  }

  /** The call must be in this list. */
  remove(call: LeanCall): void {
    if (call.previous === null) this.first = call.next;
    else call.previous.next = call.next;
    if (call.next === null) this.last = call.previous;
    else call.next.previous = call.previous;
    call.previous = null;
    call.next = null;
    this.count -= 1;
  }

  /** Adds the calls that are due to `due`. @returns the earliest deadline of the others */
  collectDue(nowMs: number, due: LeanCall[]): number {
    let nextMs = Infinity;
    for (let call = this.first; call !== null; call = call.next) {
      if (call.isGivenUp) continue;
      if (call.deadlineMs <= nowMs) due.push(call);
      else nextMs = Math.min(nextMs, call.deadlineMs);
    }
    return nextMs;
  }
}
