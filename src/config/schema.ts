/**
 * The format of the settings file. From here come the check at load, the JSON Schema for editors and
 * the reference page; every key carries its text. What needs two values to judge is in `compile.ts`.
 *
 * Keys end in their unit (`Ms`, `Seconds`, `Bytes`) and most bounds can only be lowered.
 */
import { z } from 'zod';
import {
  BODY_BUDGET_BYTES,
  BODY_BYTES_MAX,
  LIST_ITEMS_MAX,
  SESSIONS_MAX,
  SHARDS_MAX,
  UPSTREAMS_MAX,
} from '../../shared/limits.ts';
import { rateLimitSchema } from './schema-limit.ts';
import { routeSchema } from './schema-route.ts';
import { authSchema } from './schema-auth.ts';
import { upstreamSchema } from './schema-upstream.ts';
import { addressRange, httpUrl, milliseconds, port } from './schema-value.ts';

/** Names stand in paths and tool names: lower case, and short enough to leave room for the tool's own. */
export const UPSTREAM_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
export const ROUTES_MAX = 1024;
export const RATE_LIMITS_MAX = 256;

const host = (): z.ZodString =>
  z.string().regex(/^[0-9A-Za-z.:_[\]-]{1,253}$/, 'is not a host name or address');

const listenSchema = z.strictObject({
  host: host()
    .default('127.0.0.1')
    .meta({ description: 'Address to listen on. Anything but loopback needs `auth`.' }),
  port: port().default(8080).meta({ description: 'Port; 0 picks a free one and says which.' }),
  path: z
    .string()
    .max(256)
    .regex(
      /^\/(?:[0-9A-Za-z._~-]+(?:\/[0-9A-Za-z._~-]+)*)?$/,
      'must start with "/", not end with one, and hold only letters, digits and . _ ~ -',
    )
    .refine((path) => !/\/\.{1,2}(?:\/|$)/.test(path), 'must not have "." or ".." segments')
    .default('/mcp')
    .meta({
      description: 'Endpoint of all upstreams together; each upstream alone is at PATH/NAME.',
    }),
  server: z.enum(['auto', 'lean', 'uws', 'node']).default('auto').meta({
    description:
      'What accepts clients: `lean` (our own, on node:net), `uws` (uWebSockets.js, must be installed), `node` (node:http), or the first of these that runs here.',
  }),
});

const adminSchema = z.strictObject({
  host: host().default('127.0.0.1').meta({ description: 'Address of the admin listener.' }),
  port: port().meta({ description: 'Its port; 0 picks a free one.' }),
});

const timeoutsSchema = z.strictObject({
  requestTimeoutMs: milliseconds(1)
    .default(60_000)
    .meta({ description: 'How long one call may take.' }),
  listTimeoutMs: milliseconds(1, 60_000)
    .default(2000)
    .meta({ description: 'How long a list of all upstreams waits for one of them.' }),
  drainTimeoutMs: milliseconds(0, 3_600_000)
    .default(10_000)
    .meta({ description: 'How long running calls may go on after SIGTERM.' }),
  bodyTimeoutMs: milliseconds(100, 600_000)
    .default(30_000)
    .meta({ description: 'How long a request body may take to arrive.' }),
  sessionIdleMs: milliseconds(1000, 7 * 86_400_000)
    .default(3_600_000)
    .meta({ description: 'An unused legacy session ends after this.' }),
});

const limitsSchema = z.strictObject({
  bodyBytesMax: z
    .int()
    .min(1024)
    .max(BODY_BYTES_MAX)
    .default(BODY_BYTES_MAX)
    .meta({ description: 'Longest request body.' }),
  bodyBudgetBytes: z
    .int()
    .min(1024)
    .max(BODY_BUDGET_BYTES)
    .default(BODY_BUDGET_BYTES)
    .meta({ description: 'Request bodies held at once, in all.' }),
  sessionsMax: z
    .int()
    .min(1)
    .max(SESSIONS_MAX)
    .default(SESSIONS_MAX)
    .meta({ description: 'Legacy sessions per shard.' }),
  listItemsMax: z
    .int()
    .min(1)
    .max(LIST_ITEMS_MAX)
    .default(LIST_ITEMS_MAX)
    .meta({ description: 'Items one upstream may list per kind.' }),
  rateLimitKeysMax: z.int().min(64).max(1_048_576).default(65_536).meta({
    description: 'Clients and tools whose budgets are remembered at once. Not reloadable.',
  }),
  upstreamCallsMax: z.int().min(1).max(65_536).default(4096).meta({
    description:
      'Calls one upstream may have under way in the whole gateway; more are answered 503.',
  }),
});

export const configSchema = z.strictObject({
  $schema: z
    .string()
    .max(1024)
    .optional()
    .meta({ description: 'Address of the JSON Schema, for editors.' }),
  listen: listenSchema.prefault({}).meta({ description: 'Where clients connect. Not reloadable.' }),
  shards: z
    .int()
    .min(1)
    .max(SHARDS_MAX)
    .optional()
    .meta({ description: 'Worker threads; left out: cores minus one. Not reloadable.' }),
  upstreams: z
    .record(
      z
        .string()
        .regex(
          UPSTREAM_NAME,
          'must be lower-case letters, digits, "-" or "_", begin with a letter or digit, and be at most 32 long',
        ),
      upstreamSchema,
    )
    .refine(
      (upstreams) => Object.keys(upstreams).length <= UPSTREAMS_MAX,
      `must be at most ${UPSTREAMS_MAX}`,
    )
    .meta({
      description:
        'The MCP servers behind the gateway, by name, at least one. Each has `stdio` or `http`.',
    }),
  names: z
    .strictObject({
      conflict: z.enum(['prefix', 'priority', 'fail', 'none']).default('prefix').meta({
        description:
          'When two upstreams have one name: `prefix` all names, the higher `priority` keeps it, `fail` the start, or `none`: a call of it fails.',
      }),
      separator: z
        .string()
        .regex(/^[0-9A-Za-z_.:/-]{1,8}$/, 'must be 1 to 8 of letters, digits, _ . : / and -')
        .default('_')
        .meta({ description: 'Between prefix and name.' }),
    })
    .prefault({})
    .meta({ description: 'How tools and prompts of several upstreams are told apart.' }),
  publicUrl: httpUrl()
    .optional()
    .meta({ description: "Where clients reach this gateway's root, if a proxy is in front." }),
  trustedProxies: z
    .array(addressRange())
    .max(256)
    .default([])
    .meta({ description: 'Addresses and ranges whose `X-Forwarded-For` counts.' }),
  allowedHosts: z.array(z.string().min(1).max(260)).max(256).optional().meta({
    description:
      'Values of `Host` to accept, with or without a port; `*` for any. On loopback left out: its names.',
  }),
  allowedOrigins: z.array(z.string().min(1).max(260)).max(256).optional().meta({
    description:
      'Values of `Origin` to accept, e.g. `https://app.example`; `*` for any. A request without one is fine.',
  }),
  admin: adminSchema.optional().meta({
    description: 'A listener of its own for /metrics, /healthz and /readyz. Not reloadable.',
  }),
  routes: z.array(routeSchema).max(ROUTES_MAX).optional().meta({
    description:
      'Which upstream serves which names, and who may call them. Left out: every upstream serves what it lists.',
  }),
  timeouts: timeoutsSchema.prefault({}).meta({ description: 'How long things may take.' }),
  limits: limitsSchema.prefault({}).meta({ description: 'How much there may be at once.' }),
  auth: authSchema.optional().meta({
    description: 'Who may come in. Left out: open, on loopback only. `none`: open, and meant so.',
  }),
  rateLimits: z
    .array(rateLimitSchema)
    .max(64)
    .default([])
    .meta({ description: 'How often callers may call; all that apply must pass.' }),
  log: z
    .strictObject({
      level: z
        .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .meta({ description: 'Least severe line to write.' }),
    })
    .prefault({})
    .meta({ description: 'Log lines: JSON on stderr.' }),
  reload: z
    .strictObject({
      watch: z
        .boolean()
        .default(false)
        .meta({ description: 'Reload when the settings file changes; SIGHUP always does.' }),
    })
    .prefault({})
    .meta({ description: 'Changing settings while running.' }),
});

/** As checked: defaults are in. */
export type Config = z.output<typeof configSchema>;
/** As written. */
export type ConfigInput = z.input<typeof configSchema>;
