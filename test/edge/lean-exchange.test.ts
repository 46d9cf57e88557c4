/** What the lean server holds back, and in how many writes it leaves. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HttpExchange } from '../../src/edge/http-server.ts';
import { DirectWriter } from '../../src/transport/direct-write.ts';
import { get, post, ServerBench } from '../cases/http-server.ts';
import { replyText, writeText } from '../support/http-recorder.ts';
import type { RawSocket } from '../support/raw-socket.ts';

describe('what a lean exchange holds back', () => {
  let bench: ServerBench;
  const write = vi.spyOn(DirectWriter.prototype, 'write');

  beforeEach(async () => {
    bench = new ServerBench();
    await bench.start('lean');
    bench.listener.onComplete = () => undefined;
    write.mockClear();
  });
  afterEach(() => bench.stop());

  async function ask(path: string): Promise<{ socket: RawSocket; exchange: HttpExchange }> {
    const socket = await bench.connect();
    await socket.send(post(path, 'x'));
    await bench.listener.heard(`end ${path}`);
    return { socket, exchange: bench.listener.requests.at(-1)!.exchange };
  }

  it('leaves in one write with the end of the answer', async () => {
    const { socket, exchange } = await ask('/whole');
    exchange.holdBack();
    exchange.begin(200, 'text/event-stream', []);
    for (let i = 0; i < 100; i += 1) writeText(exchange, `data: ${i}\n\n`);
    expect(write).not.toHaveBeenCalled();
    exchange.end();
    expect(write).toHaveBeenCalledTimes(1);
    expect(exchange.sendHeld()).toBe(true);
    expect(write).toHaveBeenCalledTimes(1);
    expect((await socket.answers())[0]!.body).toContain('data: 99\n\n');
  });

  it('leaves in one write at the end of the turn, and nothing if there was nothing', async () => {
    const { exchange } = await ask('/part');
    exchange.holdBack();
    exchange.begin(200, 'text/event-stream', []);
    exchange.cork(() => void writeText(exchange, 'data: 1\n\n'));
    expect(write).not.toHaveBeenCalled();
    expect(exchange.sendHeld()).toBe(true);
    expect(write).toHaveBeenCalledTimes(1);
    exchange.holdBack();
    expect(exchange.sendHeld()).toBe(true);
    expect(write).toHaveBeenCalledTimes(1);
  });

  it('takes a piece that is too large for the slab along, without a write of its own', async () => {
    const { socket, exchange } = await ask('/large');
    const large = 'x'.repeat(60_000);
    exchange.holdBack();
    exchange.begin(200, 'text/plain', []);
    writeText(exchange, 'small');
    writeText(exchange, large);
    expect(write).toHaveBeenCalledTimes(1);
    writeText(exchange, 'last');
    exchange.end();
    expect(write).toHaveBeenCalledTimes(2);
    expect((await socket.answers())[0]!.body === `small${large}last`).toBe(true);
  });

  it('fits with the end of the answer, to the last byte of the slab', async () => {
    for (let bytes = 16_100; bytes <= 16_384; bytes += 1) {
      const { socket, exchange } = await ask(`/${bytes}`);
      exchange.holdBack();
      exchange.begin(200, 'text/plain', []);
      writeText(exchange, 'y'.repeat(bytes));
      exchange.end();
      expect([bytes, (await socket.answers())[0]!.body.length]).toEqual([bytes, bytes]);
      socket.destroy();
    }
  });

  it('tells at its end that the socket is full, and later that it goes on', async () => {
    const { socket, exchange } = await ask('/slow');
    socket.socket.pause();
    exchange.begin(200, 'text/event-stream', []);
    const text = 'z'.repeat(10_000);
    let bytes = 0;
    let isTaken = true;
    while (isTaken) {
      exchange.holdBack();
      expect(writeText(exchange, text)).toBe(true);
      bytes += text.length;
      isTaken = exchange.sendHeld();
    }
    exchange.holdBack();
    expect(writeText(exchange, text)).toBe(false); // known to be full, and taken all the same
    expect(exchange.sendHeld()).toBe(false);
    bytes += text.length;
    socket.socket.resume();
    await bench.listener.heard('writable /slow');
    exchange.end();
    expect((await socket.answers())[0]!.body.length).toBe(bytes);
  });

  it('goes with the connection of a client that leaves', async () => {
    const { socket, exchange } = await ask('/leaves');
    exchange.holdBack();
    exchange.begin(200, 'text/plain', []);
    writeText(exchange, 'secret');
    socket.destroy();
    await bench.listener.heard('aborted /leaves');
    exchange.sendHeld();
    const other = await ask('/other');
    replyText(other.exchange, 'mine');
    expect((await other.socket.answers())[0]!.body).toBe('mine');
    expect(other.socket.text).not.toContain('secret');
  });

  it('goes with the connection of a client that sends another request behind it', async () => {
    const { socket, exchange } = await ask('/behind');
    exchange.holdBack();
    exchange.begin(200, 'text/plain', []);
    writeText(exchange, 'secret');
    await socket.send(get('/second'));
    await socket.closed;
    expect([bench.counts.pipelined, socket.text]).toEqual([1, '']);
    const other = await ask('/other');
    replyText(other.exchange, 'mine');
    expect(other.socket.text + (await other.socket.answers())[0]!.body).not.toContain('secret');
  });

  it('is no beginning for the answer of another: that fails before a byte of it is written', async () => {
    const one = await ask('/one');
    const two = await ask('/two');
    one.exchange.holdBack();
    one.exchange.begin(200, 'text/plain', []);
    expect(() => replyText(two.exchange, 'mine')).toThrow('held back');
    expect(() => two.exchange.begin(200, 'text/plain', [])).toThrow('held back');
    expect(write).not.toHaveBeenCalled();
    one.exchange.end();
  });
});
