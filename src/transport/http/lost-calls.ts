/** What becomes of the calls of a lost connection. */
import { CLOSED, type HttpFailureKind } from './http-client.ts';
import { CALL_ASSIGNED, CALL_QUEUED, CALL_SENT, type LeanCall } from './lean-call.ts';
import type { LeanConnection } from './lean-connection.ts';

/** Times a call may be given to a connection: some idle ones may be dead at once after a restart. */
const ATTEMPTS_MAX = 3;

export class LostCalls {
  /** To go to the front of the queue one by one: the last of them comes first here. */
  readonly again: LeanCall[] = [];
  /** Those of `again` that had been sent before. */
  resent = 0;
  /** In the order of the connection. */
  readonly failed: LeanCall[] = [];
  /** The first call, which may have been answered in part. */
  readonly head: LeanCall | null;
  /** Calls had been sent behind the first one: they are in doubt because of pipelining. */
  wasAhead = false;

  /** Takes all calls off the connection. Those that were given up are in neither list. */
  constructor(connection: LeanConnection, kind: HttpFailureKind) {
    const { calls } = connection;
    const mayResendHead = connection.answered > 0 && kind === CLOSED;
    this.head = calls.first;
    for (let call = calls.last; call !== null; call = calls.last) {
      calls.remove(call);
      call.connection = null;
      if (!call.isGivenUp) this.#sort(call, mayResendHead);
    }
    this.failed.reverse();
  }

  #sort(call: LeanCall, mayResendHead: boolean): void {
    const isHead = call === this.head;
    if (!isHead && call.state === CALL_SENT) this.wasAhead = true;
    const mayResend = call.resendable && !call.isResent && (!isHead || mayResendHead);
    if (call.state === CALL_ASSIGNED && call.attempts < ATTEMPTS_MAX) {
      this.#requeue(call);
    } else if (call.state === CALL_SENT && mayResend) {
      call.isResent = true;
      this.resent += 1;
      this.#requeue(call);
    } else {
      this.failed.push(call);
    }
  }

  #requeue(call: LeanCall): void {
    call.state = CALL_QUEUED;
    call.needsFresh = true;
    this.again.push(call);
  }
}
