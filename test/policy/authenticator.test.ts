import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type {
  PlanApiKeyMethod,
  PlanBearerMethod,
  PlanStaticCredential,
} from '../../src/config/plan.ts';
import { AUTH_OK } from '../../workers/policy/auth-verdict.ts';
import { ANONYMOUS, writeLimitKey } from '../../workers/policy/principal.ts';
import type { Principal } from '../../workers/policy/principal.ts';
import { AuthRig, authPlan, jwtMethod, mint, nameOf, RSA, RSA_OTHER } from './fixture.ts';

const JWT = jwtMethod(['RS256'], { source: 'pem', pem: RSA.publicPem });

function entry(value: string, clientId: string, scopes: string[] = []): PlanStaticCredential {
  return { sha256: createHash('sha256').update(value).digest('hex'), clientId, scopes };
}

const BEARER: PlanBearerMethod = {
  kind: 'bearer',
  label: 'bearer',
  tokens: [entry('token-of-ci', 'ci', ['tools:*']), entry('token-of-cd', 'cd')],
};
const API_KEY: PlanApiKeyMethod = {
  kind: 'apiKey',
  label: 'apiKey',
  header: 'x-api-key',
  keys: [entry('key-of-batch', 'batch')],
};

describe('static credentials', () => {
  const rig = (): AuthRig => new AuthRig(authPlan([BEARER, API_KEY]));

  it('lets a bearer token and an API key in as their client, for ever', () => {
    const auth = rig();
    expect(auth.bearer('token-of-ci')).toMatchObject({
      kind: AUTH_OK,
      key: '\u0000ci\u0000ci',
      method: 'bearer',
      scopes: { text: 'tools:*' },
      expiresAtMs: Infinity,
    });
    expect(nameOf(auth.bearer('token-of-cd'))).toBe('cd/cd');
    expect(nameOf(auth.ask({ 'x-api-key': 'key-of-batch' }))).toBe('batch/batch');
  });

  it('gives the same answer from memory', () => {
    const auth = rig();
    const first = auth.ask({ 'x-api-key': 'key-of-batch' });
    expect(auth.ask({ 'x-api-key': 'key-of-batch' })).toBe(first);
    expect(auth.counters).toMatchObject({ firstSeen: 1, remembered: 1 });
  });

  it('takes no credential in another place than its own', () => {
    const auth = rig();
    expect(nameOf(auth.bearer('key-of-batch'))).toBe('CREDENTIAL_INVALID');
    expect(nameOf(auth.ask({ 'x-api-key': 'token-of-ci' }))).toBe('CREDENTIAL_INVALID');
    auth.bearer('token-of-ci');
    expect(nameOf(auth.ask({ 'x-api-key': 'token-of-ci' }))).toBe('CREDENTIAL_INVALID');
  });

  it.each(['', 'token-of-c', 'token-of-ci ', 'token-of-ci2', 'Token-of-ci', ' '])(
    'refuses %j',
    (token) => {
      expect(nameOf(rig().bearer(token))).toBe('CREDENTIAL_INVALID');
    },
  );

  it('reads an API key out of Authorization where the settings say so', () => {
    const auth = new AuthRig(authPlan([{ ...API_KEY, header: 'authorization' }]));
    expect(nameOf(auth.ask({ authorization: 'key-of-batch' }))).toBe('batch/batch');
    expect(nameOf(auth.ask({ authorization: 'Bearer key-of-batch' }))).toBe('CREDENTIAL_INVALID');
  });

  it('does not start with a hash that is none', () => {
    const tokens = [{ sha256: 'abc', clientId: 'x', scopes: [] }];
    expect(() => new AuthRig(authPlan([{ ...BEARER, tokens }]))).toThrow('sha256');
  });

  it('cannot be exchanged at an authorization server', () => {
    expect((rig().bearer('token-of-ci') as Principal).exchangeableToken()).toBeNull();
  });
});

describe('the order of methods', () => {
  it('asks the next method only for what the one before does not recognise', () => {
    const auth = new AuthRig(authPlan([JWT, BEARER]));
    expect(nameOf(auth.bearer(mint()))).toBe('alice/cli');
    expect(nameOf(auth.bearer('token-of-ci'))).toBe('ci/ci');
    const wrong = mint({ key: RSA_OTHER.privatePem });
    const tokens = [entry(wrong, 'never')];
    const strict = new AuthRig(authPlan([JWT, { ...BEARER, tokens }]));
    expect(nameOf(strict.bearer(wrong))).toBe('CREDENTIAL_INVALID');
    const early = new AuthRig(authPlan([{ ...BEARER, tokens }, JWT]));
    expect(nameOf(early.bearer(wrong))).toBe('never/never');
  });

  it.each([
    ['key first', [API_KEY, JWT], 'batch/batch'],
    ['token first', [JWT, API_KEY], 'alice/cli'],
  ] as const)(
    'holds for a request with two credentials, also from memory: %s',
    (_, methods, who) => {
      const auth = new AuthRig(authPlan(methods));
      const token = mint();
      const both = { authorization: `Bearer ${token}`, 'x-api-key': 'key-of-batch' };
      expect(nameOf(auth.ask(both))).toBe(who);
      auth.bearer(token);
      expect(nameOf(auth.ask(both))).toBe(who);
      auth.ask({ 'x-api-key': 'key-of-batch' });
      expect(nameOf(auth.ask(both))).toBe(who);
    },
  );

  it('is not upset by a later credential that is remembered while the first is not', () => {
    const auth = new AuthRig(authPlan([API_KEY, JWT]));
    const authorization = `Bearer ${mint()}`;
    expect(nameOf(auth.ask({ authorization }))).toBe('alice/cli');
    expect(nameOf(auth.ask({ authorization, 'x-api-key': 'key-of-batch' }))).toBe('batch/batch');
  });

  it('falls through from a key nobody knows to a token that is good', () => {
    const auth = new AuthRig(authPlan([API_KEY, JWT]));
    const both = { authorization: `Bearer ${mint()}`, 'x-api-key': 'unknown' };
    expect(nameOf(auth.ask(both))).toBe('alice/cli');
    expect(nameOf(auth.ask(both))).toBe('alice/cli');
  });
});

describe('a request without credentials', () => {
  it('is refused where they are required', () => {
    expect(nameOf(new AuthRig(authPlan([JWT])).ask({}))).toBe('UNAUTHENTICATED');
  });

  it('is anonymous where they are not, but a wrong credential is wrong all the same', () => {
    const auth = new AuthRig(authPlan([JWT], { required: false }));
    expect(auth.ask({})).toBe(ANONYMOUS);
    expect(nameOf(auth.bearer('nonsense'))).toBe('CREDENTIAL_INVALID');
    expect(nameOf(auth.ask({ authorization: 'Basic YTpi' }))).toBe('CREDENTIAL_INVALID');
    expect(nameOf(auth.bearer(mint()))).toBe('alice/cli');
  });

  it.each(['none', 'unstated'] as const)(
    'is anonymous, whatever it carries, with auth %s',
    (mode) => {
      const auth = new AuthRig(authPlan([], { mode, required: false }));
      expect(auth.ask({})).toBe(ANONYMOUS);
      expect(auth.bearer('anything')).toBe(ANONYMOUS);
    },
  );
});

describe('the form of the Authorization field', () => {
  it.each([
    'Bearer',
    'Bearer ',
    'Bearertoken-of-ci',
    'Basic token-of-ci',
    'token-of-ci',
    'Bearer\ttoken-of-ci',
  ])('refuses %j', (authorization) => {
    const auth = new AuthRig(authPlan([BEARER]));
    expect(nameOf(auth.ask({ authorization }))).toBe('CREDENTIAL_INVALID');
  });

  it('refuses a credential of more than 8 KiB undecoded', () => {
    const auth = new AuthRig(authPlan([BEARER]));
    expect(nameOf(auth.bearer('x'.repeat(8 * 1024 + 1)))).toBe('CREDENTIAL_INVALID');
    expect(auth.log.lines[0]).toMatchObject({ fields: { reason: 'unrecognized' } });
  });
});

describe('a principal', () => {
  const auth = new AuthRig(authPlan([JWT]));
  const token = mint();
  const principal = auth.bearer(token) as Principal;

  it('does not show its credential to a log', () => {
    expect(principal.exchangeableToken()?.toString()).toBe(token);
    expect(JSON.stringify(principal)).not.toContain(token.slice(-20));
    expect(Object.values(principal).some(Buffer.isBuffer)).toBe(false);
  });

  it('has one limit key for all its tokens, and an anonymous caller that of its address', () => {
    const peer = Uint8Array.of(192, 0, 2, 9);
    const keyOf = (who: Principal): string => {
      const out = new Uint32Array(2);
      writeLimitKey(who, 4, peer, 0, out);
      return out.join();
    };
    const renewed = auth.bearer(mint({ claims: { jti: '2', scope: 'other' } })) as Principal;
    const other = auth.bearer(mint({ claims: { sub: 'bob' } })) as Principal;
    expect(keyOf(renewed)).toBe(keyOf(principal));
    expect(keyOf(other)).not.toBe(keyOf(principal));
    expect(principal.limitHigh).toBeGreaterThanOrEqual(0x8000_0000);
    expect(keyOf(ANONYMOUS)).toBe(`${0xc000_0209},4`);
  });

  it('shares its set of scopes with others that have the same', () => {
    const other = auth.bearer(mint({ claims: { sub: 'bob' } })) as Principal;
    expect(other.scopes).toBe(principal.scopes);
  });
});
