import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { PlanJwtAlgorithm, PlanJwtKeys, PlanJwtMethod } from '../../src/config/plan.ts';
import { AUTH_OK } from '../../workers/policy/auth-verdict.ts';
import {
  AuthRig,
  authPlan,
  CLAIMS,
  compact,
  FetchBook,
  jsonAnswer,
  jwtMethod,
  mint,
  nameOf,
  PAIRS,
  RSA,
  RSA_OTHER,
  SECRET,
  settledName,
  START_WALL_MS,
} from './fixture.ts';

const NOW_SECONDS = START_WALL_MS / 1000;
const HMAC: readonly PlanJwtAlgorithm[] = ['HS256', 'HS384', 'HS512'];
const SIGNED = Object.keys(PAIRS) as PlanJwtAlgorithm[];
const RS_PEM: PlanJwtKeys = { source: 'pem', pem: RSA.publicPem };

function rigOf(
  algorithms: readonly PlanJwtAlgorithm[],
  keys: PlanJwtKeys,
  changes: Partial<PlanJwtMethod> = {},
): AuthRig {
  return new AuthRig(authPlan([jwtMethod(algorithms, keys, changes)]));
}

describe('every algorithm with every source of keys', () => {
  it.each(HMAC)('accepts %s with a secret', (algorithm) => {
    const rig = rigOf([algorithm], { source: 'secret', secret: SECRET });
    expect(nameOf(rig.bearer(mint({ algorithm })))).toBe('alice/cli');
  });

  it.each(SIGNED)('accepts %s with a key in PEM', (algorithm) => {
    const rig = rigOf([algorithm], { source: 'pem', pem: PAIRS[algorithm]!.publicPem });
    expect(nameOf(rig.bearer(mint({ algorithm })))).toBe('alice/cli');
  });

  it.each(SIGNED)('accepts %s with a JWK set', (algorithm) => {
    const jwks = JSON.stringify({
      keys: [RSA_OTHER.jwk('other'), PAIRS[algorithm]!.jwk('mine', { use: 'sig', alg: algorithm })],
    });
    const rig = rigOf([algorithm], { source: 'jwks', jwks });
    expect(nameOf(rig.bearer(mint({ algorithm, kid: 'mine' })))).toBe('alice/cli');
  });

  it.each(SIGNED)('accepts %s with a JWK set behind a URL', async (algorithm) => {
    const book = new FetchBook(() => jsonAnswer({ keys: [PAIRS[algorithm]!.jwk('mine')] }));
    const url = 'https://issuer.test/jwks';
    const keys: PlanJwtKeys = { source: 'jwksUrl', url, requestTimeoutMs: 5_000 };
    const rig = new AuthRig(authPlan([jwtMethod([algorithm], keys)]), book.fetch);
    const verdict = rig.bearer(mint({ algorithm, kid: 'mine' }));
    expect(nameOf(verdict)).toBe('pending');
    expect(await settledName(verdict)).toBe('alice/cli');
  });

  it.each(SIGNED)('accepts %s with keys found through the metadata', async (algorithm) => {
    const book = new FetchBook((request) =>
      request.url.endsWith('/openid-configuration')
        ? jsonAnswer({ issuer: 'https://issuer.test', jwks_uri: 'https://issuer.test/keys' })
        : jsonAnswer({ keys: [PAIRS[algorithm]!.jwk('mine')] }),
    );
    const keys: PlanJwtKeys = {
      source: 'discovery',
      issuer: 'https://issuer.test',
      urls: ['https://issuer.test/.well-known/openid-configuration'],
      requestTimeoutMs: 5_000,
    };
    const rig = new AuthRig(authPlan([jwtMethod([algorithm], keys)]), book.fetch);
    expect(await settledName(rig.bearer(mint({ algorithm, kid: 'mine' })))).toBe('alice/cli');
  });

  it('takes a key from each of several PEM blocks', () => {
    const pem = RSA_OTHER.publicPem + RSA.publicPem;
    expect(nameOf(rigOf(['RS256'], { source: 'pem', pem }).bearer(mint()))).toBe('alice/cli');
  });
});

/** One way to attack, and what a gateway with an RS256 key in PEM says to it. */
const ATTACKS: Readonly<Record<string, () => string>> = {
  'alg none without a signature': () => compact({ alg: 'none' }, claimsOf()),
  'alg none with a signature': () => withHeader({ alg: 'none' }),
  'alg NONE in capitals': () => compact({ alg: 'NONE' }, claimsOf()),
  'an empty signature': () => `${mint().split('.').slice(0, 2).join('.')}.`,
  'HS256 with the public key as secret': () => hmacWith(RSA.publicPem),
  'HS256 with the trimmed public key as secret': () => hmacWith(RSA.publicPem.trim()),
  'HS256 with the JWK as secret': () => hmacWith(JSON.stringify(RSA.jwk(null))),
  'an algorithm that is not configured': () => mint({ algorithm: 'RS384' }),
  'PS256 with an RS256 key': () => mint({ algorithm: 'PS256' }),
  'another key': () => mint({ key: RSA_OTHER.privatePem }),
  'its own key in jwk': () =>
    mint({ key: RSA_OTHER.privatePem, header: { jwk: RSA_OTHER.jwk('x') } }),
  'a jku of its own': () =>
    mint({ key: RSA_OTHER.privatePem, header: { jku: 'https://evil.test/jwks' } }),
  'an x5u of its own': () =>
    mint({ key: RSA_OTHER.privatePem, header: { x5u: 'https://evil.test/x' } }),
  'a kid that is a path': () => mint({ key: RSA_OTHER.privatePem, kid: '../../dev/null' }),
  'a kid that is a number': () => mint({ header: { kid: 7 } }),
  'a kid that is huge': () => mint({ kid: 'k'.repeat(300) }),
  'crit with a known name': () => withHeader({ alg: 'RS256', crit: ['exp'], exp: 1 }),
  'crit that is empty': () => withHeader({ alg: 'RS256', crit: [] }),
  'crit that is null': () => withHeader({ alg: 'RS256', crit: null }),
  'b64 false': () => withHeader({ alg: 'RS256', b64: false }),
  'typ of an id-jag': () => mint({ header: { typ: 'oauth-id-jag+jwt' } }),
  'typ of a logout token': () => mint({ header: { typ: 'logout+jwt' } }),
  'typ that is no string': () => mint({ header: { typ: 1 } }),
  expired: () => mint({ claims: { exp: NOW_SECONDS - 6 } }),
  'exp in text': () => withClaims({ exp: '99999999999' }),
  'no exp': () => mint({ without: ['exp'] }),
  'exp null': () => withClaims({ exp: null }),
  'exp infinite': () =>
    signRaw(
      '{"alg":"RS256"}',
      `{"iss":"https://issuer.test","aud":"sluice","sub":"a","exp":1e999}`,
    ),
  'not yet valid': () => mint({ claims: { nbf: NOW_SECONDS + 6 } }),
  'nbf in text': () => withClaims({ nbf: '0' }),
  'another audience': () => mint({ claims: { aud: 'other' } }),
  'audiences without ours': () => mint({ claims: { aud: ['a', 'b'] } }),
  'an audience ours begins with': () => mint({ claims: { aud: 'slui' } }),
  'no audience': () => mint({ without: ['aud'] }),
  'an empty list of audiences': () => withClaims({ aud: [] }),
  'an audience that is an object': () => withClaims({ aud: { sluice: true } }),
  'another issuer': () => mint({ claims: { iss: 'https://issuer.test/' } }),
  'no issuer': () => mint({ without: ['iss'] }),
  'an issuer that is a list': () => withClaims({ iss: ['https://issuer.test'] }),
  'neither client nor subject': () => mint({ without: ['client_id', 'sub'] }),
  'a subject with U+0000': () => mint({ claims: { sub: 'alice\u0000cli' } }),
  'a client id with U+0000': () => mint({ claims: { client_id: 'cli\u0000x' } }),
  'a client id that is an object': () => mint({ claims: { client_id: { id: 1 } } }),
  'a subject that is huge': () => mint({ claims: { sub: 'a'.repeat(1025) } }),
  'scopes that are a number': () => mint({ claims: { scope: 7 } }),
  'more scopes than anyone has': () =>
    mint({ claims: { scope: Array.from({ length: 513 }, (_, i) => i.toString(36)) } }),
  'a payload that is a list': () => signRaw('{"alg":"RS256"}', '[1]'),
  'a payload that is not JSON': () => signRaw('{"alg":"RS256"}', '{'),
  'a header that is not JSON': () => signRaw('{"alg"', JSON.stringify(claimsOf())),
  'five parts (JWE)': () => `${mint()}.x.y`,
  'two parts': () => mint().split('.').slice(0, 2).join('.'),
  padding: () => mint().replace('.', '=.'),
  'a space inside': () => mint().replace('.', '. '),
  'more than 8 KiB': () => mint({ claims: { pad: 'x'.repeat(8_000) } }),
  'a header of 100 levels': () => compact(nested(100), claimsOf(), 'AAAA'),
  'nothing but dots': () => '..',
};

function claimsOf(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const times = { iat: NOW_SECONDS, exp: NOW_SECONDS + 3600 };
  return {
    iss: 'https://issuer.test',
    aud: 'sluice',
    sub: 'alice',
    client_id: 'cli',
    ...times,
    ...changes,
  };
}

function signRaw(header: string, claims: string): string {
  const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(claims).toString('base64url')}`;
  return `${input}.${sign('sha256', Buffer.from(input), RSA.privatePem).toString('base64url')}`;
}

function withHeader(header: unknown): string {
  return signRaw(JSON.stringify(header), JSON.stringify(claimsOf()));
}

function withClaims(changes: Readonly<Record<string, unknown>>): string {
  return signRaw('{"alg":"RS256"}', JSON.stringify(claimsOf(changes)));
}

function hmacWith(secret: string): string {
  const input = compact({ alg: 'HS256', typ: 'JWT' }, claimsOf()).slice(0, -1);
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

function nested(depth: number): unknown {
  let value: unknown = 'RS256';
  for (let i = 0; i < depth; i += 1) value = { alg: value };
  return value;
}

describe('attacks on a signed token', () => {
  it('would accept the very tokens that the attacks are made from', () => {
    const rig = rigOf(['RS256'], RS_PEM);
    expect(nameOf(rig.bearer(mint()))).toBe('alice/cli');
    expect(nameOf(rig.bearer(withHeader({ alg: 'RS256' })))).toBe('alice/cli');
    expect(nameOf(rig.bearer(withClaims({})))).toBe('alice/cli');
    expect(nameOf(rig.bearer(mint({ header: { typ: 'at+jwt' } })))).toBe('alice/cli');
  });

  it.each(Object.keys(ATTACKS))('refuses %s', (attack) => {
    const rig = rigOf(['RS256'], RS_PEM);
    expect(nameOf(rig.bearer(ATTACKS[attack]!()))).toBe('CREDENTIAL_INVALID');
    expect(rig.authenticator.remembered).toBe(0);
  });

  it('refuses a token with any byte of it flipped, before it was ever accepted', () => {
    const plan = authPlan([jwtMethod(['HS256'], { source: 'secret', secret: SECRET })], {
      flood: { failures: 0, windowMs: 1, blockMs: 1 },
    });
    const rig = new AuthRig(plan);
    const token = Buffer.from(mint({ algorithm: 'HS256' }));
    for (let at = 0; at < token.length; at += 1) {
      for (const bit of [0x01, 0x02, 0x20]) {
        const changed = Buffer.from(token);
        changed[at]! ^= bit;
        const fault = nameOf(rig.bearer(changed.toString('latin1')));
        expect(fault, `byte ${at}`).toBe('CREDENTIAL_INVALID');
      }
    }
  });

  it('refuses a signature spelled with other bits that decode to nothing', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const token = mint();
    const last = alphabet.indexOf(token.at(-1)!);
    for (let slack = 1; slack < 16; slack += 1) {
      const other = token.slice(0, -1) + alphabet[last | slack]!;
      expect(nameOf(rigOf(['RS256'], RS_PEM).bearer(other))).toBe('CREDENTIAL_INVALID');
    }
  });
});

describe('time', () => {
  it('takes exp and nbf with the leeway, to the second', () => {
    const rig = rigOf(['RS256'], RS_PEM);
    const verdictFor = (claims: Record<string, unknown>): string =>
      nameOf(rig.bearer(mint({ claims })));
    expect(verdictFor({ exp: NOW_SECONDS - 4 })).toBe('alice/cli');
    expect(verdictFor({ exp: NOW_SECONDS - 5 })).toBe('CREDENTIAL_INVALID');
    expect(verdictFor({ nbf: NOW_SECONDS + 5 })).toBe('alice/cli');
    expect(verdictFor({ nbf: NOW_SECONDS + 6 })).toBe('CREDENTIAL_INVALID');
  });

  it('accepts a token without exp where the settings say so, and checks it anew after a while', () => {
    const rig = rigOf(['RS256'], RS_PEM, { expiryRequired: false });
    const token = mint({ without: ['exp'] });
    const principal = rig.bearer(token);
    expect(principal).toMatchObject({ kind: AUTH_OK, expiresAtMs: Infinity });
    rig.clock.advance(599_999);
    expect(rig.bearer(token)).toBe(principal);
    rig.clock.advance(1);
    expect(rig.bearer(token)).not.toBe(principal);
    expect(rig.counters.accepted).toBe(2);
  });
});

describe('what a token says about its caller', () => {
  const principalOf = (claims: Record<string, unknown>, mapping = {}): unknown =>
    rigOf(['RS256'], RS_PEM, { claims: { ...CLAIMS, ...mapping } }).bearer(mint({ claims }));

  it('takes the first client claim that is there', () => {
    expect(principalOf({ client_id: undefined, azp: 'app' })).toMatchObject({ clientId: 'app' });
    expect(principalOf({ client_id: undefined })).toMatchObject({ clientId: 'alice' });
    expect(principalOf({ client_id: 42 })).toMatchObject({ clientId: '42' });
  });

  it('reads scopes from a string, a list and a nested claim', () => {
    expect(principalOf({ scope: 'b a  a' })).toMatchObject({ scopes: { text: 'a b' } });
    expect(principalOf({ scope: undefined, scp: ['x', 'y'] })).toMatchObject({
      scopes: { text: 'x y' },
    });
    const nestedMapping = { scopeClaims: [['realm_access', 'roles']], grantScopes: ['base'] };
    const claims = { realm_access: { roles: ['admin'] } };
    expect(principalOf(claims, nestedMapping)).toMatchObject({ scopes: { text: 'admin base' } });
    expect(principalOf({ realm_access: ['admin'] }, nestedMapping)).toMatchObject({
      scopes: { text: 'base' },
    });
  });

  it('leaves out what cannot be a scope', () => {
    expect(principalOf({ scope: ['ok', 'a"b', 'c\\d', 'sp ace', 7, null, ''] })).toMatchObject({
      scopes: { text: 'ok' },
    });
  });

  it('asks for required claims', () => {
    const mapping = { requiredClaims: [{ path: ['hd'], values: ['example.com'] }] };
    expect(principalOf({ hd: 'example.com' }, mapping)).toMatchObject({ kind: AUTH_OK });
    expect(principalOf({ hd: ['x', 'example.com'] }, mapping)).toMatchObject({ kind: AUTH_OK });
    expect(principalOf({ hd: 'evil.com' }, mapping)).toMatchObject({ fault: 'CREDENTIAL_INVALID' });
    expect(principalOf({}, mapping)).toMatchObject({ fault: 'CREDENTIAL_INVALID' });
  });

  it('reads no inherited member as a claim', () => {
    const mapping = { clientIdClaims: [['constructor', 'name']] };
    expect(principalOf({}, mapping)).toMatchObject({ fault: 'CREDENTIAL_INVALID' });
  });
});

describe('several issuers', () => {
  it('lets the method of the token decide, by issuer and algorithm', () => {
    const methods = [
      jwtMethod(['RS256'], RS_PEM),
      jwtMethod(['HS256'], { source: 'secret', secret: SECRET }),
      jwtMethod(
        ['RS256'],
        { source: 'pem', pem: RSA_OTHER.publicPem },
        { issuers: ['https://two.test'] },
      ),
    ];
    const rig = new AuthRig(authPlan(methods));
    expect(nameOf(rig.bearer(mint({ algorithm: 'HS256' })))).toBe('alice/cli');
    const two = { claims: { iss: 'https://two.test' } };
    expect(nameOf(rig.bearer(mint({ ...two, key: RSA_OTHER.privatePem })))).toBe('alice/cli');
    // The key of one issuer is worth nothing for a token that names another.
    expect(nameOf(rig.bearer(mint(two)))).toBe('CREDENTIAL_INVALID');
    expect(nameOf(rig.bearer(mint({ key: RSA_OTHER.privatePem })))).toBe('CREDENTIAL_INVALID');
  });

  it('tells callers with the same subject at two issuers apart', () => {
    const methods = [
      jwtMethod(['RS256'], RS_PEM, { issuers: ['https://issuer.test', 'https://two.test'] }),
    ];
    const rig = new AuthRig(authPlan(methods));
    const one = rig.bearer(mint());
    const two = rig.bearer(mint({ claims: { iss: 'https://two.test' } }));
    expect(one).toMatchObject({ key: 'https://issuer.test\u0000alice\u0000cli' });
    expect(two).toMatchObject({ key: 'https://two.test\u0000alice\u0000cli' });
  });
});

describe('keys that must not be used', () => {
  const secretOf = (secret: string): PlanJwtKeys => ({ source: 'secret', secret });

  it.each([
    ['a public key as secret', ['HS256'], secretOf(RSA.publicPem)],
    ['a JWK as secret', ['HS256'], secretOf(JSON.stringify(RSA.jwk('a')))],
    ['an empty secret', ['HS256'], secretOf('')],
    ['a secret for RS256', ['RS256'], secretOf(SECRET)],
    ['a public key for HS256', ['HS256'], RS_PEM],
    ['a key of another family', ['ES256'], RS_PEM],
    ['a private key', ['RS256'], { source: 'pem', pem: RSA.privatePem }],
    ['no key', ['RS256'], { source: 'pem', pem: 'nothing' }],
    ['an RSA key of 1024 bits', ['RS256'], { source: 'pem', pem: weakPem() }],
    ['a curve of another algorithm', ['ES384'], { source: 'pem', pem: PAIRS['ES256']!.publicPem }],
    ['a JWK set without a usable key', ['RS256'], { source: 'jwks', jwks: '{"keys":[]}' }],
  ] as [string, PlanJwtAlgorithm[], PlanJwtKeys][])(
    'does not start with %s',
    (_, algorithms, keys) => {
      expect(() => rigOf(algorithms, keys)).toThrow();
    },
  );

  it.each([{ algorithms: [] }, { issuers: [] }, { audiences: [] }])(
    'does not start without %j',
    (changes) => {
      expect(() => rigOf(['RS256'], RS_PEM, changes as Partial<PlanJwtMethod>)).toThrow();
    },
  );
});

function weakPem(): string {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}
