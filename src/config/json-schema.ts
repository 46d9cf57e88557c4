/**
 * The JSON Schema of the settings file, for editors, made from the schema that checks it. Says what can
 * be said about one value at a time; the rest is said at load.
 *
 * Draft 7, because that is what editors' YAML support knows best.
 */
import { z } from 'zod';
import { configSchema } from './schema.ts';

export interface JsonSchema {
  [key: string]: unknown;
}

/** Without references to the environment: what a value must be in the end. */
export function plainJsonSchema(): JsonSchema {
  const schema: JsonSchema = z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-7',
    unrepresentable: 'any',
  });
  return schema;
}

/** As editors get it: whatever is no free text may also be taken from the environment. */
export function editorJsonSchema(): JsonSchema {
  const { $schema, ...rest } = withReferences(plainJsonSchema());
  return { $schema, title: 'Sluice settings', ...rest };
}

/** The committed file's content. */
export function jsonSchemaText(): string {
  return `${JSON.stringify(editorJsonSchema(), null, 2)}\n`;
}

const REFERENCE: JsonSchema = { type: 'string', pattern: '\\$\\{' };
/** Members that hold schemas by name. */
const SCHEMA_MAPS = new Set(['properties', 'definitions']);
const SCHEMA_LISTS = new Set(['anyOf', 'allOf', 'oneOf']);
const SCHEMAS = new Set(['items', 'additionalProperties']);

function withReferences(schema: JsonSchema): JsonSchema {
  const walked = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, walkMember(key, value)]),
  );
  if (!isNarrow(schema)) return walked;
  const { description, default: fallback, ...narrow } = walked;
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [narrow, REFERENCE],
  };
}

function walkMember(key: string, value: unknown): unknown {
  if (SCHEMAS.has(key) && isSchema(value)) return withReferences(value);
  if (SCHEMA_LISTS.has(key) && Array.isArray(value)) {
    return value.map((item: unknown) => (isSchema(item) ? withReferences(item) : item));
  }
  if (SCHEMA_MAPS.has(key) && isSchema(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [
        name,
        isSchema(item) ? withReferences(item) : item,
      ]),
    );
  }
  return value;
}

/** A scalar that the text `${NAME}` is not. */
function isNarrow({ type, pattern, minLength, enum: values }: JsonSchema): boolean {
  if (type === 'integer' || type === 'number' || type === 'boolean') return true;
  if (type !== 'string') return false;
  return (
    pattern !== undefined ||
    values !== undefined ||
    (typeof minLength === 'number' && minLength > 1)
  );
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
