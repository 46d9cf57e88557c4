import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HttpExchange } from '../../src/edge/http-server.ts';
import type { RequestParser } from '../../src/edge/request-parser.ts';
import { describeHttpAbuse } from '../cases/http-abuse.ts';
import { describeHttpFraming } from '../cases/http-framing.ts';
import { describeHttpHeld } from '../cases/http-held.ts';
import { describeHttpServer, get, post, ServerBench } from '../cases/http-server.ts';
import { HttpRecorder, replyText } from '../support/http-recorder.ts';

describe('the lean HTTP server', () => {
  describeHttpServer('lean');
  describeHttpFraming('lean');
  describeHttpHeld('lean');
  describeHttpAbuse('lean');
});

describe('the lean HTTP server alone', () => {
  let bench: ServerBench;
  beforeEach(() => {
    bench = new ServerBench();
  });
  afterEach(() => bench.stop());

  const large = Buffer.alloc(16_000_000, 'x');

  function answerLarge(): void {
    bench.listener.onComplete = ({ exchange }) => {
      exchange.reply(200, 'text/plain', [], large, 0, large.length);
    };
  }

  it('is what runs by itself', async () => {
    await bench.start('auto');
    expect(bench.server.implementation).toBe('lean');
  });

  it('gives up on a head that comes too slowly, and on a connection that says nothing', async () => {
    await bench.start('lean', { headersTimeoutMs: 100, idleTimeoutMs: 200 });
    const slow = await bench.connect();
    await slow.send(get('/slow').slice(0, -2));
    const silent = await bench.connect();
    const idle = await bench.connect();
    await idle.send(get('/idle'));
    await Promise.all([slow.closed, silent.closed, idle.closed]);
    expect(slow.text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(silent.text).toBe('');
    expect(idle.text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(bench.listener.paths).toEqual(['/idle']);
  });

  it('keeps a connection whose call takes longer than all limits', async () => {
    await bench.start('lean', { headersTimeoutMs: 50, idleTimeoutMs: 50, bodyTimeoutMs: 50 });
    bench.listener.onComplete = () => undefined;
    const running = await bench.connect();
    await running.send(post('/long', 'x'));
    await bench.listener.heard('end /long');
    const silent = await bench.connect();
    await silent.closed;
    replyText(bench.listener.requests[0]!.exchange, 'done');
    expect((await running.answers())[0]!.body).toBe('done');
  });

  it('closes behind an answer if the client said so', async () => {
    await bench.start('lean');
    const socket = await bench.connect();
    await socket.send(get('/', 'Connection: close\r\n'));
    const [answer] = await socket.answers();
    expect(answer!.headers.get('connection')).toBe('close');
    await socket.closed;
  });

  it('sends a large answer to its end to a client that has ended its side', async () => {
    await bench.start('lean');
    answerLarge();
    const socket = await bench.connect();
    socket.socket.pause();
    await socket.send(get('/large'));
    await bench.listener.heard('end /large');
    socket.socket.end();
    socket.socket.resume();
    expect((await socket.answers())[0]!.body.length).toBe(large.length);
    await socket.closed;
  });

  it('waits no longer than a moment for a client that stays after its last answer', async () => {
    await bench.start('lean');
    answerLarge();
    const client = connect({ port: bench.port, host: '127.0.0.1', allowHalfOpen: true });
    client.on('error', () => undefined);
    client.write(get('/last', 'Connection: close\r\n'));
    let bytes = 0;
    client.on('data', (chunk: Buffer) => (bytes += chunk.length));
    await once(client, 'end');
    expect(bytes).toBeGreaterThan(large.length);
    const closed = new Promise((resolve) => client.once('close', resolve));
    // Only whoever writes hears that nobody is there any more.
    const writer = setInterval(() => client.write('.'), 20);
    await closed;
    clearInterval(writer);
  });

  it('drops a client that takes no byte of a large answer, and none that takes some', async () => {
    // Longer than the kernel takes to hand out what it holds: until then it takes nothing from the server.
    await bench.start('lean', { stallTimeoutMs: 1000 });
    answerLarge();
    const deaf = await bench.connect();
    deaf.socket.pause();
    await deaf.send(get('/deaf'));
    const slow = await bench.connect();
    slow.socket.on('data', () => {
      slow.socket.pause();
      setTimeout(() => slow.socket.resume(), 2);
    });
    await slow.send(get('/slow'));
    const [answer] = await slow.answers();
    expect(answer!.body.length).toBe(large.length);
    deaf.socket.resume();
    await deaf.closed;
    expect(deaf.text.length).toBeLessThan(large.length);
  }, 20_000);

  it('answers each of many requests of one write that it can answer at once', async () => {
    await bench.start('lean');
    bench.listener.onComplete = ({ exchange, path }) => replyText(exchange, path);
    const socket = await bench.connect();
    const paths = Array.from({ length: 200 }, (_, index) => `/${index}`);
    await socket.send(paths.map((path) => post(path, 'x'.repeat(300))).join(''));
    const answers = await socket.answers(paths.length);
    expect(answers.map(({ body }) => body)).toEqual(paths);
  });

  it('disconnects a client that asks on and on and takes no answer', async () => {
    await bench.start('lean');
    bench.listener.onComplete = ({ exchange }) => replyText(exchange, 'x'.repeat(10_000));
    const socket = await bench.connect();
    socket.socket.pause();
    const requests = get('/again').repeat(500);
    while (bench.counts.pipelined === 0) await Promise.race([socket.send(requests), nextTurn()]);
    const answered = bench.listener.requests.length;
    await nextTurn();
    expect(bench.listener.requests.length).toBe(answered);
    socket.socket.resume();
    await socket.closed;
  });

  it('tells a listener of bytes what it tells one of text', async () => {
    const heard: string[] = [];
    class RawRecorder extends HttpRecorder {
      onRawHead(exchange: HttpExchange, head: RequestParser): boolean {
        heard.push(`${head.method} ${head.path} ${head.nameAt(0)} ${head.valueAt(0)}`);
        this.onHead(exchange, head.method, head.path, head.query);
        return this.onHeadEnd(exchange);
      }
    }
    const listener = new RawRecorder();
    await bench.start('lean', { listener });
    const socket = await bench.connect();
    await socket.send(post('/raw', 'body'));
    await socket.answers();
    expect(heard).toEqual(['POST /raw host a']);
    expect(listener.requests[0]!.body.toString()).toBe('body');
  });
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
