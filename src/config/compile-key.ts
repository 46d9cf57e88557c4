/**
 * Keys that verify tokens, checked at load so that a shard never meets one it cannot use: the key is
 * there, is public, is strong enough, and fits every algorithm it is configured for. An RSA public
 * key can thus never serve as an HMAC secret, whatever a token says (RFC 8725 §3.1).
 */
import { readFileSync, statSync } from 'node:fs';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { resolve } from 'node:path';
import type { PlanJwtAlgorithm, PlanJwtKeys } from './plan.ts';
import type { JwtConfig } from './schema-auth.ts';
import { secureUrlProblem } from './url-rules.ts';

const KEY_FILE_BYTES_MAX = 1024 * 1024;
const KEYS_MAX = 64;
const RSA_BITS_MIN = 2048;

export interface KeyProblem {
  readonly key: keyof JwtConfig | null;
  readonly message: string;
}

export interface CompiledKeys {
  readonly keys: PlanJwtKeys;
  readonly problems: readonly KeyProblem[];
}

const SOURCES = ['secret', 'publicKey', 'publicKeyFile', 'jwks', 'jwksFile', 'jwksUrl'] as const;

/** Reads key files, relative to `folder`. */
export function compileKeys(config: JwtConfig, folder: string): CompiledKeys {
  const problems: KeyProblem[] = [];
  const report = (key: keyof JwtConfig | null, message: string): void =>
    void problems.push({ key, message });
  const given = SOURCES.filter((source) => config[source] !== undefined);
  const [source] = given;
  const nothing: PlanJwtKeys = { source: 'secret', secret: '' };
  if (given.length !== 1 || source === undefined) {
    report(null, `must have exactly one of ${SOURCES.join(', ')}`);
    return { keys: nothing, problems };
  }
  const symmetric = config.algorithms.filter((algorithm) => algorithm.startsWith('HS'));
  if (symmetric.length > 0 && symmetric.length < config.algorithms.length) {
    report(
      'algorithms',
      'mixes HS* with others: a secret and a public key are never the same key; write two methods',
    );
    return { keys: nothing, problems };
  }
  if (source === 'secret') {
    const problem = secretProblem(config.secret ?? '', config.algorithms);
    if (problem !== null)
      report(problem.startsWith('must be HS') ? 'algorithms' : 'secret', problem);
    return { keys: { source, secret: config.secret ?? '' }, problems };
  }
  if (symmetric.length > 0) {
    report('algorithms', `has ${symmetric.join(', ')}, which needs a secret, not a public key`);
    return { keys: nothing, problems };
  }
  if (source === 'jwksUrl') {
    const url = config.jwksUrl ?? '';
    const problem = secureUrlProblem(url);
    if (problem !== null) report('jwksUrl', problem);
    return { keys: { source, url, requestTimeoutMs: config.requestTimeoutMs }, problems };
  }
  const text = keyText(config, source, folder);
  if (text.problem !== null) {
    report(source, text.problem);
    return { keys: nothing, problems };
  }
  const isSet = source === 'jwks' || source === 'jwksFile';
  const read = isSet ? keysOfSet(text.value) : keysOfPem(text.value);
  const problem = read.problem ?? algorithmProblem(read.keys, config.algorithms);
  if (problem !== null) report(source, problem);
  return {
    keys: isSet ? { source: 'jwks', jwks: text.value } : { source: 'pem', pem: text.value },
    problems,
  };
}

/** RFC 7518 §3.2: a key of the size of the hash or larger. */
function secretProblem(secret: string, algorithms: readonly PlanJwtAlgorithm[]): string | null {
  const other = algorithms.find((algorithm) => !algorithm.startsWith('HS'));
  if (other !== undefined) return `must be HS256, HS384 or HS512 with a secret, not ${other}`;
  if (secret.includes('-----BEGIN'))
    return 'is a PEM key; a public key must never be used as a secret (use publicKey)';
  const bytesMin = Math.max(...algorithms.map((algorithm) => Number(algorithm.slice(2)) / 8));
  if (Buffer.byteLength(secret) < bytesMin) {
    return `must be at least ${bytesMin} bytes long for ${algorithms.join(', ')} (RFC 7518 §3.2)`;
  }
  return null;
}

interface KeyText {
  readonly value: string;
  readonly problem: string | null;
}

function keyText(config: JwtConfig, source: (typeof SOURCES)[number], folder: string): KeyText {
  if (source === 'publicKey') return { value: config.publicKey ?? '', problem: null };
  if (source === 'jwks') return { value: config.jwks ?? '', problem: null };
  const file = resolve(
    folder,
    (source === 'jwksFile' ? config.jwksFile : config.publicKeyFile) ?? '',
  );
  try {
    const { size } = statSync(file);
    if (size > KEY_FILE_BYTES_MAX)
      return { value: '', problem: `names a file longer than ${KEY_FILE_BYTES_MAX} bytes` };
    return { value: readFileSync(file, 'utf8'), problem: null };
  } catch {
    return { value: '', problem: 'names a file that cannot be read' };
  }
}

interface KeysRead {
  readonly keys: readonly KeyObject[];
  readonly problem: string | null;
}

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

function keysOfPem(pem: string): KeysRead {
  const keys: KeyObject[] = [];
  for (const [block, label = ''] of pem.matchAll(PEM_BLOCK)) {
    if (label.includes('PRIVATE'))
      return { keys, problem: 'is a private key; give the gateway the public one only' };
    try {
      keys.push(createPublicKey(block));
    } catch {
      return { keys, problem: `holds a ${label} that cannot be read as a public key` };
    }
  }
  return {
    keys,
    problem:
      keys.length === 0 ? 'holds no PEM block (-----BEGIN PUBLIC KEY-----)' : countProblem(keys),
  };
}

/** RFC 7517. Keys for encryption are passed over. */
function keysOfSet(text: string): KeysRead {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    return { keys: [], problem: 'is not JSON' };
  }
  const list: unknown = isObject(set) ? set['keys'] : undefined;
  if (!Array.isArray(list)) return { keys: [], problem: 'is not a JWK set: it has no "keys"' };
  const keys: KeyObject[] = [];
  for (const jwk of list as unknown[]) {
    if (!isObject(jwk)) return { keys, problem: 'holds a key that is no JWK' };
    if (jwk['kty'] === 'oct')
      return { keys, problem: 'holds a symmetric key; a set is for public keys' };
    if ('d' in jwk)
      return { keys, problem: 'holds a private key; give the gateway the public ones only' };
    if (jwk['use'] !== undefined && jwk['use'] !== 'sig') continue;
    try {
      keys.push(createPublicKey({ key: jwk, format: 'jwk' }));
    } catch {
      return { keys, problem: 'holds a key that cannot be read' };
    }
  }
  return { keys, problem: keys.length === 0 ? 'holds no key for signatures' : countProblem(keys) };
}

function countProblem(keys: readonly KeyObject[]): string | null {
  return keys.length > KEYS_MAX ? `holds more than ${KEYS_MAX} keys` : null;
}

/** Every algorithm needs a key and every key an algorithm. */
function algorithmProblem(
  keys: readonly KeyObject[],
  algorithms: readonly PlanJwtAlgorithm[],
): string | null {
  const weak = keys.find(
    (key) => (key.asymmetricKeyDetails?.modulusLength ?? RSA_BITS_MIN) < RSA_BITS_MIN,
  );
  if (weak !== undefined) return `has an RSA key of less than ${RSA_BITS_MIN} bits`;
  const lonely = algorithms.find((algorithm) => !keys.some((key) => isUsable(key, algorithm)));
  if (lonely !== undefined)
    return `has no key for ${lonely}: found ${keys.map(describeKey).join(', ')}`;
  const idle = keys.find((key) => !algorithms.some((algorithm) => isUsable(key, algorithm)));
  return idle === undefined
    ? null
    : `has a key (${describeKey(idle)}) that none of ${algorithms.join(', ')} can use`;
}

const CURVES: Readonly<Record<string, string>> = {
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
};

function isUsable(key: KeyObject, algorithm: PlanJwtAlgorithm): boolean {
  const type = key.asymmetricKeyType;
  if (algorithm.startsWith('RS')) return type === 'rsa';
  if (algorithm.startsWith('PS')) return type === 'rsa' || type === 'rsa-pss';
  if (algorithm === 'EdDSA') return type === 'ed25519';
  return type === 'ec' && key.asymmetricKeyDetails?.namedCurve === CURVES[algorithm];
}

function describeKey(key: KeyObject): string {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  return curve === undefined
    ? (key.asymmetricKeyType ?? 'unknown')
    : `${key.asymmetricKeyType ?? ''} ${curve}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
