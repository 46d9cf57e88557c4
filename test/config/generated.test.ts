import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { configDocText } from '../../src/config/config-doc.ts';
import {
  editorJsonSchema,
  jsonSchemaText,
  plainJsonSchema,
  type JsonSchema,
} from '../../src/config/json-schema.ts';
import { configSchema } from '../../src/config/schema.ts';

const root = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('what is generated from the schema', () => {
  it('is not stale: sluice.schema.json (node scripts/config-doc.mjs makes it)', () => {
    expect(root('sluice.schema.json')).toBe(jsonSchemaText());
  });

  it('is not stale: docs/configuration.md (node scripts/config-doc.mjs makes it)', () => {
    expect(root('docs/configuration.md')).toBe(configDocText());
  });

  it('says of every key what it is for', () => {
    const silent: string[] = [];
    const walk = (schema: JsonSchema, path: string): void => {
      for (const [key, value] of Object.entries(schema)) {
        if (typeof value !== 'object' || value === null) continue;
        const inner = value as JsonSchema;
        if (key === 'properties') {
          for (const [name, property] of Object.entries(inner)) {
            const each = property as JsonSchema;
            if (typeof each['description'] !== 'string') silent.push(`${path}.${name}`);
            walk(each, `${path}.${name}`);
          }
        } else if (key !== 'default') walk(inner, path);
      }
    };
    walk(plainJsonSchema(), '');
    expect(silent).toEqual([]);
  });

  it.each(['documented.yaml', 'secured.yaml', 'presets.yaml'])(
    'lets editors accept %s, references and all',
    (name) => {
      const settings: unknown = parse(root(`test/config/cases/${name}`));
      const schema = editorJsonSchema();
      const editor = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
      expect(editor.safeParse(settings).error?.issues ?? []).toEqual([]);
      expect(editor.safeParse({ ...(settings as object), shard: 1 }).success).toBe(false);
      expect(editor.safeParse({ ...(settings as object), shards: 'two' }).success).toBe(false);
    },
  );

  it('names no key that the check does not know', () => {
    const { properties } = plainJsonSchema();
    expect(Object.keys(properties as object)).toEqual(Object.keys(configSchema.shape));
  });
});
