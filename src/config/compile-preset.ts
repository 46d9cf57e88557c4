/** Presets: what is known about a provider, written out as plain methods. */
import { claimMapping } from './claim.ts';
import type { Compilation } from './compilation.ts';
import type { PlanAuthMethod, PlanJwtKeys, PlanJwtMethod } from './plan.ts';
import type { ConfigPath } from './problem.ts';
import type { AuthMethodConfig } from './schema-auth.ts';
import { listOf } from './schema-value.ts';
import { secureUrlProblem, withoutSlash } from './url-rules.ts';

/**
 * Where an issuer's metadata may stand, most usual first: OpenID Connect Discovery 1.0 §4, then
 * RFC 8414 §3.1 (well-known part before the path), then OpenID's document there.
 */
export function metadataUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer);
  const path = withoutSlash(pathname);
  const urls = [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
  ];
  return [...new Set(urls)];
}

function discovery(issuer: string, requestTimeoutMs: number): PlanJwtKeys {
  return { source: 'discovery', issuer, urls: metadataUrls(issuer), requestTimeoutMs };
}

function checkIssuer(url: string, path: ConfigPath, compilation: Compilation): void {
  const problem = secureUrlProblem(url);
  if (problem !== null) compilation.report(path, problem);
}

/** Any OpenID Connect issuer. */
export function oidcMethod(
  config: NonNullable<AuthMethodConfig['oidc']>,
  path: ConfigPath,
  compilation: Compilation,
): PlanJwtMethod {
  checkIssuer(config.issuer, [...path, 'issuer'], compilation);
  const symmetric = config.algorithms.find((algorithm) => algorithm.startsWith('HS'));
  if (symmetric !== undefined) {
    compilation.report(
      [...path, 'algorithms'],
      `has ${symmetric}, which needs a secret; an issuer publishes public keys`,
    );
  }
  return {
    kind: 'jwt',
    label: 'oidc',
    algorithms: [...new Set(config.algorithms)],
    keys: discovery(config.issuer, config.requestTimeoutMs),
    issuers: [config.issuer],
    audiences: listOf(config.audience),
    leewayMs: config.leewaySeconds * 1000,
    expiryRequired: config.requireExpiry,
    claims: claimMapping(config, [['client_id'], ['azp'], ['sub']], [['scope'], ['scp']]),
  };
}

/**
 * Google: ID tokens are JWTs whose `iss` is the issuer with or without its scheme, and whose `aud` is
 * our client id. Access tokens are opaque; tokeninfo says whom they were made for.
 */
export function googleMethods(
  config: NonNullable<AuthMethodConfig['google']>,
  path: ConfigPath,
  compilation: Compilation,
): PlanAuthMethod[] {
  const issuer = withoutSlash(config.issuerUrl);
  checkIssuer(issuer, [...path, 'issuerUrl'], compilation);
  checkIssuer(config.tokenInfoUrl, [...path, 'tokenInfoUrl'], compilation);
  const audiences = listOf(config.clientId);
  const domains = listOf(config.hostedDomain);
  if (config.accessTokens === true && domains.length > 0) {
    compilation.report(
      [...path, 'accessTokens'],
      'cannot go with hostedDomain: tokeninfo does not tell the domain',
    );
  }
  const { grantScopes, requestTimeoutMs } = config;
  const idTokens: PlanJwtMethod = {
    kind: 'jwt',
    label: 'google',
    algorithms: ['RS256'],
    keys: discovery(issuer, requestTimeoutMs),
    issuers: [issuer, new URL(issuer).host],
    audiences,
    leewayMs: config.leewaySeconds * 1000,
    expiryRequired: true,
    claims: {
      clientIdClaims: [['azp'], ['aud']],
      scopeClaims: [],
      requiredClaims: domains.length === 0 ? [] : [{ path: ['hd'], values: domains }],
      grantScopes,
    },
  };
  if (!(config.accessTokens ?? domains.length === 0)) return [idTokens];
  return [
    idTokens,
    {
      kind: 'googleToken',
      label: 'google',
      tokenInfoUrl: config.tokenInfoUrl,
      issuer,
      audiences,
      tokenPrefixes: ['ya29.'],
      rememberMs: config.rememberSeconds * 1000,
      requestTimeoutMs,
      claims: {
        clientIdClaims: [['azp'], ['aud']],
        scopeClaims: [['scope']],
        requiredClaims: [],
        grantScopes,
      },
    },
  ];
}

/**
 * Microsoft Entra: one method per tenant, as issuer and keys are the tenant's. Tokens of both
 * versions are taken: an application's registration decides which it gets. Delegated permissions are
 * in `scp`, application permissions in `roles`.
 */
export function microsoftMethods(
  config: NonNullable<AuthMethodConfig['microsoft']>,
  path: ConfigPath,
  compilation: Compilation,
): PlanAuthMethod[] {
  const authority = withoutSlash(config.authorityUrl);
  checkIssuer(authority, [...path, 'authorityUrl'], compilation);
  return listOf(config.tenant).map((tenant): PlanJwtMethod => {
    const issuer = `${authority}/${tenant.toLowerCase()}/v2.0`;
    return {
      kind: 'jwt',
      label: 'microsoft',
      algorithms: ['RS256'],
      keys: discovery(issuer, config.requestTimeoutMs),
      issuers: [issuer, `https://sts.windows.net/${tenant.toLowerCase()}/`],
      audiences: listOf(config.audience),
      leewayMs: config.leewaySeconds * 1000,
      expiryRequired: true,
      claims: claimMapping(config, [['azp'], ['appid']], [['scp'], ['roles']]),
    };
  });
}
