import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PlanSlots } from '../../src/config/compile.ts';
import { loadFile, planOf } from '../../src/config/load.ts';
import { redactPlan } from '../../src/config/redact-plan.ts';

const file = fileURLToPath(new URL('cases/secured.yaml', import.meta.url));
const SECRET = 'a-very-secret-value-of-32-letters';

describe('a redacted plan', () => {
  it('holds none of the values that came from the environment', () => {
    const environment = { PORT: '1', SECRET, KEY: 'key-of-batch' };
    const { plan } = loadFile(file, { number: 1, slots: new PlanSlots(), environment });
    expect(JSON.stringify(plan)).toContain(SECRET);
    const text = JSON.stringify(redactPlan(plan));
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain('key=1'); // the query of an address
    expect(readFileSync(file, 'utf8')).toContain('key=1');
    expect(text).not.toMatch(/[0-9a-f]{64}(?<!"configHash":"[0-9a-f]{64})/);
  });

  it('keeps names and drops values of arguments, environment and headers', () => {
    const plan = planOf({
      upstreams: {
        a: { stdio: { command: 'run', args: ['--token', SECRET], env: { TOKEN: SECRET } } },
        b: { http: { url: 'http://127.0.0.1:1/mcp', headers: { Authorization: SECRET } } },
      },
    });
    const [a, b] = redactPlan(plan).upstreams;
    expect(a).toMatchObject({
      stdio: { command: 'run', args: ['[redacted]', '[redacted]'], env: [['TOKEN', '[redacted]']] },
    });
    expect(b).toMatchObject({
      http: { url: 'http://127.0.0.1:1/mcp', headers: [['authorization', '[redacted]']] },
    });
  });
});
