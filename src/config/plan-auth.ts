/**
 * The plan's part about who may call what, and about our own credentials to upstreams. Presets
 * (google, microsoft, oidc) are expanded by `compile-auth.ts`: nothing here names a provider but GitHub and
 * Google's token check, which are calls of their own.
 */

export interface PlanAuth {
  /**
   * `unstated`: no `auth` in the settings, open, loopback only. `none`: open because it says so.
   * `methods`: credentials are looked at.
   */
  readonly mode: 'unstated' | 'none' | 'methods';
  /** false: a caller without a credential is anonymous. A wrong credential is refused in any case. */
  readonly required: boolean;
  /** In the order they are tried; the first that recognises the credential decides. */
  readonly methods: readonly PlanAuthMethod[];
  readonly resource: PlanProtectedResource;
  readonly flood: PlanAuthFlood;
  /** Verified tokens that one shard remembers. */
  readonly rememberedMax: number;
}

/** What the RFC 9728 metadata says. */
export interface PlanProtectedResource {
  /** Resource identifier; null: made from publicUrl, or else from the request's Host. */
  readonly identifier: string | null;
  /** Issuers, in order, distinct. Empty: no metadata is served (static tokens only). */
  readonly authorizationServers: readonly string[];
  readonly scopesSupported: readonly string[];
  readonly name: string | null;
  readonly documentation: string | null;
}

/** Refuses an address before any signature is verified, once so many of its credentials were wrong. */
export interface PlanAuthFlood {
  readonly failures: number;
  readonly windowMs: number;
  readonly blockMs: number;
}

export type PlanAuthMethod =
  | PlanJwtMethod
  | PlanBearerMethod
  | PlanApiKeyMethod
  | PlanIntrospectionMethod
  | PlanGithubMethod
  | PlanGoogleTokenMethod;

export type PlanJwtAlgorithm =
  | 'HS256'
  | 'HS384'
  | 'HS512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA';

/** Where a claim stands: the way down from the top, e.g. `['realm_access', 'roles']`. */
export type PlanClaimPath = readonly string[];

/** A claim that must have one of these values (a list claim: contain one). */
export interface PlanRequiredClaim {
  readonly path: PlanClaimPath;
  readonly values: readonly (string | number | boolean)[];
}

/** How a verified credential becomes a principal; the first claim that is there counts. */
export interface PlanClaimMapping {
  readonly clientIdClaims: readonly PlanClaimPath[];
  /** A space-separated string or an array of strings. */
  readonly scopeClaims: readonly PlanClaimPath[];
  readonly requiredClaims: readonly PlanRequiredClaim[];
  /** Granted to everyone this method accepts, beside the credential's own. */
  readonly grantScopes: readonly string[];
}

export interface PlanJwtMethod {
  readonly kind: 'jwt';
  /** For logs: the preset's name, or `jwt`. */
  readonly label: string;
  /** All of one key family: only HS*, or only the ones its keys can verify. Never empty. */
  readonly algorithms: readonly PlanJwtAlgorithm[];
  readonly keys: PlanJwtKeys;
  /** Never empty; compared exactly. A token of another issuer is not recognised by this method. */
  readonly issuers: readonly string[];
  /** Never empty; one must be among the token's. */
  readonly audiences: readonly string[];
  /** Tolerance for exp and nbf. */
  readonly leewayMs: number;
  /** A token without `exp` is refused unless this is false. */
  readonly expiryRequired: boolean;
  readonly claims: PlanClaimMapping;
}

export type PlanJwtKeys =
  | { readonly source: 'secret'; readonly secret: string }
  /** One or more public keys (SPKI or certificate) in PEM; files were read at load. */
  | { readonly source: 'pem'; readonly pem: string }
  /** A JWK set as JSON text; files were read at load. Public keys only. */
  | { readonly source: 'jwks'; readonly jwks: string }
  | { readonly source: 'jwksUrl'; readonly url: string; readonly requestTimeoutMs: number }
  /** The JWKS URL stands in the issuer's metadata (RFC 8414, OpenID Connect Discovery 1.0), tried in this order. */
  | {
      readonly source: 'discovery';
      /** What `issuer` in the metadata must be. */
      readonly issuer: string;
      readonly urls: readonly string[];
      readonly requestTimeoutMs: number;
    };

export interface PlanStaticCredential {
  /** 64 hex digits, lower case. */
  readonly sha256: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
}

export interface PlanBearerMethod {
  readonly kind: 'bearer';
  readonly label: string;
  readonly tokens: readonly PlanStaticCredential[];
}

export interface PlanApiKeyMethod {
  readonly kind: 'apiKey';
  readonly label: string;
  /** Lower case. Also in `plan.askedHeaders`, unless it is `authorization`. */
  readonly header: string;
  readonly keys: readonly PlanStaticCredential[];
}

export type PlanClientAuthentication = 'client_secret_basic' | 'client_secret_post';

/** RFC 7662. */
export interface PlanIntrospectionMethod {
  readonly kind: 'introspection';
  readonly label: string;
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clientAuthentication: PlanClientAuthentication;
  /** Issuer of the principals it makes; if the answer has `iss`, it must be this. */
  readonly issuer: string;
  /** One must be in the answer's `aud`. Never empty. */
  readonly audiences: readonly string[];
  /** `opaque`: tokens of JWT form are left to other methods. */
  readonly recognizes: 'opaque' | 'any';
  /** An active answer is remembered this long, or until the token's `exp`. */
  readonly rememberMs: number;
  readonly requestTimeoutMs: number;
  readonly leewayMs: number;
  readonly claims: PlanClaimMapping;
}

/** GitHub's "check a token": POST {apiUrl}/applications/{clientId}/token, basic authentication. */
export interface PlanGithubMethod {
  readonly kind: 'github';
  readonly label: string;
  /** Without trailing slash, `https://api.github.com` unless GitHub Enterprise Server. */
  readonly apiUrl: string;
  /** Issuer of the principals it makes, e.g. `https://github.com`. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** A token that starts with none of these is not recognised (`gho_`, `ghu_`). */
  readonly tokenPrefixes: readonly string[];
  readonly rememberMs: number;
  readonly requestTimeoutMs: number;
  /** Over the answer's JSON: scopes stand in `scopes`, the user in `user.login`, `user.id`. */
  readonly claims: PlanClaimMapping;
}

/** Google's access tokens are opaque: tokeninfo answers with aud, azp, sub, scope, exp, email. */
export interface PlanGoogleTokenMethod {
  readonly kind: 'googleToken';
  readonly label: string;
  readonly tokenInfoUrl: string;
  readonly issuer: string;
  /** Our client ids; the answer's `aud` must be one of them. */
  readonly audiences: readonly string[];
  /** `ya29.` */
  readonly tokenPrefixes: readonly string[];
  readonly rememberMs: number;
  readonly requestTimeoutMs: number;
  readonly claims: PlanClaimMapping;
}

export interface PlanRouteAccess {
  /** All must be granted. Wildcards: `*` one segment between colons, `**` any. Empty: nothing is asked. */
  readonly requiredScopes: readonly string[];
  /** All must hold. Empty: arguments are not looked at. Tools only. */
  readonly when: readonly PlanArgumentRule[];
}

export type PlanArgumentValue = string | number | boolean | null;

/**
 * One condition on one argument. `path`: the way down from `params.arguments`. Fails closed. Globs
 * are compiled by `compileGlob` (`plan-glob.ts`), patterns by `compilePattern` (`plan-pattern.ts`,
 * linear time, the whole text), both checked at load.
 */
export type PlanArgumentRule =
  | { readonly path: readonly string[]; readonly op: 'equals'; readonly value: PlanArgumentValue }
  | {
      readonly path: readonly string[];
      readonly op: 'oneOf';
      readonly values: readonly PlanArgumentValue[];
    }
  | { readonly path: readonly string[]; readonly op: 'startsWith'; readonly prefix: string }
  | { readonly path: readonly string[]; readonly op: 'glob'; readonly glob: string }
  | { readonly path: readonly string[]; readonly op: 'pattern'; readonly pattern: string }
  | {
      readonly path: readonly string[];
      readonly op: 'range';
      readonly min: number | null;
      readonly max: number | null;
    }
  | { readonly path: readonly string[]; readonly op: 'exists'; readonly exists: boolean };

/** Our credential to an upstream. Never the client's own token. */
export type PlanUpstreamAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'header'; readonly name: string; readonly value: string }
  | PlanClientCredentials
  | PlanTokenExchange;

export interface PlanTokenEndpoint {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clientAuthentication: PlanClientAuthentication;
  readonly scopes: readonly string[];
  /** `audience` parameter; null: not sent. */
  readonly audience: string | null;
  /** `resource` parameter (RFC 8707); null: not sent. */
  readonly resource: string | null;
  readonly requestTimeoutMs: number;
}

/** RFC 6749 §4.4. One token for all callers. */
export interface PlanClientCredentials extends PlanTokenEndpoint {
  readonly kind: 'clientCredentials';
}

/** RFC 8693. A token per caller, made from the one it came with, which must have been verified. */
export interface PlanTokenExchange extends PlanTokenEndpoint {
  readonly kind: 'tokenExchange';
  readonly subjectTokenType: string;
  readonly requestedTokenType: string;
}
