/** What the documentation says exists: links, files, settings, scripts, metrics and limits. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { COUNTER_ROWS } from '../../shared/counter-catalogue.ts';
import * as limits from '../../shared/limits.ts';
import { PlanSlots } from '../../src/config/compile.ts';
import { plainJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts';
import { loadFile } from '../../src/config/load.ts';
import { ConfigError, describeProblems } from '../../src/config/problem.ts';
import { configSchema } from '../../src/config/schema.ts';
import { metricTableText } from '../../src/observe/metric-doc.ts';
import { listFiles, ROOT } from './source-tree.ts';

const PAGES = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...listFiles(['docs'], /\.md$/)];

interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

const texts = new Map(PAGES.map((page) => [page, readFileSync(join(ROOT, page), 'utf8')]));

/** Text outside of fenced blocks, line for line. */
function proseOf(page: string): string {
  return (texts.get(page) ?? '').replace(/^```[\s\S]*?^```$/gm, (block) =>
    block.replace(/[^\n]/g, ''),
  );
}

function blocksOf(page: string): Block[] {
  const text = texts.get(page) ?? '';
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length,
    language: match[1] ?? '',
    text: match[2] ?? '',
  }));
}

const BLOCKS = PAGES.flatMap(blocksOf);

/** Anchors as GitHub makes them from headings. */
function anchorsOf(page: string): Set<string> {
  const headings = [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, title]) => title ?? '');
  return new Set(
    headings.map((title) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  );
}

describe('pages', () => {
  it('link to what is there, headings too', () => {
    const broken: string[] = [];
    for (const page of PAGES) {
      for (const [, target = ''] of proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = '', anchor = ''] = target.split('#');
        const file = path === '' ? page : posix.join(posix.dirname(page), path);
        const isThere = existsSync(join(ROOT, file));
        const isAnchored = anchor === '' || !texts.has(file) || anchorsOf(file).has(anchor);
        if (!isThere || !isAnchored) broken.push(`${page}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('name files and folders that are there', () => {
    const missing: string[] = [];
    for (const page of PAGES.filter((one) => one !== 'CHANGELOG.md')) {
      for (const [, path = ''] of proseOf(page).matchAll(/`([^`\s]+)`/g)) {
        if (isPath(path) && !existsPath(path)) missing.push(`${page}: ${path}`);
      }
    }
    expect(missing).toEqual([]);
  });

  it('list every decision', () => {
    const index = texts.get('docs/decisions/README.md') ?? '';
    const decisions = PAGES.filter((page) => /decisions\/\d/.test(page)).map((page) =>
      posix.basename(page),
    );
    expect(decisions.filter((name) => !index.includes(`](${name})`))).toEqual([]);
    const numbers = decisions.map((name) => name.slice(0, 4));
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it('use npm scripts and files that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const wrong: string[] = [];
    for (const [page, text] of texts) {
      for (const [, script = ''] of text.matchAll(/\bnpm run ([\w:-]+)/g)) {
        if (scripts[script] === undefined) wrong.push(`${page}: npm run ${script}`);
      }
      for (const [, file = ''] of text.matchAll(/\bnode ([\w./-]+\.m?js)\b/g)) {
        const isOurs = /^(bin|dist|examples|scripts)\//.test(file);
        if (isOurs && !existsPath(file)) wrong.push(`${page}: node ${file}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(texts.get('README.md')).toMatch(/^npm start\b/m);
    expect(texts.get('README.md')).toMatch(/^npm test\b/m);
  });

  it('name settings by their keys', () => {
    const schema = plainJsonSchema();
    const unknown: string[] = [];
    for (const page of PAGES.filter((one) => one !== 'docs/configuration.md')) {
      for (const [, key = ''] of proseOf(page).matchAll(/`([a-z]\w*(?:(?:\[\])?\.\w+)+)`/gi)) {
        const parts = key.replaceAll('[]', '').split('.');
        const isSetting = Object.hasOwn(configSchema.shape, parts[0] ?? '');
        if (isSetting && !/\.(ts|js|md|mjs)$/.test(key) && !hasKey(schema, parts))
          unknown.push(`${page}: ${key}`);
      }
    }
    expect(unknown).toEqual([]);
  });

  it('name metrics that are counted', () => {
    const known = new Set([...metricTableText().matchAll(/\bsluice_\w+/g)].map(([name]) => name));
    for (const { name } of COUNTER_ROWS) known.add(`sluice_${name}`);
    const unknown: string[] = [];
    for (const [page, text] of texts) {
      for (const [name] of text.matchAll(/\bsluice_[a-z0-9_]+\b/g)) {
        if (!known.has(name) && !known.has(name.replace(/_(bucket|sum|count)$/, '')))
          unknown.push(`${page}: ${name}`);
      }
    }
    expect(unknown).toEqual([]);
  });
});

describe('settings in the documentation', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-docs-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const settings = BLOCKS.filter(({ language, text }) => {
    if (language !== 'yaml' && language !== 'json') return false;
    const value: unknown = parse(text);
    if (typeof value !== 'object' || value === null) return false;
    const keys = Object.keys(value);
    return (
      keys.includes('mcpServers') || keys.some((key) => Object.hasOwn(configSchema.shape, key))
    );
  });

  it('are there', () => {
    expect(settings.some(({ page }) => page === 'README.md')).toBe(true);
  });

  it.each(settings)('pass the check: $page line $line', ({ page, line, language, text }) => {
    const value = parse(text) as Readonly<Record<string, unknown>>;
    const isWhole = 'upstreams' in value || 'mcpServers' in value;
    const stub = isWhole ? '' : '\nupstreams: { math: { stdio: { command: node } } }\n';
    const file = join(folder, `${page.replace(/\W/g, '-')}-${line}.${language}`);
    writeFileSync(file, language === 'yaml' ? text + stub : text);
    const names = [...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => [name, 'x'.repeat(40)]);
    const environment = Object.fromEntries(names) as Record<string, string>;
    try {
      loadFile(file, { number: 1, slots: new PlanSlots(), environment });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      expect.fail(describeProblems(error.file, error.problems));
    }
  });
});

describe('the bounds in docs/security.md', () => {
  it('are those of shared/limits.ts', () => {
    const rows = (texts.get('docs/security.md') ?? '').matchAll(/^\| `([A-Z_]+)` \| ([^|]+) \|/gm);
    const documented = Object.fromEntries(
      [...rows].map(([, name = '', value = '']) => [name, numberOf(value.trim())]),
    );
    const real = Object.fromEntries(
      Object.entries(limits).filter(([, value]) => typeof value === 'number'),
    );
    expect(documented).toEqual(real);
  });
});

function numberOf(text: string): number {
  const [amount = '', unit = ''] = text.replaceAll(',', '').split(' ');
  const factor = { '': 1, KiB: 1024, MiB: 1024 * 1024 }[unit];
  return factor === undefined ? NaN : Number(amount) * factor;
}

function isPath(text: string): boolean {
  return /^(\.ci|bin|deploy|dist|docs|examples|perf|scripts|shared|src|test|workers)\/[\w./*@-]*$/.test(
    text,
  );
}

/** A built file is there if its source is; a name with `*` if it matches something. */
function existsPath(path: string): boolean {
  const source = path.replace(/^dist\/(.*)\.js$/, '$1.ts');
  if (!source.includes('*')) return existsSync(join(ROOT, source));
  const pattern = new RegExp(`^${source.replace(/[.]/g, '\\.').replace(/\*/g, '[^/]*')}$`);
  return listFiles([dirname(source)], /./).some((file) => pattern.test(file));
}

/** Whether the settings have a key; names that users choose (mappings of anything) match any. */
function hasKey(schema: JsonSchema, parts: readonly string[]): boolean {
  const [part, ...rest] = parts;
  if (part === undefined) return true;
  const inner = [...(variantsOf(schema) as JsonSchema[])];
  return inner.some((variant) => {
    const properties = (variant['properties'] ?? {}) as Record<string, JsonSchema>;
    const property = properties[part];
    if (property !== undefined) return hasKey(property, rest);
    const others = variant['additionalProperties'];
    return typeof others === 'object' && others !== null && hasKey(others as JsonSchema, rest);
  });
}

/** The schema itself, its alternatives, and the items of lists. */
function variantsOf(schema: JsonSchema): JsonSchema[] {
  const alternatives = ['anyOf', 'oneOf', 'allOf'].flatMap(
    (key) => (schema[key] ?? []) as JsonSchema[],
  );
  const items = schema['items'];
  const nested = typeof items === 'object' && items !== null ? [items as JsonSchema] : [];
  return [schema, ...[...alternatives, ...nested].flatMap(variantsOf)];
}
