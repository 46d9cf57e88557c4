/** What a refused client is told: where to get a token, for which scopes (RFC 6750, RFC 9728). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { RSA } from '../policy/fixture.ts';
import { RecordingUpstream, stopUpstreams } from './support/recording-upstream.ts';
import { bearer, OK, outcome, SecureGateway, stopGateways } from './support/secure-gateway.ts';
import { ISSUER, token } from './support/tokens.ts';

const AUTH = {
  methods: [
    {
      jwt: {
        algorithms: ['RS256' as const],
        publicKey: RSA.publicPem,
        issuer: ISSUER,
        audience: 'sluice',
      },
    },
  ],
  flood: { failures: 10_000 },
};
const ROUTES = [
  { tools: 'math_add', upstream: 'math', requiredScopes: ['calc:basic'] },
  { tools: 'math_*', upstream: 'math', requiredScopes: ['calc:*', 'read:data:**', 'admin'] },
];
const WELL_KNOWN = '/.well-known/oauth-protected-resource';

let upstream: RecordingUpstream;
let gateway: SecureGateway;
let proxied: SecureGateway;

beforeAll(async () => {
  upstream = await RecordingUpstream.start(['add', 'root']);
  const settings = {
    upstreams: { math: { http: { url: upstream.url } } },
    routes: ROUTES,
    auth: AUTH,
  };
  [gateway, proxied] = await Promise.all([
    SecureGateway.start(settings),
    SecureGateway.start({ ...settings, publicUrl: 'https://mcp.example/edge' }),
  ]);
});
afterAll(async () => {
  await stopGateways();
  await stopUpstreams();
});

const holder = (scope: string): ReturnType<typeof bearer> => bearer(token({ claims: { scope } }));

describe('a 401', () => {
  it('names the metadata and the scopes, and no error without a credential', async () => {
    const answer = await gateway.modern('tools/list');
    const origin = new URL(gateway.url).origin;
    expect(outcome(answer)).toEqual([401, -31010]);
    expect(answer.headers['www-authenticate']).toBe(
      `Bearer resource_metadata="${origin}${WELL_KNOWN}/mcp", scope="admin calc:basic"`,
    );
  });

  it('says invalid_token where there was one', async () => {
    const answer = await gateway.modern('tools/list', {}, bearer('nothing'));
    expect(outcome(answer)).toEqual([401, -31011]);
    expect(answer.headers['www-authenticate']).toMatch(
      /^Bearer error="invalid_token", error_description="[^"]+", resource_metadata="[^"]+", scope="admin calc:basic"$/,
    );
  });

  it('comes before the body is looked at, for every method and both eras', async () => {
    for (const body of ['{', '', '[]', { jsonrpc: '2.0', id: 1, method: 'initialize' }])
      expect((await gateway.send(body)).status).toBe(401);
    for (const method of ['GET', 'DELETE'])
      expect((await gateway.send(null, { accept: 'text/event-stream' }, method)).status).toBe(401);
  });

  it('names the endpoint that was asked, as publicUrl calls it', async () => {
    for (const path of ['', '/math']) {
      const answer = await proxied.modern('tools/list', {}, {}, path);
      expect(answer.headers['www-authenticate']).toContain(
        `resource_metadata="https://mcp.example/edge${WELL_KNOWN}/mcp${path}"`,
      );
    }
  });
});

describe('the metadata', () => {
  it('are served without a credential at both well-known places', async () => {
    const origin = new URL(gateway.url).origin;
    for (const path of [WELL_KNOWN, `${WELL_KNOWN}/mcp`]) {
      const answer = await gateway.get(path);
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toBe('application/json');
      expect(JSON.parse(answer.text)).toEqual({
        resource: `${origin}/mcp`,
        authorization_servers: [ISSUER],
        scopes_supported: ['admin', 'calc:basic'],
        bearer_methods_supported: ['header'],
      });
    }
    expect(JSON.parse((await gateway.get(`${WELL_KNOWN}/mcp/math`)).text)).toMatchObject({
      resource: `${origin}/mcp/math`,
    });
    expect((await gateway.get(`${WELL_KNOWN}/other`)).status).toBe(404);
  });

  it('call the resource as publicUrl does, wherever a proxy looks for them', async () => {
    const places = [
      WELL_KNOWN,
      `${WELL_KNOWN}/mcp`,
      `${WELL_KNOWN}/edge/mcp`,
      `/edge${WELL_KNOWN}`,
      `/edge${WELL_KNOWN}/mcp`,
    ];
    for (const place of places) {
      const answer = await proxied.get(place, { host: new URL(proxied.url).host });
      expect(answer.status, place).toBe(200);
      expect(JSON.parse(answer.text)).toMatchObject({ resource: 'https://mcp.example/edge/mcp' });
    }
  });
});

describe('a 403', () => {
  it('names every scope that is missing, and none that is there', async () => {
    const answer = await gateway.call('math_root', {}, holder('calc:basic'));
    expect(outcome(answer)).toEqual([403, -31012]);
    expect(answer.message?.error?.data).toEqual({ requiredScopes: ['read:data:**', 'admin'] });
    const challenge = answer.headers['www-authenticate'];
    expect(challenge).toMatch(/^Bearer error="insufficient_scope", /);
    expect(challenge).toContain('scope="read:data:** admin"');
    expect(challenge).toContain(`resource_metadata="`);
  });

  it('ends when the last of them is granted, with wildcards on either side', async () => {
    const before = upstream.calls.length;
    const rows: [string, boolean][] = [
      ['calc:basic', false],
      ['calc:basic read:data:users', false],
      ['calc:basic read:data:users admin', true],
      ['calc:* read:data:a:b:c admin', true],
      ['** ', true],
      ['calc read:data:users admin', false],
      ['calc:basic:more read:data:users admin', false],
    ];
    for (const [scope, isAllowed] of rows) {
      const answer = await gateway.call('math_root', {}, holder(scope));
      expect([scope, answer.status]).toEqual([scope, isAllowed ? 200 : 403]);
    }
    expect(upstream.calls.length - before).toBe(rows.filter(([, allowed]) => allowed).length);
  });

  it('does not reach what is called under the name of the upstream’s own endpoint either', async () => {
    const params = { name: 'root', arguments: {} };
    const denied = await gateway.modern('tools/call', params, holder('calc:basic'), '/math');
    expect(outcome(denied)).toEqual([403, -31012]);
    const allowed = holder('calc:basic read:data:users admin');
    expect(outcome(await gateway.modern('tools/call', params, allowed, '/math'))).toEqual(OK);
  });
});

it('what may not be called is not listed, and nothing tells of it', async () => {
  const answer = await gateway.modern('tools/list', {}, holder('calc:basic'));
  const tools = answer.message?.result?.['tools'] as { name: string }[];
  expect(tools.map(({ name }) => name)).toEqual(['math_add']);
  expect(answer.text).not.toContain('root');
  const none = await gateway.modern('tools/list', {}, holder(''));
  expect(none.message?.result?.['tools']).toEqual([]);
  const discovery = await gateway.modern('server/discover', {}, holder(''));
  expect(discovery.text).not.toMatch(/math|root|recording/);
});
