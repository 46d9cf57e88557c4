/** How often a caller may call. */
import { z } from 'zod';
import { glob } from './schema-value.ts';

/**
 * A sliding window keeps one stamp per allowed call of every key, in shared memory. Token buckets and
 * fixed windows need no such bound.
 */
export const SLIDING_REQUESTS_MAX = 4096;

const limitKeys = {
  per: z.enum(['global', 'client', 'tool', 'client+tool']).default('client').meta({
    description:
      "What shares one budget: everyone, one caller, one tool, or one caller's calls of one tool.",
  }),
  algorithm: z.enum(['tokenBucket', 'slidingWindow', 'fixedWindow']).default('tokenBucket').meta({
    description:
      '`tokenBucket`: refills evenly, lets `burst` through at once. `slidingWindow`: never more than `requests` in any window. `fixedWindow`: counts per window, cheapest.',
  }),
  requests: z.int().min(1).max(1_000_000_000).meta({ description: 'How many per window.' }),
  windowSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .default(60)
    .meta({ description: 'Length of the window.' }),
  burst: z.int().min(1).max(1_000_000_000).optional().meta({
    description:
      'tokenBucket: how many at once after a quiet spell; left out: as many as `requests`.',
  }),
  methods: z
    .array(z.string().regex(/^[A-Za-z][A-Za-z0-9_$/.-]{0,127}$/, 'is not a method name'))
    .min(1)
    .max(64)
    .optional()
    .meta({
      description:
        'Methods it counts, e.g. `tools/call`; left out: all but initialize, ping and server/discover.',
    }),
};

/** A limit of one route. */
export const routeRateLimitSchema = z.strictObject(limitKeys);

/** A limit for all routes. */
export const rateLimitSchema = z.strictObject({
  ...limitKeys,
  match: glob()
    .optional()
    .meta({ description: 'Only tools whose exposed name this glob matches.' }),
});

export type RateLimitConfig = z.output<typeof rateLimitSchema>;
