import { describe, expect, it } from 'vitest';
import { planOf } from '../../src/config/load.ts';
import type { PlanEndpoint } from '../../src/config/plan.ts';
import {
  NAME_PROMPT,
  NAME_RESOURCE,
  NAME_TOOL,
  NameRoute,
} from '../../workers/routing/name-route.ts';
import type { NameKind } from '../../workers/routing/name-route.ts';
import { NEEDS_LISTS, RouteTable } from '../../workers/routing/route-table.ts';
import { Catalog } from '../../workers/upstream/catalog.ts';
import { listOf } from './support/catalog-of.ts';

type Settings = Parameters<typeof planOf>[0];

const UPSTREAMS = {
  math: { http: { url: 'http://127.0.0.1:9/mcp' } },
  data: { http: { url: 'http://127.0.0.1:9/mcp' } },
};

function table(settings: object, catalogs: Record<string, Catalog> = {}) {
  const plan = planOf({ upstreams: UPSTREAMS, ...settings } as Settings);
  const bySlot = new Map(plan.upstreams.map(({ slot, name }) => [slot, catalogs[name] ?? null]));
  const routes = new RouteTable(plan, (slot) => bySlot.get(slot) ?? null);
  const where = (kind: NameKind, name: string, endpoint = 0): string => {
    const found = routes.resolve(plan.endpoints[endpoint] as PlanEndpoint, kind, name);
    return found instanceof NameRoute ? `${found.upstream.name}:${found.own}` : found;
  };
  return { plan, routes, where };
}

describe('routing without routes, names with prefixes', () => {
  const { where } = table({});

  it('takes the prefix off and finds its upstream', () => {
    expect(where(NAME_TOOL, 'math_add')).toBe('math:add');
    expect(where(NAME_PROMPT, 'data_intro_long')).toBe('data:intro_long');
  });

  it('knows no name without a prefix, or with nothing behind it', () => {
    expect(where(NAME_TOOL, 'add')).toBe('NAME_UNKNOWN');
    expect(where(NAME_TOOL, 'math_')).toBe('NAME_UNKNOWN');
  });

  it('prefers the longest prefix', () => {
    const { where: find } = table({
      upstreams: { a: UPSTREAMS.math, a_b: UPSTREAMS.data },
    });
    expect(find(NAME_TOOL, 'a_b_c')).toBe('a_b:c');
    expect(find(NAME_TOOL, 'a_x')).toBe('a:x');
  });

  it('takes names without a prefix to the upstream whose prefix is empty', () => {
    const {
      where: find,
      routes,
      plan,
    } = table({
      upstreams: { math: { ...UPSTREAMS.math, prefix: '' }, data: UPSTREAMS.data },
    });
    const aggregated = plan.endpoints[0] as PlanEndpoint;
    const math = plan.upstreams.find(({ name }) => name === 'math')!;
    expect(routes.exposedName(aggregated, math, NAME_TOOL, 'add')).toBe('add');
    expect(find(NAME_TOOL, 'add')).toBe('math:add');
    expect(find(NAME_TOOL, 'data_query')).toBe('data:query');
  });

  it('passes names through on an upstream own endpoint', () => {
    expect(where(NAME_TOOL, 'add', 1)).toBe('math:add');
    expect(where(NAME_TOOL, 'math_add', 2)).toBe('data:math_add');
  });
});

describe('routing with routes', () => {
  const routes = [
    { tools: 'math_*', upstream: 'math', priority: 10 },
    { tools: 'math_special*', upstream: 'data', priority: 20 },
    { tools: 'x_?', upstream: 'math' },
    { tools: 'x_*', upstream: 'data' },
    { resources: 'data://*', upstream: 'data' },
  ];

  it('asks the higher priority first, then the earlier in the file', () => {
    const { where } = table({ routes });
    expect(where(NAME_TOOL, 'math_add')).toBe('math:add');
    expect(where(NAME_TOOL, 'math_special_1')).toBe('data:math_special_1');
    expect(where(NAME_TOOL, 'x_1')).toBe('math:x_1');
  });

  it('refuses what no route matches, or sends it to the default', () => {
    expect(table({ routes }).where(NAME_TOOL, 'other')).toBe('NAME_UNKNOWN');
    const { where } = table({ routes: [...routes, { default: true, upstream: 'data' }] });
    expect(where(NAME_TOOL, 'other')).toBe('data:other');
    expect(where(NAME_RESOURCE, 'file:///x')).toBe('data:file:///x');
  });

  it('serves on an upstream own endpoint only what a route leads to it', () => {
    const { where } = table({ routes });
    expect(where(NAME_TOOL, 'add', 1)).toBe('math:add');
    expect(where(NAME_TOOL, 'query', 2)).toBe('NAME_UNKNOWN');
    expect(where(NAME_RESOURCE, 'data://a', 2)).toBe('data:data://a');
    expect(where(NAME_RESOURCE, 'data://a', 1)).toBe('NAME_UNKNOWN');
    expect(where(NAME_PROMPT, 'intro', 2)).toBe('NAME_UNKNOWN');
    const { where: find } = table({ routes: [...routes, { default: true, upstream: 'data' }] });
    expect(find(NAME_PROMPT, 'intro', 2)).toBe('data:intro');
    expect(find(NAME_PROMPT, 'intro', 1)).toBe('NAME_UNKNOWN');
  });

  it('matches every URI of a scheme, slashes and dots included', () => {
    const { where } = table({ routes });
    expect(where(NAME_RESOURCE, 'data://a/b/../.c')).toBe('data:data://a/b/../.c');
    expect(where(NAME_RESOURCE, 'db://a')).toBe('NAME_UNKNOWN');
  });
});

describe('routing by what upstreams list', () => {
  const both = () => ({ math: new Catalog(), data: new Catalog() });

  it('waits for lists that have never been loaded', () => {
    const { where } = table({ names: { conflict: 'none' } }, both());
    expect(where(NAME_TOOL, 'add')).toBe(NEEDS_LISTS);
  });

  it('finds the upstream that lists the name, and refuses one that two list', () => {
    const catalogs = both();
    catalogs.math.put('tools', listOf('add', 'twice'));
    catalogs.data.put('tools', listOf('query', 'twice'));
    const { where } = table({ names: { conflict: 'none' } }, catalogs);
    expect(where(NAME_TOOL, 'add')).toBe('math:add');
    expect(where(NAME_TOOL, 'query')).toBe('data:query');
    expect(where(NAME_TOOL, 'twice')).toBe('NAME_AMBIGUOUS');
    expect(where(NAME_TOOL, 'none')).toBe('NAME_UNKNOWN');
  });

  it('gives a name that two list to the one with the higher priority', () => {
    const catalogs = both();
    catalogs.math.put('tools', listOf('twice'));
    catalogs.data.put('tools', listOf('twice'));
    const upstreams = { math: UPSTREAMS.math, data: { ...UPSTREAMS.data, priority: 5 } };
    const { where } = table({ upstreams, names: { conflict: 'priority' } }, catalogs);
    expect(where(NAME_TOOL, 'twice')).toBe('data:twice');
  });

  it('routes resources by exact URI, then by template', () => {
    const catalogs = both();
    for (const catalog of Object.values(catalogs)) {
      catalog.put('resources', listOf());
      catalog.put('templates', listOf());
    }
    catalogs.math.put('resources', listOf('data://users/me'));
    catalogs.data.put('templates', listOf('data://users/{id}'));
    const { where } = table({}, catalogs);
    expect(where(NAME_RESOURCE, 'data://users/me')).toBe('math:data://users/me');
    expect(where(NAME_RESOURCE, 'data://users/7')).toBe('data:data://users/7');
    expect(where(NAME_RESOURCE, 'data://users/{id}')).toBe('data:data://users/{id}');
    expect(where(NAME_RESOURCE, 'data://other')).toBe('RESOURCE_NOT_FOUND');
  });
});

describe('renamed tools', () => {
  const upstreams = {
    math: { ...UPSTREAMS.math, rename: { tools: { add: 'plus' } } },
    data: UPSTREAMS.data,
  };

  it('are reached by their new name only', () => {
    const { where, routes, plan } = table({ upstreams });
    const aggregated = plan.endpoints[0] as PlanEndpoint;
    const math = plan.upstreams.find(({ name }) => name === 'math')!;
    expect(routes.exposedName(aggregated, math, NAME_TOOL, 'add')).toBe('math_plus');
    expect(where(NAME_TOOL, 'math_plus')).toBe('math:add');
    expect(where(NAME_TOOL, 'math_add')).toBe('NAME_UNKNOWN');
  });
});
