import net from 'node:net';
import tls from 'node:tls';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { DirectWriter } from '../../src/transport/direct-write.ts';
import { selfSigned } from '../support/self-signed.ts';

/** More than the buffers of both ends of a loopback connection take. */
const LARGE_BYTES = 16 * 1024 * 1024;

const open: { destroy(): void }[] = [];
const servers: net.Server[] = [];

afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Both ends of a connection; the accepted end does not read yet. */
async function connect(): Promise<{ client: net.Socket; accepted: net.Socket }> {
  const server = net.createServer({ pauseOnConnect: true });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [[accepted]] = (await Promise.all([
    once(server, 'connection'),
    once(client, 'connect'),
  ])) as [[net.Socket], unknown];
  open.push(client, accepted);
  return { client, accepted };
}

/** All bytes until the end. */
async function readAll(socket: net.Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function counting(bytes: number, from: number): Buffer {
  const pattern = Buffer.from(Array.from({ length: 251 }, (_, index) => (index + from) % 251));
  return Buffer.alloc(bytes, pattern);
}

describe('DirectWriter on a plain socket', () => {
  it('hands the bytes to the kernel at once, past the stream, and they may be changed', async () => {
    const { client, accepted } = await connect();
    const streamed = vi.spyOn(client, 'write');
    const writer = new DirectWriter(client);
    const bytes = Buffer.from('one ');
    expect(writer.write(bytes)).toBe(true);
    bytes.write('two ');
    expect(writer.write(bytes.subarray(0, 3))).toBe(true);
    expect([writer.isHolding, writer.isRefused]).toEqual([false, false]);
    client.end();
    expect((await readAll(accepted)).toString()).toBe('one two');
    expect(streamed).not.toHaveBeenCalled();
    expect(client.bytesWritten).toBe(7);
  });

  it('does so for an accepted socket as well', async () => {
    const { client, accepted } = await connect();
    const streamed = vi.spyOn(accepted, 'write');
    expect(new DirectWriter(accepted).write(Buffer.from('hello'))).toBe(true);
    accepted.end();
    expect((await readAll(client)).toString()).toBe('hello');
    expect(streamed).not.toHaveBeenCalled();
  });

  it('holds what the kernel does not take, keeps all in order, and tells when it is gone', async () => {
    const { client, accepted } = await connect();
    const writer = new DirectWriter(client);
    const drained = vi.fn();
    client.on('drain', drained);
    const parts = [counting(LARGE_BYTES, 0), counting(LARGE_BYTES, 100), counting(1000, 7)];
    expect(parts.map((part) => writer.write(part))).toEqual([false, false, false]);
    await turn();
    expect([writer.isHolding, drained.mock.calls.length]).toEqual([true, 0]);
    const received = readAll(accepted);
    await once(client, 'drain');
    expect(writer.isHolding).toBe(false);
    expect(writer.write(parts[2] as Buffer)).toBe(true);
    client.end();
    expect((await received).equals(Buffer.concat([...parts, parts[2] as Buffer]))).toBe(true);
  });

  it('holds more than one write of several sockets at a time', async () => {
    const pairs = await Promise.all([connect(), connect(), connect()]);
    const parts = [1, 2, 3].map((seed) => counting(LARGE_BYTES, seed));
    const writers = pairs.map(({ client }) => new DirectWriter(client));
    expect(writers.map((writer, i) => writer.write(parts[i] as Buffer))).toEqual(
      parts.map(() => false),
    );
    for (const { client } of pairs) client.end();
    const received = await Promise.all(pairs.map(({ accepted }) => readAll(accepted)));
    expect(received.map((bytes, i) => bytes.equals(parts[i] as Buffer))).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('fails as a write of the stream does when the other end is gone', async () => {
    const outcomes = [];
    for (const isDirect of [false, true]) {
      const { client, accepted } = await connect();
      client.pause(); // a read would find the reset first
      accepted.resetAndDestroy();
      await once(accepted, 'close');
      const failed = once(client, 'error') as Promise<[NodeJS.ErrnoException]>;
      const writer = new DirectWriter(client);
      const bytes = Buffer.from('lost');
      if (isDirect) writer.write(bytes);
      else client.write(bytes);
      expect(writer.isRefused).toBe(isDirect);
      const [{ code, syscall, errno, message }] = await failed;
      await once(client, 'close');
      outcomes.push({ code, syscall, errno, message });
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(outcomes[1]?.code).toMatch(/^(EPIPE|ECONNRESET)$/);
  });

  it('ends the socket with the error that meets held bytes', async () => {
    const { client, accepted } = await connect();
    const failed = once(client, 'error') as Promise<[NodeJS.ErrnoException]>;
    expect(new DirectWriter(client).write(counting(LARGE_BYTES, 0))).toBe(false);
    accepted.resetAndDestroy();
    const [{ code }] = await failed;
    expect(code).toMatch(/^(EPIPE|ECONNRESET)$/);
    expect(client.destroyed).toBe(true);
  });

  it('lets a socket be destroyed under held bytes', async () => {
    const { client } = await connect();
    const onError = vi.fn();
    client.on('error', onError);
    expect(new DirectWriter(client).write(counting(LARGE_BYTES, 0))).toBe(false);
    client.destroy();
    await once(client, 'close');
    expect(onError).not.toHaveBeenCalled();
  });
});

describe('DirectWriter where it has to leave the work to the stream', () => {
  it('writes behind what the stream has queued', async () => {
    const { client, accepted } = await connect();
    const writer = new DirectWriter(client);
    client.cork();
    client.write('a');
    expect(writer.write(Buffer.from('b'))).toBe(false);
    client.uncork();
    await turn();
    expect(writer.isHolding).toBe(false);
    expect(writer.write(Buffer.from('c'))).toBe(true);
    client.end();
    expect((await readAll(accepted)).toString()).toBe('abc');
  });

  it('waits for a connection that is being opened', async () => {
    const { accepted: other } = await connect();
    const client = net.connect(other.localPort as number, '127.0.0.1');
    open.push(client);
    const writer = new DirectWriter(client);
    expect([writer.write(Buffer.from('early')), writer.isHolding]).toEqual([false, true]);
    const [accepted] = (await once(servers[0] as net.Server, 'connection')) as [net.Socket];
    open.push(accepted);
    client.end();
    expect((await readAll(accepted)).toString()).toBe('early');
  });

  it('refuses what comes after the end, as the stream does', async () => {
    const { client } = await connect();
    const failed = once(client, 'error') as Promise<[NodeJS.ErrnoException]>;
    client.end();
    const writer = new DirectWriter(client);
    writer.write(Buffer.from('late'));
    expect((await failed)[0].code).toBe('ERR_STREAM_WRITE_AFTER_END');
  });

  it('is harmless on a socket that was destroyed', async () => {
    const { client } = await connect();
    const writer = new DirectWriter(client);
    client.destroy();
    writer.write(Buffer.from('late'));
    await once(client, 'close');
    expect(client.errored).toBe(null);
  });

  it('never goes below TLS', async () => {
    const { cert, key } = selfSigned();
    const server = tls.createServer({ cert, key });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const client = tls.connect({ port, host: '127.0.0.1', ca: cert });
    const [[accepted]] = (await Promise.all([
      once(server, 'secureConnection'),
      once(client, 'secureConnect'),
    ])) as [[net.Socket], unknown];
    open.push(client, accepted);
    const streamed = vi.spyOn(client, 'write');
    new DirectWriter(client).write(Buffer.from('secret'));
    client.end();
    expect((await readAll(accepted)).toString()).toBe('secret');
    expect(streamed).toHaveBeenCalledOnce();
  });

  it('takes a stream that is no socket of the system for what it is', async () => {
    const seen: Buffer[] = [];
    const stream = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _, done) => {
        seen.push(chunk);
        done();
      },
    });
    new DirectWriter(stream as net.Socket).write(Buffer.from('bytes'));
    await turn();
    expect(Buffer.concat(seen).toString()).toBe('bytes');
  });
});
