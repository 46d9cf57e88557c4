/** Keys and answers of issuers: fetched once, kept while they are down, given up when they are withdrawn. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { settled } from '../failure/support/settled.ts';
import { compact, PAIRS, RSA, sendJson, standIn, type StandIn } from '../policy/fixture.ts';
import { RecordingUpstream, stopUpstreams } from './support/recording-upstream.ts';
import {
  bearer,
  confidential,
  OK,
  outcome,
  SecureGateway,
  stopGateways,
} from './support/secure-gateway.ts';
import { token } from './support/tokens.ts';

const SHARDS = 2;
const REFUSED = [401, -31011];
const CLIENT_SECRET = confidential('introspection-secret-0123456789');

let upstream: RecordingUpstream;
let issuer: StandIn;
/** What the issuer publishes; null: it hangs up. */
let published: Record<string, unknown>[] | null;

beforeAll(async () => {
  upstream = await RecordingUpstream.start(['add']);
});
afterAll(async () => {
  await stopGateways();
  await stopUpstreams();
});
afterEach(async () => {
  await stopGateways();
  await issuer.close();
});

async function startKeys(keys: Record<string, unknown>[] | null): Promise<SecureGateway> {
  published = keys;
  issuer = await standIn((_request, response) => {
    if (published === null) response.destroy();
    else sendJson(response, 200, { keys: published }, { 'cache-control': 'max-age=3600' });
  });
  const jwt = {
    algorithms: ['RS256' as const, 'ES256' as const],
    jwksUrl: `${issuer.url}/jwks`,
    issuer: 'keys',
    audience: 'sluice',
  };
  return SecureGateway.start({
    upstreams: { math: { http: { url: upstream.url } } },
    auth: { methods: [{ jwt }], flood: { failures: 10_000 } },
  });
}

const of = (algorithm: 'RS256' | 'ES256', kid: string): string =>
  token({ algorithm, kid, claims: { iss: 'keys', aud: 'sluice' } });

/** Enough calls at once that every shard gets some. */
async function atOnce(
  gateway: SecureGateway,
  credential: string,
  count = 8,
): Promise<[number, number | null][]> {
  const calls = Array.from({ length: count }, () =>
    gateway.modern('tools/list', {}, bearer(credential)),
  );
  return (await Promise.all(calls)).map(outcome);
}

const each = (expected: readonly (number | null)[], count = 8): unknown[] =>
  Array.from({ length: count }, () => expected);

describe('a key set behind a URL', () => {
  it('is fetched once more by each shard, however many unknown kids come', async () => {
    const gateway = await startKeys([RSA.jwk('r1')]);
    expect(await atOnce(gateway, of('RS256', 'r1'))).toEqual(each(OK));
    expect(issuer.requests).toHaveLength(SHARDS);
    const claims = { iss: 'keys', aud: 'sluice', exp: 4e9 };
    for (let round = 0; round < 20; round += 1) {
      const flood = Array.from({ length: 100 }, (_, index) => {
        const kid = `unknown-${round}-${index}`;
        return gateway.modern(
          'tools/list',
          {},
          bearer(compact({ alg: 'RS256', kid }, claims, 'c2ln')),
        );
      });
      const codes = (await Promise.all(flood)).map(({ status }) => status);
      expect(new Set(codes)).toEqual(new Set([401]));
    }
    expect(issuer.requests).toHaveLength(2 * SHARDS);
    expect(await atOnce(gateway, of('RS256', 'r1'))).toEqual(each(OK));
  });

  it('lets rotated keys in at once, and what was signed with a withdrawn one no more', async () => {
    const gateway = await startKeys([RSA.jwk('r1')]);
    const old = of('RS256', 'r1');
    expect(await atOnce(gateway, old)).toEqual(each(OK));
    published = [PAIRS['ES256']!.jwk('e2')];
    expect(await atOnce(gateway, of('ES256', 'e2'))).toEqual(each(OK));
    expect(issuer.requests).toHaveLength(2 * SHARDS);
    expect(await atOnce(gateway, old)).toEqual(each(REFUSED));
  });

  it('is still served when the issuer is down', async () => {
    const gateway = await startKeys([RSA.jwk('r1')]);
    expect(await atOnce(gateway, of('RS256', 'r1'))).toEqual(each(OK));
    published = null;
    expect(await atOnce(gateway, of('ES256', 'e2'))).toEqual(each(REFUSED));
    expect(await atOnce(gateway, of('RS256', 'r1'))).toEqual(each(OK));
    const failed = (): Promise<number> => gateway.counter('auth_key_fetches_failed_total');
    await settled(async () => (await failed()) >= SHARDS, 'failed fetches to be counted');
  });

  it('is waited for when it was down at the start', async () => {
    const gateway = await startKeys(null);
    const credential = of('RS256', 'r1');
    expect(await atOnce(gateway, credential)).toEqual(each([503, -31015]));
    published = [RSA.jwk('r1')];
    const isThere = async (): Promise<boolean> =>
      (await atOnce(gateway, credential)).every(([status]) => status === 200);
    await settled(isThere, 'both shards to have the keys');
  });
});

/** An opaque token's answers by RFC 7662. */
const ACTIVE: Record<string, unknown> = {
  [confidential('opaque-good-0123456789')]: {
    active: true,
    aud: 'sluice',
    client_id: 'cli',
    sub: 'ada',
    scope: 'calc:basic',
  },
  [confidential('opaque-elsewhere-0123456789')]: { active: true, aud: 'else', client_id: 'cli' },
  [confidential('opaque-over-0123456789')]: { active: true, aud: 'sluice', sub: 'a', exp: 1000 },
};

describe('opaque tokens', () => {
  it('are checked by introspection, once per shard while they are remembered', async () => {
    issuer = await standIn(({ body }, response) => {
      const asked = new URLSearchParams(body).get('token') ?? '';
      sendJson(response, 200, ACTIVE[asked] ?? { active: false });
    });
    const gateway = await SecureGateway.start({
      upstreams: { math: { http: { url: upstream.url } } },
      auth: {
        flood: { failures: 10_000 },
        methods: [
          {
            introspection: {
              url: `${issuer.url}/introspect`,
              clientId: 'gateway',
              clientSecret: CLIENT_SECRET,
              issuer: 'https://opaque.test',
              audience: 'sluice',
            },
          },
        ],
      },
    });
    for (let round = 0; round < 3; round += 1) {
      expect(await atOnce(gateway, 'opaque-good-0123456789')).toEqual(each(OK));
    }
    expect(issuer.requests).toHaveLength(SHARDS);
    const basic = Buffer.from(`gateway:${CLIENT_SECRET}`).toString('base64');
    expect(issuer.requests[0]?.headers.authorization).toBe(`Basic ${confidential(basic)}`);
    for (const bad of ['opaque-elsewhere-0123456789', 'opaque-over-0123456789', 'nobody-knows-it'])
      expect(await atOnce(gateway, bad, 2)).toEqual(each(REFUSED, 2));
    // A token that looks like a JWT is left to other methods, and there are none.
    const before = issuer.requests.length;
    expect(await atOnce(gateway, of('RS256', 'r1'), 2)).toEqual(each(REFUSED, 2));
    expect(issuer.requests).toHaveLength(before);
  });

  it('of GitHub are checked with our own client id, and refused if they are another application’s', async () => {
    const good = confidential(`gho_${'a'.repeat(36)}`);
    const foreign = confidential(`gho_${'b'.repeat(36)}`);
    const lying = confidential(`gho_${'c'.repeat(36)}`);
    const answerFor = (client: string): unknown => ({
      id: 1,
      app: { client_id: client, name: 'x', url: 'https://x.test' },
      scopes: ['repo'],
      user: { id: 7, login: 'ada' },
      expires_at: null,
    });
    issuer = await standIn(({ method, path, headers, body }, response) => {
      const basic = `Basic ${Buffer.from(`Iv1.app:${CLIENT_SECRET}`).toString('base64')}`;
      if (method !== 'POST' || path !== '/applications/Iv1.app/token')
        return sendJson(response, 404, { message: 'Not Found' });
      if (headers.authorization !== basic) return sendJson(response, 401, {});
      const { access_token: asked } = JSON.parse(body) as { access_token: string };
      if (asked === good) return sendJson(response, 200, answerFor('Iv1.app'));
      if (asked === lying) return sendJson(response, 200, answerFor('Iv1.other'));
      sendJson(response, 404, { message: 'Not Found' });
    });
    const gateway = await SecureGateway.start({
      upstreams: { math: { http: { url: upstream.url } } },
      auth: {
        methods: [
          { github: { clientId: 'Iv1.app', clientSecret: CLIENT_SECRET, apiUrl: issuer.url } },
        ],
      },
    });
    expect(await atOnce(gateway, good)).toEqual(each(OK));
    for (const bad of [foreign, lying])
      expect(await atOnce(gateway, bad, 2)).toEqual(each(REFUSED, 2));
  });

  it('are refused as unavailable, not as wrong, while the issuer does not answer', async () => {
    issuer = await standIn((_request, response) => sendJson(response, 500, {}));
    const gateway = await SecureGateway.start({
      upstreams: { math: { http: { url: upstream.url } } },
      auth: {
        methods: [{ github: { clientId: 'a', clientSecret: CLIENT_SECRET, apiUrl: issuer.url } }],
      },
    });
    const credential = confidential(`gho_${'d'.repeat(36)}`);
    expect(await atOnce(gateway, credential, 4)).toEqual(each([503, -31015], 4));
  });
});

it('OpenID Connect discovery leads to the keys', async () => {
  issuer = await standIn(({ path }, response) => {
    if (path === '/keys') return sendJson(response, 200, { keys: [RSA.jwk('r1')] });
    if (path !== '/.well-known/openid-configuration') return sendJson(response, 404, {});
    sendJson(response, 200, { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` });
  });
  const gateway = await SecureGateway.start({
    upstreams: { math: { http: { url: upstream.url } } },
    auth: { methods: [{ oidc: { issuer: issuer.url, audience: 'sluice' } }] },
  });
  const credential = token({ kid: 'r1', claims: { iss: issuer.url, aud: 'sluice' } });
  expect(await atOnce(gateway, credential)).toEqual(each(OK));
});
