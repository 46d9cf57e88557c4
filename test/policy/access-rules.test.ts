import { describe, expect, it } from 'vitest';
import { planOf } from '../../src/config/load.ts';
import type { PlanArgumentRule } from '../../src/config/plan.ts';
import { AccessRules } from '../../workers/policy/access-rules.ts';
import { ArgumentRules } from '../../workers/policy/argument-rules.ts';
import { ANONYMOUS, Principal } from '../../workers/policy/principal.ts';
import { ScopeSet } from '../../workers/policy/scope-set.ts';

function caller(...scopes: string[]): Principal {
  const identity = {
    issuer: 'i',
    subject: 's',
    clientId: 'c',
    scopes,
    expiresAtMs: Infinity,
    method: 'm',
  };
  return new Principal(identity, new ScopeSet(scopes), null, false);
}

function access(
  requiredScopes: string[],
  when: PlanArgumentRule[] = [],
): { requiredScopes: string[]; when: PlanArgumentRule[] } {
  return { requiredScopes, when };
}

describe('who may use a route', () => {
  const rules = new AccessRules([access([]), access(['calc:*']), access(['a', 'b:x', 'c:**'])]);

  it('is everyone where nothing is required, and who has every scope elsewhere', () => {
    expect(rules.mayList(0, ANONYMOUS)).toBe(true);
    expect(rules.mayList(1, ANONYMOUS)).toBe(false);
    expect(rules.mayList(1, caller('calc:add'))).toBe(true);
    expect(rules.mayList(2, caller('a', 'b:*'))).toBe(false);
    expect(rules.mayList(2, caller('a', 'b:*', 'c:d:e'))).toBe(true);
    expect(rules.mayList(2, caller('**'))).toBe(true);
  });

  it('gives the same answer again, and another one by other rules', () => {
    const alice = caller('calc:add');
    const others = new AccessRules([access(['calc:add']), access(['never'])]);
    for (let i = 0; i < 3; i += 1) {
      expect(rules.mayList(1, alice)).toBe(true);
      expect(rules.mayList(2, alice)).toBe(false);
      expect(others.mayList(0, alice)).toBe(true);
      expect(others.mayList(1, alice)).toBe(false);
    }
  });

  it('is nobody for a route that does not exist', () => {
    expect(rules.mayList(3, caller('**'))).toBe(false);
    expect(rules.allowsArguments(3, {})).toBe(false);
  });

  it('names every missing scope, and asks a caller without credentials for some', () => {
    expect(rules.missingScopes(2, caller('b:*'))).toEqual(['a', 'c:**']);
    expect(rules.fault(2, caller('b:*'))).toBe('SCOPE_INSUFFICIENT');
    expect(rules.fault(2, ANONYMOUS)).toBe('UNAUTHENTICATED');
    expect(rules.fault(0, ANONYMOUS)).toBeNull();
  });

  it('follows the routes of a plan, the default route last', () => {
    const plan = planOf({
      upstreams: { math: { http: { url: 'http://127.0.0.1:1/mcp' } } },
      routes: [
        { default: true, upstream: 'math', requiredScopes: ['rest'] },
        {
          tools: 'read_*',
          upstream: 'math',
          requiredScopes: ['fs:read'],
          when: { arguments: { path: { startsWith: '/srv/' } } },
        },
        { tools: 'math_*', upstream: 'math', priority: 5, requiredScopes: ['calc:*'] },
      ],
    });
    const compiled = AccessRules.ofPlan(plan);
    const indexOf = (glob: string): number =>
      plan.routes.find((route) => route.glob === glob)?.index ?? -1;
    expect(compiled.mayList(indexOf('math_*'), caller('calc:x'))).toBe(true);
    expect(compiled.mayList(indexOf('read_*'), caller('fs:read'))).toBe(true);
    expect(compiled.needsArguments(indexOf('read_*'))).toBe(true);
    expect(compiled.needsArguments(indexOf('math_*'))).toBe(false);
    expect(compiled.mayList(plan.routes.length, caller('rest'))).toBe(true);
    expect(compiled.mayList(plan.routes.length, caller('calc:x'))).toBe(false);
  });
});

function holds(rule: PlanArgumentRule, args: unknown): boolean {
  return new ArgumentRules([rule]).hold(args);
}

describe('conditions on arguments', () => {
  const path = ['v'];
  const cases: [PlanArgumentRule, unknown[], unknown[]][] = [
    [{ path, op: 'equals', value: 'a' }, ['a'], ['A', 'ab', '', 1, null, ['a'], { a: 'a' }, true]],
    [{ path, op: 'equals', value: 1 }, [1, 1.0], ['1', 2, true, null, [1]]],
    [{ path, op: 'equals', value: null }, [null], [0, '', false, 'null', {}]],
    [{ path, op: 'equals', value: true }, [true], ['true', 1, false]],
    [{ path, op: 'oneOf', values: ['a', 2, null] }, ['a', 2, null], ['2', 'b', 0, undefined]],
    [
      { path, op: 'range', min: 1, max: 5 },
      [1, 5, 2.5],
      [0.999, 5.001, '3', null, true, [3], 1e999],
    ],
    [{ path, op: 'range', min: null, max: 0 }, [-5, 0, -0], [1, NaN, -Infinity]],
    [{ path, op: 'exists', exists: true }, [0, '', null, false, {}], []],
    [
      { path, op: 'startsWith', prefix: 'ab' },
      ['ab', 'abc'],
      ['a', 'xab', 'AB', 1, null, ['ab'], { 0: 'ab' }],
    ],
    [
      { path, op: 'pattern', pattern: '[a-z]+-\\d{2,3}' },
      ['x-12', 'abc-123'],
      ['x-1', 'X-12', 'x-12 ', ' x-12', 12],
    ],
    [
      { path, op: 'pattern', pattern: '^(a|ab)(c|bcd)$' },
      ['ac', 'abcd', 'abc'],
      ['ab', 'xabcd', 'abcdx'],
    ],
    [{ path, op: 'glob', glob: '*.md' }, ['a.md', '.md', 'a/b.md', 'a\n.md'], ['a.mdx', 'amd', 1]],
    [
      { path, op: 'glob', glob: 'v?.{js,ts}' },
      ['v1.js', 'v2.ts'],
      ['v.js', 'v12.js', 'v/.js', 'v1.jsx'],
    ],
    [{ path, op: 'glob', glob: '[!ab]\\*[0-9]' }, ['c*1'], ['a*1', 'cx1', 'c*x']],
  ];

  it.each(cases)('%j', (rule, good, bad) => {
    for (const value of good) expect(holds(rule, { v: value }), JSON.stringify(value)).toBe(true);
    for (const value of bad) expect(holds(rule, { v: value }), JSON.stringify(value)).toBe(false);
    for (const args of [{}, { V: good[0] }, [], null, 'v', 7, undefined, [good[0]]]) {
      expect(holds(rule, args), JSON.stringify(args)).toBe(false);
    }
  });

  it('exists: false holds only where there is nothing', () => {
    const rule: PlanArgumentRule = { path: ['a', 'b'], op: 'exists', exists: false };
    for (const args of [{}, { a: {} }, { a: 1 }, { a: null }, undefined])
      expect(holds(rule, args)).toBe(true);
    for (const args of [{ a: { b: 1 } }, { a: { b: null } }]) expect(holds(rule, args)).toBe(false);
  });

  it('must all hold', () => {
    const rules = new ArgumentRules([
      { path: ['n'], op: 'range', min: 0, max: null },
      { path: ['who', 'name'], op: 'equals', value: 'a' },
    ]);
    expect(rules.hold({ n: 1, who: { name: 'a' } })).toBe(true);
    expect(rules.hold({ n: -1, who: { name: 'a' } })).toBe(false);
    expect(rules.hold({ n: 1, who: { name: 'b' } })).toBe(false);
    expect(rules.hold({ n: 1, 'who.name': 'a' })).toBe(false);
  });

  it('reads own members only, also those with odd names', () => {
    expect(holds({ path: ['constructor', 'name'], op: 'equals', value: 'Object' }, {})).toBe(false);
    expect(holds({ path: ['__proto__', 'a'], op: 'exists', exists: true }, {})).toBe(false);
    const parsed: unknown = JSON.parse('{"__proto__":{"a":1}}');
    expect(holds({ path: ['__proto__', 'a'], op: 'equals', value: 1 }, parsed)).toBe(true);
    expect(holds({ path: ['toString'], op: 'exists', exists: true }, {})).toBe(false);
    expect(holds({ path: ['toString'], op: 'exists', exists: false }, {})).toBe(true);
    expect(holds({ path: ['length'], op: 'exists', exists: true }, [1])).toBe(false);
  });
});

describe('paths in arguments', () => {
  const within = (value: unknown): boolean =>
    holds({ path: ['path'], op: 'startsWith', prefix: '/srv/' }, { path: value });

  it('stay below a folder', () => {
    for (const path of [
      '/srv/',
      '/srv/a',
      '/srv/a/b.txt',
      '/srv/..a',
      '/srv/a..',
      '/srv/...',
      '/srv/a/..b/c',
    ])
      expect(within(path), path).toBe(true);
  });

  it.each([
    '/srv/../etc/passwd',
    '/srv/a/../../etc/passwd',
    '/srv/..',
    '/srv/../',
    '/srv/..\\..\\windows',
    '/srv/a\\..\\..',
    '/srv/%2e%2e/etc',
    '/srv/%2E./etc',
    '/srv/.%2e/etc',
    '/srv/a%2f..%2f..%2fetc',
    '/srv/a%5C..%5Cetc',
    '/etc/srv/',
    ' /srv/a',
    'srv/a',
    '/SRV/a',
    `/srv/${'a'.repeat(4_096)}`,
  ])('are refused when they leave it: %s', (path) => {
    expect(within(path)).toBe(false);
  });

  it('are watched by globs and patterns that are about paths, and by no others', () => {
    const glob: PlanArgumentRule = { path: ['v'], op: 'glob', glob: '/srv/*' };
    const pattern: PlanArgumentRule = { path: ['v'], op: 'pattern', pattern: '/srv/.*' };
    for (const rule of [glob, pattern]) {
      expect(holds(rule, { v: '/srv/a/b' })).toBe(true);
      expect(holds(rule, { v: '/srv/../etc' })).toBe(false);
    }
    expect(holds({ path: ['v'], op: 'startsWith', prefix: '..' }, { v: '../x' })).toBe(true);
  });
});

describe('texts made to be slow', () => {
  it.each([
    { path: ['v'], op: 'glob', glob: '*a*a*a*a*a*a*b' },
    { path: ['v'], op: 'pattern', pattern: '(a|aa)+(a+)+b' },
  ] as PlanArgumentRule[])('cost no more than others: %j', (rule) => {
    const rules = new ArgumentRules([rule]);
    const began = process.cpuUsage().user;
    expect(rules.hold({ v: 'a'.repeat(4_096) })).toBe(false);
    expect(process.cpuUsage().user - began).toBeLessThan(2_000_000);
  });
});
