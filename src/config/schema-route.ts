/** Which upstream serves which names, and who may call them with what. */
import { z } from 'zod';
import { routeRateLimitSchema } from './schema-limit.ts';
import { glob, scopeList, text } from './schema-value.ts';

const argumentValue = z.union([z.string().max(4096), z.number(), z.boolean(), z.null()]);

export const argumentRuleSchema = z
  .strictObject({
    equals: argumentValue.optional().meta({ description: 'Is this value.' }),
    oneOf: z
      .array(argumentValue)
      .min(1)
      .max(1024)
      .optional()
      .meta({ description: 'Is one of these values.' }),
    startsWith: text().optional().meta({ description: 'Is text that begins so.' }),
    glob: glob().optional().meta({ description: 'Is text that this glob matches.' }),
    pattern: text().max(512).optional().meta({
      description:
        'Is text that this regular expression matches as a whole. No look-around and no references; it takes time in proportion to the text.',
    }),
    min: z.number().optional().meta({ description: 'Is a number not below this.' }),
    max: z.number().optional().meta({ description: 'Is a number not above this.' }),
    exists: z.boolean().optional().meta({ description: 'true: is there. false: is not there.' }),
  })
  .refine(
    (rule) => Object.values(rule).some((value) => value !== undefined),
    'must have at least one condition',
  );

const whenSchema = z.strictObject({
  arguments: z.record(text().max(256), argumentRuleSchema).default({}).meta({
    description:
      'Conditions by argument; dots go down into objects. All must hold; an argument that is missing or of another type fails.',
  }),
});

export const routeSchema = z.strictObject({
  tools: glob().optional().meta({
    description: 'Tools: glob over exposed names. `*` matches anything, also nothing and `/`.',
  }),
  resources: glob().optional().meta({ description: 'Resources: glob over URIs, e.g. `data://*`.' }),
  prompts: glob().optional().meta({ description: 'Prompts: glob over exposed names.' }),
  default: z
    .literal(true)
    .optional()
    .meta({ description: 'Takes what no other route matches. At most one.' }),
  upstream: text().meta({ description: 'Name of the upstream that serves it.' }),
  priority: z.int().min(-1_000_000).max(1_000_000).optional().meta({
    description: 'Higher ones are tried first; equal ones in the order of the file. Default 0.',
  }),
  requiredScopes: scopeList().default([]).meta({
    description:
      'All of these must be granted. `*` stands for one segment between colons, `**` for any. Without them it is not even listed.',
  }),
  when: whenSchema.optional().meta({ description: 'Which calls are let through. Tools only.' }),
  rateLimit: routeRateLimitSchema.optional().meta({
    description:
      'A limit of its own; for its calls it takes the place of the common limits with the same `per`.',
  }),
});

export type RouteConfig = z.output<typeof routeSchema>;
export type ArgumentRuleConfig = z.output<typeof argumentRuleSchema>;
