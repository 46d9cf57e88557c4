import { afterEach, describe, expect, it } from 'vitest';
import { describeHttpAbuse } from '../cases/http-abuse.ts';
import { describeHttpFraming } from '../cases/http-framing.ts';
import { describeHttpHeld } from '../cases/http-held.ts';
import { describeHttpServer, get, ServerBench } from '../cases/http-server.ts';

describe('the HTTP server on node:http', () => {
  describeHttpServer('node');
  describeHttpFraming('node');
  describeHttpHeld('node');
  describeHttpAbuse('node');
});

describe('the HTTP server on node:http alone', () => {
  const bench = new ServerBench();
  afterEach(() => bench.stop());

  it('gives up on a head that comes too slowly, and on a connection that says nothing', async () => {
    await bench.start('node', { headersTimeoutMs: 100 });
    const slow = await bench.connect();
    await slow.send(get('/slow').slice(0, -2));
    const silent = await bench.connect();
    await Promise.all([slow.closed, silent.closed]);
    expect(slow.text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
    expect(bench.listener.paths).toEqual([]);
  });
});
