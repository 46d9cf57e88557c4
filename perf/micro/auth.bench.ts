/**
 * What authentication and authorization cost per call: a token seen before, one seen for the first
 * time, a wrong one, scopes, arguments. Tokens lie in shared memory, as they do in a ring.
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createSigner } from 'fast-jwt';
import type { Algorithm } from 'fast-jwt';
import type {
  PlanAuth,
  PlanAuthMethod,
  PlanJwtAlgorithm,
  PlanJwtKeys,
} from '../../src/config/plan.ts';
import { AccessRules } from '../../workers/policy/access-rules.ts';
import { Authenticator } from '../../workers/policy/authenticator.ts';
import type { AuthenticatorDeps } from '../../workers/policy/authenticator.ts';
import type { CredentialSpans } from '../../workers/policy/credential-spans.ts';
import { PolicyCounters } from '../../workers/policy/policy-log.ts';
import { Principal } from '../../workers/policy/principal.ts';
import { RemoteKeysStore } from '../../workers/policy/remote-keys.ts';
import { ScopeSet } from '../../workers/policy/scope-set.ts';
import { TokenCache } from '../../workers/policy/token-cache.ts';
import { bench } from '../bench.ts';

const NOW_MS = Date.UTC(2026, 10, 20);
const SECRET = 'a secret of at least sixty-four bytes, as HS512 asks for: 0123456789';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');

/** Credential fields at fixed places, found without work: the header scan is not measured here. */
class Spans implements CredentialSpans {
  authorizationStart = -1;
  authorizationEnd = -1;
  peerFamily = 4;
  peerStart = 0;
  headerStart = -1;
  headerEnd = -1;
  findHeader(): boolean {
    return false;
  }
}

function deps(): AuthenticatorDeps {
  const shared = {
    fetch: () => Promise.reject(new Error('no network here')),
    log: { write: () => undefined },
    counters: new PolicyCounters(),
    nowMs: () => performance.now(),
    wallMs: () => NOW_MS,
  };
  return { ...shared, remoteKeys: new RemoteKeysStore(shared) };
}

function authenticator(method: PlanAuthMethod, rememberedMax: number): Authenticator {
  const plan: PlanAuth = {
    mode: 'methods',
    required: true,
    methods: [method],
    resource: {
      identifier: null,
      authorizationServers: [],
      scopesSupported: [],
      name: null,
      documentation: null,
    },
    flood: { failures: 0, windowMs: 10_000, blockMs: 30_000 },
    rememberedMax,
  };
  return new Authenticator(plan, deps());
}

function jwt(algorithm: PlanJwtAlgorithm, keys: PlanJwtKeys): PlanAuthMethod {
  return {
    kind: 'jwt',
    label: 'jwt',
    algorithms: [algorithm],
    keys,
    issuers: ['https://issuer.example'],
    audiences: ['sluice'],
    leewayMs: 5_000,
    expiryRequired: true,
    claims: {
      clientIdClaims: [['client_id']],
      scopeClaims: [['scope']],
      requiredClaims: [],
      grantScopes: [],
    },
  };
}

function mint(algorithm: PlanJwtAlgorithm, key: string, subject: string): string {
  const times = { iat: NOW_MS / 1000, exp: NOW_MS / 1000 + 3600 };
  const claims = {
    iss: 'https://issuer.example',
    aud: 'sluice',
    sub: subject,
    client_id: 'cli',
    scope: 'tools:add tools:sub read:data:*',
  };
  return createSigner({ algorithm: algorithm as Algorithm, key, noTimestamp: true })({
    ...claims,
    ...times,
  });
}

const pemOf = (key: KeyObject): string =>
  key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }).toString();

const KINDS: readonly [PlanJwtAlgorithm, string, PlanJwtKeys][] = [
  ['HS256', SECRET, { source: 'secret', secret: SECRET }],
  ['RS256', pemOf(rsa.privateKey), { source: 'pem', pem: pemOf(rsa.publicKey) }],
  ['ES256', pemOf(ec.privateKey), { source: 'pem', pem: pemOf(ec.publicKey) }],
  ['EdDSA', pemOf(ed.privateKey), { source: 'pem', pem: pemOf(ed.publicKey) }],
];

/** Many requests in one stretch of shared memory, each with its own Authorization value. */
function placeAll(tokens: readonly string[]): { bytes: Buffer; spans: Spans[] } {
  const values = tokens.map((token) => `Bearer ${token}`);
  const bytes = Buffer.from(
    new SharedArrayBuffer(values.reduce((sum, value) => sum + value.length + 7, 64)),
  );
  let at = 37;
  const spans = values.map((value) => {
    const one = new Spans();
    one.authorizationStart = at;
    one.authorizationEnd = at + bytes.write(value, at, 'latin1');
    at = one.authorizationEnd + 7;
    return one;
  });
  return { bytes, spans };
}

for (const [algorithm, key, keys] of KINDS) {
  bench(`auth: ${algorithm} token seen before`, ({ size, time, digest }) => {
    const rounds = size('rounds', { smoke: 100, full: 300_000 });
    const count = size('tokens', { smoke: 2, full: 1_000 });
    const tokens = Array.from({ length: count }, (_, i) => mint(algorithm, key, `user-${i}`));
    const { bytes, spans } = placeAll(tokens);
    const auth = authenticator(jwt(algorithm, keys), 10_000);
    for (const one of spans) auth.authenticate(bytes, one, NOW_MS);
    let accepted = 0;
    time(rounds, () => {
      for (let i = 0; i < rounds; i += 1) {
        const one = spans[i % count];
        if (one !== undefined) accepted += auth.authenticate(bytes, one, NOW_MS).kind === 0 ? 1 : 0;
      }
    });
    digest(accepted);
  });

  bench(`auth: ${algorithm} token seen for the first time`, ({ size, time, digest }) => {
    const rounds = size('rounds', { smoke: 4, full: 500 });
    const tokens = Array.from({ length: Math.min(rounds, 64) }, (_, i) =>
      mint(algorithm, key, `user-${i}`),
    );
    const { bytes, spans } = placeAll(tokens);
    const auth = authenticator(jwt(algorithm, keys), 0);
    let accepted = 0;
    time(rounds, () => {
      for (let i = 0; i < rounds; i += 1) {
        const one = spans[i % spans.length];
        if (one !== undefined) accepted += auth.authenticate(bytes, one, NOW_MS).kind === 0 ? 1 : 0;
      }
    });
    digest(accepted);
  });
}

bench('auth: RS256 token with a wrong signature', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 4, full: 500 });
  const token = mint('RS256', pemOf(rsa.privateKey), 'user');
  const { bytes, spans } = placeAll([`${token.slice(0, -20)}AAAAAAAAAAAAAAAAAAAA`]);
  const auth = authenticator(jwt('RS256', { source: 'pem', pem: pemOf(rsa.publicKey) }), 0);
  let refused = 0;
  time(rounds, () => {
    for (let i = 0; i < rounds; i += 1) {
      const one = spans[0];
      if (one !== undefined) refused += auth.authenticate(bytes, one, NOW_MS).kind === 1 ? 1 : 0;
    }
  });
  digest(refused);
});

bench('auth: static token seen before', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 300_000 });
  const token = 'sk-0123456789abcdef0123456789abcdef0123';
  const sha256 = createHash('sha256').update(token).digest('hex');
  const { bytes, spans } = placeAll([token]);
  const auth = authenticator(
    { kind: 'bearer', label: 'bearer', tokens: [{ sha256, clientId: 'ci', scopes: [] }] },
    10,
  );
  let accepted = 0;
  time(rounds, () => {
    for (let i = 0; i < rounds; i += 1) {
      const one = spans[0];
      if (one !== undefined) accepted += auth.authenticate(bytes, one, NOW_MS).kind === 0 ? 1 : 0;
    }
  });
  digest(accepted);
});

function principal(scopes: readonly string[]): Principal {
  const identity = {
    issuer: 'i',
    subject: 's',
    clientId: 'c',
    scopes,
    expiresAtMs: Infinity,
    method: 'm',
  };
  return new Principal(identity, new ScopeSet(scopes), null, false);
}

for (const full of [10_000, 100_000]) {
  bench(`auth: memory of ${full} tokens, one found`, ({ size, time, digest }) => {
    const rounds = size('rounds', { smoke: 100, full: 300_000 });
    const count = size('tokens', { smoke: 16, full });
    const alice = principal([]);
    const tokens = Array.from({ length: count }, (_, i) =>
      createHash('sha512').update(String(i)).digest('base64url'),
    );
    const { bytes, spans } = placeAll(tokens);
    const cache = new TokenCache(count);
    for (const token of tokens) cache.add(0, 0, Buffer.from(token), alice, Infinity);
    let found = 0;
    time(rounds, () => {
      for (let i = 0; i < rounds; i += 1) {
        const one = spans[(i * 7919) % count];
        if (
          one !== undefined &&
          cache.find(0, bytes, one.authorizationStart + 7, one.authorizationEnd, 0) === alice
        )
          found += 1;
      }
    });
    digest(found);
  });
}

bench('access: scopes of a route, judged before', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 3_000_000 });
  const routes = Array.from({ length: 64 }, (_, i) => ({
    requiredScopes: [`tools:t${i % 8}`, 'read:data:*'],
    when: [],
  }));
  const rules = new AccessRules(routes);
  const callers = [
    principal(['tools:*', 'read:data:x']),
    principal(['tools:t1']),
    principal(['**']),
  ];
  let allowed = 0;
  time(rounds, () => {
    for (let i = 0; i < rounds; i += 1) {
      const caller = callers[i % 3];
      if (caller !== undefined && rules.mayList(i & 63, caller)) allowed += 1;
    }
  });
  digest(allowed);
});

bench('access: scopes of a route, judged for the first time', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 100_000 });
  const rules = new AccessRules([{ requiredScopes: ['tools:add', 'read:data:*'], when: [] }]);
  const caller = principal(['admin', 'tools:sub', 'tools:*', 'read:data:orders']);
  let allowed = 0;
  time(rounds, () => {
    for (let i = 0; i < rounds; i += 1) {
      caller.scopes.ruling = null;
      if (rules.mayList(0, caller)) allowed += 1;
    }
  });
  digest(allowed);
});

bench('access: three conditions on arguments', ({ size, time, digest }) => {
  const rounds = size('rounds', { smoke: 100, full: 300_000 });
  const rules = new AccessRules([
    {
      requiredScopes: [],
      when: [
        { path: ['path'], op: 'startsWith', prefix: '/srv/' },
        { path: ['options', 'limit'], op: 'range', min: 1, max: 100 },
        { path: ['format'], op: 'oneOf', values: ['json', 'text'] },
      ],
    },
  ]);
  const args = {
    path: '/srv/data/reports/2026/november.csv',
    options: { limit: 50 },
    format: 'text',
  };
  let allowed = 0;
  time(rounds, () => {
    for (let i = 0; i < rounds; i += 1) if (rules.allowsArguments(0, args)) allowed += 1;
  });
  digest(allowed);
});
