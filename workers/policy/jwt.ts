/**
 * Signed tokens (RFC 7519), checked by fast-jwt. This file is its only importer in the shard.
 *
 * What always holds:
 * - Algorithms, issuers and audiences come from the settings and are passed to every verifier. A
 *   verifier's algorithms are those of its own key, cut with the configured ones: `none` and a key
 *   of one family used for another cannot be expressed.
 * - Keys come from the settings or the issuer's key set. `kid` chooses among them; `jku`, `jwk`,
 *   `x5u` and `x5c` of a token are never looked at.
 * - There is one verifier per key, made when the key arrives: making one costs ten times a check.
 * - Time is the caller's, so fast-jwt's own checks of exp and nbf are off and done here.
 */
import { createVerifier } from 'fast-jwt';
import type { PlanJwtAlgorithm, PlanJwtMethod } from '../../src/config/plan.ts';
import { Accepted } from './auth-method.ts';
import type { AuthMethod, AuthWait, AuthWaiter, MethodVerdict } from './auth-method.ts';
import { REFUSED_INVALID, REFUSED_UNAVAILABLE } from './auth-verdict.ts';
import type { AuthRefusal } from './auth-verdict.ts';
import { dateClaimMs, identityOf, isClaims } from './claims.ts';
import type { Claims } from './claims.ts';
import { SOURCE_BEARER } from './credential.ts';
import type { Credential, SignedToken } from './credential.ts';
import { KEYS_TRIED_MAX } from './policy-limits.ts';
import type { PublicKey } from './public-key.ts';
import { readKeySet, readPemKeys } from './public-key.ts';
import type { KeysListener, RemoteKeys, RemoteKeySource, RemoteKeysStore } from './remote-keys.ts';

/** A token without `exp` is checked anew after this long. */
const REVERIFY_MS = 600_000;

/** Throws for a bad token, else returns its claims. */
type Verify = (token: string) => unknown;

interface VerificationKey {
  readonly keyId: string | null;
  readonly algorithms: readonly PlanJwtAlgorithm[];
  readonly verify: Verify;
}

export class JwtMethod implements AuthMethod, KeysListener, AuthWait {
  readonly label: string;
  readonly source = SOURCE_BEARER;
  readonly wait = true;
  readonly #plan: PlanJwtMethod;
  readonly #store: RemoteKeysStore;
  readonly #onWithdrawn: () => void;
  readonly #remoteSource: RemoteKeySource | null;
  readonly #remote: RemoteKeys | null;
  #keys: readonly VerificationKey[];
  /** What `#keys` was made from. */
  #published: readonly PublicKey[];

  /**
   * @param onWithdrawn a key went away: what was verified by it must be forgotten
   * @throws Error for keys that cannot be used
   */
  constructor(plan: PlanJwtMethod, store: RemoteKeysStore, onWithdrawn: () => void) {
    const { keys } = plan;
    const isRemote = keys.source === 'jwksUrl' || keys.source === 'discovery';
    this.label = plan.label;
    this.#plan = plan;
    this.#store = store;
    this.#onWithdrawn = onWithdrawn;
    this.#remoteSource = isRemote ? keys : null;
    this.#remote = isRemote ? store.open(keys) : null;
    this.#remote?.listen(this);
    this.#published = [];
    this.#keys = isRemote ? [] : configuredKeys(plan);
  }

  check(credential: Credential, nowWallMs: number, mayWait: boolean): MethodVerdict | null {
    const token = credential.signed();
    if (token === null) return null;
    const { algorithms, issuers } = this.#plan;
    if (token.issuer === null || !issuers.includes(token.issuer)) return null;
    if (!(algorithms as readonly string[]).includes(token.algorithm)) return null;
    if (token.defect !== null) return refuse(credential, token.defect);

    const keys = this.#candidates(token);
    if (keys.length > 0) return this.#verify(credential, keys, nowWallMs);
    if (this.#remote === null) return refuse(credential, 'unknown-key');
    if (mayWait && this.#remote.ask()) return this;
    if (!this.#remote.isLoaded) return REFUSED_UNAVAILABLE;
    return refuse(credential, 'unknown-key');
  }

  join(waiter: AuthWaiter): void {
    const remote = this.#remote;
    if (remote === null) waiter.retry();
    else remote.join({ onKeysSettled: () => waiter.retry() });
  }

  onKeysChanged(wereWithdrawn: boolean): void {
    if (wereWithdrawn) this.#onWithdrawn();
  }

  close(): void {
    if (this.#remote === null || this.#remoteSource === null) return;
    this.#remote.unlisten(this);
    this.#store.release(this.#remoteSource);
  }

  /** Keys with the token's `kid`; keys without one suit any. A token without `kid` tries a few. */
  #candidates(token: SignedToken): VerificationKey[] {
    const published = this.#remote?.keys ?? this.#published;
    if (published !== this.#published) {
      this.#published = published;
      this.#keys = verificationKeys(this.#plan, published);
    }
    const found: VerificationKey[] = [];
    for (const key of this.#keys) {
      if (token.keyId !== null && key.keyId !== null && key.keyId !== token.keyId) continue;
      if (!(key.algorithms as readonly string[]).includes(token.algorithm)) continue;
      if (found.length < KEYS_TRIED_MAX) found.push(key);
    }
    return found;
  }

  #verify(
    credential: Credential,
    keys: readonly VerificationKey[],
    nowWallMs: number,
  ): MethodVerdict {
    for (const key of keys) {
      let claims: unknown;
      try {
        claims = key.verify(credential.text);
      } catch (error) {
        credential.reason = reasonOf(error);
        continue;
      }
      if (!isClaims(claims)) return refuse(credential, 'payload');
      return this.#judge(credential, claims, nowWallMs);
    }
    return REFUSED_INVALID;
  }

  /** Signature, issuer and audience are right. */
  #judge(credential: Credential, claims: Claims, nowWallMs: number): MethodVerdict {
    const { leewayMs, expiryRequired, claims: mapping } = this.#plan;
    const expiryMs = dateClaimMs(claims['exp']);
    const startMs = dateClaimMs(claims['nbf']);
    if (expiryMs === null || (expiryMs === undefined && expiryRequired))
      return refuse(credential, 'exp');
    if (startMs === null) return refuse(credential, 'nbf');
    const expiresAtMs = expiryMs === undefined ? Infinity : expiryMs + leewayMs;
    if (nowWallMs >= expiresAtMs) return refuse(credential, 'expired');
    if (startMs !== undefined && nowWallMs < startMs - leewayMs)
      return refuse(credential, 'not-yet-valid');
    const issuer = typeof claims['iss'] === 'string' ? claims['iss'] : '';
    const identity = identityOf(claims, { mapping, issuer, expiresAtMs, method: this.label });
    if (typeof identity === 'string') return refuse(credential, identity);
    const untilMs = expiresAtMs === Infinity ? nowWallMs + REVERIFY_MS : expiresAtMs;
    return new Accepted(identity, untilMs, true);
  }
}

function refuse(credential: Credential, reason: string): AuthRefusal {
  credential.reason = reason;
  return REFUSED_INVALID;
}

/** `FAST_JWT_INVALID_SIGNATURE` and the like; its messages are not ours to show. */
function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return 'verification';
  const code = String(error.code).replace('FAST_JWT_', '').toLowerCase();
  return code.replaceAll('_', '-');
}

function configuredKeys(plan: PlanJwtMethod): VerificationKey[] {
  const { keys } = plan;
  switch (keys.source) {
    case 'secret':
      return [secretKey(plan, keys.secret)];
    case 'pem':
      return usable(plan, readPemKeys(keys.pem), []);
    case 'jwks': {
      const { keys: read, skipped } = readKeySet(keys.jwks);
      return usable(plan, read, skipped);
    }
    case 'jwksUrl':
    case 'discovery':
      return [];
  }
}

function usable(
  plan: PlanJwtMethod,
  keys: readonly PublicKey[],
  skipped: readonly string[],
): VerificationKey[] {
  const made = verificationKeys(plan, keys);
  if (made.length > 0) return made;
  throw new Error(
    `no key for the algorithms of method ${plan.label}: ${skipped.slice(0, 4).join('; ')}`,
  );
}

function verificationKeys(plan: PlanJwtMethod, keys: readonly PublicKey[]): VerificationKey[] {
  const made: VerificationKey[] = [];
  for (const key of keys) {
    const algorithms = key.algorithms.filter((algorithm) => plan.algorithms.includes(algorithm));
    if (algorithms.length === 0) continue;
    made.push({ keyId: key.keyId, algorithms, verify: verifierFor(plan, algorithms, key.pem) });
  }
  return made;
}

/**
 * An HMAC secret (RFC 7518 §3.2). A public key must never end up as one: whoever knows it, everyone,
 * could sign tokens.
 */
function secretKey(plan: PlanJwtMethod, secret: string): VerificationKey {
  const algorithms = plan.algorithms.filter((algorithm) => algorithm.startsWith('HS'));
  if (algorithms.length !== plan.algorithms.length) {
    throw new Error(`a secret verifies HS256, HS384 and HS512 only: method=${plan.label}`);
  }
  if (secret === '') throw new Error(`the secret is empty: method=${plan.label}`);
  if (/-----BEGIN |"kty"\s*:\s*"(?:RSA|EC|OKP)"/.test(secret)) {
    throw new Error(`the secret is a public or private key: method=${plan.label}`);
  }
  return {
    keyId: null,
    algorithms,
    verify: verifierFor(plan, algorithms, Buffer.from(secret, 'utf8')),
  };
}

function verifierFor(
  plan: PlanJwtMethod,
  algorithms: readonly PlanJwtAlgorithm[],
  key: string | Buffer,
): Verify {
  // fast-jwt takes an empty list for "anything goes".
  if (algorithms.length === 0 || plan.issuers.length === 0 || plan.audiences.length === 0) {
    throw new Error(`algorithms, issuers and audiences must not be empty: method=${plan.label}`);
  }
  return createVerifier({
    key,
    algorithms: [...algorithms],
    allowedIss: [...plan.issuers],
    allowedAud: [...plan.audiences],
    requiredClaims: ['iss', 'aud'],
    ignoreExpiration: true,
    ignoreNotBefore: true,
    cache: false,
  });
}
