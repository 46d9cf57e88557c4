import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compileKeys, type CompiledKeys } from '../../src/config/compile-key.ts';
import { JWT_ALGORITHMS, jwtSchema, type JwtConfig } from '../../src/config/schema-auth.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' });
const ed25519 = generateKeyPairSync('ed25519');

const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();
const privatePem = (key: KeyObject): string =>
  key.export({ type: 'pkcs8', format: 'pem' }).toString();
const set = (...keys: object[]): string => JSON.stringify({ keys });
const jwk = (key: KeyObject): object => key.export({ format: 'jwk' });

function compile(config: object): CompiledKeys {
  const parsed: JwtConfig = jwtSchema.parse({ issuer: 'a', audience: 'b', ...config });
  return compileKeys(parsed, folder);
}
const problem = (config: object): string | undefined => compile(config).problems[0]?.message;

describe('keys that verify tokens', () => {
  it.each([
    ['RS256', rsa],
    ['RS384', rsa],
    ['RS512', rsa],
    ['PS256', rsa],
    ['PS512', rsa],
    ['ES256', p256],
    ['ES384', p384],
    ['ES512', p521],
    ['EdDSA', ed25519],
  ])('%s takes its own kind of key only', (algorithm, own) => {
    for (const pair of [rsa, p256, p384, p521, ed25519]) {
      const found = problem({ algorithms: [algorithm], publicKey: pem(pair.publicKey) });
      if (pair === own) expect(found).toBeUndefined();
      else expect(found).toMatch(/has no key for/);
    }
  });

  it.each(JWT_ALGORITHMS.filter((algorithm) => !algorithm.startsWith('HS')))(
    '%s never takes a secret',
    (algorithm) => {
      expect(problem({ algorithms: [algorithm], secret: 'x'.repeat(64) })).toMatch(
        /^must be HS256/,
      );
    },
  );

  it.each(['HS256', 'HS384', 'HS512'])(
    '%s never takes a public key, in whatever form',
    (algorithm) => {
      const key = pem(rsa.publicKey);
      expect(problem({ algorithms: [algorithm], publicKey: key })).toMatch(/needs a secret/);
      expect(problem({ algorithms: [algorithm], jwks: set(jwk(rsa.publicKey)) })).toMatch(
        /needs a secret/,
      );
      expect(problem({ algorithms: [algorithm], secret: key })).toMatch(/is a PEM key/);
      expect(problem({ algorithms: [algorithm, 'RS256'], publicKey: key })).toMatch(/^mixes HS/);
    },
  );

  it.each([
    ['HS256', 31, 32],
    ['HS384', 47, 48],
    ['HS512', 63, 64],
  ])('%s wants a secret as long as its hash', (algorithm, short, enough) => {
    expect(problem({ algorithms: [algorithm], secret: 'x'.repeat(short) })).toMatch(/at least/);
    expect(problem({ algorithms: [algorithm], secret: 'x'.repeat(enough) })).toBeUndefined();
  });

  it('refuses private keys, weak keys and keys that nothing uses', () => {
    expect(problem({ algorithms: ['RS256'], publicKey: privatePem(rsa.privateKey) })).toMatch(
      /is a private key/,
    );
    expect(problem({ algorithms: ['RS256'], publicKey: pem(weak.publicKey) })).toMatch(
      /less than 2048 bits/,
    );
    const two = pem(rsa.publicKey) + pem(p256.publicKey);
    expect(problem({ algorithms: ['RS256'], publicKey: two })).toMatch(
      /ec prime256v1.*none of RS256 can use/,
    );
    expect(problem({ algorithms: ['RS256', 'ES256'], publicKey: two })).toBeUndefined();
  });

  it('reads sets of keys, and passes over those for encryption', () => {
    const keys = set(jwk(rsa.publicKey), { ...jwk(p256.publicKey), use: 'enc' });
    expect(problem({ algorithms: ['RS256'], jwks: keys })).toBeUndefined();
    expect(problem({ algorithms: ['RS256'], jwks: set(jwk(rsa.privateKey)) })).toMatch(
      /private key/,
    );
    expect(problem({ algorithms: ['RS256'], jwks: set({ kty: 'oct', k: 'AAAA' }) })).toMatch(
      /symmetric/,
    );
    expect(
      problem({ algorithms: ['RS256'], jwks: set({ kty: 'RSA', n: 'x', e: 'y', use: 'sig' }) }),
    ).toBeDefined();
    expect(problem({ algorithms: ['RS256'], jwks: '{' })).toBe('is not JSON');
    expect(problem({ algorithms: ['RS256'], jwks: '[]' })).toMatch(/no "keys"/);
    expect(problem({ algorithms: ['RS256'], jwks: set() })).toMatch(/no key for signatures/);
  });

  it('reads key files, relative to the settings, into the plan', () => {
    writeFileSync(join(folder, 'key.pem'), pem(rsa.publicKey));
    writeFileSync(join(folder, 'keys.json'), set(jwk(ed25519.publicKey)));
    expect(compile({ algorithms: ['RS256'], publicKeyFile: 'key.pem' }).keys).toEqual({
      source: 'pem',
      pem: pem(rsa.publicKey),
    });
    expect(
      compile({ algorithms: ['EdDSA'], jwksFile: join(folder, 'keys.json') }).keys,
    ).toMatchObject({ source: 'jwks' });
    expect(problem({ algorithms: ['RS256'], publicKeyFile: 'gone.pem' })).toMatch(/cannot be read/);
  });

  it('wants exactly one source', () => {
    expect(problem({ algorithms: ['HS256'] })).toMatch(/exactly one of/);
    expect(
      problem({ algorithms: ['HS256'], secret: 'x'.repeat(32), jwksUrl: 'https://a.example' }),
    ).toMatch(/exactly one of/);
  });
});
