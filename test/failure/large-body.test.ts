/** Results and requests of all sizes: complete, unchanged, and never in memory as a whole. */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';

import { Client, closeClients, sha256 } from './support/client.ts';
import { RunningGateway, stopGateways } from './support/gateway.ts';
import { RogueHttp, pour, stopRogues } from './support/rogue-http.ts';
import type { RogueCall, RogueTool } from './support/rogue-http.ts';
import { rogueStdio } from './support/rogue-stdio.ts';
import { SlowReader, closeSlowReaders } from './support/slow-reader.ts';

afterEach(async () => {
  closeClients();
  closeSlowReaders();
  await stopGateways();
  await stopRogues();
});

const KIB = 1024;
const MIB = 1024 * KIB;

/** Enough that what each of them holds shows in the memory of the process. */
const SLOW_READERS = 40;

/** Text of so many bytes that is nowhere the same. */
function letters(bytes: number): string {
  let text = '';
  for (let at = 0; text.length < bytes; at += 1) text += `${at.toString(36)} "é\\`.slice(0, 16);
  return text.slice(0, bytes);
}

const json: RogueTool = (call) => {
  const body = Buffer.from(call.message(letters(Number(call.args['bytes']))));
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  void pour(call.connection, [head, body]);
};
const chunked: RogueTool = (call) => {
  const body = Buffer.from(call.message(letters(Number(call.args['bytes']))));
  const parts: (string | Buffer)[] = [
    'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
  ];
  for (let at = 0; at < body.length; at += 50_000) {
    const part = body.subarray(at, at + 50_000);
    parts.push(`${part.length.toString(16)}\r\n`, part, '\r\n');
  }
  void pour(call.connection, [...parts, '0\r\n\r\n']);
};
const events: RogueTool = (call) => {
  const body = call.message(letters(Number(call.args['bytes'])));
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n';
  void pour(call.connection, [head, 'event: message\ndata: ', body, '\n\n']).then(() =>
    call.connection.socket.end(),
  );
};

/** A result of so many MiB, made as it is sent. */
function pourMib(call: RogueCall, mib: number): void {
  const [before = '', after = ''] = call.message('@').split('@');
  const block = 'x'.repeat(MIB);
  const bytes = before.length + mib * MIB + after.length;
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n`;
  const parts = function* (): Generator<string> {
    yield head + before;
    for (let i = 0; i < mib; i += 1) yield block;
    yield after;
  };
  void pour(call.connection, parts());
}

/** Announces a large result, and sends the beginning of it only. */
const half: RogueTool = (call) => {
  const body = Buffer.from(call.message(letters(1 * MIB)));
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  void pour(call.connection, [head, body.subarray(0, 100 * KIB)]);
};

const tools: Record<string, RogueTool> = {
  json,
  chunked,
  events,
  half,
  pour: (call) => pourMib(call, Number(call.args['mib'])),
};

describe('a result', () => {
  it.each([1 * KIB, 100 * KIB, 300 * KIB, 1 * MIB, 5 * MIB])(
    'of %i bytes over HTTP comes as it is, in both eras',
    async (bytes) => {
      const [modern, legacy] = await Promise.all(
        (['modern', 'legacy'] as const).map((era) => RogueHttp.start({ era, tools })),
      );
      const gateway = await RunningGateway.start({
        upstreams: { modern: modern!.config, legacy: legacy!.config },
      });
      const expected = sha256(letters(bytes));
      const client = new Client(gateway.url);
      const session = new Client(gateway.url);
      await session.initialize();
      for (const caller of [client, session]) {
        for (const upstream of ['modern', 'legacy']) {
          for (const tool of ['json', 'chunked', 'events']) {
            const name = `${upstream}_${tool}`;
            expect(sha256(await caller.text(name, { bytes })), name).toBe(expected);
          }
        }
      }
    },
  );

  it('of 5 MB over stdio comes as it is, from the shard that owns the process and from the other', async () => {
    const gateway = await RunningGateway.start({ upstreams: { big: rogueStdio() } });
    const expected = sha256('x'.repeat(5 * MIB));
    for (let i = 0; i < 4; i += 1) {
      const session = new Client(gateway.url); // sessions are dealt out in turn
      await session.initialize();
      expect(sha256(await session.text('big_size', { bytes: 5 * MIB }))).toBe(expected);
    }
  });

  it('of 100 MB passes through without staying', async () => {
    const rogue = await RogueHttp.start({ era: 'modern', tools });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const client = new Client(gateway.url);
    await client.text('up_pour', { mib: 2 });
    const before = gateway.rssMib;
    const [body, send] = client.modern(
      'tools/call',
      { name: 'up_pour', arguments: { mib: 100 } },
      'mine',
    );
    const response = await client.send(body, send);
    let bytes = 0;
    let peak = 0;
    let edges = '';
    const content = createHash('sha256');
    for await (const part of response) {
      const buffer = part as Buffer;
      bytes += buffer.length;
      content.update(buffer);
      edges = (edges + buffer.toString('latin1')).replaceAll(/x{3,}/g, 'xx');
      peak = Math.max(peak, gateway.rssMib - before);
    }
    expect(bytes).toBeGreaterThan(100 * MIB);
    expect(JSON.parse(edges.replaceAll(/x+/g, 'x'))).toMatchObject({
      id: 'mine',
      result: { content: [{ type: 'text', text: 'x' }] },
    });
    expect(peak).toBeLessThan(80);
  });
});

describe('a request', () => {
  it('of 3 MB reaches HTTP and stdio servers as it is', async () => {
    const rogue = await RogueHttp.start({ era: 'modern' });
    const gateway = await RunningGateway.start({
      upstreams: { up: rogue.config, io: rogueStdio() },
    });
    const blob = letters(3 * MIB - 400 * KIB);
    const client = new Client(gateway.url);
    for (let i = 0; i < 3; i += 1) {
      for (const name of ['up_echo', 'io_echo']) {
        const text = await client.text(name, { blob });
        expect(sha256((JSON.parse(text) as { blob: string }).blob)).toBe(sha256(blob));
      }
    }
  });

  it('over the limit is refused, and the next one is served', async () => {
    const rogue = await RogueHttp.start({ era: 'modern' });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const client = new Client(gateway.url);
    const [body, send] = client.modern('tools/call', {
      name: 'up_echo',
      arguments: { blob: 'b'.repeat(4.5 * MIB) },
    });
    const outcome = await client
      .post(body, send)
      .catch((error: NodeJS.ErrnoException) => error.code);
    // The connection may be cut while the body is still being sent.
    if (typeof outcome === 'object') expect(outcome.status).toBe(413);
    else expect(['ECONNRESET', 'EPIPE']).toContain(outcome);
    expect(await client.text('up_echo', { a: 1 })).toBe('{"a":1}');
  });
});

describe('a result that is announced to be large', () => {
  it('goes on to the client from its first byte', async () => {
    const rogue = await RogueHttp.start({ era: 'modern', tools });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const call = new Client(gateway.url).modern('tools/call', { name: 'up_half', arguments: {} });
    const reader = await SlowReader.start(gateway.url, call);
    const { bytes } = await reader.read(90 * KIB);
    expect(bytes).toBeGreaterThanOrEqual(90 * KIB);
  });
});

describe('a client that does not read', () => {
  it('a result of 20 MB costs less than 1 MB of memory and holds up nobody', async () => {
    const rogue = await RogueHttp.start({ era: 'modern', tools });
    const gateway = await RunningGateway.start({ upstreams: { up: rogue.config } });
    const client = new Client(gateway.url);
    await client.text('up_pour', { mib: 2 });
    const before = gateway.rssMib;
    const readers = await Promise.all(
      Array.from({ length: SLOW_READERS }, (_, i) =>
        SlowReader.start(
          gateway.url,
          client.modern('tools/call', { name: 'up_pour', arguments: { mib: 20 } }, i),
        ),
      ),
    );
    await rogue.called(SLOW_READERS);
    for (let i = 0; i < 50; i += 1) expect(await client.text('up_echo', { i })).toBe(`{"i":${i}}`);
    // What the heap grows by under any load, and what the readers hold.
    expect(gateway.rssMib - before).toBeLessThan(20 + SLOW_READERS);
    const answers = await Promise.all(readers.slice(0, 3).map((reader) => reader.read(20 * MIB)));
    for (const { bytes } of answers) expect(bytes).toBeGreaterThanOrEqual(20 * MIB);
    // Those that left in the middle free what they held.
    for (const reader of readers.slice(3)) reader.socket.destroy();
    for (let i = 0; i < 20; i += 1) expect(await client.text('up_echo', { i })).toBe(`{"i":${i}}`);
    expect(await client.text('up_echo', { a: 2 })).toBe('{"a":2}');
  });

  it('what a stdio server tells of its progress is cut off, told so, and costs nobody else', async () => {
    const gateway = await RunningGateway.start({
      log: { level: 'debug' },
      upstreams: { io: rogueStdio() },
    });
    const client = new Client(gateway.url);
    await client.text('io_echo');
    const before = gateway.rssMib;
    for (let i = 0; i < 2; i += 1) {
      const logged = gateway.err.length;
      const [body, send] = client.modern(
        'tools/call',
        { name: 'io_chatter', arguments: { count: 400, bytes: 50_000 } },
        `slow-${i}`,
      );
      const message = JSON.parse(body) as { params: { _meta: object } };
      Object.assign(message.params._meta, { progressToken: 1 });
      const reader = await SlowReader.start(gateway.url, [JSON.stringify(message), send]);
      await gateway.said(/CLIENT_TOO_SLOW/, 'err', logged);
      expect(await client.text('io_echo', { i })).toBe(`{"i":${i}}`);
      expect(gateway.rssMib - before).toBeLessThan(80);
      // A pipe that many calls share cannot be held back for one of them: CLIENT_TOO_SLOW.
      const { bytes, tail } = await reader.read(20 * MIB);
      expect(bytes).toBeLessThan(20 * MIB);
      expect(tail).toContain('-31023');
      expect(tail).toContain(`slow-${i}`);
    }
  });
});
