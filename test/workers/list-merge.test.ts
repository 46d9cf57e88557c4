import { describe, expect, it } from 'vitest';
import { planOf } from '../../src/config/load.ts';
import type { PlanEndpoint } from '../../src/config/plan.ts';
import { AccessRules } from '../../workers/policy/access-rules.ts';
import { ANONYMOUS, Principal } from '../../workers/policy/principal.ts';
import { ScopeSetTable } from '../../workers/policy/scope-set.ts';
import { RouteTable } from '../../workers/routing/route-table.ts';
import { ShardPlan } from '../../workers/shard-plan.ts';
import { ListMerge, PAGE_ITEMS } from '../../workers/transform/list-merge.ts';
import { Catalog } from '../../workers/upstream/catalog.ts';
import { listOf } from './support/catalog-of.ts';

const URL = 'http://127.0.0.1:9/mcp';

function merged(settings: object = {}) {
  const plan = planOf({
    upstreams: { math: { http: { url: URL } }, data: { http: { url: URL } } },
    ...settings,
  } as Parameters<typeof planOf>[0]);
  const catalogs = new Map(plan.upstreams.map(({ slot }) => [slot, new Catalog()]));
  const bySlot = (slot: number): Catalog | null => catalogs.get(slot) ?? null;
  const shardPlan = Object.assign(Object.create(ShardPlan.prototype) as ShardPlan, {
    plan,
    routes: new RouteTable(plan, bySlot),
    access: AccessRules.ofPlan(plan),
    hasAccessRules: plan.routes.some(({ access }) => access.requiredScopes.length > 0),
  });
  const merge = new ListMerge(bySlot);
  const page = (cursor: string | null, principal = ANONYMOUS, endpoint = 0, isModern = true) => {
    const bytes = merge.page(
      shardPlan,
      plan.endpoints[endpoint] as PlanEndpoint,
      'tools',
      principal,
      isModern,
      cursor,
    );
    return bytes === null
      ? null
      : (JSON.parse(bytes.toString()) as {
          tools: { name: string }[];
          nextCursor?: string;
          resultType?: string;
          cacheScope?: string;
        });
  };
  const names = (...args: Parameters<typeof page>) => page(...args)?.tools.map(({ name }) => name);
  const of = (name: string) => catalogs.get(plan.upstreams.find((u) => u.name === name)!.slot)!;
  return { page, names, of };
}

function caller(...scopes: string[]): Principal {
  const set = new ScopeSetTable().of(scopes);
  return new Principal(
    {
      issuer: 'i',
      subject: 's',
      clientId: 'c',
      scopes,
      expiresAtMs: Infinity,
      method: 'test',
    },
    set,
    null,
    false,
  );
}

describe('a merged list', () => {
  it('has all upstreams in the order of the settings, under the names clients call', () => {
    const { names, of } = merged();
    of('data').put('tools', listOf('query'));
    of('math').put('tools', listOf('subtract', 'add'));
    expect(names(null)).toEqual(['math_subtract', 'math_add', 'data_query']);
  });

  it('is as the upstream has it on its own endpoint', () => {
    const { names, of } = merged();
    of('math').put('tools', listOf('add'));
    of('data').put('tools', listOf('query'));
    expect(names(null, ANONYMOUS, 2)).toEqual(['query']);
  });

  it('changes with a catalog, and with nothing else', () => {
    const { page, names, of } = merged();
    of('math').put('tools', listOf('add'));
    expect(names(null)).toEqual(['math_add']);
    of('math').put('tools', listOf('add', 'more'));
    expect(names(null)).toEqual(['math_add', 'math_more']);
    expect(page(null)).toEqual(page(null));
  });

  it('goes over several pages by cursor, each item once', () => {
    const { page, of } = merged();
    const count = PAGE_ITEMS * 2 + 5;
    of('math').put('tools', listOf(...Array.from({ length: count }, (_, i) => `t${i}`)));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const next: NonNullable<ReturnType<typeof page>> = page(cursor)!;
      seen.push(...next.tools.map(({ name }) => name));
      cursor = next.nextCursor ?? null;
    } while (cursor !== null);
    expect(seen).toHaveLength(count);
    expect(new Set(seen).size).toBe(count);
  });

  it('goes on after the last item that was sent when the list has changed meanwhile', () => {
    const { page, of } = merged();
    const all = Array.from({ length: PAGE_ITEMS + 3 }, (_, i) => `t${i}`);
    of('math').put('tools', listOf(...all));
    const { nextCursor } = page(null)!;
    of('math').put('tools', listOf('new', ...all));
    expect(page(nextCursor!)!.tools[0]!.name).toBe(`math_t${PAGE_ITEMS}`);
  });

  it.each(['', 'x', 'bm90IGpzb24', Buffer.from('[1,"prompts",5,"a"]').toString('base64url')])(
    'refuses %j as a cursor',
    (cursor) => {
      const { page, of } = merged();
      of('math').put('tools', listOf('add'));
      expect(page(cursor)).toBeNull();
    },
  );

  it('has hints for modern clients only', () => {
    const { page, of } = merged();
    of('math').put('tools', listOf('add'));
    expect(page(null)).toMatchObject({ resultType: 'complete', cacheScope: 'public' });
    expect(page(null, ANONYMOUS, 0, false)).not.toHaveProperty('resultType');
  });

  it('shows nobody what he may not call, nor that it is there', () => {
    const { names, page, of } = merged({
      routes: [
        { tools: 'math_*', upstream: 'math', requiredScopes: ['calc:*'] },
        { tools: 'data_*', upstream: 'data' },
      ],
    });
    of('math').put('tools', listOf('add'));
    of('data').put('tools', listOf('query'));
    expect(names(null)).toEqual(['data_query']);
    expect(names(null, caller('calc:basic'))).toEqual(['math_add', 'data_query']);
    expect(names(null, caller('other:x'))).toEqual(['data_query']);
    expect(page(null)!.cacheScope).toBe('private');
  });

  it('does not show a tool whose name leads to another upstream', () => {
    const { names, of } = merged({
      routes: [
        { tools: 'math_*', upstream: 'data' },
        { tools: 'data_*', upstream: 'data' },
      ],
    });
    of('math').put('tools', listOf('add'));
    of('data').put('tools', listOf('query'));
    expect(names(null)).toEqual(['data_query']);
  });
});
