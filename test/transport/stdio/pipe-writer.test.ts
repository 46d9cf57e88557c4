import { Writable } from 'node:stream';

import { describe, expect, it } from 'vitest';

import { PipeWriter } from '../../../src/transport/stdio/pipe-writer.ts';

/** A pipe that notes each write, and takes none while `isStuck`. */
class NotedPipe extends Writable {
  readonly writes: string[] = [];
  isStuck = false;
  #release: (() => void) | null = null;

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.writes.push(chunk.toString('latin1'));
    if (this.isStuck) this.#release = done;
    else done();
  }

  release(): void {
    this.isStuck = false;
    this.#release?.();
  }
}

const turnEnd = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function sendTo(writer: PipeWriter): (text: string) => boolean {
  return (text) => {
    const bytes = Buffer.from(`<${text}>`);
    return writer.tryWrite(bytes, 1, bytes.length - 1);
  };
}

describe('PipeWriter', () => {
  it('collects the lines of one turn in one write, and copies them at once', async () => {
    const pipe = new NotedPipe();
    const writer = new PipeWriter(pipe, 1_000);
    const bytes = Buffer.from('{"id":1}');
    writer.tryWrite(bytes, 0, bytes.length);
    bytes.fill('!');
    sendTo(writer)('{"id":2}');
    expect(pipe.writes).toEqual([]);
    await turnEnd();
    sendTo(writer)('{"id":3}');
    await turnEnd();

    expect(pipe.writes).toEqual(['{"id":1}\n{"id":2}\n', '{"id":3}\n']);
  });

  it('keeps what waits in a stuck pipe intact while new lines are written', async () => {
    const pipe = new NotedPipe();
    const writer = new PipeWriter(pipe, 1_000);
    const send = sendTo(writer);
    pipe.isStuck = true;
    for (const text of ['a', 'b', 'c', 'd']) {
      send(text);
      await turnEnd();
    }
    pipe.release();
    await turnEnd();
    expect(pipe.writes.join('')).toBe('a\nb\nc\nd\n');
  });

  it('refuses a line over the bound, sends what it accepted, and accepts again once it was read', async () => {
    const pipe = new NotedPipe();
    const writer = new PipeWriter(pipe, 20);
    const send = sendTo(writer);
    pipe.isStuck = true;
    expect([send('0123456789'), send('012345678'), send('')]).toEqual([true, false, true]);
    await turnEnd();
    expect(writer.waitingBytes).toBe(12);
    expect(send('0123456789')).toBe(false);

    pipe.release();
    await turnEnd();
    expect(writer.waitingBytes).toBe(0);
    expect(send('0123456789')).toBe(true);
    await turnEnd();
    expect(pipe.writes.join('')).toBe('0123456789\n\n0123456789\n');
  });

  it('accepts one line longer than the bound while nothing waits', async () => {
    const pipe = new NotedPipe();
    const writer = new PipeWriter(pipe, 100);
    const long = 'x'.repeat(300_000);
    expect(sendTo(writer)(long)).toBe(true);
    expect(sendTo(writer)('next')).toBe(false);
    await turnEnd();
    expect(sendTo(writer)('next')).toBe(true);
    await turnEnd();
    expect(pipe.writes.join('')).toBe(`${long}\nnext\n`);
  });

  it.each(['a\nb', '\n', 'a\n', 'a\rb', '\r'])(
    'stops on the line break in %j and sends nothing of it',
    async (text) => {
      const pipe = new NotedPipe();
      const writer = new PipeWriter(pipe, 1_000);
      const send = sendTo(writer);
      send('before');
      expect(() => send(text)).toThrow('a message is one line');
      send('after');
      await turnEnd();
      expect(pipe.writes).toEqual(['before\nafter\n']);
    },
  );

  it('sends what it accepted before the end of input, and refuses lines after it', async () => {
    const pipe = new NotedPipe();
    const writer = new PipeWriter(pipe, 1_000);
    sendTo(writer)('last');
    writer.end();
    expect(pipe.writes).toEqual(['last\n']);
    expect(sendTo(writer)('late')).toBe(false);
    await turnEnd();
    expect(pipe.writableFinished).toBe(true);
  });

  it('refuses lines once the pipe is broken', () => {
    const pipe = new NotedPipe();
    const writer = new PipeWriter(pipe, 1_000);
    pipe.destroy();
    expect(sendTo(writer)('x')).toBe(false);
  });
});
