/**
 * Public keys that may verify a signature, read from PEM and from JWK sets (RFC 7517), each bound to
 * the algorithms that suit its type. A key never verifies under an algorithm of another family, so a
 * token cannot turn an RSA key into an HMAC secret; symmetric keys are in no key set at all.
 */
import { createPublicKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import type { PlanJwtAlgorithm } from '../../src/config/plan.ts';
import { KEY_ID_CHARS_MAX, KEYS_MAX, RSA_BITS_MAX, RSA_BITS_MIN } from './policy-limits.ts';

export interface PublicKey {
  /** `kid`; null: the key has none. */
  readonly keyId: string | null;
  /** What it may verify. Never empty. */
  readonly algorithms: readonly PlanJwtAlgorithm[];
  /** SubjectPublicKeyInfo. Equal keys have equal texts. */
  readonly pem: string;
}

export interface KeySetReading {
  readonly keys: readonly PublicKey[];
  /** Why others were left out, e.g. `kid=a: rsa key of 1024 bits`. */
  readonly skipped: readonly string[];
}

const RSA_ALGORITHMS: readonly PlanJwtAlgorithm[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
];
const EC_ALGORITHMS: Readonly<Record<string, PlanJwtAlgorithm | undefined>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]+-----END \1-----/g;
const PEM_LABELS: readonly string[] = ['PUBLIC KEY', 'RSA PUBLIC KEY', 'CERTIFICATE'];

/**
 * Every key of a PEM text (SPKI, PKCS #1 or certificate). They have no `kid`.
 * @throws Error if one is private, weak or of an unusable type, or if there is none
 */
export function readPemKeys(pem: string): PublicKey[] {
  const keys: PublicKey[] = [];
  for (const [block, label] of pem.matchAll(PEM_BLOCK)) {
    if (!PEM_LABELS.includes(label ?? '')) throw new Error(`not a public key: pem=${label ?? ''}`);
    if (keys.length === KEYS_MAX) throw new Error(`too many keys: max=${KEYS_MAX}`);
    keys.push(publicKeyOf(importKey(block), null));
  }
  if (keys.length === 0) throw new Error('no public key in the pem text');
  return keys;
}

/**
 * The usable signature keys of a JWK set, or of one JWK. What cannot verify a signature is skipped
 * (RFC 7517 §5), so that a new kind of key at an issuer does not shut out the known ones.
 * @throws Error if the text is no JWK set
 */
export function readKeySet(text: string): KeySetReading {
  const members = keyMembers(parseJson(text));
  if (members.length > KEYS_MAX)
    throw new Error(`too many keys: ${members.length}, max=${KEYS_MAX}`);
  const keys: PublicKey[] = [];
  const skipped: string[] = [];
  for (const member of members) {
    try {
      keys.push(readKey(member));
    } catch (error) {
      const keyId = isRecord(member) && typeof member['kid'] === 'string' ? member['kid'] : '';
      skipped.push(`kid=${JSON.stringify(keyId.slice(0, 64))}: ${messageOf(error)}`);
    }
  }
  return { keys, skipped };
}

/** True for two sets where everything in `before` is still in `after`, unchanged. */
export function hasAllKeys(after: readonly PublicKey[], before: readonly PublicKey[]): boolean {
  return before.every((old) =>
    after.some(
      (key) =>
        key.keyId === old.keyId &&
        key.pem === old.pem &&
        old.algorithms.every((algorithm) => key.algorithms.includes(algorithm)),
    ),
  );
}

function keyMembers(set: unknown): readonly unknown[] {
  if (isRecord(set) && Array.isArray(set['keys'])) return set['keys'] as unknown[];
  if (isRecord(set) && typeof set['kty'] === 'string') return [set];
  throw new Error('not a JWK set: no member "keys"');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Error('not a JWK set: invalid JSON'); // the parser's own message quotes the text
  }
}

function readKey(member: unknown): PublicKey {
  if (!isRecord(member)) throw new Error('not an object');
  const { kid, use, key_ops: operations, alg } = member;
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > KEY_ID_CHARS_MAX)) {
    throw new Error('kid is not a short string');
  }
  if (use !== undefined && use !== 'sig') throw new Error('not for signatures: use');
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    throw new Error('not for verification: key_ops');
  }
  const key = publicKeyOf(importKey(publicMembers(member)), kid ?? null);
  if (alg === undefined) return key;
  const algorithms = key.algorithms.filter((algorithm) => algorithm === alg);
  if (algorithms.length === 0) throw new Error('alg does not suit the key, or is not supported');
  return { keyId: key.keyId, algorithms, pem: key.pem };
}

/** Only what makes the public key: a private one that slipped into a set is not imported as such. */
function publicMembers(member: Readonly<Record<string, unknown>>): JsonWebKey {
  const pick = (name: string): string => {
    const value = member[name];
    if (typeof value !== 'string') throw new Error(`member is missing: ${name}`);
    return value;
  };
  switch (member['kty']) {
    case 'RSA':
      return { kty: 'RSA', n: pick('n'), e: pick('e') };
    case 'EC':
      return { kty: 'EC', crv: pick('crv'), x: pick('x'), y: pick('y') };
    case 'OKP':
      return { kty: 'OKP', crv: pick('crv'), x: pick('x') };
    case 'oct':
      throw new Error('a symmetric key in a set of public keys');
    default:
      throw new Error('unknown kty');
  }
}

function importKey(source: string | JsonWebKey): KeyObject {
  try {
    return typeof source === 'string'
      ? createPublicKey(source)
      : createPublicKey({ key: source, format: 'jwk' });
  } catch {
    throw new Error('malformed key');
  }
}

function publicKeyOf(key: KeyObject, keyId: string | null): PublicKey {
  const pem = key.export({ type: 'spki', format: 'pem' }).toString();
  return { keyId, algorithms: algorithmsOf(key), pem };
}

function algorithmsOf(key: KeyObject): readonly PlanJwtAlgorithm[] {
  const details = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa': {
      const bits = details.modulusLength ?? 0;
      if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) throw new Error(`rsa key of ${bits} bits`);
      // With e = 1 every message is its own signature.
      if ((details.publicExponent ?? 0n) < 3n) throw new Error('rsa key with a trivial exponent');
      return RSA_ALGORITHMS;
    }
    case 'ec': {
      const algorithm = EC_ALGORITHMS[details.namedCurve ?? ''];
      if (algorithm === undefined)
        throw new Error(`unsupported curve: ${details.namedCurve ?? ''}`);
      return [algorithm];
    }
    case 'ed25519':
      return ['EdDSA'];
    default:
      throw new Error(`unsupported key type: ${key.asymmetricKeyType ?? ''}`);
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unusable';
}
