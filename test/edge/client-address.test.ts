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

function authPlan(methods: readonly PlanAuthMethod[], required = true, number = 1): Plan {
  const plan = testPlan({ number });
  return { ...plan, auth: { ...plan.auth, mode: 'methods', required, methods } };
}

async function peerOf(authorization?: string): Promise<string> {
  const headers = authorization === undefined ? {} : { authorization };
  return (await harness.result<EchoResult>('echo', {}, { headers })).peer;
}

/** A call that the shard answers with this status. */
async function answered(status: number, authorization: string): Promise<void> {
  await harness.call('status', { status }, { headers: { authorization } });
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

  it('stays away with a token that was accepted, and only with that one', async () => {
    harness = await Harness.start({ ...authPlan([TOKENS]), rateLimits: [ANY_LIMIT] });
    expect([await peerOf('Bearer a'), await peerOf('Bearer a')]).toEqual([LOCAL, '']);
    expect([await peerOf('Bearer b'), await peerOf()]).toEqual([LOCAL, LOCAL]);
  });

  it('comes back with a token once that is refused', async () => {
    harness = await Harness.start(authPlan([TOKENS]));
    await answered(200, 'Bearer a');
    await answered(403, 'Bearer a');
    expect(await peerOf('Bearer a')).toBe('');
    await answered(401, 'Bearer a');
    expect(await peerOf('Bearer a')).toBe(LOCAL);
  });

  it('does not stay away for an answer that says nothing about the token', async () => {
    harness = await Harness.start(authPlan([TOKENS]));
    for (const status of [401, 403, 404, 429, 503]) await answered(status, 'Bearer a');
    expect(await peerOf('Bearer a')).toBe(LOCAL);
  });

  it('comes with every request where something else may have been accepted', async () => {
    harness = await Harness.start(authPlan([TOKENS, API_KEYS]));
    expect([await peerOf('Bearer a'), await peerOf('Bearer a')]).toEqual([LOCAL, LOCAL]);
  });

  it('comes with every token anew after a new plan', async () => {
    harness = await Harness.start(authPlan([TOKENS]));
    await answered(200, 'Bearer a');
    await harness.edge.applyPlan(authPlan([TOKENS], true, 2));
    expect(await peerOf('Bearer a')).toBe(LOCAL);
  });

  it('comes with a body that arrives in parts, as a plan that needs it may have come meanwhile', async () => {
    harness = await Harness.start(testPlan());
    const finish = await harness.slowCall('/mcp', 'echo');
    await harness.edge.applyPlan(testPlan({ number: 2, rateLimits: [ANY_LIMIT] }));
    expect((await finish()).body).toContain(`"peer":"${LOCAL}"`);
  });
});
