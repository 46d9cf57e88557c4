/**
 * From the claims of a verified credential to an identity, as the settings map them. The claims come
 * from a verified token or from the issuer's own answer; still only own members are read, odd types
 * fail closed, and nothing that would blur `Principal.key` gets through.
 */
import type { PlanClaimMapping, PlanClaimPath, PlanRequiredClaim } from '../../src/config/plan.ts';
import type { Identity } from './principal.ts';
import { IDENTITY_CHARS_MAX } from './policy-limits.ts';
import { cleanScopes } from './scope-set.ts';

export type Claims = Readonly<Record<string, unknown>>;

export interface ClaimsContext {
  readonly mapping: PlanClaimMapping;
  readonly issuer: string;
  /** Where the subject stands if not in `sub`. */
  readonly subjectPath?: PlanClaimPath;
  readonly expiresAtMs: number;
  /** Label of the method. */
  readonly method: string;
}

/** The identity, or in a word why there is none. */
export function identityOf(claims: Claims, context: ClaimsContext): Identity | string {
  const { mapping } = context;
  for (const required of mapping.requiredClaims) {
    if (!hasClaim(claims, required)) return 'required-claim';
  }
  const subjectClaim = claimAt(claims, context.subjectPath ?? ['sub']);
  const subject = subjectClaim === undefined ? '' : nameOf(subjectClaim);
  if (subject === null) return 'subject';
  const clientClaim = firstClaim(claims, mapping.clientIdClaims);
  const clientId = clientClaim === undefined ? null : nameOf(clientClaim);
  if (clientId === null || clientId === '') return 'client-id';
  if (nameOf(context.issuer) === null) return 'issuer';
  const scopes = scopesOf(firstClaim(claims, mapping.scopeClaims), mapping.grantScopes);
  if (scopes === null) return 'scopes';
  const { issuer, expiresAtMs, method } = context;
  return { issuer, subject, clientId, scopes, expiresAtMs, method };
}

/** An own member, down the path. undefined: not there, or something on the way is no object. */
export function claimAt(claims: Claims, path: PlanClaimPath): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (!isClaims(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

export function isClaims(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A date in seconds (RFC 7519 §2 NumericDate), as wall ms. undefined: absent; null: not a date. */
export function dateClaimMs(value: unknown): number | null | undefined {
  if (value === undefined) return undefined;
  return typeof value === 'number' && Number.isFinite(value) ? value * 1000 : null;
}

/** Whether `aud` (RFC 7519 §4.1.3: a string or an array of strings) names one of us. */
export function namesAudience(value: unknown, audiences: readonly string[]): boolean {
  if (typeof value === 'string') return audiences.includes(value);
  return (
    Array.isArray(value) &&
    value.some((entry) => typeof entry === 'string' && audiences.includes(entry))
  );
}

function firstClaim(claims: Claims, paths: readonly PlanClaimPath[]): unknown {
  for (const path of paths) {
    const value = claimAt(claims, path);
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

/** A name as text, also from a whole number (GitHub's user ids); null: not usable as one. */
function nameOf(value: unknown): string | null {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value !== 'string' || value.length > IDENTITY_CHARS_MAX) return null;
  // U+0000 parts the members of `Principal.key`; other control characters have no business in a log.
  // eslint would call a control character in a pattern a slip, so they are compared as numbers.
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return null;
  }
  return value;
}

/** RFC 8693 §4.2 `scope`: a string with spaces between; others: an array of strings. null: neither. */
function scopesOf(claim: unknown, granted: readonly string[]): readonly string[] | null {
  if (claim === undefined) return granted;
  if (typeof claim === 'string') return cleanScopes([...claim.split(' '), ...granted]);
  return Array.isArray(claim) ? cleanScopes([...(claim as unknown[]), ...granted]) : null;
}

function hasClaim(claims: Claims, required: PlanRequiredClaim): boolean {
  const value = claimAt(claims, required.path);
  const isAllowed = (one: unknown): boolean => required.values.some((allowed) => allowed === one);
  return Array.isArray(value) ? value.some(isAllowed) : isAllowed(value);
}
