/**
 * Static bearer tokens and API keys. Only their SHA-256 is known here. A credential is hashed and its
 * digest compared with every entry in constant time, whether or not one matched before; so neither
 * the number of equal bytes nor the place in the list shows. (Once accepted it is remembered, see
 * `token-cache.ts`.)
 */
import { timingSafeEqual } from 'node:crypto';
import type { PlanStaticCredential } from '../../src/config/plan.ts';
import { Accepted } from './auth-method.ts';
import type { AuthMethod } from './auth-method.ts';
import type { Credential } from './credential.ts';
import { cleanScopes } from './scope-set.ts';

interface StaticEntry {
  readonly digest: Buffer;
  readonly accepted: Accepted;
}

export class StaticMethod implements AuthMethod {
  readonly label: string;
  readonly source: number;
  readonly #entries: readonly StaticEntry[];

  /** @param source which credential it reads, see `AuthMethod.source` */
  constructor(label: string, source: number, credentials: readonly PlanStaticCredential[]) {
    this.label = label;
    this.source = source;
    this.#entries = credentials.map((credential) => entryOf(credential, label));
  }

  /** Recognises nothing but what it knows: another method may know the rest. */
  check(credential: Credential): Accepted | null {
    const digest = credential.digest();
    let accepted: Accepted | null = null;
    for (const entry of this.#entries) {
      if (timingSafeEqual(entry.digest, digest)) accepted = entry.accepted;
    }
    return accepted;
  }

  close(): void {
    // Nothing is held.
  }
}

function entryOf(credential: PlanStaticCredential, label: string): StaticEntry {
  const digest = Buffer.from(credential.sha256, 'hex');
  if (digest.length !== 32) throw new Error(`sha256 is not 64 hex digits: method=${label}`);
  const identity = {
    issuer: '', // the gateway itself; no issuer of tokens has an empty name
    subject: credential.clientId,
    clientId: credential.clientId,
    scopes: cleanScopes(credential.scopes) ?? [],
    expiresAtMs: Infinity,
    method: label,
  };
  return { digest, accepted: new Accepted(identity, Infinity, false) };
}
