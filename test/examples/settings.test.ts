/** The example settings are settings: they load, and say what their comments promise. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';

import { PlanSlots } from '../../src/config/compile.ts';
import { loadFile } from '../../src/config/load.ts';
import type { Plan } from '../../src/config/plan.ts';
import { ConfigError } from '../../src/config/problem.ts';
import { examplePath } from './example-process.ts';

const SECRET = 'a secret for tests, 32 bytes long or more';

function load(name: string, environment: Record<string, string>): Plan {
  return loadFile(examplePath(name), { number: 1, slots: new PlanSlots(), environment }).plan;
}

describe('examples/gateway.yaml', () => {
  it('needs nothing from the environment and starts its servers from its own folder', () => {
    const plan = load('gateway.yaml', {});
    expect(plan.upstreams.map(({ name, kind }) => [name, kind])).toEqual([
      ['math', 'stdio'],
      ['data', 'http'],
      ['admin', 'stdio'],
    ]);
    const [math, data] = plan.upstreams;
    expect(math).toMatchObject({
      stdio: { args: ['math.js'], cwd: dirname(examplePath('math.js')) },
    });
    expect(data).toMatchObject({ http: { url: 'http://127.0.0.1:9001/mcp' } });
  });

  it('takes the address of the data server from DATA_URL', () => {
    const plan = load('gateway.yaml', { DATA_URL: 'http://127.0.0.1:4711/mcp' });
    expect(plan.upstreams[1]).toMatchObject({ http: { url: 'http://127.0.0.1:4711/mcp' } });
  });
});

describe('examples/secure-gateway.yaml', () => {
  it('lets nobody in without a secret, or with a short one', () => {
    expect(() => load('secure-gateway.yaml', {})).toThrow(ConfigError);
    expect(() => load('secure-gateway.yaml', { JWT_SECRET: 'short' })).toThrow(ConfigError);
  });

  it('asks for a token, and for scopes on every route', () => {
    const plan = load('secure-gateway.yaml', { JWT_SECRET: SECRET });
    expect(plan.auth.required).toBe(true);
    expect(plan.routes.length).toBe(5);
    expect(JSON.stringify(plan.routes)).toContain('calc:*');
    expect(plan.rateLimits.length).toBeGreaterThanOrEqual(3);
  });
});

it.each(['gateway.yaml', 'secure-gateway.yaml'])(
  '%s names the schema that editors complete from',
  (name) => {
    const text = readFileSync(examplePath(name), 'utf8');
    expect(text.split('\n')[0]).toBe('# yaml-language-server: $schema=../sluice.schema.json');
  },
);
