/**
 * The port of an authentication method. Methods are asked in the order of the settings; the first
 * that recognises a credential decides about it, for good or bad.
 */
import type { AuthRefusal } from './auth-verdict.ts';
import type { Credential } from './credential.ts';
import type { Identity } from './principal.ts';

export interface AuthMethod {
  /** For logs and `Principal.method`. */
  readonly label: string;
  /** Which credential it reads: `SOURCE_BEARER`, or `SOURCE_HEADER` and the index of its header. */
  readonly source: number;
  /**
   * @param mayWait false on the second look after a wait: answer without waiting again
   * @returns null: not one of mine
   */
  check(credential: Credential, nowWallMs: number, mayWait: boolean): MethodVerdict | null;
  /** Lets go of what it uses; those who wait are told. */
  close(): void;
}

export type MethodVerdict = Accepted | AuthRefusal | AuthWait;

/** A verified credential. */
export class Accepted {
  readonly identity: Identity;
  /** Wall time in ms until which it may be remembered. */
  readonly untilMs: number;
  /** Whether token exchange (RFC 8693) may be done with it: bearer tokens of an issuer only. */
  readonly isExchangeable: boolean;

  constructor(identity: Identity, untilMs: number, isExchangeable: boolean) {
    this.identity = identity;
    this.untilMs = untilMs;
    this.isExchangeable = isExchangeable;
  }
}

/** Somebody has to be asked first. */
export interface AuthWait {
  readonly wait: true;
  /** The waiter is told once, in a later turn. */
  join(waiter: AuthWaiter): void;
}

export interface AuthWaiter {
  /** Whether nobody is interested any more. */
  readonly isCancelled: boolean;
  /** True if its address was found to flood us in the meantime; it is refused then. */
  refuseIfFlooding(): boolean;
  /** What it waited for is there: ask the method again, without waiting. */
  retry(): void;
  /** What became of it. */
  settle(verdict: Accepted | AuthRefusal): void;
}

export function isWait(verdict: MethodVerdict): verdict is AuthWait {
  return 'wait' in verdict;
}
