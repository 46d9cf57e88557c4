import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hasAllKeys, readKeySet, readPemKeys } from '../../workers/policy/public-key.ts';
import { PAIRS, RSA, RSA_OTHER } from './fixture.ts';

function reading(...keys: unknown[]): { ids: (string | null)[]; skipped: string } {
  const { keys: read, skipped } = readKeySet(JSON.stringify({ keys }));
  return { ids: read.map((key) => key.keyId), skipped: skipped.join('; ') };
}

describe('a JWK set (RFC 7517)', () => {
  it('gives each key the algorithms of its type, or the one it names', () => {
    const { keys } = readKeySet(
      JSON.stringify({
        keys: [
          RSA.jwk('rsa'),
          RSA.jwk('ps', { alg: 'PS256' }),
          PAIRS['ES384']!.jwk('ec'),
          PAIRS['EdDSA']!.jwk(null),
        ],
      }),
    );
    expect(keys.map(({ keyId, algorithms }) => [keyId, algorithms.join(' ')])).toEqual([
      ['rsa', 'RS256 RS384 RS512 PS256 PS384 PS512'],
      ['ps', 'PS256'],
      ['ec', 'ES384'],
      [null, 'EdDSA'],
    ]);
  });

  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
    format: 'jwk',
  });
  const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({
    format: 'jwk',
  });
  it.each([
    ['for encryption', RSA.jwk('x', { use: 'enc' }), 'use'],
    ['for other operations', RSA.jwk('x', { key_ops: ['encrypt'] }), 'key_ops'],
    ['with operations that are no list', RSA.jwk('x', { key_ops: 'verify' }), 'key_ops'],
    ['with an algorithm of another family', RSA.jwk('x', { alg: 'ES256' }), 'alg'],
    ['with an HMAC algorithm', RSA.jwk('x', { alg: 'HS256' }), 'alg'],
    ['with an encryption algorithm', RSA.jwk('x', { alg: 'RSA-OAEP' }), 'alg'],
    ['that is symmetric', { kty: 'oct', k: 'AAAA', kid: 'x' }, 'symmetric'],
    ['that is weak', { ...weak, kid: 'x' }, '1024 bits'],
    ['with exponent 1', RSA.jwk('x', { e: 'AQ' }), 'exponent'],
    ['on an unknown curve', { ...koblitz, kid: 'x' }, 'curve'],
    ['off its curve', PAIRS['ES256']!.jwk('x', { x: 'A'.repeat(43) }), 'malformed'],
    ['of an unknown type', { kty: 'XYZ', kid: 'x' }, 'unknown kty'],
    ['without a modulus', { kty: 'RSA', e: 'AQAB', kid: 'x' }, 'member'],
    ['with a kid that is a number', RSA.jwk(null, { kid: 5 }), 'kid'],
    ['that is null', null, 'not an object'],
  ])('leaves out a key %s and keeps the others', (_, key, reason) => {
    const { ids, skipped } = reading(key, RSA_OTHER.jwk('good'));
    expect(ids).toEqual(['good']);
    expect(skipped).toContain(reason);
  });

  it('uses only the public part of a private key that slipped in', () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { keys } = readKeySet(
      JSON.stringify({ keys: [pair.privateKey.export({ format: 'jwk' })] }),
    );
    expect(keys[0]?.pem).toBe(pair.publicKey.export({ type: 'spki', format: 'pem' }));
  });

  it.each(['', '{', '[]', '"x"', 'null', '{}', '{"keys":{}}'])('is not %j', (text) => {
    expect(() => readKeySet(text)).toThrow('not a JWK set');
  });

  it('has a hundred keys at most', () => {
    expect(() => reading(...Array.from({ length: 101 }, () => RSA.jwk('a')))).toThrow(
      'too many keys',
    );
  });

  it('quotes nothing of a text it cannot read', () => {
    expect(() => readKeySet('{"secret": oops')).toThrow(/^not a JWK set: invalid JSON$/);
  });
});

describe('PEM', () => {
  it('may hold PKCS #1 and several keys', () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pkcs1 = pair.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    expect(readPemKeys(`${pkcs1}\n# note\n${RSA.publicPem}`)).toHaveLength(2);
  });

  it.each([
    ['a private key', RSA.privatePem],
    ['a public and a private key', RSA.publicPem + RSA.privatePem],
    ['nothing', 'hello'],
    ['a damaged key', RSA.publicPem.replace(/M/g, 'N')],
  ])('may not be %s', (_, pem) => {
    expect(() => readPemKeys(pem)).toThrow();
  });
});

describe('two sets', () => {
  it('are compared by kid, key and algorithms', () => {
    const one = readKeySet(JSON.stringify({ keys: [RSA.jwk('a')] })).keys;
    const two = readKeySet(JSON.stringify({ keys: [RSA.jwk('a'), RSA_OTHER.jwk('b')] })).keys;
    const narrowed = readKeySet(JSON.stringify({ keys: [RSA.jwk('a', { alg: 'RS256' })] })).keys;
    expect([hasAllKeys(two, one), hasAllKeys(one, two), hasAllKeys(narrowed, one)]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
