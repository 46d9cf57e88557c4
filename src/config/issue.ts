/**
 * What the schema found, in words a person can act on. Says keys, types and bounds, never a value.
 */
import { z } from 'zod';
import type { ConfigPath } from './problem.ts';
import { suggest } from './suggestion.ts';

export interface IssueProblem {
  readonly path: ConfigPath;
  readonly message: string;
  /** Set where a text stands and this was wanted. */
  readonly wants: 'number' | 'boolean' | null;
}

type Issue = z.core.$ZodIssue;
type ValueAt = (path: ConfigPath) => unknown;

/** All problems behind some issues; one issue can be several (unknown keys). */
export function issueProblems(
  issues: readonly Issue[],
  schema: z.ZodType,
  valueAt: ValueAt,
): IssueProblem[] {
  return issues.flatMap((issue) => fromIssue(issue, [], schema, valueAt));
}

function fromIssue(
  issue: Issue,
  before: ConfigPath,
  schema: z.ZodType,
  valueAt: ValueAt,
): IssueProblem[] {
  const path: ConfigPath = [
    ...before,
    ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part)),
  ];
  const value = valueAt(path);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysAt(schema, path);
      return issue.keys.map((key) => plain([...path, key], unknownKey(key, known)));
    }
    case 'invalid_union': {
      const branch = nearestBranch(issue.errors, value);
      if (branch === null) return [plain(path, unionMessage(schema, path, value))];
      return branch.flatMap((inner) => fromIssue(inner, path, schema, valueAt));
    }
    case 'invalid_key':
      return issue.issues.map((inner) => plain(path, `name ${inner.message}`));
    case 'invalid_element':
      return issue.issues.flatMap((inner) => fromIssue(inner, path, schema, valueAt));
    case 'invalid_type':
      return [typeProblem(path, issue.expected, value)];
    case 'invalid_value':
      return [plain(path, value === undefined ? 'is required' : oneOfMessage(issue.values, value))];
    case 'too_small':
      return [plain(path, boundMessage('at least', issue.origin, Number(issue.minimum)))];
    case 'too_big':
      return [plain(path, boundMessage('at most', issue.origin, Number(issue.maximum)))];
    default:
      return [plain(path, issue.message)];
  }
}

function plain(path: ConfigPath, message: string): IssueProblem {
  return { path, message, wants: null };
}

function typeProblem(path: ConfigPath, expected: string, value: unknown): IssueProblem {
  if (value === undefined) return plain(path, 'is required');
  const wants =
    typeof value !== 'string'
      ? null
      : numeric(expected)
        ? 'number'
        : expected === 'boolean'
          ? 'boolean'
          : null;
  return { path, message: `must be ${typeWord(expected)}, not ${typeWord(kindOf(value))}`, wants };
}

function numeric(expected: string): boolean {
  return expected === 'number' || expected === 'int';
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  null: 'empty',
};

function typeWord(type: string): string {
  return TYPE_WORDS[type] ?? type;
}

function boundMessage(side: 'at least' | 'at most', origin: string, bound: number): string {
  if (origin === 'string') {
    if (side === 'at least' && bound === 1) return 'must not be empty';
    return `must have ${side} ${bound} characters`;
  }
  if (origin === 'array') {
    if (side === 'at least' && bound === 1) return 'must not be an empty list';
    return `must have ${side} ${bound} items`;
  }
  return `must be ${side} ${bound}`;
}

function oneOfMessage(values: readonly unknown[], value: unknown): string {
  const words = values.map(String);
  const near = typeof value === 'string' ? suggest(value, words) : null;
  const list =
    words.length === 1 ? `must be ${words[0] ?? ''}` : `must be one of ${words.join(', ')}`;
  return near === null ? list : `${list}; did you mean "${near}"?`;
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = suggest(key, known);
  if (near !== null) return `unknown key; did you mean "${near}"?`;
  return known.length === 0 ? 'unknown key' : `unknown key; known are ${known.join(', ')}`;
}

/** The branch a value was meant for: one that took its type and found something wrong inside. */
function nearestBranch(
  branches: readonly (readonly Issue[])[],
  value: unknown,
): readonly Issue[] | null {
  const meant = branches.filter(
    (issues) =>
      !issues.some(
        (issue) =>
          issue.path.length === 0 && ['invalid_type', 'invalid_value'].includes(issue.code),
      ),
  );
  if (meant.length === 1) return meant[0] ?? null;
  if (meant.length === 0 && branches.length === 1) return branches[0] ?? null;
  if (meant.length > 1 && typeof value === 'object') return meant[0] ?? null;
  return null;
}

function unionMessage(schema: z.ZodType, path: ConfigPath, value: unknown): string {
  if (value === undefined) return 'is required';
  const union = schemaAt(schema, path).find((found) => found instanceof z.ZodUnion);
  const words =
    union === undefined
      ? []
      : [...new Set(union.options.map((option) => optionWord(option as z.ZodType)))];
  return words.length === 0
    ? 'is not valid'
    : `must be ${words.join(' or ')}, not ${typeWord(kindOf(value))}`;
}

function optionWord(option: z.ZodType): string {
  if (option instanceof z.ZodLiteral)
    return [...option.values].map((value) => `"${String(value)}"`).join(' or ');
  return typeWord(option.def.type);
}

/** The keys an object at this place may have. */
function keysAt(schema: z.ZodType, path: ConfigPath): readonly string[] {
  return schemaAt(schema, path).flatMap((found) =>
    found instanceof z.ZodObject ? Object.keys(found.shape) : [],
  );
}

/** Walks down the schema; a union is walked in all its branches. */
function schemaAt(schema: z.ZodType, path: ConfigPath): readonly z.ZodType[] {
  let level = unwrap(schema);
  for (const part of path) {
    level = level.flatMap((found): readonly z.ZodType[] => {
      if (found instanceof z.ZodObject) {
        const shape: Readonly<Record<string, z.ZodType>> = found.shape;
        const inner = Object.hasOwn(shape, part) ? shape[String(part)] : undefined;
        return inner === undefined ? [] : unwrap(inner);
      }
      if (found instanceof z.ZodRecord) return unwrap(found.valueType as z.ZodType);
      if (found instanceof z.ZodArray) return unwrap(found.element as z.ZodType);
      return [];
    });
  }
  return level;
}

function unwrap(schema: z.ZodType): readonly z.ZodType[] {
  if (schema instanceof z.ZodUnion)
    return [schema, ...schema.options.flatMap((option) => unwrap(option as z.ZodType))];
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  ) {
    return unwrap(schema.unwrap() as z.ZodType);
  }
  return [schema];
}
