/** Shards that fail, each in its own way: who is told what, who is untouched, and what comes back. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { Harness, sessionIdFor, testPlan } from './support/edge-harness.ts';
import type { EchoResult, Reply } from './support/edge-harness.ts';

let harness: Harness;
afterEach(() => harness.stop());

const SHARD_LOST = -31021;
const on = (shard: number) => ({ headers: { 'mcp-session-id': sessionIdFor(shard) } });

interface ErrorMessage {
  readonly id: unknown;
  readonly error: { readonly code: number };
}

const idAndCode = (message: ErrorMessage) => ({ id: message.id, code: message.error.code });
const idAndCodeOf = (reply: Reply) => idAndCode(JSON.parse(reply.body) as ErrorMessage);

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk;
  return text;
}

async function untilOpen(count: number): Promise<void> {
  while (harness.edge.openExchanges < count) await new Promise((resolve) => setImmediate(resolve));
}

for (const way of ['throw', 'reject', 'exit', 'return', 'hang'] as const) {
  it(`a shard told to ${way} fails its own calls under their ids, no others, and is back`, async () => {
    harness = await Harness.start();
    const lost = [
      harness.call('hold', {}, { id: 'a', ...on(1) }),
      harness.call('hold', {}, { id: 12345678901234567890n.toString(), ...on(1) }),
    ];
    const kept = harness.call('hold', {}, { id: 'b', ...on(0) });
    await untilOpen(3);
    const last = harness.call(way, {}, { id: 'c', ...on(1) });

    const replies = await Promise.all([...lost, last]);
    expect(replies.map((reply) => reply.status)).toEqual([503, 503, 503]);
    expect(replies.map(idAndCodeOf)).toEqual([
      { id: 'a', code: SHARD_LOST },
      { id: '12345678901234567890', code: SHARD_LOST },
      { id: 'c', code: SHARD_LOST },
    ]);

    await harness.event('ready', 1, 2);
    expect(await harness.result('echo', {}, on(1))).toMatchObject({ shard: 1, generation: 2 });
    await harness.call('release', {}, on(0));
    expect((await kept).status).toBe(200);
    expect(await harness.result('echo', {}, on(0))).toMatchObject({ shard: 0, generation: 1 });
    expect(harness.edge.openExchanges).toBe(0);
    expect(harness.edge.readiness()).toMatchObject({
      ready: true,
      shards: [{ restarts: 0 }, { restarts: 1 }],
    });
  });
}

describe('when its shard dies', () => {
  it('an event stream between two events ends with an error event', async () => {
    harness = await Harness.start();
    const body = JSON.stringify({ jsonrpc: '2.0', id: 's', method: 'openStream', params: {} });
    const response = await harness.open({ body, ...on(1) });
    const text = textOf(response);
    await harness.call('throw', {}, on(1));
    const events = eventsOf(await text);
    expect(events.map(({ type }) => type)).toEqual(['message', 'message']);
    expect(idAndCode(JSON.parse(events[1]!.data) as ErrorMessage)).toEqual({
      id: 's',
      code: SHARD_LOST,
    });
  });

  it('an event that was cut is told apart from the error event behind it', async () => {
    harness = await Harness.start();
    const params = { cut: true };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 's', method: 'openStream', params });
    const response = await harness.open({ body, ...on(1) });
    const text = textOf(response);
    await harness.call('throw', {}, on(1));
    const events = eventsOf(await text);
    expect(events.map(({ type }) => type)).toEqual(['message', 'cut', 'message']);
    expect(idAndCode(JSON.parse(events[2]!.data) as ErrorMessage).code).toBe(SHARD_LOST);
  });

  it('what it had answered still arrives', async () => {
    harness = await Harness.start();
    const held = harness.call('hold', {}, on(1));
    await untilOpen(1);
    expect(await harness.result('answerAndExit', {}, on(1))).toEqual({ last: true });
    expect((await held).status).toBe(503);
  });

  it('a body that is no event stream is cut, so that nobody takes it for whole', async () => {
    harness = await Harness.start();
    const params = { bytes: 100, hold: true };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'json', params });
    const response = await harness.open({ body, ...on(1) });
    const failed = once(response, 'error');
    response.resume();
    await harness.call('throw', {}, on(1));
    await failed;
  });

  it('a batch is answered with an error for each of its ids, exactly as they were written', async () => {
    harness = await Harness.start();
    const ids = '[1, "a,]\\"", 12345678901234567890]';
    const calls = [
      harness.call('batch', { ids, isBatch: true }, on(1)),
      harness.call('batch', { ids: `["${'l'.repeat(200)}"]`, isBatch: false }, on(1)),
      harness.call('batch', { ids: '[7]', isBatch: true }, on(1)),
    ];
    await untilOpen(3);
    await harness.call('throw', {}, on(1));
    const [batch, long, single] = await Promise.all(calls);
    expect(batch!.body).toContain('"id":12345678901234567890,');
    const messages = JSON.parse(batch!.body) as ErrorMessage[];
    expect(messages.map((message) => message.id).slice(0, 2)).toEqual([1, 'a,]"']);
    expect(idAndCodeOf(long!)).toEqual({ id: 'l'.repeat(200), code: SHARD_LOST });
    expect((JSON.parse(single!.body) as ErrorMessage[]).map(idAndCode)).toEqual([
      { id: 7, code: SHARD_LOST },
    ]);
  });

  it('a request without an id is answered with id null', async () => {
    harness = await Harness.start();
    const body = JSON.stringify({ jsonrpc: '2.0', method: 'hold' });
    const call = harness.fetch({ body, ...on(1) });
    await untilOpen(1);
    await harness.call('throw', {}, on(1));
    expect(idAndCodeOf(await call)).toEqual({ id: null, code: SHARD_LOST });
  });

  it.runIf(process.platform === 'linux')('its child processes are killed', async () => {
    harness = await Harness.start();
    const own = await harness.result<{ pid: number }>('spawn', {}, on(1));
    const other = await harness.result<{ pid: number }>('spawn', {}, on(0));
    await harness.call('throw', {}, on(1));
    await harness.event('ready', 1, 2);
    while (isAlive(own.pid)) await harness.edge.status();
    expect(isAlive(other.pid)).toBe(true);
    await harness.stop();
    while (isAlive(other.pid)) await new Promise((resolve) => setImmediate(resolve));
  });

  it('time after time, it is started again', async () => {
    harness = await Harness.start(testPlan({ shards: 1 }));
    for (let generation = 1; generation <= 3; generation += 1) {
      expect((await harness.call('throw')).status).toBe(503);
      await harness.event('ready', 0, generation + 1);
    }
    expect((await harness.result<EchoResult>('echo')).generation).toBe(4);
  });

  it('and no other runs, new requests get 503', async () => {
    harness = await Harness.start(testPlan({ shards: 1 }));
    const lost = harness.event('lost', 0, 1);
    await harness.call('throw');
    await lost;
    const reply = await harness.call('echo', {}, { id: 1 });
    expect([200, 503]).toContain(reply.status); // a new one may run already
    await harness.event('ready', 0, 2);
    expect((await harness.call('echo')).status).toBe(200);
  });

  it('both at once are replaced, and join each other again', async () => {
    harness = await Harness.start();
    await Promise.all([harness.call('throw', {}, on(0)), harness.call('exit', {}, on(1))]);
    await Promise.all([harness.event('ready', 0, 2), harness.event('ready', 1, 2)]);
    expect(await harness.result('echo', {}, on(0))).toMatchObject({ generation: 2 });
    await untilJoined(0, [0, 2]);
    await untilJoined(1, [2, 0]);
  });
});

it('peers of a lost shard are told, leave its rings, and are joined with its successor', async () => {
  harness = await Harness.start(testPlan({ shards: 3 }));
  expect(await harness.result('peers', {}, on(0))).toEqual({ joined: [0, 1, 1] });
  await harness.call('throw', {}, on(1));
  await harness.event('ready', 1, 2);
  await untilJoined(0, [0, 2, 1]);
  await untilJoined(1, [1, 0, 1]);
});

/** A join may come after both ends are ready, if one answered late; and by a port, not by the ring. */
async function untilJoined(shard: number, generations: readonly number[]): Promise<void> {
  const wanted = JSON.stringify({ joined: generations });
  while (JSON.stringify(await harness.result('peers', {}, on(shard))) !== wanted);
}

function isAlive(pid: number): boolean {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '')[0];
    return state !== 'Z'; // dead, and nobody reaped it
  } catch {
    return false;
  }
}

/** Events as HTML, server-sent events, §9.2.6 reads them. */
function eventsOf(stream: string): { type: string; data: string }[] {
  const events: { type: string; data: string }[] = [];
  for (const block of stream.split('\n\n')) {
    let type = 'message';
    const data: string[] = [];
    for (const line of block.split('\n')) {
      if (line.startsWith('event: ')) type = line.slice(7);
      else if (line.startsWith('data: ')) data.push(line.slice(6));
    }
    if (data.length > 0) events.push({ type, data: data.join('\n') });
  }
  return events;
}
