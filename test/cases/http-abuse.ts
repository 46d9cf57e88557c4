/**
 * Random requests, well-formed and not, cut anywhere, from clients that stop reading, hang up and
 * pipeline, while the listener answers early, late, in pieces or not at all. The bodies of a client
 * are made of one byte that is its own, so that a byte that reached somebody else shows.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { HttpExchange, HttpImplementation, HttpListener } from '../../src/edge/http-server.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { ServerBench } from './http-server.ts';

const CLIENTS = 24;
const ROUNDS = 6;
/** The byte of the client whose letter is `a`: it stands in no request but in bodies. */
const BYTE_OF_A = 0xb0;
const PATHS = [
  ...['/now', '/now', '/later', '/stream', '/early', '/refuse'],
  ...['/abort-head', '/abort-body', '/abort-cork'],
];
const PAYLOAD = Buffer.alloc(60_000, '-');

interface Life {
  readonly path: string;
  readonly letter: string;
}

/** Checks the port's promises as it goes; throws where one is broken. */
class AbuseListener implements HttpListener {
  readonly lives = new Map<HttpExchange, Life>();
  readonly mixed: string[] = [];
  #head: Life = { path: '', letter: '' };
  #onEmpty: () => void = () => undefined;

  /** Resolves once no exchange is open. */
  async emptied(): Promise<void> {
    if (this.lives.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
  }

  onHead(exchange: HttpExchange, _method: string, path: string, query: string): void {
    if (this.lives.has(exchange)) throw new Error('an exchange was lent twice');
    this.#head = { path, letter: query };
    this.lives.set(exchange, this.#head);
  }

  onHeader(): void {}

  onHeadEnd(exchange: HttpExchange): boolean {
    const { path } = this.#head;
    if (path === '/refuse') this.#end(exchange, () => exchange.reply(404, '', [], PAYLOAD, 0, 9));
    if (path === '/abort-head') this.#end(exchange, () => exchange.abort());
    return this.lives.has(exchange);
  }

  onBody(
    exchange: HttpExchange,
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
  ): void {
    const chunk = bytes.subarray(start, end);
    const life = this.#lifeOf(exchange);
    const own = ownByte(life.letter);
    if (!chunk.every((byte) => byte < 0x80 || byte === own)) this.mixed.push(life.path);
    if (life.path === '/early') this.#end(exchange, () => this.#reply(exchange, life));
    else if (life.path === '/abort-body') this.#end(exchange, () => exchange.abort());
    else if (isLast) this.#answer(exchange, life);
  }

  onWritable(exchange: HttpExchange): void {
    this.#lifeOf(exchange);
  }

  onAborted(exchange: HttpExchange): void {
    this.#lifeOf(exchange);
    this.lives.delete(exchange);
    if (this.lives.size === 0) this.#onEmpty();
  }

  #answer(exchange: HttpExchange, life: Life): void {
    if (life.path === '/stream') {
      exchange.begin(200, 'text/event-stream', []);
      this.#stream(exchange, life, 3);
    } else if (life.path === '/later') {
      this.#turn(exchange, life, () => this.#end(exchange, () => this.#reply(exchange, life)));
    } else if (life.path === '/abort-cork') {
      this.#turn(exchange, life, () => this.#end(exchange, () => exchange.cork(abortBegun)));
    } else {
      this.#end(exchange, () => this.#reply(exchange, life));
    }
  }

  #stream(exchange: HttpExchange, life: Life, pieces: number): void {
    this.#turn(exchange, life, () => {
      if (pieces === 0) {
        this.#end(exchange, () => exchange.end());
        return;
      }
      exchange.write(PAYLOAD, 0, PAYLOAD.length);
      this.#stream(exchange, life, pieces - 1);
    });
  }

  #reply(exchange: HttpExchange, life: Life): void {
    const body = Buffer.from(`answer=${life.letter}`);
    exchange.cork((corked) => corked.reply(200, 'text/plain', [], body, 0, body.length));
  }

  /** In a later turn, unless the exchange ended by then. */
  #turn(exchange: HttpExchange, life: Life, run: () => void): void {
    setImmediate(() => {
      if (this.lives.get(exchange) === life) run();
    });
  }

  #end(exchange: HttpExchange, run: () => void): void {
    this.#lifeOf(exchange);
    this.lives.delete(exchange);
    run();
    if (exchange.isOpen) throw new Error('still open after its end');
  }

  #lifeOf(exchange: HttpExchange): Life {
    const life = this.lives.get(exchange);
    if (life === undefined) throw new Error('told of an exchange that ended');
    return life;
  }
}

const path = fc.constantFrom(...PATHS);
const bodyBytes = fc.constantFrom(0, 1, 10, 3000, 40_000, 110_000);
const rarely = fc.integer({ min: 0, max: 9 }).map((value) => value === 0);

function abortBegun(exchange: HttpExchange): void {
  exchange.begin(200, 'text/plain', []);
  exchange.write(PAYLOAD, 0, PAYLOAD.length);
  exchange.abort();
}

function ownByte(letter: string): number {
  return BYTE_OF_A + letter.charCodeAt(0) - 0x61;
}

/** A request; `$` is replaced by the client's letter, `*` by its byte. */
const request = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(path, bodyBytes).map(([at, bytes]) => withLength(at, bytes)) },
  {
    weight: 4,
    arbitrary: fc.tuple(path, bodyBytes, rarely, rarely).map(([at, bytes, isOdd, hasTrailer]) => {
      const size = bytes.toString(16) + (isOdd ? ';a' : '');
      const chunk = bytes === 0 ? '' : `${size}\r\n${'*'.repeat(bytes)}\r\n`;
      const end = hasTrailer ? '0\r\nX: y\r\n\r\n' : '0\r\n\r\n';
      return `POST ${at}?$ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${end}`;
    }),
  },
  { weight: 2, arbitrary: path.map((at) => `GET ${at}?$ HTTP/1.1\r\nHost: a\r\n\r\n`) },
  {
    weight: 1,
    arbitrary: fc.constant(
      'POST /now?$ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n*',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(20_000).map((bytes) => {
      return `GET /now?$ HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(bytes)}\r\n\r\n`;
    }),
  },
);

function withLength(at: string, bytes: number): string {
  const body = '*'.repeat(bytes);
  return `POST ${at}?$ HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n${body}`;
}

const client = fc.record({
  requests: fc.array(request, { minLength: 1, maxLength: 4 }),
  cuts: fc.array(fc.nat(200_000), { maxLength: 4 }),
  leaves: fc.constantFrom('at once', 'politely', 'after a pause'),
});

export function describeHttpAbuse(implementation: HttpImplementation): void {
  const bench = new ServerBench();
  afterEach(() => bench.stop());

  describe('under abuse', () => {
    it('mixes up nobody and ends every exchange once', async () => {
      const listener = new AbuseListener();
      await bench.start(implementation, { listener, bodyTimeoutMs: 500 });
      await fc.assert(
        fc.asyncProperty(
          fc.array(client, { minLength: CLIENTS, maxLength: CLIENTS }),
          async (clients) => {
            const strange = await Promise.all(
              clients.map((one, index) => run(bench, one, String.fromCharCode(97 + index))),
            );
            expect(strange.flat()).toEqual([]);
            expect(listener.mixed).toEqual([]);
          },
        ),
        { numRuns: ROUNDS, endOnFailure: true },
      );
      bench.stop();
      await listener.emptied();
    }, 120_000);
  });
}

/** Answers that belong to somebody else. */
async function run(
  bench: ServerBench,
  { requests, cuts, leaves }: { requests: string[]; cuts: number[]; leaves: string },
  letter: string,
): Promise<string[]> {
  const text = requests
    .join('')
    .replaceAll('$', letter)
    .replaceAll('*', String.fromCharCode(ownByte(letter)));
  const places = [0, ...cuts.filter((at) => at < text.length).sort((a, b) => a - b), text.length];
  const socket = await RawSocket.open(bench.port);
  if (leaves === 'after a pause') socket.socket.pause();
  await socket.sendParts(places.slice(1).map((end, index) => text.slice(places[index], end)));
  if (leaves === 'after a pause') socket.socket.resume();
  if (leaves === 'at once') socket.destroy();
  else if (leaves === 'when the server does')
    await socket.send('GET\r\n\r\n'); // no server takes this
  else socket.socket.end();
  await socket.closed;
  return [...socket.text.matchAll(/answer=(.)/g)]
    .map(([, one]) => one!)
    .filter((one) => one !== letter);
}
