/** Much at once, much in one piece, and clients that do not read: over real sockets, rings and threads. */
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { CANCEL_CLIENT_GONE, CANCEL_SLOW_CLIENT } from '../../shared/frame-kind.ts';
import { CREDIT_BYTES } from '../../shared/limits.ts';
import { Harness, testPlan } from './support/edge-harness.ts';
import type { EchoResult, FakeStatus } from './support/edge-harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

async function statuses(): Promise<FakeStatus[]> {
  return (await harness.edge.status()) as FakeStatus[];
}

/** Asks the shards again and again: each answer is a turn of theirs. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await harness.edge.status();
}

describe('many requests at once', () => {
  it('1,000 of them on two shards each get the answer to their own question', async () => {
    harness = await Harness.start();
    const calls = Array.from({ length: 1000 }, async (_, i) => {
      const reply = await harness.call('echo', { i }, { id: `call-${i}` });
      expect(JSON.parse(reply.body)).toMatchObject({ id: `call-${i}`, result: { params: { i } } });
      return (JSON.parse(reply.body) as { result: EchoResult }).result.shard;
    });
    const shards = await Promise.all(calls);
    expect(shards.filter((shard) => shard === 0).length).toBeGreaterThan(100);
    expect(shards.filter((shard) => shard === 1).length).toBeGreaterThan(100);
    expect(harness.edge.openExchanges).toBe(0);
  });

  it('300 of them, each answered by a stream of events, get their own events and no others', async () => {
    harness = await Harness.start();
    const eventOf = (message: object): string =>
      `event: message\ndata: ${JSON.stringify(message)}\n\n`;
    const calls = Array.from({ length: 300 }, async (_, call) => {
      const [events, bytes] = [call % 9, (call % 7) * 1500];
      const reply = await harness.call('stream', { events, bytes }, { id: call });
      const fill = 'x'.repeat(bytes);
      const sent = Array.from({ length: events }, (_, i) => eventOf({ i, fill })).join('');
      const whole = sent + eventOf({ jsonrpc: '2.0', id: call, result: {} });
      expect([call, reply.body === whole]).toEqual([call, true]);
    });
    await Promise.all(calls);
    expect(harness.edge.openExchanges).toBe(0);
  });

  it('are refused with 503 while the ring is full, and what was taken is answered', async () => {
    const region = { ringInBytes: 64 * 1024, tables: [{ name: 'test', bytes: 128 }] };
    harness = await Harness.start(testPlan({ shards: 1 }), { region });
    await harness.call('block');
    const fill = 'x'.repeat(4000);
    const calls = Array.from({ length: 40 }, () => harness.call('echo', { fill }));
    const refused = await Promise.race(
      calls.map(async (call) => {
        const reply = await call;
        if (reply.status === 200) throw new Error('a blocked shard answered');
        return reply;
      }),
    );
    expect(refused.status).toBe(503);
    expect(refused.headers['retry-after']).toBe('1');
    unblock();
    const replies = await Promise.all(calls);
    const taken = replies.filter((reply) => reply.status === 200);
    expect(taken.length).toBeGreaterThan(5);
    expect(taken.length + replies.filter((reply) => reply.status === 503).length).toBe(40);
    expect((await harness.call('echo', { fill })).status).toBe(200);
  });
});

function unblock(): void {
  const word = new Int32Array(harness.edge.region, harness.edge.layout.tables['test']!.offset, 1);
  Atomics.store(word, 0, 1);
  Atomics.notify(word, 0);
}

describe('a large body', () => {
  it('of 4 MiB travels in several frames and arrives whole', async () => {
    harness = await Harness.start();
    const envelope = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'size', params: { f: '' } });
    const body = envelope.replace('""', `"${'z'.repeat(4 * 1024 * 1024 - envelope.length)}"`);
    const reply = await harness.fetch({ body });
    const { result } = JSON.parse(reply.body) as { result: EchoResult };
    expect(result.bytes).toBe(4 * 1024 * 1024);
    expect(harness.edge.stats().bodyBytes).toBe(0);
  });

  it('does not make the small ones beside it fail', async () => {
    const region = { ringInBytes: 128 * 1024, tables: [{ name: 'test', bytes: 128 }] };
    harness = await Harness.start(testPlan({ shards: 1 }), { region });
    const fill = 'x'.repeat(3_000_000);
    const large = Array.from({ length: 4 }, () => harness.call('size', { fill }));
    const small = Array.from({ length: 50 }, () => harness.call('echo', { i: 1 }));
    const replies = await Promise.all([...large, ...small]);
    expect(replies.map((reply) => reply.status)).toEqual(new Array(54).fill(200));
    expect(harness.edge.stats().bodyBytes).toBe(0);
  });

  it('whose client leaves while it waits for room is cancelled and forgotten', async () => {
    const region = { ringInBytes: 64 * 1024, tables: [{ name: 'test', bytes: 128 }] };
    harness = await Harness.start(testPlan({ shards: 1 }), { region });
    await harness.call('block');
    const left = new AbortController();
    const call = harness.call('size', { fill: 'x'.repeat(1_000_000) }, { signal: left.signal });
    const gone = expect(call).rejects.toThrow();
    while (harness.edge.openExchanges === 0) await nextTurn();
    expect(harness.edge.stats().bodyBytes).toBeGreaterThan(900_000);
    left.abort();
    await gone;
    while (harness.edge.stats().bodyBytes > 0) await nextTurn();
    unblock();
    await until(() => harness.edge.openExchanges === 0);
    expect((await statuses())[0]!.cancels).toEqual([CANCEL_CLIENT_GONE]);
    expect((await harness.call('echo')).status).toBe(200);
  });
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a client that does not read', () => {
  const events = 2000;
  const bytes = 10_000;
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'stream',
    params: { events, bytes },
  });

  it('holds up its own stream within its credit, and nobody else', async () => {
    harness = await Harness.start(testPlan({ shards: 1 }));
    const response = await harness.open({ body });
    await until(() => harness.edge.stats().stalledSockets === 1);
    await until(async () => {
      const [before] = await statuses();
      const [after] = await statuses();
      return before!.sentBytes === after!.sentBytes;
    });
    const [status] = await statuses();
    expect(status!.sentBytes).toBeLessThan(events * bytes);
    // Sent, less what the socket took: that is all the gateway holds of it.
    expect(status!.sentBytes - status!.creditedBytes).toBeLessThanOrEqual(CREDIT_BYTES);
    expect((await harness.call('echo')).status).toBe(200);

    let received = 0;
    for await (const chunk of response) received += (chunk as Buffer).length;
    expect(received).toBeGreaterThan(events * bytes);
    expect(harness.edge.openExchanges).toBe(0);
    expect(harness.edge.stats().stalledSockets).toBe(0);
  });

  it('is dropped after a while, and its shard is told why', async () => {
    harness = await Harness.start(testPlan({ shards: 1 }), { slowClientMs: 1 });
    const response = await harness.open({ body });
    await until(async () => (await statuses())[0]!.cancels.includes(CANCEL_SLOW_CLIENT));
    await until(() => harness.edge.openExchanges === 0);
    const error = once(response, 'error');
    response.resume();
    await error;
  });

  it('and one that leaves has its exchange cancelled', async () => {
    harness = await Harness.start(testPlan({ shards: 1 }));
    const response = await harness.open({
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'openStream', params: {} }),
    });
    expect(harness.edge.openExchanges).toBe(1);
    response.destroy();
    await until(() => harness.edge.openExchanges === 0);
    expect((await statuses())[0]!.cancels).toEqual([CANCEL_CLIENT_GONE]);
  });
});

describe('a shard that gives an exchange up', () => {
  it('before it answered leaves a plain error under the id it had told', async () => {
    harness = await Harness.start();
    const reply = await harness.call('abort', { fault: 'UPSTREAM_TIMEOUT' }, { id: 77 });
    expect(reply.status).toBe(504);
    expect(JSON.parse(reply.body)).toMatchObject({ id: 77, error: { code: -31003 } });
  });

  it('within an event stream leaves an error event', async () => {
    harness = await Harness.start();
    const params = { fault: 'UPSTREAM_CLOSED', stream: true };
    const reply = await harness.call('abort', params, { id: 'é' });
    expect(reply.status).toBe(200);
    // The server may open a silent stream with a comment.
    expect(reply.body.replace(/^:\n\n/, '')).toMatch(
      /^event: message\ndata: \{.*"id":"é","error":\{"code":-31004.*\}\n\n$/,
    );
  });
});
