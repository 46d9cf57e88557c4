import { afterEach, describe, expect, it } from 'vitest';
import { describeHttpClient } from '../../cases/http-client.ts';
import { NOT_SENT } from '../../../src/transport/http/http-client.ts';
import { LeanHttpClient } from '../../../src/transport/http/lean-http-client.ts';
import { Bench, CHUNKED } from '../../support/http-bench.ts';
import { answer, sendProbe, turn } from '../../support/http-probe.ts';
import { selfSigned } from '../../support/self-signed.ts';

const secure = selfSigned();

describeHttpClient('the lean client over TLS', { seesFirstByte: true, secure }, (options) => {
  return new LeanHttpClient(options);
});

describe('TLS', () => {
  const bench = new Bench((options) => new LeanHttpClient(options), secure);
  afterEach(() => bench.close());

  it('does not talk to an upstream whose certificate nobody vouches for', async () => {
    const server = await bench.fixed(answer('ok'));
    const client = bench.client(server.url, { tls: {} });
    expect(await sendProbe(client, server.url).outcome).toMatchObject({
      failure: 'connect refused',
      executed: NOT_SENT,
    });
    expect(client.connectError).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(server.requests.length).toBe(0);
  });

  it('does not talk to an upstream whose certificate names another host', async () => {
    const server = await bench.fixed(answer('ok'));
    const url = new URL(`https://127.0.0.2:${server.port}/`);
    const other = await bench.raw(undefined, '127.0.0.2');
    const client = bench.client(new URL(`https://127.0.0.2:${other.port}/`));
    expect(await sendProbe(client, url).outcome).toMatchObject({ failure: 'connect refused' });
    expect(client.connectError).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  it('reads on after a pause, although the end of the connection has come meanwhile', async () => {
    const body = `${CHUNKED}connection: close\r\n\r\n${'3\r\nabc\r\n'.repeat(1000)}0\r\n\r\n`;
    const untilClose = `HTTP/1.1 200 OK\r\n\r\n${'abc'.repeat(20_000)}`;
    for (const [response, size] of [
      [body, 3000],
      [untilClose, 60_000],
    ] as const) {
      const server = await bench.fixed(response, true);
      const { listener, call, outcome } = sendProbe(bench.client(server.url), server.url);
      listener.answer = () => false;
      await listener.received(1);
      for (let i = 0; i < 10; i += 1) await turn();
      listener.answer = () => {
        setImmediate(() => call.resume());
        return false;
      };
      call.resume();
      expect(await outcome).toMatchObject({ failure: null, body: 'abc'.repeat(size / 3) });
    }
  });

  it('tells a body that was cut off during a pause from a complete one', async () => {
    const server = await bench.fixed(`${CHUNKED}\r\n3\r\nabc\r\n3\r\nab`, true);
    const client = bench.client(server.url);
    const { listener, call, outcome } = sendProbe(client, server.url);
    listener.answer = () => false;
    await listener.received(3);
    for (let i = 0; i < 10; i += 1) await turn();
    listener.answer = () => true;
    call.resume();
    expect(await outcome).toMatchObject({ failure: 'closed', body: 'abcab' });
    expect(client.connections).toBe(0);
  });
});
