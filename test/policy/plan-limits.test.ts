/** Which limits apply to which calls. */
import { describe, expect, it } from 'vitest';
import { planOf } from '../../src/config/load.ts';
import type { PlanEndpoint } from '../../src/config/plan.ts';
import { METHOD_UNKNOWN, methodFromName } from '../../src/protocol/methods.ts';
import { PlanLimits } from '../../workers/policy/plan-limits.ts';
import {
  NAME_PROMPT,
  NAME_RESOURCE,
  NAME_TOOL,
  NameRoute,
} from '../../workers/routing/name-route.ts';
import type { NameKind } from '../../workers/routing/name-route.ts';
import { RouteTable } from '../../workers/routing/route-table.ts';

type Settings = Parameters<typeof planOf>[0];

const UPSTREAMS = {
  math: { http: { url: 'http://127.0.0.1:9/mcp' } },
  data: { http: { url: 'http://127.0.0.1:9/mcp' } },
};

function compile(settings: object) {
  const plan = planOf({ upstreams: UPSTREAMS, ...settings } as Settings);
  const routes = new RouteTable(plan, () => null);
  const limits = new PlanLimits(plan, ({ upstream, kind, own }) =>
    routes.exposedName(plan.endpoints[0] as PlanEndpoint, upstream, kind, own),
  );
  const route = (kind: NameKind, name: string, endpoint = 0): NameRoute => {
    const found = routes.resolve(plan.endpoints[endpoint] as PlanEndpoint, kind, name);
    if (!(found instanceof NameRoute)) throw new Error(`no route: name=${name}`);
    return found;
  };
  /** What applies, as `scope requests`. */
  const of = (method: string, to: NameRoute | null): string[] => {
    const byMethod = to === null ? limits.routeless : limits.ofRoute(to);
    const applied = byMethod[methodFromName(method)];
    return applied!.limits.map(({ per, requests }) => `${per} ${requests}`);
  };
  return { plan, limits, route, of };
}

const ONE_EACH = [
  { per: 'client+tool', requests: 4 },
  { per: 'client', requests: 3 },
  { per: 'tool', requests: 2 },
  { per: 'global', requests: 1 },
];

describe('common limits', () => {
  const { of, route } = compile({ rateLimits: ONE_EACH });

  it('all apply to a tool call, the widest first', () => {
    const all = ['global 1', 'tool 2', 'client 3', 'client+tool 4'];
    expect(of('tools/call', route(NAME_TOOL, 'math_add'))).toEqual(all);
  });

  it('by tool leave everything else alone', () => {
    expect(of('tools/list', null)).toEqual(['global 1', 'client 3']);
    expect(of('prompts/get', route(NAME_PROMPT, 'math_intro'))).toEqual(['global 1', 'client 3']);
  });

  it('never count initialize, ping and server/discover, even where they are named', () => {
    const named = compile({
      rateLimits: [{ per: 'global', requests: 1, methods: ['ping', 'initialize', 'tools/list'] }],
    });
    for (const method of ['initialize', 'ping', 'server/discover']) {
      expect(of(method, null)).toEqual([]);
      expect(named.of(method, null)).toEqual([]);
    }
    expect(named.of('tools/list', null)).toEqual(['global 1']);
    expect(named.of('tools/call', null)).toEqual([]);
  });

  it('with a glob hold for tools of that exposed name, on the upstream’s own endpoint too', () => {
    const { of: ofMatch, route: to } = compile({
      rateLimits: [{ per: 'client', match: 'math_a*', requests: 5 }],
    });
    expect(ofMatch('tools/call', to(NAME_TOOL, 'math_add'))).toEqual(['client 5']);
    expect(ofMatch('tools/call', to(NAME_TOOL, 'add', 1))).toEqual(['client 5']);
    expect(ofMatch('tools/call', to(NAME_TOOL, 'math_sub'))).toEqual([]);
    expect(ofMatch('tools/call', to(NAME_TOOL, 'data_add'))).toEqual([]);
    expect(ofMatch('prompts/get', to(NAME_PROMPT, 'math_add'))).toEqual([]);
    expect(ofMatch('tools/list', null)).toEqual([]);
  });
});

describe('the limit of a route', () => {
  const own = { per: 'client', requests: 9, methods: ['tools/call', 'resources/read'] };
  const { of, route } = compile({
    rateLimits: ONE_EACH,
    routes: [
      { tools: 'math_*', upstream: 'math', rateLimit: own },
      { resources: '*', upstream: 'data', rateLimit: { per: 'tool', requests: 8 } },
      { default: true, upstream: 'data', rateLimit: { per: 'global', requests: 7 } },
    ],
  });

  it('takes the place of the common ones with the same scope', () => {
    const applied = of('tools/call', route(NAME_TOOL, 'math_add'));
    expect(applied).toEqual(['global 1', 'tool 2', 'client 9', 'client+tool 4']);
  });

  it('leaves the common one where it does not count', () => {
    expect(of('prompts/get', route(NAME_TOOL, 'math_add'))).toContain('client 3');
  });

  it('by tool, on a route of resources, holds for the route as a whole', () => {
    const applied = of('resources/read', route(NAME_RESOURCE, 'file:///x'));
    expect(applied).toEqual(['global 1', 'tool 8', 'client 3']);
  });

  it('holds for the default route', () => {
    const applied = of('tools/call', route(NAME_TOOL, 'data_x'));
    expect(applied).toEqual(['global 7', 'tool 2', 'client 3', 'client+tool 4']);
  });
});

it('a method that no revision has is judged by its name, if some limit names one', () => {
  const { limits, of } = compile({
    rateLimits: [
      { per: 'global', requests: 1, methods: ['acme/run'] },
      { per: 'client', requests: 2 },
    ],
  });
  expect(limits.namesUnknown).toBe(true);
  const applied = (name: string) => limits.ofUnknownMethod(null, name).limits.map(({ per }) => per);
  expect(applied('acme/run')).toEqual(['global', 'client']);
  expect(applied('acme/other')).toEqual(['client']);
  expect(of('tools/list', null)).toEqual(['client 2']);
  expect(limits.routeless[METHOD_UNKNOWN]!.limits.map(({ per }) => per)).toEqual(['client']);
});

it('a plan without limits costs nothing', () => {
  const { limits, of } = compile({});
  expect(limits.isEmpty).toBe(true);
  expect(of('tools/call', null)).toEqual([]);
});

it('one tool has one budget, whichever endpoint and plan it is reached by', () => {
  const first = compile({});
  const second = compile({ rateLimits: ONE_EACH });
  const keys = [
    first.route(NAME_TOOL, 'math_add'),
    first.route(NAME_TOOL, 'add', 1),
    second.route(NAME_TOOL, 'math_add'),
  ].map(({ limitLow, limitHigh }) => `${limitLow} ${limitHigh}`);
  expect(new Set(keys).size).toBe(1);
  const other = first.route(NAME_TOOL, 'data_add');
  expect(`${other.limitLow} ${other.limitHigh}`).not.toBe(keys[0]);
});
