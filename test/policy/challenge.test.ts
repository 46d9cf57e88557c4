import { describe, expect, it } from 'vitest';
import { planOf } from '../../src/config/load.ts';
import type { Plan } from '../../src/config/plan.ts';
import { Challenges } from '../../workers/policy/challenge.ts';
import { ResourceMetadata } from '../../src/config/plan-resource-metadata.ts';
import { SECRET } from './fixture.ts';

const JWT = {
  jwt: { algorithms: ['HS256'], secret: SECRET, issuer: 'https://as.example', audience: 'sluice' },
};

function planWith(auth: object, rest: object = {}): Plan {
  const config = {
    upstreams: { math: { http: { url: 'http://127.0.0.1:1/mcp' } } },
    auth,
    ...rest,
  };
  return planOf(config as Parameters<typeof planOf>[0]);
}

function documentOf(plan: Plan, path: string, host: string | null = null): unknown {
  const document = new ResourceMetadata(plan).find(path, host);
  return document === null ? null : JSON.parse(document.toString());
}

const PUBLIC = { publicUrl: 'https://mcp.example' };
const BEHIND_PREFIX = { publicUrl: 'https://mcp.example/edge' };
const WELL_KNOWN = '/.well-known/oauth-protected-resource';

describe('protected resource metadata (RFC 9728)', () => {
  const plan = planWith(
    { methods: [JWT], resource: { scopesSupported: ['mcp:basic'], name: 'Maths' } },
    PUBLIC,
  );

  it('say where to get a token and what for', () => {
    expect(documentOf(plan, `${WELL_KNOWN}/mcp`)).toEqual({
      resource: 'https://mcp.example/mcp',
      authorization_servers: ['https://as.example'],
      scopes_supported: ['mcp:basic'],
      bearer_methods_supported: ['header'],
      resource_name: 'Maths',
    });
  });

  it('are at both well-known places, and for every endpoint', () => {
    expect(documentOf(plan, WELL_KNOWN)).toMatchObject({ resource: 'https://mcp.example/mcp' });
    expect(documentOf(plan, `${WELL_KNOWN}/mcp/math`)).toMatchObject({
      resource: 'https://mcp.example/mcp/math',
    });
    for (const path of [
      `${WELL_KNOWN}/`,
      `${WELL_KNOWN}/other`,
      `${WELL_KNOWN}/mcp/`,
      '/mcp',
      '',
    ]) {
      expect(documentOf(plan, path), path).toBeNull();
    }
  });

  it('are found behind a path prefix, whether or not the proxy cuts it off', () => {
    const prefixed = planWith({ methods: [JWT] }, BEHIND_PREFIX);
    const resource = { resource: 'https://mcp.example/edge/mcp' };
    expect(documentOf(prefixed, `${WELL_KNOWN}/edge/mcp`)).toMatchObject(resource);
    expect(documentOf(prefixed, `/edge${WELL_KNOWN}/mcp`)).toMatchObject(resource);
    expect(documentOf(prefixed, `${WELL_KNOWN}/mcp`)).toMatchObject(resource);
    expect(documentOf(prefixed, WELL_KNOWN)).toMatchObject(resource);
    expect(new Challenges(prefixed).unauthorized('UNAUTHENTICATED', 0, null)).toContain(
      'resource_metadata="https://mcp.example/edge/.well-known/oauth-protected-resource/mcp"',
    );
  });

  it('go by the request where no public URL is known, if its Host is one', () => {
    const local = planWith({ methods: [JWT] }, { listen: { port: 8080 } });
    expect(documentOf(local, `${WELL_KNOWN}/mcp`, 'gw.test:9')).toMatchObject({
      resource: 'http://gw.test:9/mcp',
    });
    expect(documentOf(local, `${WELL_KNOWN}/mcp`, '[::1]:9')).toMatchObject({
      resource: 'http://[::1]:9/mcp',
    });
    for (const host of ['a"b', 'a/b', 'a b', 'a@b', '', 'x'.repeat(300)]) {
      expect(documentOf(local, `${WELL_KNOWN}/mcp`, host)).toMatchObject({
        resource: `http://${local.listen.host}:8080/mcp`,
      });
    }
  });

  it('name the resource as the settings do', () => {
    const named = planWith({
      methods: [JWT],
      resource: { identifier: 'https://api.example/tools' },
    });
    expect(documentOf(named, `${WELL_KNOWN}/mcp`)).toMatchObject({
      resource: 'https://api.example/tools',
    });
  });

  it('do not exist without an authorization server', () => {
    const keys = [{ value: 'a-long-enough-key', clientId: 'x' }];
    expect(
      documentOf(planWith({ methods: [{ apiKey: { keys } }] }, PUBLIC), WELL_KNOWN),
    ).toBeNull();
    expect(
      documentOf(
        planOf({ upstreams: { math: { http: { url: 'http://127.0.0.1:1/mcp' } } } }),
        WELL_KNOWN,
      ),
    ).toBeNull();
  });
});

describe('challenges', () => {
  const scopesSupported = ['mcp:basic', 'offline_access', 'mcp:more'];
  const challenges = new Challenges(
    planWith({ methods: [JWT], resource: { scopesSupported } }, PUBLIC),
  );
  const metadata =
    'resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp"';

  it('send a caller without a credential to the metadata, with no error code', () => {
    expect(challenges.unauthorized('UNAUTHENTICATED', 0, null)).toBe(
      `Bearer ${metadata}, scope="mcp:basic mcp:more"`,
    );
  });

  it('say that a token is invalid, and nothing of why', () => {
    expect(challenges.unauthorized('CREDENTIAL_INVALID', 0, null)).toBe(
      `Bearer error="invalid_token", error_description="the credential is not valid", ${metadata}, scope="mcp:basic mcp:more"`,
    );
  });

  it('name every missing scope at once in a 403', () => {
    expect(challenges.insufficientScope(['calc:*', 'fs:read'], 1, null)).toBe(
      'Bearer error="insufficient_scope", error_description="more scopes are needed for this", ' +
        'resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp/math", scope="calc:* fs:read"',
    );
  });

  it('are well-formed for static keys too', () => {
    const keys = [{ value: 'a-long-enough-key', clientId: 'x' }];
    const plan = planWith({ methods: [{ apiKey: { keys } }] }, PUBLIC);
    expect(new Challenges(plan).unauthorized('UNAUTHENTICATED', 0, null)).toBe(
      'Bearer realm="mcp"',
    );
  });
});
