/**
 * Two edges, one that knows heads and one that reads each, are sent the same bytes on the same connections:
 * whole requests and parts of them, well formed and not, between new plans. What reaches a shard, what
 * clients are answered, what is counted and when connections end must be the same.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { COUNTER_BLOCK_BYTES, CounterBlock } from '../../shared/counter-cell.ts';
import { createKernelMemory, openKernel } from '../../shared/kernel/byte-kernel.ts';
import { OpenView } from '../../shared/open-codec.ts';
import type { Plan } from '../../src/config/plan.ts';
import { BodyBudget } from '../../src/edge/body-budget.ts';
import { EdgeExchange } from '../../src/edge/connection-table.ts';
import { HttpAcceptor } from '../../src/edge/http-acceptor.ts';
import type { HttpExchange, HttpListener, KnownHeads } from '../../src/edge/http-server.ts';
import { LeanConnection } from '../../src/edge/lean-connection.ts';
import type { LeanHost } from '../../src/edge/lean-connection.ts';
import type { PumpedShard } from '../../src/edge/reply-pump.ts';
import { ReplySlab } from '../../src/edge/reply-slab.ts';
import { RequestParser } from '../../src/edge/request-parser.ts';
import type { BodyOwner } from '../../src/edge/shard-proxy.ts';
import { ShardPicker } from '../../src/edge/shard-picker.ts';
import { takeBuffer } from '../../src/transport/kernel-buffer.ts';
import { ANY_LIMIT, sessionIdFor, testPlan } from './support/edge-harness.ts';

const PAGE = 64 * 1024;
openKernel(createKernelMemory(16 * PAGE), PAGE, 15 * PAGE);

const BODY_BYTES_MAX = 40;
const LIMITS = { ...testPlan().limits, bodyBytesMax: BODY_BYTES_MAX };
const PLANS: readonly Partial<Plan>[] = [
  {},
  { rateLimits: [ANY_LIMIT] },
  { allowedHosts: ['*'], allowedOrigins: ['*'] },
  { askedHeaders: ['x-other'] },
  { endpoints: [{ index: 2, path: '/mcp', upstream: null }] },
];
const CONNECTIONS = 3;

function withoutDate(bytes: ArrayLike<number>): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(/Date: [^\r]+/, 'Date');
}

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '10.1.2.3';
  readonly writableLength = 0;
  readonly connecting = false;
  readonly errored = null;
  writableEnded = false;
  destroyed = false;
  readonly #log: string[];

  constructor(log: string[]) {
    super();
    this.#log = log;
  }

  write(bytes: Uint8Array): boolean {
    this.#log.push(withoutDate(bytes));
    return true;
  }

  end(bytes?: Uint8Array): void {
    this.#log.push(`end ${withoutDate(bytes ?? [])}`);
    this.writableEnded = true;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.#log.push('destroyed');
    this.destroyed = true;
    this.emit('close');
  }

  setTimeout(): void {
    // Nobody waits here.
  }
}

/** An edge without its threads. */
class Side {
  readonly log: string[] = [];
  known = 0;
  readonly #counts = new Int32Array(new SharedArrayBuffer(COUNTER_BLOCK_BYTES));
  readonly #budget = new BodyBudget(LIMITS.bodyBudgetBytes);
  readonly #acceptor: HttpAcceptor;
  readonly #host: LeanHost;
  readonly #bytes = takeBuffer(4096);
  readonly #view = new OpenView();
  readonly #sockets: FakeSocket[] = [];
  readonly #connections: LeanConnection[] = [];
  #running: EdgeExchange[] = [];
  #needsAddress = false;

  constructor(knowsHeads: boolean) {
    const { log } = this;
    this.#acceptor = new HttpAcceptor({
      plan: testPlan(),
      clock: { nowMs: () => 7 } as never,
      counters: new CounterBlock(this.#counts.buffer, 0),
      budget: this.#budget,
      picker: new ShardPicker([{ isRunning: true, openCount: 0 }]),
      shards: [this.#shard()],
      documents: () => null,
    });
    this.#host = {
      options: {
        headerBytesMax: 600,
        bodyBytesMax: BODY_BYTES_MAX * 2,
        onPipelinedDisconnect: () => log.push('pipelined'),
        onFramingRefused: () => log.push('framing'),
      } as never,
      listener: this.#listener(this.#acceptor, knowsHeads),
      parser: new RequestParser(),
      slab: new ReplySlab(),
      isStopping: false,
      tick: 0,
      headersTicks: 1,
      bodyTicks: 2,
      idleTicks: 3,
      lingerTicks: 4,
      forget: () => undefined,
    };
    this.#host.slab.setDate(0);
  }

  #listener(acceptor: HttpAcceptor, knowsHeads: boolean): HttpListener {
    const known: KnownHeads = {
      get knownLength() {
        return acceptor.knownLength;
      },
      get lastShape() {
        return acceptor.lastShape;
      },
      matchHead: (bytes, start, end, hint, all) => acceptor.matchHead(bytes, start, end, hint, all),
      beginKnown: (exchange) => {
        this.known += 1;
        acceptor.beginKnown(exchange);
      },
    };
    return {
      onHead: () => undefined,
      onHeader: () => undefined,
      onHeadEnd: () => false,
      onRawHead: (exchange, head) => acceptor.onRawHead(exchange, head),
      ...(knowsHeads ? { known } : {}),
      onBody: (exchange, bytes, start, end, isLast) =>
        acceptor.onBody(exchange, bytes, start, end, isLast),
      onWritable: (exchange) => acceptor.onWritable(exchange),
      onAborted: (exchange) => acceptor.onAborted(exchange),
    };
  }

  #shard(): PumpedShard {
    const tryOpen = (
      http: HttpExchange,
      head: Uint8Array,
      headBytes: number,
      body: Uint8Array,
      start: number,
      end: number,
      owner: BodyOwner | null,
    ): EdgeExchange => {
      this.#budget.give(owner?.budgetBytes ?? 0);
      this.log.push(this.#textOf(head, headBytes), Buffer.from(body.slice(start, end)).toString());
      const exchange = new EdgeExchange(0, this.#running.length);
      exchange.http = http;
      this.#running.push(exchange);
      return exchange;
    };
    const dropClient = (exchange: EdgeExchange): void => {
      exchange.http = null;
    };
    return { proxy: { tryOpen }, writer: { dropClient } } as unknown as PumpedShard;
  }

  /** Fields of one name keep their order, others need not (RFC 9110 5.3). */
  #textOf(head: Uint8Array, headBytes: number): string {
    const view = this.#view;
    if (!view.reset(head, 0, headBytes)) return 'malformed';
    const text = (start: number, end: number): string =>
      Buffer.from(head.slice(start, end)).toString('latin1');
    const fields: string[] = [];
    for (let at = view.nextHeader(view.headersStart); at >= 0; at = view.nextHeader(at)) {
      const name = text(view.nameStart, view.nameEnd);
      fields.push(`${view.code}:${name}:${text(view.valueStart, view.valueEnd)}`);
    }
    fields.sort((one, other) => parseInt(one, 10) - parseInt(other, 10));
    const { method, endpoint, planNumber, arrivalUs, peerFamily, headerCount } = view;
    // Where no plan needs the address, it may be there or not.
    const address = this.#needsAddress ? [peerFamily, text(view.peerStart, view.peerEnd)] : [];
    return JSON.stringify([method, endpoint, planNumber, arrivalUs, headerCount, address, fields]);
  }

  /** Connections of another run, and no shapes. */
  begin(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#running = [];
    this.setPlan(0, 1);
    for (let index = 0; index < CONNECTIONS; index += 1) this.#connect(index);
    this.log.length = 0;
    this.#counts.fill(0);
  }

  #connect(index: number): void {
    const socket = new FakeSocket(this.log);
    this.#sockets[index] = socket;
    this.#connections[index] = new LeanConnection(this.#host, socket as unknown as Socket);
  }

  setPlan(index: number, number: number): void {
    const changes = PLANS[index]!;
    this.#needsAddress = changes.rateLimits !== undefined;
    this.#acceptor.setPlan(testPlan({ limits: LIMITS, ...changes, number }));
  }

  send(index: number, text: string): void {
    const socket = this.#sockets[index]!;
    if (socket.destroyed || socket.writableEnded) this.#connect(index);
    const connection = this.#connections[index]!;
    connection.onRead(this.#bytes, this.#bytes.write(text, 'latin1'));
    this.#bytes.fill('#');
    this.log.push(`${index} until ${connection.deadlineTick}`);
  }

  /** All that run. */
  answer(): void {
    for (const { http, corsOrigin } of this.#running) {
      if (http === null || !http.isOpen) continue;
      this.log.push(`answered to ${corsOrigin}`);
      http.state = undefined;
      http.reply(200, '', [], Buffer.alloc(0), 0, 0);
    }
    this.#running = [];
  }

  counts(): readonly number[] {
    return [...this.#counts];
  }
}

interface Request {
  readonly line: string;
  readonly host: string;
  readonly fields: readonly (readonly [name: string, values: readonly string[]])[];
}

/** The usual, but for one in so many. */
function mostly<T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>, oneIn: number): fc.Arbitrary<T> {
  return fc.oneof({ weight: oneIn - 1, arbitrary: usual }, { weight: 1, arbitrary: odd });
}

/** What varies and what does not among the requests of one client. */
const request: fc.Arbitrary<Request> = fc.record({
  line: mostly(fc.constant('POST /mcp'), fc.constantFrom('POST /mcp/math', 'GET /mcp'), 4),
  host: mostly(
    fc.constant('localhost'),
    fc.constantFrom('localhost:8', 'evil.example', 'h\u00fc'),
    4,
  ),
  fields: fc.uniqueArray(
    fc.constantFrom<readonly [string, readonly string[]]>(
      ['Authorization', ['Bearer one', 'Bearer another', 'x'.repeat(500), 'a\tb', '']],
      ['Mcp-Name', ['add', 'sub tract', '\u00fc', ' ']],
      ['Mcp-Session-Id', [sessionIdFor(0), 's']],
      ['Cookie', ['a=b', 'c', '\u00ff']],
      ['X-Other', ['1', '22']],
      ['Origin', ['http://localhost:3']],
      ['Accept', ['*/*']],
      ['tracestate', ['a=1', 'b=2']],
      ['Connection', ['keep-alive', 'keep-alive', 'close']],
      ['Transfer-Encoding', ['chunked']],
    ),
    { maxLength: 4, selector: ([name]) => name },
  ),
});

const BODIES = ['{"a":1}', '1234567890', 'x'.repeat(BODY_BYTES_MAX + 1), 'POST /mcp HTTP/1.1\r\n'];
const LENGTHS = ['007', '0', '+7', '7 ', '7,7', '', '1234567890'];
const NO_CHANGE = [0, '', 0] as const;
const part = fc.nat(999).map((thousandths) => thousandths / 1000);
const change = fc.tuple(part, fc.constantFrom('', 'x', '\r', '\n', '\r\n', ' ', ':'), fc.nat(2));

const step = fc.record({
  connection: fc.nat(CONNECTIONS - 1),
  /** Connections are mostly one client's each. */
  client: mostly(fc.constant(0), fc.nat(2), 5),
  value: mostly(fc.nat(1), fc.nat(9), 6),
  body: mostly(fc.nat(1), fc.nat(BODIES.length - 1), 8),
  length: mostly(fc.constant(null), fc.constantFrom(...LENGTHS), 10),
  change: mostly<readonly [number, string, number]>(fc.constant(NO_CHANGE), change, 8),
  /** Where the request is cut: the rest is sent in place of this connection's next one. */
  cut: mostly(fc.constant(1), part, 5),
  isAnswered: mostly(fc.constant(true), fc.constant(false), 8),
  plan: mostly(fc.constant(-1), fc.nat(PLANS.length - 1), 20),
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function textOf({ line, host, fields }: Request, choice: Step): string {
  const body = BODIES[choice.body]!;
  const lines = fields.map(([name, values]) => {
    return `${name}: ${values[choice.value % values.length]!}\r\n`;
  });
  lines.unshift(`Content-Length: ${choice.length ?? body.length}\r\n`);
  const text = `${line} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}\r\n${body}`;
  const [where, put, left] = choice.change;
  const at = Math.floor(where * text.length);
  return text.slice(0, at) + put + text.slice(at + left);
}

it('does what an edge does that reads each head, whatever comes', () => {
  const sides = [new Side(true), new Side(false)] as const;
  const onBoth = (run: (side: Side) => void): void => {
    for (const side of sides) run(side);
  };
  fc.assert(
    fc.property(
      fc.array(request, { minLength: CONNECTIONS, maxLength: CONNECTIONS }),
      fc.array(step, { minLength: 20, maxLength: 40 }),
      (requests, steps) => {
        onBoth((side) => side.begin());
        const rests = new Array<string>(CONNECTIONS).fill('');
        let plans = 1;
        for (const choice of steps) {
          const { connection, plan } = choice;
          const text =
            rests[connection]! ||
            textOf(requests[(connection + choice.client) % CONNECTIONS]!, choice);
          const cut = Math.max(1, Math.floor(choice.cut * text.length));
          rests[connection] = text.slice(cut);
          onBoth((side) => side.send(connection, text.slice(0, cut)));
          if (choice.isAnswered) onBoth((side) => side.answer());
          if (plan < 0) continue;
          plans += 1;
          onBoth((side) => side.setPlan(plan, plans));
        }
        const [knowing, reading] = sides;
        expect(knowing.log).toEqual(reading.log);
        expect(knowing.log).not.toContain('malformed');
        expect(knowing.counts()).toEqual(reading.counts());
      },
    ),
    { numRuns: 600 },
  );
  expect(sides[0].known).toBeGreaterThan(1000);
});
