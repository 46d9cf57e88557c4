import { afterEach, describe, expect, it } from 'vitest';
import { Harness, sessionIdFor, testPlan } from './support/edge-harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

describe('a request', () => {
  it('reaches a shard with its body and comes back under its own id', async () => {
    harness = await Harness.start();
    const reply = await harness.call('echo', { a: 1 }, { id: 'seven' });
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(JSON.parse(reply.body)).toMatchObject({ id: 'seven', result: { params: { a: 1 } } });
  });
});
