/**
 * Tool arguments that HTTP requests repeat as `Mcp-Param-*` fields (2026-07-28, Streamable HTTP;
 * SEP-2243), declared by `x-mcp-header` in a tool's input schema.
 *
 * Few tools have them, so everything here works on parsed values. Compare only arguments that
 * `isUnambiguous` has passed: what is compared must be what the server will read.
 */
import { decodeMirrored, encodeMirrored, trimEnd, trimStart } from './mcp-headers.ts';

/** Header fields one tool may declare, objects of a schema that are looked at, and their depth. */
export const MIRRORED_MAX = 32;
const SCHEMA_OBJECTS_MAX = 20_000;
const SCHEMA_DEPTH_MAX = 64;
/** Bytes of all `Mcp-Param-*` values of one request. Servers take 8 to 16 KiB of header in all. */
export const MIRRORED_BYTES_MAX = 8192;

const FIELD_PREFIX = 'Mcp-Param-';
const KEYWORD = 'x-mcp-header';

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const DECIMAL = /^-?\d+(\.\d+)?$/;

/**
 * Keywords whose schemas are not on a plain path of `properties`: an annotation below one makes the
 * tool invalid. For the second list the value is an object of schemas.
 */
const SCHEMA_KEYWORDS = [
  'items',
  'prefixItems',
  'contains',
  'additionalProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'propertyNames',
  'oneOf',
  'anyOf',
  'allOf',
  'not',
  'if',
  'then',
  'else',
] as const;
const SCHEMA_MAP_KEYWORDS = [
  'patternProperties',
  'dependentSchemas',
  '$defs',
  'definitions',
] as const;

type Json = Record<string, unknown>;

export interface MirroredParam {
  /** Keys from the arguments object down to the value. */
  readonly path: readonly string[];
  /** The field's full name, as declared. */
  readonly field: string;
  /** The same in lower case, as fields are looked up. */
  readonly fieldLower: string;
  readonly type: 'string' | 'integer' | 'boolean';
}

export interface MirroredParams {
  readonly params: readonly MirroredParam[];
  /** Why HTTP clients must not see the tool, or null. */
  readonly problem: string | null;
}

/** A field that is missing, malformed or says something else than the body: -32020. */
export interface ParamMismatch {
  readonly header: string;
  readonly body: string;
}

/** Finds and checks the declarations of a tool's `inputSchema`. */
export function compileMirroredParams(inputSchema: unknown): MirroredParams {
  const compiler = new Compiler();
  compiler.visit(inputSchema, [], true, 0);
  const { problem, params } = compiler;
  return problem === null ? { params, problem } : { params: [], problem };
}

class Compiler {
  problem: string | null = null;
  readonly params: MirroredParam[] = [];
  readonly #fields = new Set<string>();
  #objects = 0;

  visit(node: unknown, path: readonly string[], isReachable: boolean, depth: number): void {
    if (typeof node !== 'object' || node === null || this.problem !== null) return;
    this.#objects += 1;
    if (depth > SCHEMA_DEPTH_MAX || this.#objects > SCHEMA_OBJECTS_MAX) {
      this.problem = 'the schema is too large';
      return;
    }
    const schema = node as Json;
    if (Object.hasOwn(schema, KEYWORD)) this.#declare(schema, path, isReachable);
    for (const [key, child] of entriesOf(schema, 'properties')) {
      this.visit(child, [...path, key], isReachable, depth + 1);
    }
    for (const keyword of SCHEMA_KEYWORDS) {
      const value = Object.hasOwn(schema, keyword) ? schema[keyword] : undefined;
      const children: unknown[] = Array.isArray(value) ? value : [value];
      for (const child of children) this.visit(child, path, false, depth + 1);
    }
    for (const keyword of SCHEMA_MAP_KEYWORDS) {
      for (const [, child] of entriesOf(schema, keyword)) this.visit(child, path, false, depth + 1);
    }
  }

  #declare(schema: Json, path: readonly string[], isReachable: boolean): void {
    const name = schema[KEYWORD];
    const { type } = schema;
    const where = path.join('.');
    if (!isReachable || path.length === 0) {
      this.problem = `${KEYWORD} stands where a plain path of properties does not lead: ${where}`;
    } else if (typeof name !== 'string' || !TOKEN.test(name)) {
      this.problem = `${KEYWORD} is not a header token: ${where}`;
    } else if (type !== 'string' && type !== 'integer' && type !== 'boolean') {
      this.problem = `${KEYWORD} is on neither string, integer nor boolean: ${where}`;
    } else if (this.#fields.has(name.toLowerCase())) {
      this.problem = `${KEYWORD} is not unique: ${where}`;
    } else if (this.params.length === MIRRORED_MAX) {
      this.problem = `more than ${String(MIRRORED_MAX)} properties have ${KEYWORD}`;
    } else {
      this.#fields.add(name.toLowerCase());
      const field = FIELD_PREFIX + name;
      this.params.push({ path, field, fieldLower: field.toLowerCase(), type });
    }
  }
}

function entriesOf(schema: Json, key: string): [string, unknown][] {
  const value = Object.hasOwn(schema, key) ? schema[key] : undefined;
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

/**
 * Compares the `Mcp-Param-*` fields of a call with its arguments. Where the body has no value, or
 * `null`, no field is expected and one that is there is ignored; integers compare as numbers.
 *
 * @param fields raw field values (Latin-1) by lower-case name
 * @returns null where they agree
 */
export function checkMirroredParams(
  params: readonly MirroredParam[],
  args: unknown,
  fields: ReadonlyMap<string, string>,
): ParamMismatch | null {
  for (const param of params) {
    const value = valueAt(args, param.path);
    const text = textOf(value);
    if (text === null) continue;
    const where = param.path.join('.');
    const field = fields.get(param.fieldLower);
    if (field === undefined) {
      return { header: param.field, body: `${where} has a value but the header is absent` };
    }
    const decoded = decodeField(field);
    if (decoded === null) return { header: param.field, body: 'the header has an invalid value' };
    const isNumber = param.type === 'integer' && typeof value === 'number' && DECIMAL.test(decoded);
    if (isNumber ? Number(decoded) !== value : decoded !== text) {
      return { header: param.field, body: `${where} has another value` };
    }
  }
  return null;
}

/**
 * The fields to send along with a call, as pairs of name and encoded value.
 *
 * @returns null where the values are longer than `MIRRORED_BYTES_MAX` in all
 */
export function mirroredFields(
  params: readonly MirroredParam[],
  args: unknown,
): [string, string][] | null {
  const fields: [string, string][] = [];
  let bytes = 0;
  for (const param of params) {
    const text = textOf(valueAt(args, param.path));
    if (text === null) continue;
    if (text.length > MIRRORED_BYTES_MAX) return null;
    const value = encodeMirrored(text);
    bytes += value.length;
    if (bytes > MIRRORED_BYTES_MAX) return null;
    fields.push([param.field, value]);
  }
  return fields;
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Json)[key];
  }
  return value;
}

/** A value as its field has it, or null for what has no field. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value !== 'number') return null;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? null : String(value);
}

function decodeField(field: string): string | null {
  const bytes = Buffer.from(field, 'latin1');
  const start = trimStart(bytes, 0, bytes.length);
  const decoded = decodeMirrored(bytes, start, trimEnd(bytes, start, bytes.length));
  return decoded === null ? null : Buffer.from(decoded).toString('utf8');
}
