/** Orders of socket events that a test cannot force from outside: the socket is real, its end is not. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  CLOSED,
  HttpClientCounters,
  type HttpFailureKind,
} from '../../../src/transport/http/http-client.ts';
import { LeanCall, type CallOwner } from '../../../src/transport/http/lean-call.ts';
import {
  LeanConnection,
  type ConnectionOwner,
} from '../../../src/transport/http/lean-connection.ts';
import {
  SocketTarget,
  type SocketEvents,
  type SocketSource,
} from '../../../src/transport/http/lean-socket.ts';
import { LeanHttpClient } from '../../../src/transport/http/lean-http-client.ts';
import { ResponseHead } from '../../../src/transport/http/response-head.ts';
import { RequestWriter } from '../../../src/transport/http/request-writer.ts';
import { Bench, CHUNKED } from '../../support/http-bench.ts';
import { ProbeListener, requestBytes } from '../../support/http-probe.ts';

const bench = new Bench((options) => new LeanHttpClient(options));
afterEach(() => bench.close());

const NO_OWNER: CallOwner = {
  abortCall: () => undefined,
  resumeCall: () => undefined,
  renewCall: () => undefined,
};

/** As over TLS, where the end may be decrypted together with the data in which a pause began. */
function endingAtPause(target: SocketTarget): SocketSource {
  return {
    open: (events: SocketEvents) =>
      target.open({
        onConnect: () => events.onConnect(),
        onRead: (bytes, count) => {
          const readsOn = events.onRead(bytes, count);
          if (!readsOn) {
            events.onEof();
            events.onSocketClosed();
          }
          return readsOn;
        },
        onEof: () => undefined,
        onSocketError: () => undefined,
        onSocketClosed: () => undefined,
      }),
  };
}

describe('a connection that ends while its response is paused', () => {
  /** Reads the response with a pause at its first piece; what was lost, and what the listener has. */
  async function read(
    response: string,
  ): Promise<{ listener: ProbeListener; lost: number[]; rooms: number }> {
    const server = await bench.fixed(response);
    const lost: HttpFailureKind[] = [];
    let rooms = 0;
    const listener = new ProbeListener();
    const request = requestBytes(server.url, 'POST');
    const call = new LeanCall(NO_OWNER);
    call.begin(request, 0, request.length, listener, 0, Infinity, false, false);
    const connected = new Promise<LeanConnection>((resolve) => {
      const owner: ConnectionOwner = {
        headerBytesMax: 16_384,
        head: new ResponseHead(),
        onConnected: resolve,
        onRoom: () => (rooms += 1),
        onAnswered: () => undefined,
        onLost: (_connection, kind) => lost.push(kind),
        onSocketClosed: () => undefined,
      };
      new LeanConnection(owner, endingAtPause(new SocketTarget(server.url, undefined)), Infinity);
    });
    const connection = await connected;
    connection.assign(call);
    connection.flush(new RequestWriter(new HttpClientCounters()), 0);
    listener.answer = () => false;
    await listener.received(1);
    expect([lost, connection.isRetiring, listener.isOver]).toEqual([[], true, false]);
    listener.answer = () => true;
    connection.resume();
    connection.shut(CLOSED);
    return { listener, lost, rooms };
  }

  it('hands out what was read before, ends with it, and takes no further call', async () => {
    const whole = `${CHUNKED}\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n`;
    const { listener, lost, rooms } = await read(whole);
    expect(await listener.outcome).toMatchObject({ body: 'abcdef', failure: null });
    expect([lost, rooms]).toEqual([[CLOSED], 0]);
  });

  it('takes the end for the end of a body that has no other', async () => {
    const { listener } = await read('HTTP/1.1 200 OK\r\n\r\nabc');
    expect(await listener.outcome).toMatchObject({ body: 'abc', failure: null });
  });

  it('is lost with a body that is not complete', async () => {
    const { listener, lost } = await read(`${CHUNKED}\r\n3\r\nabc\r\n3\r\nde`);
    expect(lost).toEqual([CLOSED]);
    expect([listener.body, listener.isOver]).toEqual(['abcde', false]);
  });
});
