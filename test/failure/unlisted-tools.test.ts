/** Calls of tools that are in no list: who decides, the list or the name (docs/decisions/0017). */
import { afterEach, describe, expect, it } from 'vitest';

import type { ConfigInput } from '../../src/config/schema.ts';
import { Client, closeClients } from './support/client.ts';
import { RunningGateway, stopGateways } from './support/gateway.ts';
import { RogueHttp, stopRogues } from './support/rogue-http.ts';

afterEach(async () => {
  closeClients();
  await stopGateways();
  await stopRogues();
});

const UNKNOWN_TOOL = -32602;

/** A server that lists `echo` alone and answers to any name, and a client of the gateway before it. */
async function start(
  config: Omit<ConfigInput, 'upstreams'> = {},
): Promise<{ client: Client; rogue: RogueHttp }> {
  const rogue = await RogueHttp.start({ era: 'modern' });
  const gateway = await RunningGateway.start({ upstreams: { up: rogue.config }, ...config });
  return { client: new Client(gateway.url), rogue };
}

describe('a tool that its upstream does not list', () => {
  it('is called there if the name bears the prefix, and answered by the upstream', async () => {
    const { client, rogue } = await start();
    expect(await client.text('up_hidden', { a: 1 })).toBe('{"a":1}');
    expect((await rogue.called()).request.head).toMatch(/^mcp-name: hidden\r$/im);
    const unknown = await client.call('other_hidden');
    expect(unknown.error).toMatchObject({ code: UNKNOWN_TOOL, message: 'unknown tool: other_hidden' }); // prettier-ignore
    expect(rogue.calls).toHaveLength(1);
  });

  it('is unknown where a list decides whose a name is', async () => {
    const { client, rogue } = await start({ names: { conflict: 'priority' } });
    expect(await client.text('echo', { a: 1 })).toBe('{"a":1}');
    expect((await client.call('hidden')).error?.code).toBe(UNKNOWN_TOOL);
    expect(rogue.calls).toHaveLength(1);
  });

  it('is unknown where there are routes and none is for it', async () => {
    const { client, rogue } = await start({ routes: [{ tools: 'up_e*', upstream: 'up' }] });
    expect(await client.text('up_extra', { a: 1 })).toBe('{"a":1}');
    expect((await client.call('up_hidden')).error?.code).toBe(UNKNOWN_TOOL);
    expect(rogue.calls).toHaveLength(1);
  });
});
