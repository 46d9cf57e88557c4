/** Heads recognised by earlier ones, held against the same heads read line by line. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKernelMemory, openKernel } from '../../shared/kernel/byte-kernel.ts';
import { ByteRange } from '../../shared/byte-words.ts';
import { OpenView } from '../../shared/open-codec.ts';
import { ANY_SHAPE, HeadShapes } from '../../src/edge/head-shape.ts';
import { RequestHead } from '../../src/edge/request-head.ts';
import { RequestParser } from '../../src/edge/request-parser.ts';
import { RawSocket } from '../support/raw-socket.ts';
import type { Answer } from '../support/raw-socket.ts';
import { ANY_LIMIT, Harness, sessionIdFor, testPlan } from './support/edge-harness.ts';

const PAGE = 64 * 1024;
const memory = createKernelMemory(8 * PAGE)!;
openKernel(memory, PAGE, 7 * PAGE);
const inKernel = Buffer.from(memory.buffer, 0, PAGE);
const range = new ByteRange(inKernel);

const ASKED = ['x-api-key'];
const ARRIVAL = 77;

/** What reaches a shard of a head: where it ends, its framing, and its fields by code. */
interface Reading {
  readonly after: number;
  readonly contentLength: number;
  readonly sessionId: string;
  readonly open: readonly number[];
  readonly fields: readonly string[];
}

/** One edge's view of heads: with shapes, and with none. */
class Reader {
  readonly #parser = new RequestParser();
  readonly #head = new RequestHead();
  readonly #knownHead = new RequestHead();
  readonly shapes = new HeadShapes(this.#knownHead.bytes);

  /** Null: refused, incomplete, or of a kind that has no shape. */
  parse(text: string, mayLearn: boolean): Reading | null {
    inKernel.fill('#');
    inKernel.write(text, 16, 'latin1');
    if (mayLearn && this.shapes.match(range, 16, 16 + text.length, ANY_SHAPE, true, 0) > 0)
      return null;
    const parser = this.#parser;
    const after = parser.parse(inKernel, 16, 16 + text.length);
    if (after < 0) return null;
    const head = this.#head;
    head.reset();
    head.addRaw(parser, ASKED);
    head.finish(1, 3, 9, ARRIVAL);
    if (head.isRefused || parser.method !== 'POST') return null;
    const facts = { path: parser.path, corsOrigin: head.origin };
    if (mayLearn) this.shapes.learn(parser, head.bytes, facts, ASKED);
    if (parser.isChunked || parser.hasClose || parser.expectsContinue) return null;
    return readingOf(head, after, parser.contentLength);
  }

  match(text: string, hint = ANY_SHAPE): Reading | null {
    inKernel.fill('#');
    inKernel.write(text, 16, 'latin1');
    const after = this.shapes.match(range, 16, 16 + text.length, hint, true, ARRIVAL);
    if (after === 0) return null;
    this.#knownHead.reset();
    this.#knownHead.takeKnown(this.shapes);
    return readingOf(this.#knownHead, after, this.#knownHead.contentLength);
  }
}

/** One for all: what it takes of the kernel's memory is never given back. */
const reader = new Reader();
beforeEach(() => reader.shapes.clear());

function readingOf(head: RequestHead, after: number, contentLength: number): Reading {
  const view = new OpenView();
  expect(view.reset(head.bytes, 0, head.end)).toBe(true);
  const fields: string[] = [];
  for (let at = view.nextHeader(view.headersStart); at >= 0; at = view.nextHeader(at)) {
    const text = (from: number, to: number): string =>
      Buffer.from(view.bytes.slice(from, to)).toString('latin1');
    const name = text(view.nameStart, view.nameEnd);
    fields.push(`${view.code}:${name}:${text(view.valueStart, view.valueEnd)}`);
  }
  expect(fields).toHaveLength(view.headerCount);
  const { method, endpoint, planNumber, arrivalUs, peerFamily } = view;
  return {
    after,
    contentLength,
    sessionId: head.sessionId,
    open: [method, endpoint, planNumber, arrivalUs, peerFamily],
    // Fields of one name keep their order, others need not (RFC 9110 5.3).
    fields: [...fields].sort((one, other) => parseInt(one, 10) - parseInt(other, 10)),
  };
}

const HEAD =
  'POST /mcp HTTP/1.1\r\nHost: localhost:80\r\nAccept: application/json, text/event-stream\r\n' +
  'Authorization: Bearer abc.def-ghi\r\nContent-Type: application/json\r\nCookie: a=b\r\n' +
  'MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: add\r\n' +
  'Mcp-Session-Id: s-1\r\nContent-Length: 12\r\ntracestate: a=1\r\ntracestate: b=2\r\n\r\n';

const NAMES = [
  ...['Host', 'host', 'Authorization', 'AUTHORIZATION', 'Content-Length', 'content-length'],
  ...['Accept', 'Content-Type', 'Mcp-Method', 'Mcp-Name', 'Mcp-Session-Id', 'Origin', 'Cookie'],
  ...['X-Other', 'User-Agent', 'Connection', 'Transfer-Encoding', 'Expect', 'x-api-key'],
  ...['traceparent', 'tracestate', 'Mcp-Param-City', 'X-Forwarded-For', 'Last-Event-ID'],
];
const VALUES = [
  ...['', ' ', 'a', 'a b', '12', '012', '5', '1234567890', '+5', '5,5', 'close', 'chunked', 'ü'],
  ...['100-continue', '\t', 'a\tb', 'a\u007f', 'localhost', 'x'.repeat(300), 'a\0b', 'a\rb', '"'],
];

const field = fc
  .tuple(
    fc.constantFrom(...NAMES),
    fc.constantFrom(': ', ':', ':  ', ' : ', ':\t'),
    fc.oneof(fc.constantFrom(...VALUES), fc.string({ unit: 'grapheme-ascii', maxLength: 20 })),
    fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', ' \r\n', '\r'),
  )
  .map((parts) => parts.join(''));

const SHAPED_NAMES = NAMES.filter(
  (name) =>
    !/^(host|content-length|transfer|expect|x-api|mcp-param|x-forw|AUTH)/.test(
      name.replace(/^[HCTEXM]/, (letter) => letter.toLowerCase()),
    ),
);
/** Fields that a shape may have, each once. */
const plainFields = fc
  .uniqueArray(fc.constantFrom(...SHAPED_NAMES), {
    maxLength: 6,
    selector: (name) => name.toLowerCase(),
  })
  .chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc.constantFrom('a', 'b c', 'x'.repeat(40)).map((value) => `${name}: ${value}\r\n`),
      ),
    ),
  )
  .map((lines) => lines.join(''));

const head = fc
  .tuple(
    fc.constantFrom('POST /mcp HTTP/1.1\r\n', 'POST /mcp?x HTTP/1.1\r\n', 'GET /mcp HTTP/1.1\r\n'),
    plainFields,
    fc.oneof({ weight: 5, arbitrary: fc.constant('') }, field),
  )
  .map(
    ([line, fields, odd]) => `${line}Host: localhost\r\nContent-Length: 7\r\n${fields}${odd}\r\n`,
  );

/** One byte changed, left out or doubled, or one value put in the place of another. */
const mutation = fc.tuple(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.constantFrom('', 'x', '\r', '\n', '\r\n', ' ', '\0', ':', '9', '\u0080', 'A', '\t'),
  fc.nat(3),
);

function mutated(text: string, [where, put, cut]: [number, string, number]): string {
  const at = Math.floor(where * text.length);
  return text.slice(0, at) + put + text.slice(at + cut);
}

describe('a known head', () => {
  it('says what the parser says of it, whatever is in its holes', () => {
    expect(reader.parse(HEAD, true)).not.toBeNull();
    for (const [token, name, session, length, cookie] of [
      ['abc.def-ghi', 'add', 's-1', '12', 'a=b'],
      ['x', 'y', sessionIdFor(2), '999999999', 'c'],
      ['z'.repeat(5000), 'a b~!"', '0', '0012', 'd; e'],
    ]) {
      const text = HEAD.replace('abc.def-ghi', token!)
        .replace('Name: add', `Name: ${name}`)
        .replace('s-1', session!)
        .replace('12\r', `${length}\r`)
        .replace('a=b', cookie!);
      const known = reader.match(text);
      expect(known).not.toBeNull();
      expect(known).toEqual(reader.parse(text, false));
    }
  });

  it('is not recognised where a hole has what only the parser may judge', () => {
    reader.parse(HEAD, true);
    const changes: [string, string][] = [
      ...['', ' ', ' a', 'a ', 'ü', 'a\tb', 'a\0b', 'a\rb', 'a\nb', 'a\u007f'].map(
        (value): [string, string] => ['Mcp-Name: add', `Mcp-Name: ${value}`],
      ),
      ...['', '0', '00', '-1', '+1', '1 2', '0x1', '1234567890', '12,12'].map(
        (value): [string, string] => ['Content-Length: 12', `Content-Length: ${value}`],
      ),
      ['Mcp-Name: add', 'Mcp-Name: add\r\nMcp-Name: sub'],
      ['Host: localhost:80', 'Host: evil.example'],
      ['tools/call', 'tools/list'],
      ['POST /mcp', 'POST /mcq'],
    ];
    for (const [from, to] of changes) {
      expect(HEAD.includes(from)).toBe(true);
      expect(reader.match(HEAD.replace(from, to)), JSON.stringify(to)).toBeNull();
    }
    expect(reader.match(HEAD)).not.toBeNull();
  });

  it('is not recognised before its last byte is there, though it may lie behind it', () => {
    reader.parse(HEAD, true);
    inKernel.write(HEAD, 16, 'latin1');
    for (let length = 0; length < HEAD.length; length += 1) {
      expect(reader.shapes.match(range, 16, 16 + length, ANY_SHAPE, true, 1), `${length}`).toBe(0);
    }
    expect(reader.shapes.match(range, 16, 16 + HEAD.length, ANY_SHAPE, true, 1)).toBe(
      16 + HEAD.length,
    );
  });

  it('is never taken for more than the parser takes it for, any bytes', () => {
    let recognised = 0;
    fc.assert(
      fc.property(
        fc.array(head, { minLength: 1, maxLength: 20 }),
        fc.array(fc.tuple(fc.nat(19), mutation), { maxLength: 60 }),
        (heads, changes) => {
          for (const text of heads) reader.parse(text, true);
          const texts = [
            ...heads,
            ...changes.map(([index, change]) => mutated(heads[index % heads.length]!, change)),
          ];
          for (const text of texts) {
            const known = reader.match(text, reader.shapes.last);
            if (known === null) continue;
            recognised += 1;
            expect(known).toEqual(reader.parse(text, false));
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(recognised).toBeGreaterThan(500);
  });

  it('keeps nothing of what was in its holes', () => {
    const secret = 'Bearer very-secret-token';
    reader.parse(HEAD.replace('Bearer abc.def-ghi', secret), true);
    const before = Buffer.from(memory.buffer).indexOf(secret);
    expect(before).toBeGreaterThanOrEqual(0); // the payload that was made, and the bytes that came
    reader.parse(HEAD, false);
    expect(reader.match(HEAD)).not.toBeNull();
    inKernel.fill(0);
    expect(Buffer.from(memory.buffer).includes('very-secret')).toBe(false);
  });

  it('has no shape with a field that the plan asks for, or that changes what is done', () => {
    for (const line of [
      'X-Api-Key: k',
      'Connection: close',
      'Expect: 100-continue',
      'X-Forwarded-For: 1.2.3.4',
      'Mcp-Param-City: Oslo',
      'Access-Control-Request-Method: POST',
    ]) {
      const text = HEAD.replace('Mcp-Name', `${line}\r\nMcp-Name`);
      reader.parse(text, true);
      expect(reader.match(text), line).toBeNull();
    }
  });

  it('outlives a flood of others as long as it is used', () => {
    reader.parse(HEAD, true);
    for (let other = 0; other < 200; other += 1) {
      reader.parse(HEAD.replace('tools/call', `other/${other}`), true);
      expect(reader.match(HEAD), `${other}`).not.toBeNull();
    }
  });
});

describe('an edge that knows heads', () => {
  let harness: Harness;
  afterEach(() => harness.stop());

  const bodyOf = (id: number): string =>
    `{"jsonrpc":"2.0","id":${id},"method":"echo","params":{"n":${id}}}`;
  const requestOf = (id: number, head = HEAD): string =>
    head
      .replace('Content-Length: 12', `Content-Length: ${bodyOf(id).length}`)
      .replace('Mcp-Session-Id: s-1\r\n', '') + bodyOf(id);

  const answered = new WeakMap<RawSocket, number>();
  /** Sends what begins or completes a request, and waits for its answer. */
  async function ask(socket: RawSocket, text: string): Promise<Answer> {
    const before = answered.get(socket) ?? 0;
    answered.set(socket, before + 1);
    await socket.send(text);
    return (await socket.answers(before + 1))[before]!;
  }

  it('answers each of many requests on one connection with its own', async () => {
    harness = await Harness.start(testPlan({ rateLimits: [ANY_LIMIT] }));
    const socket = await RawSocket.open(harness.port);
    for (let id = 1; id <= 20; id += 1) {
      const reply = await ask(
        socket,
        requestOf(id).replace('Bearer abc.def-ghi', `Bearer token-${id}`),
      );
      expect(reply.status).toBe(200);
      const { result } = JSON.parse(reply.body) as { result: { headers: unknown[]; peer: string } };
      expect(result).toMatchObject({ params: { n: id }, plan: 1, endpoint: 0, peer: '127.0.0.1' });
      expect(result.headers).toContainEqual(['authorization', `Bearer token-${id}`]);
      expect(result.headers).toContainEqual(['host', 'localhost:80']);
    }
    socket.destroy();
  });

  it('takes a body that comes in pieces, while others are served', async () => {
    harness = await Harness.start();
    const slow = await RawSocket.open(harness.port);
    const quick = await RawSocket.open(harness.port);
    expect((await ask(slow, requestOf(1))).status).toBe(200);
    const text = requestOf(2).replace('Bearer abc', 'Bearer slow');
    await slow.send(text.slice(0, -5));
    for (let id = 3; id < 6; id += 1) {
      expect(JSON.parse((await ask(quick, requestOf(id))).body)).toMatchObject({ id });
    }
    const { result } = JSON.parse((await ask(slow, text.slice(-5))).body) as {
      result: { headers: unknown[] };
    };
    expect(result).toMatchObject({ params: { n: 2 } });
    expect(result.headers).toContainEqual(['authorization', 'Bearer slow.def-ghi']);
    slow.destroy();
    quick.destroy();
  });

  it('judges a head anew under another plan', async () => {
    harness = await Harness.start();
    const socket = await RawSocket.open(harness.port);
    for (let id = 1; id < 4; id += 1) {
      expect((await ask(socket, requestOf(id))).status).toBe(200);
    }
    await harness.edge.applyPlan(testPlan({ number: 2, allowedHosts: ['other.example'] }));
    const taken = await ask(socket, requestOf(4).replace('localhost:80', 'other.example'));
    expect(JSON.parse(taken.body)).toMatchObject({ result: { plan: 2 } });
    await harness.edge.applyPlan(
      testPlan({ number: 3, endpoints: [{ index: 0, path: '/elsewhere', upstream: null }] }),
    );
    expect((await ask(socket, requestOf(5))).status).toBe(404);
    socket.destroy();
  });

  it('refuses a body that is declared too large under a known head', async () => {
    harness = await Harness.start();
    const socket = await RawSocket.open(harness.port);
    for (let id = 1; id < 4; id += 1) {
      expect((await ask(socket, requestOf(id))).status).toBe(200);
    }
    const large = HEAD.replace('Mcp-Session-Id: s-1\r\n', '').replace(': 12', ': 99999999');
    expect((await ask(socket, large)).status).toBe(413);
    socket.destroy();
  });

  it('refuses a Host that cannot travel to a shard, the first time and the next', async () => {
    harness = await Harness.start(testPlan({ allowedHosts: ['*'] }));
    const socket = await RawSocket.open(harness.port);
    for (const host of ['h\u00c3\u00bc', 'h\u00ff']) {
      for (let id = 1; id < 4; id += 1) {
        const text = requestOf(id).replace('localhost:80', host);
        expect((await ask(socket, text)).status, host).toBe(400);
      }
    }
    // The Kelvin sign is a `k` in lower case, and still no other way to write one.
    await harness.edge.applyPlan(testPlan({ number: 2, allowedHosts: ['k.example'] }));
    for (let id = 1; id < 4; id += 1) {
      const kelvin = requestOf(id).replace('localhost:80', '\u00e2\u0084\u00aa.example');
      expect((await ask(socket, kelvin)).status).toBe(403);
      const plain = requestOf(id).replace('localhost:80', 'K.example');
      expect((await ask(socket, plain)).status).toBe(200);
    }
    socket.destroy();
  });

  it('answers a request that has no body under a known head', async () => {
    harness = await Harness.start();
    const socket = await RawSocket.open(harness.port);
    expect((await ask(socket, requestOf(1))).status).toBe(200);
    const empty = HEAD.replace('Mcp-Session-Id: s-1\r\n', '').replace(': 12', ': 0');
    const { status } = await ask(socket, empty);
    expect(status).toBeGreaterThanOrEqual(200);
    expect((await ask(socket, requestOf(2))).status).toBe(200);
    socket.destroy();
  });

  it('finds a legacy session its shard by the id in a known head', async () => {
    harness = await Harness.start();
    const socket = await RawSocket.open(harness.port);
    for (let id = 1; id < 9; id += 1) {
      const shard = id % 2;
      const text = requestOf(
        id,
        HEAD.replace('Mcp-Name: add', `Mcp-Session-Id: ${sessionIdFor(shard)}`),
      );
      expect(JSON.parse((await ask(socket, text)).body)).toMatchObject({ result: { shard } });
    }
    socket.destroy();
  });
});
