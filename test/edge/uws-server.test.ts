import { afterEach, describe, expect, it } from 'vitest';
import { loadUws } from '../../src/edge/uws-server.ts';
import { describeHttpAbuse } from '../cases/http-abuse.ts';
import { describeHttpFraming } from '../cases/http-framing.ts';
import { describeHttpHeld } from '../cases/http-held.ts';
import { describeHttpServer, get, HEADER_BYTES_MAX, ServerBench } from '../cases/http-server.ts';
import { replyText, writeText } from '../support/http-recorder.ts';

const whyNot = loadingError();
const title = 'the HTTP server on uWebSockets.js';

/** Why the binary cannot be loaded here, or empty. */
function loadingError(): string {
  try {
    loadUws(HEADER_BYTES_MAX);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

if (whyNot !== '')
  describe.skip(`${title}, skipped, as ${whyNot}`, () => it('runs', () => undefined));

describe.runIf(whyNot === '')(title, () => {
  describeHttpServer('uws');
  describeHttpFraming('uws');
  describeHttpHeld('uws');
  describeHttpAbuse('uws');
});

describe.runIf(whyNot === '')(`${title} alone`, () => {
  const bench = new ServerBench();
  afterEach(() => bench.stop());

  it('tells a method as it was sent, also at a usual path', async () => {
    const alone = new ServerBench();
    await alone.start('uws');
    const socket = await alone.connect();
    for (const [index, method] of ['post', 'POST', 'Post', 'GET'].entries()) {
      await socket.send(`${method} /mcp HTTP/1.1\r\nHost: a\r\n\r\n`);
      await socket.answers(index + 1);
    }
    alone.stop();
    const methods = alone.listener.requests.map((request) => request.method);
    expect(methods).toEqual(['post', 'POST', 'Post', 'GET']);
  });

  // Chunk sizes are read loosely below the port, so no other request may share the connection.
  it('answers a chunked request whole, then closes, whatever follows', async () => {
    await bench.start('uws');
    bench.listener.onComplete = ({ exchange, path }) => {
      setImmediate(() => {
        if (path === '/whole') {
          replyText(exchange, 'whole');
        } else if (path === '/empty') {
          exchange.reply(202, '', [], new Uint8Array(0), 0, 0);
        } else {
          exchange.begin(200, 'text/event-stream', []);
          writeText(exchange, 'data: 1\n\n');
          setImmediate(() => exchange.end());
        }
      });
    };
    const bodies = { '/whole': 'whole', '/empty': '', '/stream': 'data: 1\n\n' };
    for (const [path, body] of Object.entries(bodies)) {
      const socket = await bench.connect();
      await socket.send(
        `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`,
      );
      const [answer] = await socket.answers();
      expect(answer!.body).toBe(body);
      expect(answer!.headers.get('connection')).toBe('close');
      await socket.send(get('/evil'));
      await socket.closed;
      expect(await fetchInChunks(`http://127.0.0.1:${bench.port}${path}`)).toBe(body);
      expect(await fetchInChunks(`http://127.0.0.1:${bench.port}${path}`)).toBe(body);
    }
    expect(new Set(bench.listener.paths)).toEqual(new Set(Object.keys(bodies)));
  });
});

/** An ordinary client, as a judge of the answer's form. */
async function fetchInChunks(url: string): Promise<string> {
  const init = { method: 'POST', body: new Blob(['some body']).stream(), duplex: 'half' };
  const response = await fetch(url, init as RequestInit);
  return response.text();
}
