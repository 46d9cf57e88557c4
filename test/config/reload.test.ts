import { describe, expect, it } from 'vitest';
import { PlanSlots } from '../../src/config/compile.ts';
import { loadObject } from '../../src/config/load.ts';
import type { Plan } from '../../src/config/plan.ts';
import { planDiff, type PlanDiff } from '../../src/config/plan-diff.ts';
import { ConfigError } from '../../src/config/problem.ts';
import { Reloader, type PlanSource } from '../../src/config/reload.ts';
import type { ConfigInput } from '../../src/config/schema.ts';

const stdio = (command: string): ConfigInput['upstreams'][string] => ({ stdio: { command } });

/** A reloader that starts with `first`; `applied` lists what reached the shards. */
function open(
  first: ConfigInput,
  apply: (plan: Plan, diff: PlanDiff) => Promise<void> = () => Promise.resolve(),
) {
  const slots = new PlanSlots();
  const source =
    (config: ConfigInput): PlanSource =>
    (number) =>
      loadObject({ shards: 1, ...config }, { number, slots });
  const { plan } = source(first)(1);
  const applied: number[] = [];
  const reloader = new Reloader({
    plan,
    slots,
    apply: async (next, diff) => {
      await apply(next, diff);
      applied.push(next.number);
    },
  });
  return { reloader, source, applied, slots };
}

describe('a reload', () => {
  it('tells which upstreams came, went and changed', async () => {
    const { reloader, source } = open({
      upstreams: { a: stdio('a'), b: stdio('b'), c: stdio('c') },
    });
    const { diff, plan } = await reloader.reload(
      source({ upstreams: { d: stdio('d'), c: stdio('c'), b: stdio('other') } }),
    );
    expect(diff).toEqual({
      added: ['d'],
      removed: ['a'],
      changed: ['b'],
      unchanged: ['c'],
      refused: [],
    });
    expect(plan.number).toBe(2);
    expect(reloader.plan).toBe(plan);
  });

  it('leaves slots with their names', async () => {
    const { reloader, source } = open({ upstreams: { a: stdio('a'), b: stdio('b') } });
    const { plan } = await reloader.reload(source({ upstreams: { c: stdio('c'), b: stdio('b') } }));
    expect(plan.upstreams.map(({ name, slot }) => [name, slot])).toEqual([
      ['c', 2],
      ['b', 1],
    ]);
  });

  it('leaves a limit its budget unless the limit itself changed', async () => {
    const limits = (requests: number): ConfigInput => ({
      upstreams: { a: stdio('a') },
      rateLimits: [{ requests }, { per: 'tool', requests: 5 }, { per: 'tool', requests: 5 }],
      routes: [{ tools: '*', upstream: 'a', rateLimit: { requests: 7 } }],
    });
    const { reloader, source } = open(limits(1));
    const slots = (plan: Plan): (number | undefined)[] =>
      [...plan.rateLimits, plan.routes[0]?.rateLimit].map((limit) => limit?.slot);
    expect(slots(reloader.plan)).toEqual([0, 1, 2, 3]);
    const { plan } = await reloader.reload(source(limits(2)));
    expect(slots(plan)).toEqual([4, 1, 2, 3]);
  });

  it.each<[string, Partial<ConfigInput>]>([
    ['listen.host', { listen: { host: 'localhost' } }],
    ['listen.port', { listen: { port: 1 } }],
    ['listen.server', { listen: { server: 'node' } }],
    ['shards', { shards: 2 }],
    ['admin', { admin: { port: 1 } }],
    ['limits.rateLimitKeysMax', { limits: { rateLimitKeysMax: 64 } }],
    ['limits.sessionsMax', { limits: { sessionsMax: 64 } }],
  ])('refuses to change %s, and says so', async (path, change) => {
    const { reloader, source, applied } = open({ upstreams: { a: stdio('a') } });
    const before = reloader.plan;
    const refused = await reloader
      .reload(source({ upstreams: { a: stdio('b') }, ...change }))
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConfigError);
    expect((refused as ConfigError).problems.map((problem) => problem.path)).toEqual([path]);
    expect(reloader.plan).toBe(before);
    expect(applied).toEqual([]);
  });

  it('keeps the old plan when the settings have problems, or a shard refuses them', async () => {
    let isRefusing = false;
    const { reloader, source } = open({ upstreams: { a: stdio('a') } }, () =>
      isRefusing ? Promise.reject(new Error('refused by shard 0')) : Promise.resolve(),
    );
    const before = reloader.plan;
    await expect(reloader.reload(source({ upstreams: {} }))).rejects.toThrow(ConfigError);
    isRefusing = true;
    await expect(reloader.reload(source({ upstreams: { b: stdio('b') } }))).rejects.toThrow(
      'refused by shard 0',
    );
    expect(reloader.plan).toBe(before);
    isRefusing = false;
    const { plan } = await reloader.reload(source({ upstreams: { c: stdio('c') } }));
    expect(plan.number).toBe(4); // a number is never used twice
  });

  it('waits for the one before it, and is one if it has not begun', async () => {
    const gates: (() => void)[] = [];
    const { reloader, source, applied } = open(
      { upstreams: { a: stdio('a') } },
      () => new Promise((resolve) => gates.push(resolve)),
    );
    const first = reloader.reload(source({ upstreams: { b: stdio('b') } }));
    await Promise.resolve();
    const again = source({ upstreams: { c: stdio('c') } });
    const second = reloader.reload(again);
    expect(reloader.reload(again)).toBe(second);
    await expect.poll(() => gates.length, { timeout: 10_000 }).toBe(1);
    expect(applied).toEqual([]);
    gates[0]?.();
    await first;
    await expect.poll(() => gates.length, { timeout: 10_000 }).toBe(2);
    gates[1]?.();
    expect((await second).plan.upstreams[0]?.name).toBe('c');
    expect(applied).toEqual([2, 3]);
  });

  it('finds no difference between a plan and itself', () => {
    const { reloader } = open({ upstreams: { a: stdio('a') } });
    expect(planDiff(reloader.plan, reloader.plan)).toEqual({
      added: [],
      removed: [],
      changed: [],
      unchanged: ['a'],
      refused: [],
    });
  });
});
