import { afterEach, describe, expect, it } from 'vitest';
import { planOf } from '../../src/config/load.ts';
import { createHttpFetch } from '../../src/transport/http-fetch.ts';
import type { HttpFetchPort } from '../../src/transport/http-fetch.ts';
import { AUTH_PENDING } from '../../workers/policy/auth-verdict.ts';
import type { Principal } from '../../workers/policy/principal.ts';
import {
  AuthRig,
  FetchBook,
  jsonAnswer,
  mint,
  nameOf,
  RSA,
  RSA_OTHER,
  sendJson,
  settled,
  settledName,
  standIn,
  START_WALL_MS,
} from './fixture.ts';
import type { StandIn } from './fixture.ts';

type Answer = Parameters<typeof standIn>[0];

const NOW_SECONDS = START_WALL_MS / 1000;
const open: { server: StandIn; port: HttpFetchPort }[] = [];

afterEach(async () => {
  for (const { server, port } of open.splice(0)) {
    await port.close();
    await server.close();
  }
});

/** A gateway with one method, as the settings write it, against a provider on loopback. */
async function gateway(
  method: (url: string) => unknown,
  answer: Answer,
): Promise<{ rig: AuthRig; server: StandIn }> {
  const server = await standIn(answer);
  const port = createHttpFetch({ connectionsMax: 4 });
  open.push({ server, port });
  const config = {
    upstreams: { math: { http: { url: 'http://127.0.0.1:1/mcp' } } },
    auth: { methods: [method(server.url)] },
  };
  const plan = planOf(config as Parameters<typeof planOf>[0]);
  return { rig: new AuthRig(plan.auth, port.fetch), server };
}

function basicOf(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

describe('introspection (RFC 7662)', () => {
  const introspection =
    (changes: object = {}) =>
    (url: string) => ({
      introspection: {
        url: `${url}/introspect`,
        clientId: 'gate way',
        clientSecret: 'p+s:w%rd',
        issuer: 'https://as.test',
        audience: 'sluice',
        ...changes,
      },
    });
  const TOKENS: Readonly<Record<string, unknown>> = {
    good: {
      active: true,
      client_id: 'cli',
      sub: 'alice',
      aud: ['sluice', 'x'],
      scope: 'a b',
      exp: NOW_SECONDS + 30,
      token_type: 'Bearer',
    },
    lasting: { active: true, client_id: 'cli', aud: 'sluice' },
    revoked: { active: false },
    expired: { active: true, client_id: 'cli', aud: 'sluice', exp: NOW_SECONDS - 5 },
    early: { active: true, client_id: 'cli', aud: 'sluice', nbf: NOW_SECONDS + 60 },
    'for-another': { active: true, client_id: 'cli', aud: 'other' },
    'for-nobody': { active: true, client_id: 'cli' },
    'of-another': { active: true, client_id: 'cli', aud: 'sluice', iss: 'https://other.test' },
    'a-refresh-token': {
      active: true,
      client_id: 'cli',
      aud: 'sluice',
      token_type: 'refresh_token',
    },
    'without-client': { active: true, aud: 'sluice' },
  };
  const server: Answer = (request, response) => {
    const form = new URLSearchParams(request.body);
    const isClient =
      request.headers.authorization === basicOf('gate+way', 'p%2Bs%3Aw%25rd') ||
      (form.get('client_id') === 'gate way' && form.get('client_secret') === 'p+s:w%rd');
    if (!isClient) sendJson(response, 401, { error: 'invalid_client' });
    else sendJson(response, 200, TOKENS[form.get('token') ?? ''] ?? { active: false });
  };

  it.each(['client_secret_basic', 'client_secret_post'])('authenticates with %s', async (how) => {
    const { rig, server: as } = await gateway(introspection({ clientAuthentication: how }), server);
    const principal = (await settled(rig.bearer('good'))) as Principal;
    expect(principal).toMatchObject({
      issuer: 'https://as.test',
      subject: 'alice',
      clientId: 'cli',
      scopes: { text: 'a b' },
    });
    expect(as.requests[0]).toMatchObject({ method: 'POST', path: '/introspect' });
    expect(new URLSearchParams(as.requests[0]?.body).get('token_type_hint')).toBe('access_token');
  });

  it.each(Object.keys(TOKENS).filter((name) => name !== 'good' && name !== 'lasting'))(
    'refuses a token that is %s, and does not ask again at once',
    async (token) => {
      const { rig, server: as } = await gateway(introspection(), server);
      expect(await settledName(rig.bearer(token))).toBe('CREDENTIAL_INVALID');
      expect(nameOf(rig.bearer(token))).toBe('CREDENTIAL_INVALID');
      expect(as.requests).toHaveLength(1);
      rig.clock.advance(10_000);
      expect(nameOf(rig.bearer(token))).toBe('pending');
    },
  );

  it('remembers an active token for as long as the settings say, and never past its end', async () => {
    const { rig, server: as } = await gateway(introspection({ rememberSeconds: 60 }), server);
    expect(await settledName(rig.bearer('lasting'))).toBe('/cli');
    expect(await settledName(rig.bearer('good'))).toBe('alice/cli');
    rig.clock.advance(34_999);
    expect(nameOf(rig.bearer('good'))).toBe('alice/cli');
    rig.clock.advance(1);
    expect(await settledName(rig.bearer('good'))).toBe('CREDENTIAL_INVALID');
    rig.clock.advance(24_999);
    expect(nameOf(rig.bearer('lasting'))).toBe('/cli');
    rig.clock.advance(1);
    expect(nameOf(rig.bearer('lasting'))).toBe('pending');
    expect(as.requests).toHaveLength(3);
  });

  it('asks once for one token, whoever waits for it', async () => {
    const { rig, server: as } = await gateway(introspection(), server);
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, () => settled(rig.bearer('good'))),
    );
    expect(new Set(verdicts).size).toBe(1);
    expect(as.requests).toHaveLength(1);
  });

  it('asks once also when a call comes between the answer and those who wait for it', async () => {
    const book = new FetchBook(() => Promise.resolve(jsonAnswer(TOKENS['good'])));
    const config = {
      upstreams: { math: { http: { url: 'http://127.0.0.1:1/mcp' } } },
      auth: { methods: [introspection()('https://as.test')] },
    };
    const rig = new AuthRig(planOf(config as Parameters<typeof planOf>[0]).auth, book.fetch);
    const first = settledName(rig.bearer('good'));
    // The answer is read in promise jobs, who waits hears of it in a later turn.
    for (let job = 0; job < 20; job += 1) await Promise.resolve();
    expect(book.requests).toHaveLength(1);
    const late = rig.bearer('good');
    expect(late.kind).toBe(AUTH_PENDING);
    expect([await settledName(late), await first]).toEqual(['alice/cli', 'alice/cli']);
    expect(nameOf(rig.bearer('good'))).toBe('alice/cli');
    expect(book.requests).toHaveLength(1);
  });

  it('leaves tokens of JWT form alone unless told otherwise', async () => {
    const { rig, server: as } = await gateway(introspection(), server);
    expect(nameOf(rig.bearer(mint()))).toBe('CREDENTIAL_INVALID');
    expect(as.requests).toHaveLength(0);
    const { rig: any, server: other } = await gateway(introspection({ recognizes: 'any' }), server);
    expect(await settledName(any.bearer(mint()))).toBe('CREDENTIAL_INVALID');
    expect(other.requests).toHaveLength(1);
  });

  it.each([
    ['refuses us', (_: unknown, response) => sendJson(response, 401, { error: 'invalid_client' })],
    ['is broken', (_: unknown, response) => sendJson(response, 500, {})],
    ['says nothing', (_: unknown, response) => sendJson(response, 200, { sub: 'x' })],
    [
      'says yes in text',
      (_: unknown, response) => sendJson(response, 200, { active: 'true', aud: 'sluice' }),
    ],
    ['speaks HTML', (_: unknown, response) => void response.end('<html>')],
    ['is endless', (_: unknown, response) => void response.end('x'.repeat(100_000))],
    ['hangs up', (_: unknown, response) => void response.destroy()],
    ['is silent', () => undefined],
  ] as [string, Answer][])('is unavailable, not wrong, while the server %s', async (_, answer) => {
    const { rig } = await gateway(introspection({ requestTimeoutMs: 200 }), answer);
    expect(await settledName(rig.bearer('a-secret-token'))).toBe('AUTH_UNAVAILABLE');
    expect(rig.counters).toMatchObject({ refused: 0, remoteCheckFailures: 1, waiting: 0 });
    expect(rig.log.text()).not.toContain('a-secret-token');
    expect(rig.log.text()).not.toContain('p+s:w%rd');
    expect(nameOf(rig.bearer('a-secret-token'))).toBe('pending');
  });

  it('asks about few at once, and drops those of an address that turns out to be a flood', async () => {
    let running = 0;
    let most = 0;
    const book = new FetchBook(async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return jsonAnswer({ active: false });
    });
    const config = {
      upstreams: { math: { http: { url: 'http://127.0.0.1:1/mcp' } } },
      auth: { methods: [introspection()('https://as.test')] },
    };
    const rig = new AuthRig(planOf(config as Parameters<typeof planOf>[0]).auth, book.fetch);
    const verdicts = Array.from({ length: 500 }, (_, i) => rig.bearer(`made-up-${i}`));
    const calm = rig.bearer('made-up-elsewhere', '192.0.2.77');
    expect(verdicts.every((verdict) => verdict.kind === AUTH_PENDING)).toBe(true);
    const names = await Promise.all(verdicts.map(settledName));
    expect(await settledName(calm)).toBe('CREDENTIAL_INVALID');
    expect(most).toBe(16);
    expect(names.filter((name) => name === 'AUTH_FLOOD').length).toBeGreaterThan(440);
    expect(book.requests.length).toBeLessThan(60);
    expect(rig.counters.waiting).toBe(0);
  });

  it('tells who waits when the plan is gone', async () => {
    const { rig } = await gateway(introspection(), () => undefined);
    const waiting = Array.from({ length: 40 }, (_, i) => rig.bearer(`token-${i}`));
    rig.authenticator.close();
    const queued = await Promise.all(waiting.slice(16).map(settledName));
    expect(new Set(queued)).toEqual(new Set(['AUTH_UNAVAILABLE']));
  });
});

describe('GitHub', () => {
  const github =
    (changes: object = {}) =>
    (url: string) => ({
      github: { clientId: 'Iv1.app', clientSecret: 'gh-secret', apiUrl: url, ...changes },
    });
  const octocat = { login: 'octocat', id: 583231 };
  const APP = { name: 'app', url: 'https://app.test', client_id: 'Iv1.app' };
  const TOKENS: Readonly<Record<string, unknown>> = {
    gho_good: { id: 1, scopes: ['repo', 'read:org'], user: octocat, app: APP, expires_at: null },
    ghu_short: {
      id: 2,
      scopes: [],
      user: octocat,
      app: APP,
      expires_at: new Date(START_WALL_MS + 20_000).toISOString(),
    },
    gho_expired: {
      id: 3,
      scopes: [],
      user: octocat,
      app: APP,
      expires_at: new Date(START_WALL_MS).toISOString(),
    },
    gho_swapped: { id: 4, scopes: [], user: octocat, app: { ...APP, client_id: 'Iv1.other' } },
    gho_appless: { id: 5, scopes: [], user: octocat },
  };
  /** As documented: 404 for a token of another application, 422 for what is no token. */
  const server: Answer = (request, response) => {
    if (request.headers.authorization !== basicOf('Iv1.app', 'gh-secret')) {
      sendJson(response, 401, { message: 'Bad credentials' });
      return;
    }
    const { access_token: token } = JSON.parse(request.body) as { access_token: string };
    const known = TOKENS[token];
    if (request.path !== '/applications/Iv1.app/token' || known === undefined) {
      sendJson(response, token === 'gho_malformed' ? 422 : 404, { message: 'Not Found' });
    } else sendJson(response, 200, known);
  };

  it('lets a token of our application in, under the id that never changes', async () => {
    const { rig, server: api } = await gateway(github(), server);
    expect(await settled(rig.bearer('gho_good'))).toMatchObject({
      issuer: 'https://github.com',
      subject: '583231',
      clientId: 'octocat',
      scopes: { text: 'read:org repo' },
      expiresAtMs: Infinity,
    });
    expect(api.requests[0]).toMatchObject({
      method: 'POST',
      headers: { accept: 'application/vnd.github+json', 'user-agent': 'mcp-sluice' },
    });
  });

  it.each(['gho_of_another_app', 'gho_malformed', 'gho_swapped', 'gho_appless', 'gho_expired'])(
    'refuses %s',
    async (token) => {
      const { rig } = await gateway(github(), server);
      expect(await settledName(rig.bearer(token))).toBe('CREDENTIAL_INVALID');
    },
  );

  it('never asks about what is no token of an application', async () => {
    const { rig, server: api } = await gateway(github(), server);
    for (const token of ['ghp_personal', 'github_pat_1', mint()]) {
      expect(nameOf(rig.bearer(token))).toBe('CREDENTIAL_INVALID');
    }
    expect(api.requests).toHaveLength(0);
  });

  it('forgets a token that GitHub says will expire', async () => {
    const { rig } = await gateway(github(), server);
    await settled(rig.bearer('ghu_short'));
    rig.clock.advance(19_999);
    expect(nameOf(rig.bearer('ghu_short'))).toBe('583231/octocat');
    rig.clock.advance(1);
    expect(await settledName(rig.bearer('ghu_short'))).toBe('CREDENTIAL_INVALID');
  });

  it('lets only listed users in', async () => {
    const { rig } = await gateway(github({ users: ['hubot'] }), server);
    expect(await settledName(rig.bearer('gho_good'))).toBe('CREDENTIAL_INVALID');
  });

  it('is unavailable when GitHub refuses our own secret, or limits us', async () => {
    const { rig } = await gateway(github({ clientSecret: 'wrong' }), server);
    expect(await settledName(rig.bearer('gho_good'))).toBe('AUTH_UNAVAILABLE');
    const limited = await gateway(github(), (_, response) => sendJson(response, 403, {}));
    expect(await settledName(limited.rig.bearer('gho_good'))).toBe('AUTH_UNAVAILABLE');
  });
});

describe('Google', () => {
  const google =
    (changes: object = {}) =>
    (url: string) => ({
      google: {
        clientId: 'our.apps.googleusercontent.com',
        issuerUrl: url,
        tokenInfoUrl: `${url}/tokeninfo`,
        ...changes,
      },
    });
  const INFO = {
    azp: 'our.apps.googleusercontent.com',
    aud: 'our.apps.googleusercontent.com',
    sub: '1084',
    scope: 'openid https://www.googleapis.com/auth/userinfo.email',
    exp: String(NOW_SECONDS + 3599),
    expires_in: '3599',
    email: 'a@example.com',
    email_verified: 'true',
    access_type: 'online',
  };
  const TOKENS: Readonly<Record<string, unknown>> = {
    'ya29.good': INFO,
    'ya29.other': { ...INFO, aud: 'other.apps.googleusercontent.com' },
    'ya29.old': { ...INFO, exp: String(NOW_SECONDS) },
    'ya29.odd': { ...INFO, exp: 'soon' },
  };
  const server: Answer = (request, response) => {
    const issuer = `http://${request.headers.host}`;
    if (request.path === '/.well-known/openid-configuration')
      sendJson(response, 200, { issuer, jwks_uri: `${issuer}/oauth2/v3/certs` });
    else if (request.path === '/oauth2/v3/certs')
      sendJson(
        response,
        200,
        { keys: [RSA.jwk('g1', { alg: 'RS256', use: 'sig' })] },
        { 'cache-control': 'public, max-age=19000' },
      );
    else {
      const info = TOKENS[new URLSearchParams(request.body).get('access_token') ?? ''];
      if (info === undefined)
        sendJson(response, 400, { error: 'invalid_token', error_description: 'Invalid Value' });
      else sendJson(response, 200, info);
    }
  };
  const idToken = (url: string, claims: object = {}): string =>
    mint({
      kid: 'g1',
      claims: {
        iss: url,
        aud: INFO.aud,
        azp: INFO.azp,
        sub: '1084',
        hd: 'example.com',
        scope: undefined,
        client_id: undefined,
        ...claims,
      },
    });

  it('lets an access token for our client in', async () => {
    const { rig, server: api } = await gateway(google(), server);
    const principal = await settled(rig.bearer('ya29.good'));
    expect(principal).toMatchObject({ subject: '1084', clientId: INFO.azp });
    expect(principal).toMatchObject({
      scopes: { text: 'https://www.googleapis.com/auth/userinfo.email openid' },
    });
    const asked = api.requests.find((request) => request.path.startsWith('/tokeninfo'));
    expect(asked).toMatchObject({ method: 'POST', path: '/tokeninfo' });
  });

  it.each(['ya29.unknown', 'ya29.other', 'ya29.old', 'ya29.odd'])('refuses %s', async (token) => {
    const { rig } = await gateway(google(), server);
    expect(await settledName(rig.bearer(token))).toBe('CREDENTIAL_INVALID');
  });

  it('lets an ID token for our client in, with and without the scheme in its issuer', async () => {
    const { rig, server: api } = await gateway(google(), server);
    expect(await settledName(rig.bearer(idToken(api.url)))).toBe(`1084/${INFO.azp}`);
    expect(await settledName(rig.bearer(idToken(api.url.replace('http://', ''))))).toBe(
      `1084/${INFO.azp}`,
    );
    expect(nameOf(rig.bearer(idToken(api.url, { aud: 'other' })))).toBe('CREDENTIAL_INVALID');
  });

  it('asks for the workspace domain where the settings do', async () => {
    const { rig, server: api } = await gateway(google({ hostedDomain: 'example.com' }), server);
    expect(await settledName(rig.bearer(idToken(api.url)))).toBe(`1084/${INFO.azp}`);
    expect(nameOf(rig.bearer(idToken(api.url, { hd: 'evil.com' })))).toBe('CREDENTIAL_INVALID');
    expect(nameOf(rig.bearer(idToken(api.url, { hd: undefined })))).toBe('CREDENTIAL_INVALID');
    expect(nameOf(rig.bearer('ya29.good'))).toBe('CREDENTIAL_INVALID');
  });
});

describe('Microsoft Entra', () => {
  const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47';
  const microsoft = (url: string): unknown => ({
    microsoft: { tenant: TENANT, audience: 'api://sluice', authorityUrl: url },
  });
  const server: Answer = (request, response) => {
    const authority = `http://${request.headers.host}`;
    if (request.path === `/${TENANT}/v2.0/.well-known/openid-configuration`)
      sendJson(response, 200, {
        issuer: `${authority}/${TENANT}/v2.0`,
        jwks_uri: `${authority}/${TENANT}/discovery/v2.0/keys`,
      });
    else if (request.path === `/${TENANT}/discovery/v2.0/keys`)
      sendJson(response, 200, {
        keys: [
          RSA.jwk('m1', {
            use: 'sig',
            x5t: 'm1',
            x5c: ['MIIC'],
            issuer: `${authority}/${TENANT}/v2.0`,
          }),
        ],
      });
    else sendJson(response, 404, {});
  };
  const token = (claims: object, key = RSA.privatePem): string =>
    mint({
      kid: 'm1',
      key,
      claims: { aud: 'api://sluice', scope: undefined, client_id: undefined, ...claims },
    });

  it('takes delegated scopes, application roles, and tokens of either version', async () => {
    const { rig, server: api } = await gateway(microsoft, server);
    const iss = `${api.url}/${TENANT}/v2.0`;
    const user = await settled(rig.bearer(token({ iss, azp: 'app', scp: 'files.read mail' })));
    expect(user).toMatchObject({ clientId: 'app', scopes: { text: 'files.read mail' } });
    const daemon = await settled(rig.bearer(token({ iss, azp: 'app', roles: ['Task.Run'] })));
    expect(daemon).toMatchObject({ scopes: { text: 'Task.Run' } });
    const v1 = token({ iss: `https://sts.windows.net/${TENANT}/`, appid: 'old-app', scp: 'x' });
    expect(await settledName(rig.bearer(v1))).toBe('alice/old-app');
  });

  it('refuses another tenant, another audience and another key', async () => {
    const { rig, server: api } = await gateway(microsoft, server);
    const iss = `${api.url}/${TENANT}/v2.0`;
    const other = iss.replace('72f9', '0000');
    for (const wrong of [
      token({ iss: other, azp: 'a' }),
      token({ iss, azp: 'a', aud: 'api://x' }),
      token({ iss, azp: 'a' }, RSA_OTHER.privatePem),
    ]) {
      expect(await settledName(rig.bearer(wrong))).toBe('CREDENTIAL_INVALID');
    }
  });
});

describe('any OpenID Connect issuer', () => {
  it('is found behind a path, by the well-known place of RFC 8414 too', async () => {
    const { rig, server } = await gateway(
      (url) => ({ oidc: { issuer: `${url}/tenant`, audience: 'sluice' } }),
      (request, response) => {
        const issuer = `http://${request.headers.host}/tenant`;
        if (request.path === '/.well-known/oauth-authorization-server/tenant')
          sendJson(response, 200, { issuer, jwks_uri: `${issuer}/keys` });
        else if (request.path === '/tenant/keys')
          sendJson(response, 200, { keys: [RSA.jwk('o1')] });
        else sendJson(response, 404, {});
      },
    );
    const iss = `${server.url}/tenant`;
    expect(await settledName(rig.bearer(mint({ kid: 'o1', claims: { iss } })))).toBe('alice/cli');
    expect(server.requests.map((request) => request.path)).toEqual([
      '/tenant/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server/tenant',
      '/tenant/keys',
    ]);
  });
});
