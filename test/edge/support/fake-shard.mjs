/**
 * A shard that does what its requests say: the other end of the edge's tests, on the built `shared`.
 * A request is `{"jsonrpc":"2.0","id":…,"method":M,"params":{…}}`; the methods are in METHODS.
 *
 * Stale state must not hide bugs: everything here is per task, nothing is kept between generations.
 */
import { spawn } from 'node:child_process';
import { CounterBlock } from '../../../dist/shared/counter-cell.js';
import { Doorbell, DoorbellWaiter } from '../../../dist/shared/doorbell.js';
import { ExchangeCells } from '../../../dist/shared/exchange-cell.js';
import { FAULTS } from '../../../dist/shared/fault.js';
import * as frames from '../../../dist/shared/frame-kind.js';
import { headerName } from '../../../dist/shared/header-code.js';
import { CREDIT_BYTES, EXCHANGE_SLOT_BITS } from '../../../dist/shared/limits.js';
import { MetricTable } from '../../../dist/shared/metric-table.js';
import { OpenView } from '../../../dist/shared/open-codec.js';
import { ProcessTable } from '../../../dist/shared/process-table.js';
import { checkRegion, shardThread } from '../../../dist/shared/region-descriptor.js';
import { ByteRange } from '../../../dist/shared/byte-words.js';
import {
  REPLY_EVENT_STREAM,
  REPLY_JSON,
  REPLY_NONE,
  writeReplyHead,
} from '../../../dist/shared/reply-codec.js';
import { RingReader } from '../../../dist/shared/ring-reader.js';
import { RingWriter } from '../../../dist/shared/ring-writer.js';
import { THREAD_READY, ThreadCell } from '../../../dist/shared/thread-cell.js';

const {
  FLAG_FIN,
  FRAME_ABORT,
  FRAME_CANCEL,
  FRAME_CREDIT,
  FRAME_DATA,
  FRAME_HEAD,
  FRAME_IDS,
  FRAME_OPEN,
} = frames;
const SLOT_MASK = (1 << EXCHANGE_SLOT_BITS) - 1;
const PAYLOAD_MAX = 60 * 1024;
const BEAT_MS = 200;

export default function run(task) {
  if (task.plan.upstreams[0]?.name === 'broken') throw new Error('told to fail at start');
  return new Promise((resolve, reject) => new FakeShard(task, resolve, reject).start());
}

class Exchange {
  constructor(shard, number) {
    this.shard = shard;
    this.number = number;
    this.chunks = [];
    this.bytes = 0;
    this.open = null;
    this.idText = null;
    this.credit = CREDIT_BYTES;
    this.queue = [];
    this.isEnding = false;
    this.onIdle = null;
    this.isOver = false;
    this.cancelReason = 0;
  }

  /** The whole answer in one frame. */
  reply(status, body, contentType = REPLY_JSON) {
    const payload = Buffer.alloc(8 + body.length);
    writeReplyHead(new ByteRange(payload), 0, status, contentType, 0, 0);
    body.copy(payload, 8);
    this.shard.write(FRAME_HEAD, FLAG_FIN, this.number, body.length, payload);
    this.over();
  }

  result(value) {
    this.reply(
      200,
      Buffer.from(`{"jsonrpc":"2.0","id":${this.idText},"result":${JSON.stringify(value)}}`),
    );
  }

  begin(contentType) {
    const payload = Buffer.alloc(8);
    writeReplyHead(new ByteRange(payload), 0, 200, contentType, 0, 0);
    this.shard.write(FRAME_HEAD, 0, this.number, 0, payload);
  }

  event(value) {
    this.send(Buffer.from(`event: message\ndata: ${JSON.stringify(value)}\n\n`));
  }

  send(bytes) {
    for (let at = 0; at < bytes.length; at += PAYLOAD_MAX)
      this.queue.push(bytes.subarray(at, at + PAYLOAD_MAX));
    this.flush();
  }

  end() {
    this.isEnding = true;
    this.flush();
  }

  abort(code) {
    this.shard.write(FRAME_ABORT, 0, this.number, FAULTS[code].id, Buffer.alloc(0));
    this.over();
  }

  flush() {
    // However little the credit is, it is used up: the edge may be probing.
    while (this.queue.length > 0 && this.credit > 0) {
      const [first] = this.queue;
      const bytes = first.subarray(0, Math.min(first.length, this.credit));
      if (bytes.length === first.length) this.queue.shift();
      else this.queue[0] = first.subarray(bytes.length);
      this.credit -= bytes.length;
      this.shard.sentBytes += bytes.length;
      this.shard.write(FRAME_DATA, 0, this.number, 0, bytes);
    }
    if (this.queue.length > 0 || this.isOver) return;
    if (!this.isEnding) {
      if (this.onIdle !== null) this.onIdle();
      return;
    }
    this.shard.write(FRAME_DATA, FLAG_FIN, this.number, 0, Buffer.alloc(0));
    this.over();
  }

  over() {
    this.isOver = true;
    this.shard.exchanges.delete(this.number);
  }
}

const METHODS = {
  /** Says what arrived and where. */
  echo(exchange, params) {
    const { open, shard } = exchange;
    exchange.result({
      params,
      shard: shard.task.shardIndex,
      generation: shard.task.generation,
      bytes: exchange.bytes,
      ...open,
    });
  },
  /** Says how many bytes arrived, but not which. */
  size(exchange) {
    exchange.result({ bytes: exchange.bytes });
  },
  /** Answers with this status. */
  status(exchange, { status }) {
    exchange.reply(status, Buffer.from('{}'));
  },
  /** Generations it is joined with. */
  peers(exchange) {
    exchange.result({ joined: exchange.shard.peers });
  },
  plans(exchange) {
    exchange.result([...exchange.shard.plans]);
  },
  log(exchange, { level, message }) {
    exchange.shard.port.postMessage({ kind: 'log', level, message, fields: { a: 1 } });
    exchange.result({});
  },
  /** Counts calls in a row of the metric table, labelled if it is told how. */
  count(exchange, { row, upstream, name, outcome, times }) {
    const { task, port } = exchange.shard;
    const table = new MetricTable(task.region, task.layout.metrics[task.shardIndex]);
    if (name !== undefined) port.postMessage({ kind: 'label', slot: row, upstream, name });
    for (let call = 0; call < times; call += 1) table.record(row, outcome, 1000);
    exchange.result({});
  },
  /** Waits for `release`. */
  hold(exchange) {
    exchange.shard.held.push(exchange);
  },
  release(exchange) {
    const held = exchange.shard.held.splice(0);
    for (const other of held) if (!other.isOver) other.result({ released: true });
    exchange.result({ released: held.length });
  },
  /** `events` events of `bytes` each, then the response. */
  stream(exchange, { events, bytes }) {
    exchange.begin(REPLY_EVENT_STREAM);
    for (let i = 0; i < events; i += 1) exchange.event({ i, fill: 'x'.repeat(bytes) });
    exchange.send(
      Buffer.from(
        `event: message\ndata: {"jsonrpc":"2.0","id":${exchange.idText},"result":{}}\n\n`,
      ),
    );
    exchange.end();
  },
  /** As `stream`, but makes an event only when there is credit for it. */
  drip(exchange, { events, bytes }) {
    exchange.begin(REPLY_EVENT_STREAM);
    let i = 0;
    exchange.onIdle = () => {
      if (i === events) exchange.end();
      else exchange.event({ i: (i += 1), fill: 'x'.repeat(bytes) });
    };
    exchange.flush();
  },
  /** Begins an event stream and waits; `cut` leaves it in the middle of an event. */
  openStream(exchange, { cut }) {
    exchange.begin(REPLY_EVENT_STREAM);
    exchange.event({ first: true });
    if (cut) exchange.send(Buffer.from('event: message\ndata: {"half":'));
    exchange.shard.held.push(exchange);
  },
  /** A JSON body of `bytes` in pieces. */
  json(exchange, { bytes, hold }) {
    exchange.begin(REPLY_JSON);
    exchange.send(Buffer.from(`{"jsonrpc":"2.0","id":${exchange.idText},"result":"`));
    exchange.send(Buffer.alloc(bytes, 'y'));
    if (hold) {
      exchange.shard.held.push(exchange);
      return;
    }
    exchange.send(Buffer.from('"}'));
    exchange.end();
  },
  accepted(exchange) {
    exchange.reply(202, Buffer.alloc(0), REPLY_NONE);
  },
  abort(exchange, { fault, stream }) {
    if (stream) exchange.begin(REPLY_EVENT_STREAM);
    exchange.abort(fault);
  },
  /** Tells ids by an IDS frame, then waits. */
  batch(exchange, { ids, isBatch }) {
    exchange.shard.write(FRAME_IDS, 0, exchange.number, isBatch ? 1 : 0, Buffer.from(ids));
    exchange.shard.held.push(exchange);
  },
  /** A child in a group of its own, known in the process table. */
  spawn(exchange) {
    const { shard } = exchange;
    const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    shard.processes.register(shard.task.shardIndex, shard.task.generation, 0, child.pid);
    exchange.result({ pid: child.pid });
  },
  /** Stops this thread until the test rings: nothing is read, nothing beats. */
  block(exchange) {
    exchange.result({ blocked: true });
    const { offset } = exchange.shard.task.layout.tables.test;
    setImmediate(() => Atomics.wait(new Int32Array(exchange.shard.task.region, offset, 1), 0, 0));
  },
  throw() {
    setImmediate(() => {
      throw new Error('told to throw');
    });
  },
  reject(exchange) {
    exchange.shard.fail(new Error('told to reject'));
  },
  exit() {
    process.exit(3);
  },
  /** Answers, and is gone before it can tell the edge. */
  answerAndExit(exchange) {
    exchange.shard.edgeBell = { ring: () => false };
    exchange.result({ last: true });
    process.exit(3);
  },
  hang() {
    for (;;);
  },
  return(exchange) {
    exchange.shard.finish();
  },
};

class FakeShard {
  constructor(task, resolve, reject) {
    const { region, layout, shardIndex, controlPort } = task;
    checkRegion(region, layout);
    this.task = task;
    this.resolve = resolve;
    this.exchanges = new Map();
    this.held = [];
    this.waiting = [];
    this.sentBytes = 0;
    this.creditedBytes = 0;
    this.cancels = [];
    this.peers = [...task.peers];
    this.plans = new Set([task.plan.number]);
    this.view = new OpenView();
    const thread = shardThread(layout, shardIndex);
    this.cell = new ThreadCell(region, layout.threadCells[thread]);
    this.counters = new CounterBlock(region, layout.counters[thread]);
    this.cells = new ExchangeCells(region, layout.exchangeCells[shardIndex]);
    this.processes = new ProcessTable(region, layout.processes);
    this.edgeBell = new Doorbell(region, layout.doorbells[0]);
    this.reader = new RingReader(region, layout.ringsIn[0][shardIndex], layout.ringInBytes);
    this.writer = new RingWriter(region, layout.ringsOut[0][shardIndex], layout.ringOutBytes);
    this.waiter = new DoorbellWaiter(
      region,
      layout.doorbells[thread],
      () => !this.reader.isEmpty() || (this.waiting.length > 0 && !this.writer.isStarved),
      () => this.turn(),
    );
    this.port = controlPort;
    this.fail = reject;
  }

  start() {
    this.port.on('message', (message) => this.onControl(message));
    this.cell.beat();
    this.beats = setInterval(() => this.cell.beat(), BEAT_MS);
    this.cell.state = THREAD_READY;
    this.port.postMessage({ kind: 'ready', generation: this.task.generation });
    this.waiter.park();
  }

  finish() {
    clearInterval(this.beats);
    this.waiter.stop();
    this.port.close();
    this.resolve();
  }

  turn() {
    this.flush();
    const frames = this.reader.read(this, 64);
    if (frames > 0 && this.reader.takeStarved()) this.edgeBell.ring();
    if (frames === 64) setImmediate(() => this.turn());
    else this.waiter.park();
  }

  onControl(message) {
    if (message.kind === 'plan') {
      const isRefused = message.plan.upstreams[0]?.name === 'refused';
      if (!isRefused) this.plans.add(message.plan.number);
      const answer = isRefused
        ? { kind: 'planRefused', number: message.plan.number, reason: 'told to refuse' }
        : { kind: 'planTaken', number: message.plan.number };
      this.port.postMessage(answer);
    } else if (message.kind === 'peerJoined') {
      this.peers[message.shard] = message.generation;
    } else if (message.kind === 'peerLost') {
      this.peers[message.shard] = 0;
      this.port.postMessage({
        kind: 'peerLeft',
        shard: message.shard,
        generation: message.generation,
      });
    } else if (message.kind === 'statusAsk') {
      const { sentBytes, creditedBytes, cancels, exchanges } = this;
      const status = {
        sentBytes,
        creditedBytes,
        cancels,
        open: exchanges.size,
        shard: this.task.shardIndex,
      };
      this.port.postMessage({ kind: 'status', ask: message.ask, status });
    } else if (message.kind === 'stop') {
      this.port.postMessage({ kind: 'stopped' });
      this.finish();
    }
  }

  onFrame(kind, flags, number, aux, bytes, start, end) {
    if (kind === FRAME_OPEN) this.onOpen(number, flags, bytes, start, end);
    const exchange = this.exchanges.get(number);
    if (exchange === undefined) return;
    if (kind === FRAME_DATA) {
      exchange.chunks.push(Buffer.from(bytes.slice(start, end)));
      exchange.bytes += end - start;
      if ((flags & FLAG_FIN) !== 0) this.handle(exchange);
    } else if (kind === FRAME_CREDIT) {
      exchange.credit += aux;
      this.creditedBytes += aux;
      exchange.flush();
    } else if (kind === FRAME_CANCEL) {
      this.cancels.push(aux);
      exchange.cancelReason = aux;
      exchange.abort('CANCELLED');
    }
  }

  onOpen(number, flags, bytes, start, end) {
    const { view } = this;
    if (!view.reset(bytes, start, end)) throw new Error('malformed open');
    const exchange = new Exchange(this, number);
    exchange.open = openInfo(view);
    exchange.chunks.push(Buffer.from(bytes.slice(view.bodyStart, view.bodyEnd)));
    exchange.bytes = view.bodyEnd - view.bodyStart;
    this.exchanges.set(number, exchange);
    if ((flags & FLAG_FIN) !== 0) this.handle(exchange);
  }

  handle(exchange) {
    const body = Buffer.concat(exchange.chunks);
    const message = body.length === 0 ? { method: 'echo' } : JSON.parse(body.toString());
    if (message.id !== undefined) {
      exchange.idText = JSON.stringify(message.id);
      const id = Buffer.from(exchange.idText);
      this.cells.write(exchange.number & SLOT_MASK, exchange.number, id, 0, id.length);
    }
    METHODS[message.method](exchange, message.params ?? {});
  }

  write(kind, flags, number, aux, payload) {
    this.waiting.push({ kind, flags, number, aux, payload });
    this.flush();
  }

  flush() {
    let isSent = false;
    while (this.waiting.length > 0) {
      const { kind, flags, number, aux, payload } = this.waiting[0];
      if (!this.writer.tryWrite(kind, flags, number, aux, payload, 0, payload.length)) break;
      this.waiting.shift();
      isSent = true;
    }
    if (isSent) this.edgeBell.ring();
  }
}

function openInfo(view) {
  const headers = [];
  for (let at = view.nextHeader(view.headersStart); at >= 0; at = view.nextHeader(at)) {
    const name =
      view.code === 0 ? text(view.bytes, view.nameStart, view.nameEnd) : headerName(view.code);
    headers.push([name, text(view.bytes, view.valueStart, view.valueEnd)]);
  }
  return {
    method: view.method,
    endpoint: view.endpoint,
    plan: view.planNumber,
    peer: Array.from(view.bytes.slice(view.peerStart, view.peerEnd)).join('.'),
    headers,
  };
}

function text(bytes, start, end) {
  return Buffer.from(bytes.slice(start, end)).toString('latin1');
}
