/** One upstream: how to reach it, what it may do, and our own credential to it. */
import { z } from 'zod';
import { MESSAGE_BYTES_MAX } from '../../shared/limits.ts';
import { clientAuthentication, requestTimeoutMs, secret } from './schema-auth.ts';
import { headerName, headerValue, httpUrl, milliseconds, scopeList, text } from './schema-value.ts';

const tokenEndpointKeys = {
  tokenUrl: httpUrl().meta({ description: 'Token endpoint; https, or http on loopback.' }),
  clientId: text().meta({ description: 'Our client id.' }),
  clientSecret: secret().meta({ description: 'Our client secret.' }),
  clientAuthentication,
  scopes: scopeList().default([]).meta({ description: 'Scopes to ask for.' }),
  audience: text().optional().meta({ description: '`audience` to ask for.' }),
  resource: httpUrl().optional().meta({ description: '`resource` to ask for (RFC 8707).' }),
  requestTimeoutMs,
};

export const upstreamAuthSchema = z.union([
  z.literal('none').meta({ description: 'No credential.' }),
  z.strictObject({
    header: z
      .strictObject({
        name: headerName().default('authorization').meta({ description: 'Header to send.' }),
        value: headerValue().min(1).meta({ description: 'Its value, e.g. `Bearer ${TOKEN}`.' }),
      })
      .optional()
      .meta({ description: 'A fixed header.' }),
    clientCredentials: z
      .strictObject(tokenEndpointKeys)
      .optional()
      .meta({ description: 'A token of our own (RFC 6749 §4.4).' }),
    tokenExchange: z
      .strictObject({
        ...tokenEndpointKeys,
        subjectTokenType: text()
          .default('urn:ietf:params:oauth:token-type:access_token')
          .meta({ description: "What the caller's token is." }),
        requestedTokenType: text()
          .default('urn:ietf:params:oauth:token-type:access_token')
          .meta({ description: 'What to ask for.' }),
      })
      .optional()
      .meta({
        description: "A token per caller, made from the caller's own at the issuer (RFC 8693).",
      }),
  }),
]);

const stdioSchema = z.strictObject({
  command: text().meta({
    description:
      'Program to run. With a slash and not absolute it is looked for in the folder of the settings file, else in PATH.',
  }),
  args: z
    .array(z.string().max(32_768))
    .max(256)
    .default([])
    .meta({ description: 'Its arguments, as they are.' }),
  env: z
    .record(
      z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]{0,255}$/, 'is not the name of an environment variable'),
      z.string().max(131_072),
    )
    .default({})
    .meta({
      description:
        "Environment, beside PATH, HOME, LANG and the like. The rest of the gateway's own is not passed on.",
    }),
  cwd: text().optional().meta({
    description:
      'Working directory, relative to the folder of the settings file; left out: that folder.',
  }),
  processes: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .meta({ description: 'Processes in the whole gateway, however many shards there are.' }),
  shutdownMs: milliseconds(0, 60_000).default(2000).meta({
    description: 'How long it may take to exit after stdin was closed, and again after SIGTERM.',
  }),
});

const httpSchema = z.strictObject({
  url: httpUrl().meta({ description: 'Its Streamable HTTP endpoint.' }),
  headers: z.record(headerName(), headerValue()).default({}).meta({
    description:
      "Headers to send with every request, e.g. `Authorization`. Never the client's own.",
  }),
  pipelining: z.int().min(1).max(64).default(1).meta({
    description:
      'Calls under way per connection at once. More than 1 is faster, but a slow call holds up those behind it.',
  }),
  maxConnections: z
    .int()
    .min(1)
    .max(65_536)
    .default(256)
    .meta({ description: 'Connections in the whole gateway, over all shards.' }),
  connectTimeoutMs: milliseconds(10, 120_000)
    .default(5000)
    .meta({ description: 'How long connecting may take.' }),
  idleTimeoutMs: milliseconds(100, 3_600_000)
    .default(60_000)
    .meta({ description: 'An unused connection is closed after this.' }),
});

const upstreamName = z.string().min(1).max(256);

export const upstreamSchema = z.strictObject({
  stdio: stdioSchema
    .optional()
    .meta({ description: 'A program of this machine, spoken to over stdin and stdout.' }),
  http: httpSchema.optional().meta({ description: 'A server, spoken to over Streamable HTTP.' }),
  era: z.enum(['auto', 'legacy', 'modern']).default('auto').meta({
    description:
      'Protocol revisions it speaks: `modern` 2026-07-28 and later, `legacy` up to 2025-11-25, `auto` asks it.',
  }),
  requestTimeoutMs: milliseconds(1)
    .optional()
    .meta({ description: 'How long one call may take; left out: `timeouts.requestTimeoutMs`.' }),
  listTimeoutMs: milliseconds(1).optional().meta({
    description:
      'How long a list of all upstreams waits for it; left out: `timeouts.listTimeoutMs`.',
  }),
  messageBytesMax: z
    .int()
    .min(1024)
    .max(MESSAGE_BYTES_MAX)
    .default(MESSAGE_BYTES_MAX)
    .meta({ description: 'Longest message from it that has to be held whole.' }),
  prefix: z
    .string()
    .regex(/^[0-9A-Za-z_.-]{0,32}$/, 'may hold letters, digits, _ . and - (at most 32)')
    .optional()
    .meta({
      description:
        "Stands before its names where `names.conflict` is `prefix`; left out: the upstream's name. Empty: none.",
    }),
  rename: z
    .strictObject({
      tools: z
        .record(upstreamName, text().max(128))
        .default({})
        .meta({ description: 'Tools: its name to ours.' }),
      prompts: z
        .record(upstreamName, text().max(128))
        .default({})
        .meta({ description: 'Prompts: its name to ours.' }),
    })
    .prefault({})
    .meta({ description: 'New names, given before any prefix.' }),
  priority: z.int().min(-1_000_000).max(1_000_000).default(0).meta({
    description:
      'Who keeps a name with `names.conflict: priority`: the highest, then the first in the file.',
  }),
  capabilities: z
    .strictObject({
      sampling: z.boolean().default(true).meta({ description: "It may ask clients' models." }),
      elicitation: z.boolean().default(true).meta({ description: "It may ask clients' users." }),
      roots: z.boolean().default(true).meta({ description: "It may ask for clients' roots." }),
    })
    .prefault({})
    .meta({ description: 'Which of its requests to clients are carried.' }),
  auth: upstreamAuthSchema.default('none').meta({
    description: "Our credential to it (HTTP only). The client's own token is never passed on.",
  }),
});

export type UpstreamAuthConfig = z.output<typeof upstreamAuthSchema>;
export type UpstreamConfig = z.output<typeof upstreamSchema>;
