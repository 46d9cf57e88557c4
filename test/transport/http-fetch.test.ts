import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createHttpFetch,
  FetchError,
  isFetchable,
  loggableUrl,
} from '../../src/transport/http-fetch.ts';
import type { FetchAnswer, FetchRequest, HttpFetchPort } from '../../src/transport/http-fetch.ts';

let port: HttpFetchPort;
const open: (() => Promise<void>)[] = [];

beforeEach(() => {
  port = createHttpFetch({ connectionsMax: 2 });
});

afterEach(async () => {
  await port.close();
  for (const close of open.splice(0)) await close();
});

async function serverWith(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function get(url: string, changes: Partial<FetchRequest> = {}): Promise<FetchAnswer> {
  return port.fetch({
    method: 'GET',
    url,
    headers: {},
    body: null,
    timeoutMs: 5_000,
    bodyBytesMax: 1_000,
    ...changes,
  });
}

async function failure(promise: Promise<unknown>): Promise<FetchError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof FetchError) return error;
  throw new Error('expected a FetchError');
}

describe('a small HTTP request', () => {
  it('sends what it is given and hands over status, headers and body', async () => {
    const url = await serverWith((request, response) => {
      let body = '';
      request.on('data', (part) => (body += String(part)));
      request.on('end', () => {
        response.writeHead(201, { 'x-one': '1', 'x-two': ['a', 'b'] });
        response.end(`${request.method} ${request.url} ${request.headers['x-in']} ${body}`);
      });
    });
    const answer = await get(`${url}/p?q=1`, {
      method: 'POST',
      headers: { 'x-in': 'yes' },
      body: 'text',
    });
    expect(answer.body.toString()).toBe('POST /p?q=1 yes text');
    expect([
      answer.status,
      answer.header('x-one'),
      answer.header('x-two'),
      answer.header('x'),
    ]).toEqual([201, '1', 'a, b', null]);
  });

  it('follows no redirect', async () => {
    const url = await serverWith((_, response) =>
      response.writeHead(302, { location: '/there' }).end(),
    );
    expect((await get(url)).status).toBe(302);
  });

  it('takes an answer up to its bound and not a byte more', async () => {
    const url = await serverWith((request, response) =>
      response.end('x'.repeat(Number(request.url?.slice(1)))),
    );
    expect((await get(`${url}/1000`)).body).toHaveLength(1_000);
    expect(await failure(get(`${url}/1001`))).toMatchObject({ kind: 'too-large' });
  });

  it('ends in time, whether the head or the rest of the body does not come', async () => {
    const silent = await serverWith(() => undefined);
    expect(await failure(get(silent, { timeoutMs: 50 }))).toMatchObject({ kind: 'timeout' });
    const stuck = await serverWith((_, response) => void response.write('x'));
    expect(await failure(get(stuck, { timeoutMs: 50 }))).toMatchObject({ kind: 'timeout' });
  });

  it('names neither query nor headers nor body when it fails', async () => {
    const url = await serverWith((request) => request.socket.destroy());
    const error = await failure(
      get(`${url}/path?token=hidden`, {
        method: 'POST',
        headers: { authorization: 'hidden' },
        body: 'hidden',
      }),
    );
    expect(error).toMatchObject({ kind: 'failed' });
    expect(error.message).toContain(`${url}/path`);
    expect(`${error.message}${String(error.stack)}`).not.toContain('hidden');
  });

  it('reports a refused connection and a closed port', async () => {
    const url = await serverWith(() => undefined);
    await open.pop()?.();
    expect((await failure(get(url))).message).toContain('ECONNREFUSED');
    await port.close();
    expect(await failure(get(url))).toMatchObject({ kind: 'failed' });
  });
});

describe('what may be dialled', () => {
  it.each([
    'https://a.test/',
    'http://127.0.0.1:1/',
    'http://127.8.9.1/',
    'http://[::1]/',
    'http://localhost:80/x',
  ])('is %s', (url) => expect(isFetchable(url)).toBe(true));

  it.each([
    'http://a.test/',
    'http://127.0.0.1.evil.test/',
    'http://localhost.evil.test/',
    'http://[::2]/',
    'http://169.254.169.254/',
    'https://user@a.test/',
    'https://:word@a.test/',
    'file:///etc/passwd',
    'ws://localhost/',
    'data:,x',
    '',
  ])('is not %j', async (url) => {
    expect(isFetchable(url)).toBe(false);
    expect(await failure(get(url))).toMatchObject({ kind: 'refused' });
  });

  it('is shown in a log without what may be secret', () => {
    expect(loggableUrl('https://user:word@a.test:1/p?x=1#y')).toBe('https://a.test:1/p');
    expect(loggableUrl('nonsense')).toBe('unparsable');
  });
});
