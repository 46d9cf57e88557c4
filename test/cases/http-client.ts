/** What every HTTP client must do, on real sockets. Run by each file that fills the port. */
import type http from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import {
  ANSWERED,
  CONTENT_EVENT_STREAM,
  CONTENT_JSON,
  CONTENT_NONE,
  CONTENT_OTHER,
  MAYBE,
} from '../../src/transport/http/http-client.ts';
import { Bench, CHUNKED, type ClientTraits, type CreateClient } from '../support/http-bench.ts';
import { answer, ProbeListener, requestBytes, sendProbe } from '../support/http-probe.ts';
import { describeConnections } from './http-connections.ts';
import { describeFlow } from './http-flow.ts';

/** Well-formed responses and the body they have; `closes` where the end of the stream ends it. */
const GOOD: readonly (readonly [string, string, string, boolean])[] = [
  ['a length', answer('hello'), 'hello', false],
  ['no body by length', answer(''), '', false],
  ['no reason and no space for it', 'HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok', 'ok', false],
  ['an empty field', 'HTTP/1.1 200 OK\r\nx-a:\r\ncontent-length: 2\r\n\r\nok', 'ok', false],
  ['bytes above ASCII', 'HTTP/1.1 200 \xe9\r\nx: \xff\r\ncontent-length: 2\r\n\r\nok', 'ok', false],
  ['chunks', `${CHUNKED}\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`, 'hello world', false],
  [
    'hex sizes',
    `${CHUNKED}\r\n00a\r\n0123456789\r\nB\r\n01234567890\r\n0\r\n\r\n`,
    '012345678901234567890',
    false,
  ],
  ['extensions', `${CHUNKED}\r\n2;a=b;c="d"\r\nok\r\n0;x\r\n\r\n`, 'ok', false],
  [
    'trailers',
    `${CHUNKED}trailer: x-t\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\nx-u: 2\r\n\r\n`,
    'ok',
    false,
  ],
  ['no chunk but the last', `${CHUNKED}\r\n0\r\n\r\n`, '', false],
  [
    'interim responses before it',
    `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n${answer('ok')}`,
    'ok',
    false,
  ],
  ['Connection: close and a length', answer('ok', 200, 'connection: close\r\n'), 'ok', true],
  [
    'a body until the end',
    'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end',
    'to the end',
    true,
  ],
  ['HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nold', 'old', true],
];

/** Responses that no client may take, and what they are called here. */
const BAD: readonly (readonly [string, string])[] = [
  ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n'],
  ['a length that is no number', 'HTTP/1.1 200 OK\r\ncontent-length: 2x\r\n\r\nok'],
  ['a negative length', 'HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk'],
  ['a length and chunks', `${CHUNKED}content-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n`],
  ['a chunk size that is no number', `${CHUNKED}\r\nxyz\r\nok\r\n0\r\n\r\n`],
  ['a chunk longer than its size', `${CHUNKED}\r\n2\r\nokay\r\n0\r\n\r\n`],
  ['a chunk size beyond 64 bits', `${CHUNKED}\r\nfffffffffffffffff\r\nok\r\n`],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok'],
  ['a field without a name', 'HTTP/1.1 200 OK\r\n: 2\r\ncontent-length: 0\r\n\r\n'],
  ['a NUL in a field', 'HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n'],
];

export function describeHttpClient(name: string, traits: ClientTraits, create: CreateClient): void {
  const bench = new Bench(create, traits.secure);
  const partOfHead = traits.seesFirstByte ? ANSWERED : MAYBE;
  afterEach(() => bench.close());

  describe(`${name}: answers`, () => {
    it('posts to a node server and shows status, fields and body', async () => {
      const url = await bench.node((request, response) => {
        let body = '';
        request.setEncoding('latin1').on('data', (text: string) => (body += text));
        request.on('end', () => {
          response.setHeader('content-type', 'application/json; charset=utf-8');
          response.setHeader('mcp-session-id', 's1');
          response.setHeader('x-many', ['a', 'b']);
          response.end(`${request.method} ${request.url} ${request.headers.host} ${body}`);
        });
      });
      const target = new URL('/mcp?a=1', url);
      const wanted = ['mcp-session-id', 'x-many', 'content-type', 'x-absent'];
      const { listener, outcome } = sendProbe(bench.client(url), target, { body: 'hi', wanted });
      const body = `POST /mcp?a=1 ${url.host} hi`;
      expect(await outcome).toMatchObject({ status: 200, body, failure: null });
      expect(listener.contentType).toBe(CONTENT_JSON);
      expect(listener.contentLength).toBe(body.length);
      expect(listener.found).toEqual({
        'mcp-session-id': 's1',
        'x-many': 'a, b',
        'content-type': 'application/json; charset=utf-8',
        'x-absent': null,
      });
    });

    it('tells the content types apart that MCP uses', async () => {
      const seen: number[] = [];
      for (const value of ['Application/JSON', 'text/event-stream;a=b', 'application/jsonx', '']) {
        const field = value === '' ? '' : `content-type: ${value}\r\n`;
        const server = await bench.fixed(answer('x', 200, field));
        const { listener, outcome } = sendProbe(bench.client(server.url), server.url);
        await outcome;
        seen.push(listener.contentType);
      }
      expect(seen).toEqual([CONTENT_JSON, CONTENT_EVENT_STREAM, CONTENT_OTHER, CONTENT_NONE]);
    });

    for (const [what, response, body, closes] of GOOD) {
      it(`takes a response with ${what}, whole and cut at every byte`, async () => {
        const bytes = Buffer.from(response, 'latin1');
        const server = await bench.raw(async ({ connection, index }) => {
          if (index === 0) connection.write(bytes);
          else await connection.drip(bytes);
          if (closes) connection.socket.end();
        });
        const client = bench.client(server.url);
        for (let i = 0; i < 2; i += 1) {
          expect(await sendProbe(client, server.url).outcome).toEqual({
            status: 200,
            body,
            failure: null,
            executed: -1,
          });
        }
        expect(server.connections.length).toBe(closes ? 2 : 1);
      });
    }

    it('takes 204 and 304 to have no body and 202 to have what it says', async () => {
      const heads = [
        'HTTP/1.1 204 No Content\r\n\r\n',
        'HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n',
        'HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n',
      ];
      const server = await bench.raw(({ connection, index }) =>
        connection.write(heads[index] ?? ''),
      );
      const client = bench.client(server.url);
      for (const status of [204, 304, 202]) {
        expect(await sendProbe(client, server.url).outcome).toMatchObject({ status, body: '' });
      }
      expect(server.requests.length).toBe(3);
    });

    it('passes events of a stream on as they come, while other calls go on', async () => {
      const url = await bench.node((request, response) => {
        if (request.method === 'GET') {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.write('data: 1\n\n');
          streams.push(response);
        } else response.end('done');
      });
      const streams: http.ServerResponse[] = [];
      const client = bench.client(url);
      const stream = sendProbe(client, url, { method: 'GET', timeoutMs: 0 });
      await stream.listener.received(9);
      expect(stream.listener.contentType).toBe(CONTENT_EVENT_STREAM);
      expect(await sendProbe(client, url).outcome).toMatchObject({ body: 'done' });
      streams[0]?.end('data: 2\n\n');
      expect(await stream.outcome).toMatchObject({ body: 'data: 1\n\ndata: 2\n\n', failure: null });
    });

    it('keeps every answer with its question, 500 of them on 8 connections', async () => {
      const url = await bench.node((request, response) => {
        request.on('data', (bytes: Buffer) => response.write(bytes));
        request.on('end', () => response.end());
      });
      const client = bench.client(url);
      const bodies = Array.from(
        { length: 500 },
        (_, i) => `call ${i} ${'x'.repeat((i * 37) % 3000)}`,
      );
      const outcomes = await Promise.all(
        bodies.map((body) => sendProbe(client, url, { body }).outcome),
      );
      expect(outcomes.map((outcome) => outcome.body)).toEqual(bodies);
      expect(client.pending).toBe(0);
    });

    it('sends a request of 4 MiB', async () => {
      const url = await bench.node((request, response) => {
        let bytes = 0;
        request.on('data', (piece: Buffer) => (bytes += piece.length));
        request.on('end', () => response.end(String(bytes)));
      });
      const body = Buffer.alloc(4 * 1024 * 1024, 0x61);
      const { outcome } = sendProbe(bench.client(url), url, { body });
      expect(await outcome).toMatchObject({ body: String(body.length) });
    });

    it('takes the bytes between start and end only', async () => {
      const server = await bench.fixed(answer('ok'));
      const bytes = requestBytes(server.url, 'POST', 'abc');
      const request = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')]);
      const listener = new ProbeListener();
      bench.client(server.url).send(request, 6, 6 + bytes.length, listener, 5000, false);
      expect(await listener.outcome).toMatchObject({ body: 'ok' });
      expect(server.requests[0]?.body.toString()).toBe('abc');
    });
  });

  describeRefusals(name, bench);
  describeConnections(name, bench, partOfHead);
  describeFlow(name, bench, partOfHead);
}

function describeRefusals(name: string, bench: Bench): void {
  describe(`${name}: refusals`, () => {
    for (const [what, response] of BAD) {
      it(`fails a response with ${what} as a protocol error, and serves the next call`, async () => {
        const server = await bench.raw(({ connection, index }) =>
          connection.write(index === 0 ? Buffer.from(response, 'latin1') : answer('ok')),
        );
        const client = bench.client(server.url);
        expect(await sendProbe(client, server.url).outcome).toMatchObject({
          failure: 'protocol',
          executed: ANSWERED,
        });
        expect(await sendProbe(client, server.url).outcome).toMatchObject({ body: 'ok' });
        expect(server.connections.length).toBe(2);
      });
    }

    it('fails a header block beyond its bound as too large', async () => {
      const server = await bench.raw(({ connection }) => {
        connection.write('HTTP/1.1 200 OK\r\n');
        for (let i = 0; i < 40; i += 1) connection.write(`x-${i}: ${'a'.repeat(1000)}\r\n`);
      });
      const { outcome } = sendProbe(bench.client(server.url), server.url);
      expect(await outcome).toMatchObject({ failure: 'too large', status: 0 });
    });

    it('never gives bytes after a complete response to the next call', async () => {
      const smuggled = answer('smuggled');
      const server = await bench.raw(({ connection, index }) =>
        connection.write(index === 0 ? answer('one') + smuggled : answer('two')),
      );
      const client = bench.client(server.url);
      const first = await sendProbe(client, server.url).outcome;
      expect(first.failure === null ? first.body : 'one').toBe('one');
      expect(await sendProbe(client, server.url).outcome).toMatchObject({ body: 'two' });
      expect(server.connections.length).toBe(2);
    });

    it('refuses calls beyond its queue, without a word to their listeners', async () => {
      const server = await bench.raw();
      const client = bench.client(server.url, { maxConnections: 2, queueMax: 3 });
      const calls = Array.from({ length: 5 }, () => sendProbe(client, server.url));
      const request = requestBytes(server.url, 'POST');
      const listener = new ProbeListener();
      expect(client.send(request, 0, request.length, listener, 1000, false)).toBeNull();
      expect(listener.isOver).toBe(false);
      expect(client.pending).toBe(5);
      calls[4]?.call.abort();
      expect(client.pending).toBe(4);
      expect(client.send(request, 0, request.length, listener, 1000, false)).not.toBeNull();
    });
  });
}
