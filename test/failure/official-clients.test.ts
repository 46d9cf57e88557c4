/** What applications on the official clients see of a shard that dies, and what brings them back. */
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, describe, expect, it } from 'vitest';

import { closeClients, connectLegacy, connectModern, connectOn, textOf, type AnyClient } from '../interop/support/clients.ts'; // prettier-ignore
import { FusedGateway, stopFusedGateways } from './support/fused-gateway.ts';
import { RogueHttp, stopRogues } from './support/rogue-http.ts';
import { rogueStdio } from './support/rogue-stdio.ts';
import { settled } from './support/settled.ts';

afterEach(async () => {
  await closeClients();
  await stopFusedGateways();
  await stopRogues();
});

const SHARD_LOST = -31021;
const CALLS = 12;

interface Failure {
  readonly code?: unknown;
  readonly message: string;
}

/** A server that answers `hold` and `stream` when it is told to; of a stream it shows the beginning. */
async function holding(): Promise<{ readonly rogue: RogueHttp; release(): void }> {
  const held: (() => void)[] = [];
  const rogue = await RogueHttp.start({
    era: 'modern',
    tools: {
      hold: (call) => void held.push(() => call.reply('held')),
      stream: ({ connection, message, progressToken }) => {
        const params = { progressToken, progress: 1 };
        const note = { jsonrpc: '2.0', method: 'notifications/progress', params };
        connection.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n'); // prettier-ignore
        connection.write(`data: ${JSON.stringify(note)}\n\n`);
        held.push(() => {
          connection.write(`data: ${message('streamed')}\n\n`);
          connection.socket.end();
        });
      },
    },
  });
  return { rogue, release: () => held.splice(0).forEach((answer) => answer()) };
}

/** Calls that have reached the server; of `stream` the client has seen progress. */
async function begin(
  { rogue }: { readonly rogue: RogueHttp },
  client: AnyClient,
): Promise<Promise<string | Failure>[]> {
  let seen = 0;
  const before = rogue.calls.length;
  const settle = (call: ReturnType<AnyClient['call']>): Promise<string | Failure> =>
    call.then(textOf, (error: Failure) => error);
  const plain = Array.from({ length: CALLS }, () => settle(client.call('up_hold')));
  const streams = Array.from({ length: CALLS }, () =>
    settle(client.call('up_stream', {}, { onprogress: () => (seen += 1) })),
  );
  await rogue.called(before + 2 * CALLS - 1);
  await settled(() => seen === CALLS, 'the beginning of every stream');
  return [...plain, ...streams];
}

/** How a client tells of what the gateway said: as the error of the call, or as a failed request. */
function expectShardLost(outcome: string | Failure): void {
  if (typeof outcome === 'string') throw new Error(`answered by a lost shard: ${outcome}`);
  const isErrorOfCall = outcome.code === SHARD_LOST;
  const isFailedRequest = outcome.message.includes(`"code":${SHARD_LOST}`);
  expect({ outcome, isTold: isErrorOfCall || isFailedRequest }).toMatchObject({ isTold: true });
}

describe('an application on the client of 1.x', () => {
  it('gets an error for each running call, connects anew when its session is gone, and goes on', async () => {
    const server = await holding();
    const upstreams = { up: server.rogue.config, math: rogueStdio() };
    const gateway = await FusedGateway.start({ upstreams });
    const [client, other] = await Promise.all(
      [0, 1].map((shard) => connectOn(shard, () => connectLegacy(gateway.url))),
    );
    const lost = await begin(server, client!);
    const kept = await begin(server, other!);
    await gateway.end(0, 'throw');
    for (const outcome of await Promise.all(lost)) expectShardLost(outcome);
    server.release();
    expect(await Promise.all(kept)).toEqual(kept.map((_, i) => (i < CALLS ? 'held' : 'streamed')));

    // The session went with its shard, which says so with the status that means: initialize again.
    await expect(client!.call('up_echo')).rejects.toMatchObject({ code: 404 });
    const { v1 } = client!;
    await v1.close();
    const transport = new StreamableHTTPClientTransport(new URL(gateway.url));
    await v1.connect(transport as Parameters<typeof v1.connect>[0]);
    expect(transport.sessionId).not.toBe(undefined);
    for (const name of ['up_echo', 'math_echo'])
      expect(textOf(await client!.call(name, { a: 1 }))).toBe('{"a":1}');
    expect((await v1.listTools()).tools.map((tool) => tool.name)).toContain('up_hold');
    expect(textOf(await other!.call('up_echo', { a: 2 }))).toBe('{"a":2}');
  });
});

describe('an application on the client of 2.x, modern', () => {
  it('gets an error for what the shard carried, and the next call simply works', async () => {
    const server = await holding();
    const upstreams = { up: server.rogue.config, math: rogueStdio() };
    const gateway = await FusedGateway.start({ upstreams });
    const client = await connectModern(gateway.url, { pin: '2026-07-28' });
    const running = await begin(server, client);
    await gateway.end(0, 'exit');
    const next = Array.from({ length: CALLS }, (_, i) => client.call('up_echo', { i }));
    expect((await Promise.all(next)).map(textOf)).toEqual(next.map((_, i) => `{"i":${i}}`));

    server.release();
    const outcomes = await Promise.all(running);
    const failed = outcomes.filter((outcome) => typeof outcome !== 'string');
    for (const outcome of failed) expectShardLost(outcome);
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.length).toBeLessThan(outcomes.length);
    await gateway.ready(0, 2);
    const after = Array.from({ length: CALLS }, (_, i) => client.call('math_echo', { i }));
    expect((await Promise.all(after)).map(textOf)).toEqual(after.map((_, i) => `{"i":${i}}`));
  });
});
