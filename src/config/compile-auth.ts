/** The `auth` section to the plan's. Presets become plain methods here. */
import { createHash } from 'node:crypto';
import type { Compilation } from './compilation.ts';
import { compileKeys } from './compile-key.ts';
import { googleMethods, microsoftMethods, oidcMethod } from './compile-preset.ts';
import { claimMapping, claimPath } from './claim.ts';
import { keyHeaderProblem } from './header-rules.ts';
import type { PlanAuth, PlanAuthMethod, PlanJwtMethod, PlanStaticCredential } from './plan.ts';
import type { ConfigPath } from './problem.ts';
import type { Config } from './schema.ts';
import type { AuthMethodConfig, JwtConfig } from './schema-auth.ts';
import { listOf } from './schema-value.ts';
import { secureUrlProblem, withoutSlash } from './url-rules.ts';

/** `scopes`: what the metadata name unless the settings say so themselves. */
export function compileAuth(
  config: Config,
  scopes: readonly string[],
  compilation: Compilation,
): PlanAuth {
  const { auth } = config;
  if (auth === undefined || auth === 'none') {
    return {
      mode: auth === undefined ? 'unstated' : 'none',
      required: false,
      methods: [],
      resource: {
        identifier: null,
        authorizationServers: [],
        scopesSupported: [],
        name: null,
        documentation: null,
      },
      flood: { failures: 20, windowMs: 10_000, blockMs: 30_000 },
      rememberedMax: 0,
    };
  }
  const methods = auth.methods.flatMap((method, index) =>
    compileMethod(method, ['auth', 'methods', index], compilation),
  );
  const { resource, flood } = auth;
  return {
    mode: 'methods',
    required: auth.required,
    methods,
    resource: {
      identifier: resource.identifier ?? null,
      authorizationServers: resource.authorizationServers ?? authorizationServers(methods),
      scopesSupported: resource.scopesSupported ?? scopes,
      name: resource.name ?? null,
      documentation: resource.documentation ?? null,
    },
    flood: {
      failures: flood.failures,
      windowMs: flood.windowSeconds * 1000,
      blockMs: flood.blockSeconds * 1000,
    },
    rememberedMax: auth.rememberedTokens,
  };
}

/** Issuers that a client could ask for a token: those that are addresses. GitHub is none (no RFC 8414 metadata). */
function authorizationServers(methods: readonly PlanAuthMethod[]): string[] {
  const issuers = methods.flatMap((method) => {
    if (method.kind === 'jwt')
      return method.label === 'jwt' ? method.issuers : method.issuers.slice(0, 1);
    return method.kind === 'introspection' ? [method.issuer] : [];
  });
  return [...new Set(issuers.filter((issuer) => /^https?:\/\//.test(issuer)))];
}

const METHOD_KEYS = [
  'jwt',
  'bearer',
  'apiKey',
  'introspection',
  'oidc',
  'google',
  'github',
  'microsoft',
] as const;

function compileMethod(
  method: AuthMethodConfig,
  path: ConfigPath,
  compilation: Compilation,
): PlanAuthMethod[] {
  const kinds = METHOD_KEYS.filter((key) => method[key] !== undefined);
  if (kinds.length !== 1) {
    compilation.report(path, `must have exactly one of ${METHOD_KEYS.join(', ')}`);
    return [];
  }
  const { jwt, bearer, apiKey, introspection, oidc, google, github, microsoft } = method;
  if (jwt !== undefined) return [compileJwt(jwt, [...path, 'jwt'], compilation)];
  if (bearer !== undefined) {
    const at = [...path, 'bearer', 'tokens'];
    return [
      { kind: 'bearer', label: 'bearer', tokens: compileStatic(bearer.tokens, at, compilation) },
    ];
  }
  if (apiKey !== undefined) return [compileApiKey(apiKey, [...path, 'apiKey'], compilation)];
  if (introspection !== undefined)
    return [compileIntrospection(introspection, [...path, 'introspection'], compilation)];
  if (github !== undefined) return [compileGithub(github, [...path, 'github'], compilation)];
  if (oidc !== undefined) return [oidcMethod(oidc, [...path, 'oidc'], compilation)];
  if (google !== undefined) return googleMethods(google, [...path, 'google'], compilation);
  return microsoft === undefined
    ? []
    : microsoftMethods(microsoft, [...path, 'microsoft'], compilation);
}

function compileJwt(jwt: JwtConfig, path: ConfigPath, compilation: Compilation): PlanJwtMethod {
  const { keys, problems } = compileKeys(jwt, compilation.checked.source.folder);
  for (const { key, message } of problems)
    compilation.report(key === null ? path : [...path, key], message);
  return {
    kind: 'jwt',
    label: 'jwt',
    algorithms: [...new Set(jwt.algorithms)],
    keys,
    issuers: listOf(jwt.issuer),
    audiences: listOf(jwt.audience),
    leewayMs: jwt.leewaySeconds * 1000,
    expiryRequired: jwt.requireExpiry,
    claims: claimMapping(jwt, [['client_id'], ['azp'], ['sub']], [['scope'], ['scp']]),
  };
}

type StaticConfig = NonNullable<AuthMethodConfig['bearer']>['tokens'][number];

/** Only hashes go into the plan: shards compare hashes, and a dump of a shard's memory holds no key. */
function compileStatic(
  items: readonly StaticConfig[],
  path: ConfigPath,
  compilation: Compilation,
): PlanStaticCredential[] {
  const seen = new Map<string, number>();
  return items.map(({ sha256, value, clientId, scopes }, index) => {
    const at = [...path, index];
    if ((sha256 === undefined) === (value === undefined))
      compilation.report(at, 'must have exactly one of sha256 and value');
    if (value !== undefined && !/^[\x21-\x7e]+$/.test(value))
      compilation.report([...at, 'value'], 'must be visible ASCII without spaces');
    const hash =
      sha256?.toLowerCase() ??
      createHash('sha256')
        .update(value ?? '')
        .digest('hex');
    const other = seen.get(hash);
    if (other !== undefined) compilation.report(at, `is the same as number ${other + 1}`);
    seen.set(hash, index);
    return { sha256: hash, clientId, scopes };
  });
}

function compileApiKey(
  apiKey: NonNullable<AuthMethodConfig['apiKey']>,
  path: ConfigPath,
  compilation: Compilation,
): PlanAuthMethod {
  const header = apiKey.header.toLowerCase();
  const problem = keyHeaderProblem(header);
  if (problem !== null) compilation.report([...path, 'header'], problem);
  return {
    kind: 'apiKey',
    label: 'apiKey',
    header,
    keys: compileStatic(apiKey.keys, [...path, 'keys'], compilation),
  };
}

function compileIntrospection(
  config: NonNullable<AuthMethodConfig['introspection']>,
  path: ConfigPath,
  compilation: Compilation,
): PlanAuthMethod {
  const problem = secureUrlProblem(config.url);
  if (problem !== null) compilation.report([...path, 'url'], problem);
  const {
    url,
    clientId,
    clientSecret,
    clientAuthentication,
    issuer,
    recognizes,
    requestTimeoutMs,
  } = config;
  return {
    kind: 'introspection',
    label: 'introspection',
    url,
    clientId,
    clientSecret,
    clientAuthentication,
    issuer,
    audiences: listOf(config.audience),
    recognizes,
    rememberMs: config.rememberSeconds * 1000,
    requestTimeoutMs,
    leewayMs: config.leewaySeconds * 1000,
    claims: claimMapping(
      { ...config, clientId: config.clientIdClaim },
      [['client_id'], ['sub']],
      [['scope']],
    ),
  };
}

function compileGithub(
  config: NonNullable<AuthMethodConfig['github']>,
  path: ConfigPath,
  compilation: Compilation,
): PlanAuthMethod {
  const problem = secureUrlProblem(config.apiUrl);
  if (problem !== null) compilation.report([...path, 'apiUrl'], problem);
  const users = config.users ?? [];
  return {
    kind: 'github',
    label: 'github',
    apiUrl: withoutSlash(config.apiUrl),
    issuer: withoutSlash(config.issuer),
    clientId: config.clientId,
    clientSecret: config.clientSecret,
    tokenPrefixes: ['gho_', 'ghu_'],
    rememberMs: config.rememberSeconds * 1000,
    requestTimeoutMs: config.requestTimeoutMs,
    claims: {
      clientIdClaims: [claimPath('user.login')],
      scopeClaims: [claimPath('scopes')],
      requiredClaims: users.length === 0 ? [] : [{ path: claimPath('user.login'), values: users }],
      grantScopes: config.grantScopes,
    },
  };
}
