/**
 * Requests that two HTTP parsers could read differently, and requests that are too much. Whatever the
 * bytes, nothing that stands behind them on the connection is ever served.
 */
import { fail } from 'node:assert';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FAULTS } from '../../shared/fault.ts';
import type { HttpImplementation } from '../../src/edge/http-server.ts';
import { replyText } from '../support/http-recorder.ts';
import { BODY_BYTES_MAX, get, HEADER_BYTES_MAX, post, ServerBench } from './http-server.ts';

const EVIL = get('/evil');
const CHUNKED = 'Transfer-Encoding: chunked\r\n';

/** Fields that make the body's end ambiguous, with a body. */
const AMBIGUOUS: Record<string, string> = {
  'two lengths': 'Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc',
  'two equal lengths': 'Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc',
  'a list of lengths': 'Content-Length: 3, 3\r\n\r\nabc',
  'a signed length': 'Content-Length: +3\r\n\r\nabc',
  'a negative length': 'Content-Length: -3\r\n\r\nabc',
  'a hexadecimal length': 'Content-Length: 0x3\r\n\r\nabc',
  'a fractional length': 'Content-Length: 3.0\r\n\r\nabc',
  'an empty length': 'Content-Length: \r\n\r\n',
  'a length beyond all measure': 'Content-Length: 99999999999999999999\r\n\r\nabc',
  'a length and an encoding': `Content-Length: 3\r\n${CHUNKED}\r\n3\r\nabc\r\n0\r\n\r\n`,
  'an encoding and a length': `${CHUNKED}Content-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  'an empty encoding and a length': 'Transfer-Encoding: \r\nContent-Length: 3\r\n\r\nabc',
  'two encodings': `${CHUNKED}${CHUNKED}\r\n3\r\nabc\r\n0\r\n\r\n`,
  'a list of encodings': 'Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'chunked twice': 'Transfer-Encoding: chunked, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'an encoding that is not chunked': 'Transfer-Encoding: identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'an encoding in quotes': 'Transfer-Encoding: "chunked"\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'an encoding with a parameter': 'Transfer-Encoding: chunked;x=1\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
};

/** Whole requests that are malformed. */
const MALFORMED: Record<string, string> = {
  'a folded field': 'GET /bad HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n',
  'a NUL in a field': 'GET /bad HTTP/1.1\r\nHost: a\r\nX: 1\0\r\n\r\n',
  'a NUL in a name': 'GET /bad HTTP/1.1\r\nHost: a\r\nX\0: 1\r\n\r\n',
  'a bare line feed': 'GET /bad HTTP/1.1\nHost: a\n\n',
  'a bare line feed between fields': 'GET /bad HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n',
  'a bare carriage return': 'GET /bad HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n',
  'a blank before the colon': 'GET /bad HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc',
  'a field without a colon': 'GET /bad HTTP/1.1\r\nHost: a\r\nX\r\n\r\n',
  'a blank in a name': 'GET /bad HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n',
  'no Host': 'GET /bad HTTP/1.1\r\nX: 1\r\n\r\n',
  'two Hosts': 'GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'two equal Hosts': 'GET /bad HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n',
  'HTTP/1.0': 'GET /bad HTTP/1.0\r\nHost: a\r\n\r\n',
  'HTTP/1.0 with an encoding': `POST /bad HTTP/1.0\r\nHost: a\r\n${CHUNKED}\r\n0\r\n\r\n`,
  'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'no version': 'GET /bad\r\n\r\n',
  'an absolute target': 'GET http://a/bad HTTP/1.1\r\nHost: a\r\n\r\n',
  'a target without a slash': 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  'an authority': 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n',
  'a control character in the target': 'GET /bad\x01 HTTP/1.1\r\nHost: a\r\n\r\n',
  'a tab in the target': 'GET /bad\t HTTP/1.1\r\nHost: a\r\n\r\n',
};

/** Chunked bodies that parsers differ on. The request itself may be served or not. */
const CHUNKS: Record<string, string> = {
  'a chunk that does not end where it should': '3\r\nabcXX0\r\n\r\n',
  'a chunk that ends in a bare line feed': '3\r\nabc\n0\r\n\r\n',
  'an extension that looks like a digit': '3;a\r\nabc\r\n0\r\n\r\n',
  'an extension': '3;a=b\r\nabc\r\n0\r\n\r\n',
  'trailer fields': '3\r\nabc\r\n0\r\nX: y\r\n\r\n',
  'a negative size': '-3\r\nabc\r\n0\r\n\r\n',
  'a size with a prefix': '0x3\r\nabc\r\n0\r\n\r\n',
  'a size with a blank before it': ' 3\r\nabc\r\n0\r\n\r\n',
  'no size': '\r\nabc\r\n0\r\n\r\n',
  'a colon for a size': ':\r\nabcdefghij\r\n0\r\n\r\n',
  'a huge size': 'fffffffffffffffff\r\nabc\r\n0\r\n\r\n',
};

export function describeHttpFraming(implementation: HttpImplementation): void {
  let bench: ServerBench;

  beforeEach(async () => {
    bench = new ServerBench();
    await bench.start(implementation, { bodyTimeoutMs: 300 });
  });

  afterEach(() => bench.stop());

  /** Another client's request: when it is answered, what was sent before has been read. */
  async function settle(): Promise<void> {
    const probe = await bench.connect();
    await probe.send(get('/probe'));
    await probe.answers();
    probe.destroy();
  }

  function servedPaths(): string[] {
    return bench.listener.paths.filter((path) => path !== '/probe');
  }

  /** Runs all cases side by side: a refused connection takes a moment to close. */
  async function each(
    cases: Record<string, string>,
    run: (text: string) => Promise<void>,
  ): Promise<void> {
    const failures: string[] = [];
    await Promise.all(
      Object.entries(cases).map(([name, text]) =>
        run(text).catch((error: unknown) => failures.push(`${name}: ${String(error)}`)),
      ),
    );
    expect(failures).toEqual([]);
  }

  describe('a request', () => {
    it('with an ambiguous end is refused with 400 and a close', async () => {
      await each(AMBIGUOUS, async (rest) => {
        const socket = await bench.connect();
        await socket.send(`POST /bad HTTP/1.1\r\nHost: a\r\n${rest}`);
        await socket.closed;
        expect(socket.text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
        expect(socket.text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
      });
      expect(bench.listener.paths).toEqual([]);
    });

    it('with an ambiguous end hides no request behind it', async () => {
      await each(AMBIGUOUS, async (rest) => {
        const text = `POST /bad HTTP/1.1\r\nHost: a\r\n${rest}`;
        const together = await bench.connect();
        await together.send(text + EVIL + EVIL);
        const apart = await bench.connect();
        const half = EVIL.slice(0, 5);
        await apart.sendParts([text.slice(0, 30), text.slice(30), half, EVIL.slice(5), EVIL]);
        const late = await bench.connect();
        await late.send(text);
        await late.until((received) => received.includes('400'));
        await late.sendParts([EVIL, EVIL]);
        for (const socket of [together, apart, late]) {
          await socket.closed;
          expect((socket.text.match(/HTTP\/1\.1 /g) ?? []).length).toBeLessThanOrEqual(1);
        }
      });
      await settle();
      expect(servedPaths()).toEqual([]);
    });

    it('that is malformed never reaches the listener', async () => {
      await each(MALFORMED, async (text) => {
        const alone = await bench.connect();
        await alone.send(text);
        const followed = await bench.connect();
        await followed.send(text + EVIL);
        const apart = await bench.connect();
        await apart.sendParts([text.slice(0, 9), text.slice(9), EVIL]);
        await settle();
        for (const socket of [alone, followed, apart]) {
          expect(socket.text).toMatch(/^($|HTTP\/1\.1 (400|505) )/);
        }
      });
      expect(servedPaths()).toEqual([]);
    });

    it('with doubtful chunks hides no request behind it', async () => {
      bench.listener.onComplete = ({ exchange }) => {
        setImmediate(() => replyText(exchange, 'ok'));
      };
      await each(CHUNKS, async (chunks) => {
        const text = `POST /chunked HTTP/1.1\r\nHost: a\r\n${CHUNKED}\r\n${chunks}`;
        const isClean = isWellFormed(implementation, chunks);
        const together = await bench.connect();
        await together.send(isClean ? text : text + EVIL);
        const late = await bench.connect();
        await late.send(text);
        await settle();
        if (!isClean) await late.sendParts([EVIL, EVIL]);
        await settle();
        if (isClean) expect((await late.answers())[0]!.status).toBe(200);
      });
      expect(servedPaths().filter((path) => path !== '/chunked')).toEqual([]);
    });

    it('with a clean chunked body is served', async () => {
      const socket = await bench.connect();
      await socket.sendParts([
        `POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhe`,
        'llo\r',
        '\n6\r\n world\r\n',
        '0\r\n\r\n',
      ]);
      const [answer] = await socket.answers();
      expect(answer).toMatchObject({ status: 200, body: 'ok' });
      expect(bench.listener.requests[0]!.body.toString()).toBe('hello world');
    });

    it('that is refused is counted', async () => {
      const socket = await bench.connect();
      await socket.send(`POST /bad HTTP/1.1\r\nHost: a\r\n${AMBIGUOUS['two lengths']!}`);
      await socket.closed;
      expect(bench.counts.framing).toBe(1);
    });
  });

  describe('a body', () => {
    it('that grows too large in chunks is cut with 413', async () => {
      const socket = await bench.connect();
      const piece = 'x'.repeat(0x8000);
      await socket.send(`POST /big HTTP/1.1\r\nHost: a\r\n${CHUNKED}\r\n`);
      for (let sent = 0; sent <= BODY_BYTES_MAX; sent += piece.length) {
        await socket.send(`8000\r\n${piece}\r\n`);
      }
      const [answer] = await socket.answers();
      expect(answer!.status).toBe(413);
      const { rpc, message } = FAULTS.BODY_TOO_LARGE;
      const error = { code: rpc, message };
      expect(JSON.parse(answer!.body)).toEqual({ jsonrpc: '2.0', id: null, error });
      await bench.listener.heard('aborted /big');
      await socket.send(`0\r\n\r\n${EVIL}`);
      await socket.closed;
      expect(bench.listener.paths).toEqual(['/big']);
    });

    it('that is larger than allowed is cut with 413 though the listener asked for it', async () => {
      const socket = await bench.connect();
      await socket.send(post('/big', 'x'.repeat(BODY_BYTES_MAX + 1)));
      const [answer] = await socket.answers();
      expect(answer!.status).toBe(413);
      await bench.listener.heard('aborted /big');
      await socket.closed;
    });

    it('of exactly the largest size is taken', async () => {
      const socket = await bench.connect();
      await socket.send(post('/fits', 'x'.repeat(BODY_BYTES_MAX)));
      expect((await socket.answers())[0]!.status).toBe(200);
      expect(bench.listener.requests[0]!.body.length).toBe(BODY_BYTES_MAX);
    });

    it('that is declared too large can be refused by the listener, and the answer is read', async () => {
      bench.listener.wantsBody = ({ exchange }) => {
        replyText(exchange, 'too large', [], 413);
        return false;
      };
      const socket = await bench.connect();
      await socket.send(post('/big', 'x'.repeat(30 * BODY_BYTES_MAX)));
      expect((await socket.answers())[0]!.status).toBe(413);
    });

    it('that comes too slowly is given up with 408', async () => {
      const bodies = {
        '/length': 'Content-Length: 10\r\n\r\nabc',
        '/chunk': `${CHUNKED}\r\n3\r\nabc\r\n`,
        '/nothing': `${CHUNKED}\r\n`,
      };
      await Promise.all(
        Object.entries(bodies).map(async ([path, rest]) => {
          const socket = await bench.connect();
          await socket.send(`POST ${path} HTTP/1.1\r\nHost: a\r\n${rest}`);
          await bench.listener.heard(`aborted ${path}`);
          await socket.closed;
          expect(socket.text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
          expect(socket.text).toContain(FAULTS.BODY_TIMEOUT.message);
        }),
      );
    });
  });

  describe('a head', () => {
    it('of too many bytes is refused with 431', async () => {
      const socket = await bench.connect();
      await socket.send(get('/big', `X: ${'y'.repeat(HEADER_BYTES_MAX)}\r\n`));
      await socket.closed;
      expect(socket.text).toMatch(/^HTTP\/1\.1 431 /);
      const pieces = await bench.connect();
      await pieces.sendParts([
        'GET /big HTTP/1.1\r\nHost: a\r\n',
        ...Array.from({ length: 20 }, () => `X: ${'y'.repeat(1000)}\r\n`),
      ]);
      await pieces.closed;
      expect(bench.listener.paths).toEqual([]);
    });

    it('of too many fields is refused with 431', async () => {
      const fields = Array.from({ length: 105 }, (_, index) => `X${index}: 1\r\n`).join('');
      const socket = await bench.connect();
      await socket.send(get('/many', fields) + EVIL);
      await socket.closed;
      expect(socket.text).toMatch(/^($|HTTP\/1\.1 431 )/);
      expect(bench.listener.paths).toEqual([]);
    });

    it('just below the limits is served', async () => {
      const fields = Array.from(
        { length: 15 },
        (_, index) => `X${index}: ${'y'.repeat(1000)}\r\n`,
      ).join('');
      const socket = await bench.connect();
      await socket.sendParts([
        get('/large', fields).slice(0, 9000),
        get('/large', fields).slice(9000),
      ]);
      expect((await socket.answers())[0]!.status).toBe(200);
      const long = bench.listener.requests[0]!.fields.at(-1) ?? fail();
      expect(long.length).toBe('x14: '.length + 1000);
    });
  });
}

/** Who reads extensions and trailers as the standard has them takes what follows for a request. */
function isWellFormed(implementation: HttpImplementation, chunks: string): boolean {
  return implementation !== 'uws' && /^3(;a(=b)?)?\r\nabc\r\n0\r\n(X: y\r\n)?\r\n$/.test(chunks);
}
