/**
 * What becomes of a request's credentials: a principal, a refusal, or "wait". `kind` tells which;
 * refusals are made once, so that refusing allocates nothing.
 */
import type { FaultCode } from '../../shared/fault.ts';
import type { Principal } from './principal.ts';

export const AUTH_OK = 0;
export const AUTH_REFUSED = 1;
export const AUTH_PENDING = 2;

export type AuthFault =
  'UNAUTHENTICATED' | 'CREDENTIAL_INVALID' | 'AUTH_FLOOD' | 'AUTH_UNAVAILABLE';

export class AuthRefusal {
  readonly kind: typeof AUTH_REFUSED;
  readonly fault: AuthFault & FaultCode;
  /** For Retry-After, in ms; 0: say nothing. */
  readonly retryAfterMs: number;

  constructor(fault: AuthFault, retryAfterMs: number) {
    this.kind = AUTH_REFUSED;
    this.fault = fault;
    this.retryAfterMs = retryAfterMs;
  }
}

export const REFUSED_UNAUTHENTICATED = new AuthRefusal('UNAUTHENTICATED', 0);
export const REFUSED_INVALID = new AuthRefusal('CREDENTIAL_INVALID', 0);
/** The issuer does not answer, or too many wait for it. */
export const REFUSED_UNAVAILABLE = new AuthRefusal('AUTH_UNAVAILABLE', 5_000);

/** Takes the verdict of a pending authentication: a principal or a refusal. */
export type AuthResume = (verdict: Principal | AuthRefusal) => void;

/**
 * The credential is seen for the first time, and whoever can judge it has to be asked. Nothing of the
 * request's bytes is kept but a copy of the credential.
 */
export interface AuthPending {
  readonly kind: typeof AUTH_PENDING;
  /**
   * Calls `resume` once, in a later turn, unless `cancel` came first. The wait is bounded by the
   * method's request timeout. Register in the turn in which the verdict was given, and only once.
   */
  whenReady(resume: AuthResume): void;
  /** The exchange is gone: `resume` will not be called. */
  cancel(): void;
}

export type AuthVerdict = Principal | AuthRefusal | AuthPending;
