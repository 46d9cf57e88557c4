/**
 * Whatever is done to valid settings, they become a plan or a list of problems with paths. Nothing else is
 * ever thrown.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../src/config/check.ts';
import { compileConfig, PlanSlots } from '../../src/config/compile.ts';
import { fromMcpServers } from '../../src/config/mcp-servers.ts';
import { ConfigError } from '../../src/config/problem.ts';
import { objectSource, parseSource, type ConfigSource } from '../../src/config/source.ts';

const ENVIRONMENT = { A: 'one', PORT: '8443', SECRET: 's3cret-'.repeat(6), KEY: 'key-of-batch' };
const read = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`cases/${name}`, import.meta.url)), 'utf8');
const TEXTS = ['documented.yaml', 'secured.yaml', 'presets.yaml', 'clients.json'].map(read);
const VALUES = TEXTS.map((text) => parseSource(text, '/x.yaml').value);

/** Compiles; any failure must be a list of problems. Returns what was found. */
function outcome(make: () => ConfigSource): 'plan' | 'problems' {
  try {
    const source = fromMcpServers(make());
    const { plan } = compileConfig(checkConfig(source, ENVIRONMENT), {
      number: 1,
      slots: new PlanSlots(),
    });
    expect(structuredClone(plan)).toEqual(plan);
    return 'plan';
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.problems.length).toBeGreaterThan(0);
    for (const { path, message } of error.problems) {
      expect(message).not.toBe('');
      expect(message).not.toMatch(/undefined|\[object|Invalid input/);
      expect(typeof path).toBe('string');
      expect(message + path).not.toContain(ENVIRONMENT.SECRET);
    }
    return 'problems';
  }
}

type Step = readonly [place: number, change: number, junk: unknown];

/** Changes one place in a copy: another value, gone, renamed, doubled, moved. */
function mutated(value: unknown, [place, change, junk]: Step): unknown {
  const copy: unknown = structuredClone(value);
  const places: { parent: Record<string, unknown>; key: string }[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      const parent = node as Record<string, unknown>;
      places.push({ parent, key });
      walk(parent[key]);
    }
  };
  walk(copy);
  const at = places[place % places.length];
  const other = places[(place * 7 + change) % places.length];
  if (at === undefined || other === undefined) return copy;
  const { parent, key } = at;
  switch (change % 5) {
    case 0:
      parent[key] = junk;
      break;
    case 1:
      delete parent[key];
      break;
    case 2:
      parent[`${key}x`] = parent[key];
      delete parent[key];
      break;
    case 3:
      parent[key] = structuredClone(other.parent[other.key]);
      break;
    default:
      if (Array.isArray(parent)) parent.push(structuredClone(parent[Number(key)]));
      else parent[key] = [parent[key]];
  }
  return copy;
}

const junk = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    1e300,
    '',
    'x',
    '${',
    '${A}',
    '${NOPE}',
    '${PORT}',
    '../x',
    '*',
    [],
    {},
    'http://x',
    '__proto__',
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary' }),
);
const step = fc.tuple(fc.nat(500), fc.nat(500), junk);

describe('settings that somebody changed', () => {
  it('are a plan or problems, however they were changed', () => {
    const seen = { plan: 0, problems: 0 };
    fc.assert(
      fc.property(
        fc.constantFrom(...VALUES),
        fc.array(step, { minLength: 1, maxLength: 3 }),
        (value, steps) => {
          const changed = steps.reduce<unknown>(mutated, value);
          seen[outcome(() => objectSource(changed, '/'))] += 1;
        },
      ),
      { numRuns: 300 },
    );
    expect(Math.min(seen.plan, seen.problems)).toBeGreaterThan(10); // the changes are neither all fatal nor all harmless
  });

  it('are a plan or problems with places, whatever bytes are in the file', () => {
    const cut = fc.record({
      from: fc.nat(4000),
      length: fc.nat(40),
      text: fc.oneof(
        fc.string({ maxLength: 8 }),
        fc.constantFrom(
          '\t',
          '{',
          ']',
          ': ',
          '- ',
          '&a ',
          '*a',
          '!!x ',
          '\u0000',
          '\n---\n',
          '"',
          '#',
        ),
      ),
    });
    fc.assert(
      fc.property(fc.constantFrom(...TEXTS), cut, (original, { from, length, text }) => {
        const start = from % original.length;
        const changed = original.slice(0, start) + text + original.slice(start + length);
        outcome(() => parseSource(changed, '/x.yaml'));
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['brackets', '['.repeat(200_000)],
    ['mappings', '{a: '.repeat(50_000)],
    [
      'indentation',
      Array.from({ length: 2000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    ],
    ['a file without an end', 'a: '.padEnd(1024 * 1024 + 1, 'x')],
    ['aliases in a circle', 'a: &a [*a]'],
    ['two documents', 'a: 1\n---\nb: 2'],
    ['a tag', 'upstreams: !!js/function "x"'],
  ])('are problems if they are %s', (_, text) => {
    expect(outcome(() => parseSource(text, '/x.yaml'))).toBe('problems');
  });
});
