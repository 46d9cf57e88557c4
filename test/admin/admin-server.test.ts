import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { AdminServer } from '../../src/admin/admin-server.ts';
import type { AdminSource } from '../../src/admin/admin-server.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

const silent = () => undefined;
const errors: unknown[] = [];
const logger = {
  debug: silent,
  info: silent,
  warn: silent,
  error: (fields: object) => void errors.push(fields),
};

async function open(changes: Partial<AdminSource> = {}, host = '127.0.0.1') {
  let requests = 0;
  const source: AdminSource = {
    plan: () => ({ allowedHosts: null }),
    readiness: () => ({ ready: true }),
    metrics: () => Promise.resolve('# numbers\n'),
    onRequest: () => (requests += 1),
    ...changes,
  };
  const server = new AdminServer({ host, port: 0 }, source, logger);
  const address = await server.start();
  closing.push(() => server.stop());
  return { ...address, server, requests: () => requests };
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false };
    const outgoing = request(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

describe('the admin listener', () => {
  it('answers metrics, health and readiness, and nothing else', async () => {
    const { port, requests } = await open();
    expect(await ask(port, '/metrics?x=1')).toMatchObject({
      status: 200,
      body: '# numbers\n',
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    });
    expect(await ask(port, '/healthz')).toMatchObject({ status: 200, body: 'ok\n' });
    expect(await ask(port, '/readyz')).toMatchObject({ status: 200, body: '{"ready":true}\n' });
    for (const path of ['/', '/mcp', '/metrics/', '/Metrics', '//metrics', '/readyz/x']) {
      expect((await ask(port, path)).status).toBe(404);
    }
    expect(requests()).toBe(9);
  });

  it('is not ready with 503 and a body that says why', async () => {
    const { port } = await open({ readiness: () => ({ ready: false, shards: [{ index: 1 }] }) });
    const reply = await ask(port, '/readyz');
    expect(reply.status).toBe(503);
    expect(JSON.parse(reply.body)).toEqual({ ready: false, shards: [{ index: 1 }] });
  });

  it('takes GET and HEAD only', async () => {
    const { port } = await open();
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const reply = await ask(port, '/metrics', {}, method);
      expect([reply.status, reply.headers.allow]).toEqual([405, 'GET, HEAD']);
    }
    const head = await ask(port, '/metrics', {}, 'HEAD');
    expect(head).toMatchObject({ status: 200, body: '', headers: { 'content-length': '10' } });
  });

  it('refuses names that are not its own, so that no page in a browser reads it', async () => {
    let allowedHosts: string[] | null = null;
    const { port } = await open({ plan: () => ({ allowedHosts }) });
    const status = async (headers: Record<string, string>) =>
      (await ask(port, '/metrics', headers)).status;
    expect(await status({ host: `localhost:${port}` })).toBe(200);
    expect(await status({ host: 'evil.example' })).toBe(403);
    expect(await status({ host: '192.0.2.1' })).toBe(403);
    expect(await status({ origin: 'https://evil.example' })).toBe(403);
    expect(await status({ origin: `http://localhost:${port}` })).toBe(200);
    allowedHosts = ['sluice.internal']; // after a reload
    expect(await status({ host: `sluice.internal:${port}` })).toBe(200);
    expect(await status({ host: `127.0.0.1:${port}` })).toBe(200);
    expect(await status({ host: 'evil.example' })).toBe(403);
  });

  it('listening elsewhere takes any address and the names that are written down', async () => {
    const { port } = await open({ plan: () => ({ allowedHosts: ['sluice'] }) }, '0.0.0.0');
    const status = async (host: string) => (await ask(port, '/healthz', { host })).status;
    expect(await status('192.0.2.1:9')).toBe(200);
    expect(await status('sluice:8081')).toBe(200);
    expect(await status('evil.example')).toBe(403);
  });

  it('says 500 and logs why if numbers cannot be made, and lives on', async () => {
    const { port } = await open({ metrics: () => Promise.reject(new Error('secret detail')) });
    const reply = await ask(port, '/metrics');
    expect(reply).toMatchObject({ status: 500, body: 'internal error\n' });
    expect(errors.pop()).toMatchObject({ error: { message: 'secret detail' } });
    expect((await ask(port, '/healthz')).status).toBe(200);
  });

  it('answers nothing to a request without Host, or with a head that is too large', async () => {
    const { port } = await open();
    expect(await raw(port, 'GET /metrics HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 403 /);
    const filler = `X: ${'x'.repeat(20_000)}\r\n`;
    expect(await raw(port, `GET /metrics HTTP/1.1\r\nHost: localhost\r\n${filler}\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
  });

  it('names the address when its port is taken', async () => {
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    closing.push(() => new Promise((resolve) => taken.close(resolve)));
    const { port } = taken.address() as AddressInfo;
    const source = { ...({} as AdminSource) };
    const server = new AdminServer({ host: '127.0.0.1', port }, source, logger);
    await expect(server.start()).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringContaining(`127.0.0.1:${port}`) as string,
    });
    await server.stop();
  });

  it('turns connections away beyond its bound, and cuts those that are left when it stops', async () => {
    const { port, server } = await open();
    const sockets = Array.from({ length: 80 }, () => connect(port, '127.0.0.1'));
    closing.push(() => Promise.resolve(sockets.forEach((socket) => socket.destroy())));
    const closed = sockets.map((socket) => once(socket.on('error', silent), 'close'));
    await Promise.all(sockets.slice(0, 1).map((socket) => onceConnected(socket)));
    let gone = 0;
    for (const each of closed) void each.then(() => (gone += 1));
    await expect.poll(() => gone, { timeout: 10_000 }).toBe(80 - 64);
    await server.stop();
    await Promise.all(closed);
  });
});

async function onceConnected(socket: Socket): Promise<void> {
  if (socket.connecting) await once(socket, 'connect');
}

async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', silent);
  socket.end(bytes);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}
