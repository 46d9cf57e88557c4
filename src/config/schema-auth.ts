/**
 * The `auth` section: who may come in, and as whom.
 */
import { z } from 'zod';
import { headerName, httpUrl, milliseconds, oneOrMore, scopeList, text } from './schema-value.ts';

export const JWT_ALGORITHMS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;

/** PEM and JWK texts. */
const KEY_TEXT_MAX = 65_536;
const KEY_WORDS_MAX = 1000;

const keyText = (): z.ZodString => z.string().min(1).max(KEY_TEXT_MAX);
export const secret = (): z.ZodString => z.string().min(1).max(4096);

const algorithms = z.array(z.enum(JWT_ALGORITHMS)).min(1).max(JWT_ALGORITHMS.length);
const claim = text().meta({
  description:
    'A claim; dots go down into objects (`realm_access.roles`), a name with a slash is taken as it is.',
});
export const requestTimeoutMs = milliseconds(100, 60_000)
  .default(5000)
  .meta({ description: 'How long one request to the issuer may take.' });
const rememberSeconds = z.int().min(0).max(3600).default(60).meta({
  description: 'How long a positive answer is remembered; a token never outlives its expiry.',
});
const leewaySeconds = z.int().min(0).max(300).default(5).meta({
  description: "How far our clock and the issuer's may be apart when `exp` and `nbf` are checked.",
});

/** Shared by all methods whose credential carries claims. */
const claimKeys = {
  clientId: oneOrMore(claim, 8)
    .optional()
    .meta({ description: 'Claim that names the client; the first that is there counts.' }),
  scopes: oneOrMore(claim, 8).optional().meta({
    description:
      'Claim with the scopes: a string with spaces, or a list. The first that is there counts.',
  }),
  requiredClaims: z
    .record(text(), oneOrMore(z.union([z.string(), z.number(), z.boolean()]), 256))
    .optional()
    .meta({
      description:
        'Claims that must have a given value, or one of a list, e.g. `{ hd: example.com }`.',
    }),
  grantScopes: scopeList().default([]).meta({
    description: 'Scopes granted to everyone this method lets in, beside those of the credential.',
  }),
};

const audience = oneOrMore(text(), 32).meta({
  description:
    'Whom a token must be made for: one of these must be in `aud`. Required, or tokens for others would work here.',
});

export const jwtSchema = z.strictObject({
  algorithms: algorithms.meta({
    description:
      'Signature algorithms to accept. All must fit the key: HS* a secret, RS* and PS* RSA, ES* its curve, EdDSA Ed25519.',
  }),
  secret: secret()
    .optional()
    .meta({ description: 'Shared secret for HS*; at least as long as the hash (RFC 7518 §3.2).' }),
  publicKey: keyText().optional().meta({ description: 'Public key or certificate as PEM.' }),
  publicKeyFile: text()
    .optional()
    .meta({ description: 'File with PEM keys, relative to the settings file.' }),
  jwks: keyText().optional().meta({ description: 'JWK set as JSON text (RFC 7517).' }),
  jwksFile: text()
    .optional()
    .meta({ description: 'File with a JWK set, relative to the settings file.' }),
  jwksUrl: httpUrl().optional().meta({
    description:
      "Address of the issuer's JWK set; https, or http on loopback. Fetched in the background and kept.",
  }),
  issuer: oneOrMore(text(), 32).meta({ description: 'What `iss` must be, exactly.' }),
  audience,
  leewaySeconds,
  requireExpiry: z.boolean().default(true).meta({ description: 'Refuse tokens without `exp`.' }),
  requestTimeoutMs,
  ...claimKeys,
});

const staticKeys = {
  sha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, 'is not a SHA-256 in hex (64 digits)')
    .optional()
    .meta({ description: 'SHA-256 of the value in hex, so that the value itself stands nowhere.' }),
  value: z
    .string()
    .min(8)
    .max(4096)
    .optional()
    .meta({ description: 'The value itself; better taken from the environment.' }),
  clientId: text().meta({ description: 'Whom it stands for.' }),
  scopes: scopeList().default([]).meta({ description: 'What it grants.' }),
};

export const bearerSchema = z.strictObject({
  tokens: z.array(z.strictObject(staticKeys)).min(1).max(KEY_WORDS_MAX).meta({
    description:
      'Tokens that are accepted in `Authorization: Bearer`; each has `sha256` or `value`.',
  }),
});

export const apiKeySchema = z.strictObject({
  header: headerName().default('x-api-key').meta({ description: 'Header the key is read from.' }),
  keys: z
    .array(z.strictObject(staticKeys))
    .min(1)
    .max(KEY_WORDS_MAX)
    .meta({ description: 'Keys that are accepted; each has `sha256` or `value`.' }),
});

export const clientAuthentication = z
  .enum(['client_secret_basic', 'client_secret_post'])
  .default('client_secret_basic')
  .meta({ description: 'How the client id and secret are sent (RFC 6749 §2.3.1).' });

export const introspectionSchema = z.strictObject({
  url: httpUrl().meta({
    description: 'Introspection endpoint (RFC 7662); https, or http on loopback.',
  }),
  clientId: text().meta({ description: 'Our client id at the issuer.' }),
  clientSecret: secret().meta({ description: 'Our client secret at the issuer.' }),
  clientAuthentication,
  issuer: text().meta({ description: 'Issuer; checked where the answer names one.' }),
  audience,
  recognizes: z
    .enum(['opaque', 'any'])
    .default('opaque')
    .meta({ description: '`opaque`: tokens that look like a JWT are left to the next methods.' }),
  rememberSeconds,
  requestTimeoutMs,
  leewaySeconds,
  clientIdClaim: oneOrMore(claim, 8)
    .optional()
    .meta({ description: 'As `clientId` of `jwt`. Default: `client_id`.' }),
  scopes: claimKeys.scopes,
  requiredClaims: claimKeys.requiredClaims,
  grantScopes: claimKeys.grantScopes,
});

export const githubSchema = z.strictObject({
  clientId: text().meta({
    description: 'Client id of the GitHub or OAuth app whose tokens are accepted.',
  }),
  clientSecret: secret().meta({
    description: "Its client secret: tokens are checked with the app's own credentials.",
  }),
  apiUrl: httpUrl()
    .default('https://api.github.com')
    .meta({ description: 'API address; GitHub Enterprise Server has its own.' }),
  issuer: httpUrl()
    .default('https://github.com')
    .meta({ description: 'Issuer of the identities.' }),
  users: z
    .array(text())
    .min(1)
    .max(10_000)
    .optional()
    .meta({ description: 'Logins that may come in; left out: every user.' }),
  rememberSeconds,
  requestTimeoutMs,
  grantScopes: claimKeys.grantScopes,
});

export const googleSchema = z.strictObject({
  clientId: oneOrMore(text(), 32).meta({
    description: 'Client ids of your project; tokens for other projects are refused.',
  }),
  hostedDomain: oneOrMore(text(), 64).optional().meta({
    description:
      'Workspace domains (`hd`) whose users may come in; left out: every Google account.',
  }),
  accessTokens: z.boolean().optional().meta({
    description:
      'Also accept opaque access tokens (`ya29.`), checked by tokeninfo, which does not tell the domain. Default: true without `hostedDomain`.',
  }),
  issuerUrl: httpUrl()
    .default('https://accounts.google.com')
    .meta({ description: 'Issuer; change it for a stand-in only.' }),
  tokenInfoUrl: httpUrl()
    .default('https://oauth2.googleapis.com/tokeninfo')
    .meta({ description: 'Check-token address; change it for a stand-in only.' }),
  rememberSeconds,
  requestTimeoutMs,
  leewaySeconds,
  grantScopes: claimKeys.grantScopes,
});

export const microsoftSchema = z.strictObject({
  tenant: oneOrMore(
    z
      .string()
      .regex(
        /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/,
        'is not a tenant id (a GUID)',
      ),
    64,
  ).meta({
    description:
      'Directory (tenant) ids whose tokens are accepted. `common` is no tenant: list them.',
  }),
  audience,
  authorityUrl: httpUrl()
    .default('https://login.microsoftonline.com')
    .meta({ description: 'Authority; national clouds have their own.' }),
  leewaySeconds,
  requestTimeoutMs,
  ...claimKeys,
});

export const oidcSchema = z.strictObject({
  issuer: httpUrl().meta({
    description:
      'Issuer identifier; its metadata name the keys (OpenID Connect Discovery, RFC 8414).',
  }),
  audience,
  algorithms: algorithms
    .default(['RS256', 'PS256', 'ES256', 'EdDSA'])
    .meta({ description: 'Signature algorithms to accept; a key takes only those of its type.' }),
  leewaySeconds,
  requireExpiry: z.boolean().default(true).meta({ description: 'Refuse tokens without `exp`.' }),
  requestTimeoutMs,
  ...claimKeys,
});

export const authMethodSchema = z.strictObject({
  jwt: jwtSchema.optional().meta({ description: 'Signed tokens (RFC 7519) with keys given here.' }),
  bearer: bearerSchema.optional().meta({ description: 'Fixed bearer tokens.' }),
  apiKey: apiKeySchema.optional().meta({ description: 'Fixed keys in a header.' }),
  introspection: introspectionSchema
    .optional()
    .meta({ description: 'Opaque tokens, checked by the issuer (RFC 7662).' }),
  oidc: oidcSchema
    .optional()
    .meta({ description: 'Signed tokens of any OpenID Connect issuer, by discovery.' }),
  google: googleSchema.optional().meta({ description: 'Google ID tokens and access tokens.' }),
  github: githubSchema.optional().meta({ description: 'GitHub tokens of one app.' }),
  microsoft: microsoftSchema.optional().meta({ description: 'Microsoft Entra ID tokens.' }),
});

export const authObjectSchema = z.strictObject({
  required: z.boolean().default(true).meta({
    description:
      'false: a caller without a credential is let in as anonymous. A wrong credential never is.',
  }),
  methods: z.array(authMethodSchema).min(1).max(16).meta({
    description:
      'Tried in order; the first that recognises the credential decides. Each has exactly one key.',
  }),
  resource: z
    .strictObject({
      identifier: httpUrl()
        .optional()
        .meta({ description: 'Resource identifier; left out: made from `publicUrl`.' }),
      name: text().optional().meta({ description: 'Name to show to people.' }),
      documentation: httpUrl().optional().meta({ description: 'Page for developers.' }),
      authorizationServers: z
        .array(httpUrl())
        .max(16)
        .optional()
        .meta({ description: 'Issuers to send clients to; left out: those of the methods.' }),
      scopesSupported: scopeList()
        .optional()
        .meta({ description: 'Left out: every scope without wildcard that a route requires.' }),
    })
    .prefault({})
    .meta({ description: 'What the protected resource metadata say (RFC 9728).' }),
  flood: z
    .strictObject({
      failures: z
        .int()
        .min(1)
        .max(10_000)
        .default(20)
        .meta({ description: 'Wrong credentials one address may send per window.' }),
      windowSeconds: z
        .int()
        .min(1)
        .max(3600)
        .default(10)
        .meta({ description: 'Length of the window.' }),
      blockSeconds: z
        .int()
        .min(1)
        .max(3600)
        .default(30)
        .meta({ description: 'How long the address is refused then.' }),
    })
    .prefault({})
    .meta({
      description:
        'Stops floods of wrong credentials by address, before any signature is verified.',
    }),
  rememberedTokens: z.int().min(0).max(1_000_000).default(10_000).meta({
    description:
      'Verified tokens each shard remembers, so that the next call need not verify again.',
  }),
});

export const authSchema = z.union([
  z.literal('none').meta({ description: 'Open to everyone who can connect, and meant so.' }),
  authObjectSchema,
]);

export type AuthConfig = z.output<typeof authObjectSchema>;
export type AuthMethodConfig = z.output<typeof authMethodSchema>;
export type JwtConfig = z.output<typeof jwtSchema>;
