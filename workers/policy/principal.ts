/**
 * Who calls. Made once per verified credential, immutable, and good for as long as the credential is.
 *
 * `key` names the caller: issuer, subject and client id with U+0000 between (no part may contain it).
 * Never the subject alone: two issuers may both know an `alice`, and one user's two clients are two
 * callers. Sessions, task handles and caches are bound to `key`.
 *
 * The credential itself is kept for RFC 8693 exchange only. It is private and not enumerable, so
 * neither a logger nor JSON.stringify shows it.
 */
import { createHash } from 'node:crypto';
import { NO_SCOPES } from './scope-set.ts';
import type { ScopeSet } from './scope-set.ts';
import { AUTH_OK } from './auth-verdict.ts';

/** What is known of a caller once its credential was verified. */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
  readonly clientId: string;
  /** Valid, see `cleanScopes`. */
  readonly scopes: readonly string[];
  /** Wall time in ms at which the credential dies; Infinity: never. */
  readonly expiresAtMs: number;
  /** Label of the method that verified it. */
  readonly method: string;
}

export class Principal {
  /** Tag of `AuthVerdict`. */
  readonly kind: typeof AUTH_OK;
  readonly key: string;
  /** `key` and the scopes: what may be cached on behalf of this caller with exactly these rights. */
  readonly grantKey: string;
  readonly issuer: string;
  readonly subject: string;
  readonly clientId: string;
  readonly scopes: ScopeSet;
  /** Wall time in ms; Infinity for static credentials. */
  readonly expiresAtMs: number;
  /** Label of the method that verified it; `anonymous` for none. */
  readonly method: string;
  readonly isAnonymous: boolean;
  /** 64 bits that stand for `key` in tables in shared memory; see `writeLimitKey`. Unsigned. */
  readonly limitLow: number;
  readonly limitHigh: number;
  readonly #credential: Buffer | null;

  /** @param credential the verified token, owned by the principal from here on; null: nothing to exchange */
  constructor(
    identity: Identity,
    scopes: ScopeSet,
    credential: Buffer | null,
    isAnonymous: boolean,
  ) {
    const { issuer, subject, clientId } = identity;
    const key = `${issuer}\u0000${subject}\u0000${clientId}`;
    const digest = createHash('sha256').update(key).digest();
    this.kind = AUTH_OK;
    this.key = key;
    this.grantKey = `${key}\u0000${scopes.text}`;
    this.issuer = issuer;
    this.subject = subject;
    this.clientId = clientId;
    this.scopes = scopes;
    this.expiresAtMs = identity.expiresAtMs;
    this.method = identity.method;
    this.isAnonymous = isAnonymous;
    this.limitLow = digest.readUInt32LE(0);
    this.limitHigh = (digest.readUInt32LE(4) | PRINCIPAL_BIT) >>> 0;
    this.#credential = credential;
  }

  /** The verified token, for token exchange (RFC 8693) alone: it goes to no upstream and no log. */
  exchangeableToken(): Buffer | null {
    return this.#credential;
  }
}

/** Top bit of `limitHigh`: set for principals, clear for addresses. */
const PRINCIPAL_BIT = 0x8000_0000;
/** Second word of an IPv4 address. No IPv6 /64 in use starts with these 32 bits. */
const IPV4_HIGH = 4;

/** The caller without a credential, where the settings allow it. For limits it is its address. */
export const ANONYMOUS: Principal = new Principal(
  { issuer: '', subject: '', clientId: '', scopes: [], expiresAtMs: Infinity, method: 'anonymous' },
  NO_SCOPES,
  null,
  true,
);

/**
 * Writes the 64 bits by which rate limits know a caller: `out[0]` low, `out[1]` high word.
 *
 * A principal is the first 64 bits of SHA-256 over `key`, with the top bit set: equal in every shard
 * and every run, and nobody finds two that collide on purpose in fewer than 2^31 tries at an issuer.
 * An anonymous caller is its address: IPv4 whole, IPv6 by its /64 (one customer's network), with the
 * top bit clear. Addresses are not mixed: a table has to hash what it is given.
 *
 * A listener without addresses (family 0) gives 0 and 0.
 *
 * @param at where in `bytes` the address stands: 4 bytes for family 4, 16 for family 6
 */
export function writeLimitKey(
  principal: Principal,
  family: number,
  bytes: Uint8Array,
  at: number,
  out: Uint32Array,
): void {
  if (principal.isAnonymous) {
    writeAddressKey(family, bytes, at, out);
    return;
  }
  out[0] = principal.limitLow;
  out[1] = principal.limitHigh;
}

/** The address part of `writeLimitKey`. */
export function writeAddressKey(
  family: number,
  bytes: Uint8Array,
  at: number,
  out: Uint32Array,
): void {
  const first = wordAt(bytes, at);
  if (family === 4) {
    out[0] = first;
    out[1] = IPV4_HIGH;
  } else {
    out[0] = family === 6 ? wordAt(bytes, at + 4) : 0;
    out[1] = family === 6 ? first & ~PRINCIPAL_BIT : 0;
  }
}

/** Big endian, as addresses are written. */
function wordAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}
