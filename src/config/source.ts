/**
 * Text of a settings file to a plain value that remembers where everything stood. YAML and JSON are
 * read by one parser, as JSON is YAML and positions are wanted for both. Bounded: size of the file,
 * aliases, depth. Tags that would build objects are not known to the parser.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import {
  LineCounter,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  parseDocument,
  type Document,
} from 'yaml';
import { ConfigError, type ConfigPath, type ConfigProblem } from './problem.ts';

/** Settings for 256 upstreams and 1,024 routes with inline keys stay far below. */
export const FILE_BYTES_MAX: number = 1024 * 1024;
/** Nodes that aliases may unfold to: an anchor that is used often is fine, a bomb is not. */
const ALIASES_MAX = 100;

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface ConfigSource {
  /** Absolute path; null for settings from code. */
  readonly file: string | null;
  /** Absolute path of the folder that relative paths in the settings start from. */
  readonly folder: string;
  readonly value: unknown;
  /** What a reader of the settings should know, though it is no problem. */
  readonly notices: readonly string[];
  /** What was found wrong before the check, by path of the checked settings. */
  readonly complaints: readonly { readonly path: ConfigPath; readonly message: string }[];
  /** A path of the checked settings as it is written in the file. */
  written(path: ConfigPath): ConfigPath;
  /** Where a key or item stands, or the nearest thing around it that is there. */
  place(path: ConfigPath): Place | null;
}

/** Reads a file. @throws ConfigError if it cannot be read or is no YAML or JSON. */
export function readSource(file: string): ConfigSource {
  const path = resolve(file);
  let text: string;
  try {
    const stat = statSync(path);
    if (!stat.isFile() && !stat.isFIFO()) throw fileProblem(path, 'is not a file');
    if (stat.size > FILE_BYTES_MAX)
      throw fileProblem(path, `is longer than ${FILE_BYTES_MAX} bytes`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw fileProblem(path, `cannot be read: ${readFailure(error)}`);
  }
  return parseSource(text, path);
}

/** Reads a text as if it stood in `file`. @throws ConfigError if it is no YAML or JSON. */
export function parseSource(text: string, file: string): ConfigSource {
  if (text.length > FILE_BYTES_MAX)
    throw fileProblem(file, `is longer than ${FILE_BYTES_MAX} bytes`);
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(text.replace(/^\uFEFF/, ''), {
      lineCounter: lines,
      prettyErrors: false,
      strict: true,
      uniqueKeys: true,
      logLevel: 'silent',
    });
  } catch {
    // The parser goes down by recursion: thousands of open brackets end its stack.
    throw fileProblem(file, 'is nested too deeply');
  }
  const problems = [...document.errors, ...document.warnings].map((error): ConfigProblem => {
    const { line, col } = lines.linePos(error.pos[0]);
    return {
      path: '',
      message: `syntax: ${error.message.split('\n')[0] ?? ''}`,
      line,
      column: col,
    };
  });
  if (problems.length > 0) throw new ConfigError(file, problems);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch {
    throw fileProblem(file, 'has too many or circular aliases, or is nested too deeply');
  }
  return {
    file,
    folder: dirname(file),
    value,
    notices: [],
    complaints: [],
    written: (path) => path,
    place: (path) => placeIn(document, lines, path),
  };
}

/** Settings that come from code: no file, no places; relative paths start from `folder`. */
export function objectSource(value: unknown, folder: string): ConfigSource {
  return {
    file: null,
    folder,
    value,
    notices: [],
    complaints: [],
    written: (path) => path,
    place: () => null,
  };
}

function fileProblem(file: string, message: string): ConfigError {
  return new ConfigError(file, [{ path: '', message, line: null, column: null }]);
}

function readFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES') return 'permission denied';
  return code;
}

function placeIn(document: Document.Parsed, lines: LineCounter, path: ConfigPath): Place | null {
  let node: unknown = document.contents;
  let offset = offsetOf(node);
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && keyText(item.key) === String(part));
      if (pair === undefined) break;
      offset = offsetOf(pair.key) ?? offset;
      next = pair.value;
    } else if (isSeq(node) && typeof part === 'number') {
      next = node.items[part];
      offset = offsetOf(next) ?? offset;
    } else break;
    node = next;
  }
  if (offset === null) return null;
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}

function offsetOf(node: unknown): number | null {
  if (typeof node !== 'object' || node === null || !('range' in node)) return null;
  const { range } = node;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : null;
}
