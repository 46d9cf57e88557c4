/** Who comes in, through the real edge and two shards: the settings of the manual, every algorithm, every attack. */
import { createHash, createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  compact,
  PAIRS,
  RSA,
  RSA_OTHER,
  SECRET,
  standIn,
  type StandIn,
  sendJson,
} from '../policy/fixture.ts';
import { settled } from '../failure/support/settled.ts';
import type { Fields } from '../interop/support/raw.ts';
import { RecordingUpstream, stopUpstreams } from './support/recording-upstream.ts';
import {
  bearer,
  confidential,
  OK,
  outcome,
  SecureGateway,
  stopGateways,
} from './support/secure-gateway.ts';
import { nowSeconds, token } from './support/tokens.ts';

const PAIR = { iss: 'me', aud: 'sluice' };
const BEARER_TOKEN = confidential('ci-token-0123456789abcdef');
const API_KEY = confidential('batch-key-0123456789abcdef');
confidential(SECRET);

let upstream: RecordingUpstream;
let issuer: StandIn;
let gateway: SecureGateway;

/** The settings that the product promises, word for word but for the addresses. */
function settings(): string {
  return `
listen: { port: 0 }
admin: { port: 0 }
shards: 2
log: { level: debug }
upstreams:
  math: { http: { url: "${upstream.url}" } }
auth:
  required: true
  flood: { failures: 10000 }
  methods:
    - jwt: { algorithms: [RS256], publicKey: "\${PEM}", issuer: me, audience: sluice, clientId: sub, scopes: scope }
    - jwt: { algorithms: [ES256], jwksUrl: "${issuer.url}/jwks", issuer: "${issuer.url}", audience: sluice }
    - jwt: { algorithms: [HS256], secret: "\${JWT_SECRET}", issuer: me, audience: sluice }
    - bearer: { tokens: [{ sha256: "${createHash('sha256').update(BEARER_TOKEN).digest('hex')}", clientId: ci, scopes: ["tools:*", "calc:basic"] }] }
    - apiKey: { header: x-api-key, keys: [{ value: "\${KEY}", clientId: batch, scopes: [] }] }
routes:
  - { tools: "math_*", upstream: math, requiredScopes: ["calc:*"],
      rateLimit: { per: client, algorithm: tokenBucket, requests: 100000, windowSeconds: 60, burst: 2000 } }
rateLimits:
  - { per: global, algorithm: fixedWindow, requests: 100000, windowSeconds: 60 }
  - { per: client, algorithm: slidingWindow, requests: 300, windowSeconds: 60 }
  - { per: tool, match: "math_*", algorithm: tokenBucket, requests: 100000, windowSeconds: 60, burst: 2000 }
`;
}

const rs = (claims: Record<string, unknown> = {}): string =>
  token({ claims: { ...PAIR, scope: 'calc:basic', ...claims } });

beforeAll(async () => {
  upstream = await RecordingUpstream.start(['add', 'sub']);
  issuer = await standIn((_request, response) =>
    sendJson(response, 200, { keys: [PAIRS['ES256']!.jwk('e1')] }),
  );
  gateway = await SecureGateway.start(settings(), {
    PEM: RSA.publicPem,
    JWT_SECRET: SECRET,
    KEY: API_KEY,
  });
});
afterAll(async () => {
  await stopGateways();
  await stopUpstreams();
  await issuer?.close();
});

const list = (fields: Fields): ReturnType<SecureGateway['modern']> =>
  gateway.modern('tools/list', {}, fields);

describe('the five methods in one list', () => {
  it('let in who brings what one of them knows', async () => {
    const es = token({
      algorithm: 'ES256',
      kid: 'e1',
      claims: { iss: issuer.url, aud: 'sluice', scope: 'calc:basic' },
    });
    const hs = token({ algorithm: 'HS256', claims: { ...PAIR, scope: 'calc:basic' } });
    for (const fields of [bearer(rs()), bearer(es), bearer(hs), bearer(BEARER_TOKEN)]) {
      expect(outcome(await gateway.call('math_add', {}, fields))).toEqual(OK);
    }
    expect(outcome(await list({ 'x-api-key': API_KEY }))).toEqual(OK);
    expect(issuer.requests.length).toBeLessThanOrEqual(2); // one per shard
  });

  it('take the scheme in any case, and nothing but a bearer token in Authorization', async () => {
    expect(outcome(await list({ authorization: `bEARER   ${rs()}` }))).toEqual(OK);
    for (const value of [`Basic ${rs()}`, rs(), 'Bearer', `Bearer ${API_KEY}`]) {
      expect(outcome(await list({ authorization: value })), value).toEqual([401, -31011]);
    }
    expect(outcome(await list({ 'x-api-key': BEARER_TOKEN }))).toEqual([401, -31011]);
  });

  it('let nobody in without a credential, also with a token in the query string', async () => {
    expect(outcome(await gateway.modern('tools/list'))).toEqual([401, -31010]);
    for (const name of ['access_token', 'token', 'authorization', 'x-api-key']) {
      const path = `?${name}=${name === 'x-api-key' ? API_KEY : rs()}`;
      expect(outcome(await gateway.modern('tools/list', {}, {}, path))).toEqual([401, -31010]);
    }
  });

  it('show each only what its scopes allow', async () => {
    const names = async (fields: Fields): Promise<unknown> =>
      (await list(fields)).message?.result?.['tools'];
    expect(await names(bearer(BEARER_TOKEN))).toHaveLength(2);
    expect(await names({ 'x-api-key': API_KEY })).toEqual([]);
  });
});

describe('what is no valid token', () => {
  const later = nowSeconds() + 3600;
  const [header, claims, signature] = rs().split('.') as [string, string, string];
  const other = Buffer.from(JSON.stringify({ ...PAIR, sub: 'root', exp: later })).toString(
    'base64url',
  );
  const attacks: Record<string, string> = {
    'an algorithm that is not allowed': token({ algorithm: 'RS512', claims: PAIR }),
    'another algorithm of the same key': token({ algorithm: 'PS256', claims: PAIR }),
    none: compact({ alg: 'none' }, { ...PAIR, sub: 'a', exp: later }),
    'None with a signature': compact({ alg: 'None' }, { ...PAIR, sub: 'a', exp: later }, signature),
    'a header that claims HS256 over an RSA signature': `${compact({ alg: 'HS256' }, 0).split('.')[0]!}.${claims}.${signature}`,
    'a key of its own in the header': token({
      key: RSA_OTHER.privatePem,
      header: { jwk: RSA_OTHER.jwk('x'), jku: 'http://127.0.0.1:9/jwks' },
      claims: PAIR,
    }),
    'another key': token({ key: RSA_OTHER.privatePem, claims: PAIR }),
    expired: rs({ exp: nowSeconds() - 60 }),
    'not yet valid': rs({ nbf: nowSeconds() + 60 }),
    'no expiry': token({ claims: PAIR, without: ['exp'] }),
    'for somebody else': rs({ aud: 'another' }),
    'for nobody': token({ claims: { ...PAIR }, without: ['aud'] }),
    'of another issuer': rs({ iss: 'you' }),
    'other claims under the same signature': `${header}.${other}.${signature}`,
    'no signature': `${header}.${claims}.`,
    'four parts': `${header}.${claims}.${signature}.x`,
    'a critical extension': token({ header: { crit: ['b64'], b64: true }, claims: PAIR }),
    huge: `${header}.${Buffer.alloc(9000, 'a').toString()}.${signature}`,
    'no token at all': 'x',
    'bytes that are no base64': `${header}.${claims}.${'*'.repeat(300)}`,
    'an unknown kid': token({
      algorithm: 'ES256',
      kid: 'nobody',
      claims: { iss: 'x', aud: 'sluice' },
    }),
  };

  it.each(Object.keys(attacks))('is refused: %s', async (name) => {
    const answer = await list(bearer(attacks[name]!));
    expect(outcome(answer)).toEqual([401, -31011]);
    expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
    expect(answer.text).not.toMatch(/expired|audience|issuer|signature|kid/i);
  });

  it('is a real signature made with the public key as HMAC secret, too', async () => {
    const body = compact({ alg: 'HS256' }, { ...PAIR, sub: 'a', exp: later }).slice(0, -1);
    for (const key of [RSA.publicPem, RSA.publicPem.trim()]) {
      const forged = `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
      expect(outcome(await list(bearer(forged)))).toEqual([401, -31011]);
    }
  });

  it('is a remembered token of which any byte was changed', async () => {
    const good = rs();
    for (let call = 0; call < 4; call += 1) expect(outcome(await list(bearer(good)))).toEqual(OK);
    await settled(
      async () => (await gateway.counter('auth_cache_hits_total')) > 0,
      'a remembered token',
    );
    const step = Math.ceil(good.length / 40);
    for (let at = 0; at < good.length; at += step) {
      const flipped = good[at] === 'A' ? 'B' : 'A';
      const changed = good.slice(0, at) + flipped + good.slice(at + 1);
      expect(outcome(await list(bearer(changed))), `byte ${at}`).toEqual([401, -31011]);
    }
    // The last sign carries two bits only: a decoder may drop the rest, the gateway must not.
    const signs = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    for (const sign of signs) {
      if (sign === good.at(-1)) continue;
      expect(outcome(await list(bearer(good.slice(0, -1) + sign))), sign).toEqual([401, -31011]);
    }
    expect(outcome(await list(bearer(good)))).toEqual(OK);
  });

  it('is a header field that comes twice', async () => {
    const fields = { authorization: [`Bearer ${rs()}`, `Bearer ${rs()}`] as unknown as string };
    expect((await list(fields)).status).toBe(400);
  });
});

describe('algorithms', () => {
  const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256'] as const;

  it('are accepted each, with the key they are configured for', async () => {
    const all = ['HS256', 'HS384', 'HS512', 'RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const;
    const methods = all.map((algorithm) => ({
      jwt: {
        algorithms: [algorithm],
        issuer: `of-${algorithm}`,
        audience: 'sluice',
        ...(algorithm.startsWith('HS')
          ? { secret: SECRET }
          : { publicKey: PAIRS[algorithm]!.publicPem }),
      },
    }));
    const own = await SecureGateway.start({
      upstreams: { math: { http: { url: upstream.url } } },
      auth: { methods, flood: { failures: 10_000 } },
    });
    for (const algorithm of all) {
      const claims = { iss: `of-${algorithm}`, aud: 'sluice' };
      const fields = bearer(token({ algorithm, claims }));
      expect(outcome(await own.call('math_add', {}, fields)), algorithm).toEqual(OK);
      for (const wrong of RSA_ALGORITHMS) {
        if (wrong === algorithm) continue;
        const crossed = bearer(token({ algorithm: wrong, claims }));
        expect(
          outcome(await own.call('math_add', {}, crossed)),
          `${wrong} as ${algorithm}`,
        ).toEqual([401, -31011]);
      }
    }
  });
});
