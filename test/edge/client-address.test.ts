/** With which requests a shard is told the client's address: whenever it could ask for it, and no more. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Plan, PlanAuthMethod } from '../../src/config/plan.ts';
import { ANY_LIMIT, Harness, testPlan } from './support/edge-harness.ts';
import type { EchoResult } from './support/edge-harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const LOCAL = '127.0.0.1';
const TOKENS: PlanAuthMethod = { kind: 'bearer', label: 'tokens', tokens: [] };
const API_KEYS: PlanAuthMethod = { kind: 'apiKey', label: 'keys', header: 'x-key', keys: [] };

function authPlan(methods: readonly PlanAuthMethod[], required = true): Plan {
  const plan = testPlan();
  return { ...plan, auth: { ...plan.auth, mode: 'methods', required, methods } };
}

async function peerOf(authorization?: string): Promise<string> {
  const headers = authorization === undefined ? {} : { authorization };
  return (await harness.result<EchoResult>('echo', {}, { headers })).peer;
}

describe("the client's address", () => {
  it('is not asked for where nothing needs it', async () => {
    harness = await Harness.start();
    expect([await peerOf(), await peerOf('Bearer a')]).toEqual(['', '']);
  });

  it('comes with every request where a caller without a name can be limited', async () => {
    harness = await Harness.start({ ...authPlan([TOKENS], false), rateLimits: [ANY_LIMIT] });
    expect([await peerOf('Bearer a'), await peerOf('Bearer a')]).toEqual([LOCAL, LOCAL]);
  });

  it('comes with every request where credentials can be wrong', async () => {
    for (const methods of [[TOKENS], [TOKENS, API_KEYS]]) {
      harness = await Harness.start(authPlan(methods));
      expect([await peerOf('Bearer a'), await peerOf('Bearer a'), await peerOf()]).toEqual([
        LOCAL,
        LOCAL,
        LOCAL,
      ]);
      await harness.stop();
    }
  });

  it('comes with a body that arrives in parts, as a plan that needs it may have come meanwhile', async () => {
    harness = await Harness.start(testPlan());
    const finish = await harness.slowCall('/mcp', 'echo');
    await harness.edge.applyPlan(testPlan({ number: 2, rateLimits: [ANY_LIMIT] }));
    expect((await finish()).body).toContain(`"peer":"${LOCAL}"`);
  });
});
