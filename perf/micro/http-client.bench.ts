/**
 * The HTTP client over real sockets, against the stub of the load tests in a process of its own. What
 * counts is `cpu`, the CPU time of this process per call, system calls included; the other columns are
 * wall time per call, which the stub limits as well.
 */
import { createClock } from '../../shared/clock.ts';
import { createHttpClient } from '../../src/transport/http/create-http-client.ts';
import {
  HttpClientCounters,
  requestHeadPrefix,
  type HttpClient,
  type HttpResponseListener,
} from '../../src/transport/http/http-client.ts';
import { bench, type Bench } from '../bench.ts';
import { startStub } from '../load/servers.ts';

/** Calls under way at any time, as in the load tests. */
const CALLERS = 64;
const BODY =
  '{"jsonrpc":"2.0","id":1234567000000001,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}';

/** One client of the load: sends its next call as soon as the last one is answered. */
class Caller implements HttpResponseListener {
  readonly #load: Load;
  bodyBytes = 0;

  constructor(load: Load) {
    this.#load = load;
  }

  onHead(): void {}

  onBody(_bytes: Buffer, start: number, end: number): boolean {
    this.bodyBytes += end - start;
    return true;
  }

  onEnd(): void {
    this.#load.next(this);
  }

  onFailure(): void {
    throw new Error('a call of the bench failed');
  }
}

class Load {
  readonly callers: readonly Caller[];
  readonly #client: HttpClient;
  readonly #request: Buffer;
  #left = 0;
  #open = 0;
  #onDone: () => void = () => undefined;

  constructor(client: HttpClient, request: Buffer) {
    this.#client = client;
    this.#request = request;
    this.callers = Array.from({ length: CALLERS }, () => new Caller(this));
  }

  run(calls: number): Promise<void> {
    this.#left = calls;
    const done = new Promise<void>((resolve) => (this.#onDone = resolve));
    for (const caller of this.callers) this.#send(caller);
    return done;
  }

  next(caller: Caller): void {
    this.#open -= 1;
    this.#send(caller);
  }

  #send(caller: Caller): void {
    if (this.#left > 0) {
      this.#left -= 1;
      this.#open += 1;
      const request = this.#request;
      if (this.#client.send(request, 0, request.length, caller, 0, false) === null) {
        throw new Error('no room for a call of the bench');
      }
    } else if (this.#open === 0) this.#onDone();
  }
}

async function measure({ size, timeAsync, digest }: Bench, pipelining: number): Promise<void> {
  const calls = size('calls', { smoke: 200, full: 10_000 });
  const stub = await startStub();
  const url = new URL(stub.url);
  const client = createHttpClient({
    url,
    maxConnections: 256,
    pipelining,
    connectTimeoutMs: 5000,
    idleTimeoutMs: 60_000,
    headerBytesMax: 16 * 1024,
    queueMax: 2048,
    clock: createClock(performance, performance.timeOrigin),
    counters: new HttpClientCounters(),
  });
  const head = requestHeadPrefix(url, 'POST', [
    ['content-type', 'application/json'],
    ['accept', 'application/json, text/event-stream'],
  ]);
  const rest = Buffer.from(`content-length: ${BODY.length}\r\n\r\n${BODY}`);
  const load = new Load(client, Buffer.concat([head, rest]));
  try {
    await timeAsync(calls, () => load.run(calls));
    digest(load.callers.every(({ bodyBytes }) => bodyBytes > 0) ? 1 : 0);
  } finally {
    await client.close();
    await stub.stop();
  }
}

bench('http client: one call per connection', (run) => measure(run, 1));
bench('http client: up to 16 calls per connection', (run) => measure(run, 16));
