/**
 * What a proxy on node:net costs that reads nothing of what it forwards: the floor under everything
 * that the gateway does. No HTTP, no checks, one read is taken for one message, which only the load of
 * these measurements makes true.
 *
 *     node forwarder.js PORT one     sockets of both sides in one thread
 *     node forwarder.js PORT two     as the gateway: clients in the main thread, upstreams in a worker
 *                                    thread, rings and doorbells between them
 *
 * PORT is the upstream's. Prints `forwarder on PORT`.
 */
import { Server, Socket, connect, type AddressInfo, type SocketConstructorOpts } from 'node:net';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { ByteRange, ByteRanges, copyRange } from '../../shared/byte-words.ts';
import { Doorbell, DoorbellWaiter } from '../../shared/doorbell.ts';
import { ringBytes } from '../../shared/ring-descriptor.ts';
import { RingReader, type FrameHandler } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';
import { DirectWriter } from '../../src/transport/direct-write.ts';

const HOST = '127.0.0.1';
const BUFFER_BYTES = 64 * 1024;
const RING_CAPACITY = 1024 * 1024;
const BELL_BYTES = 128;
/** Any but that of a pad. */
const KIND = 2;
const FRAMES_PER_TURN = 64;

/** Reads of all sockets of a thread go into one buffer, as in the gateway. */
const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
const bufferRange = new ByteRange(buffer);

type Take = (bytes: Uint8Array) => void;

/** Connections to the upstream, each with one message under way at most. */
class Upstreams {
  readonly #port: number;
  readonly #idle: Upstream[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  send(bytes: Uint8Array, take: Take): void {
    const upstream = this.#idle.pop() ?? this.#open();
    upstream.take = take;
    upstream.writer.write(upstream.isNew ? Uint8Array.from(bytes) : bytes);
  }

  #open(): Upstream {
    const socket = connect({
      host: HOST,
      port: this.#port,
      noDelay: true,
      onread: {
        buffer,
        callback: (count) => {
          const { take } = upstream;
          upstream.isNew = false;
          this.#idle.push(upstream);
          take(buffer.subarray(0, count));
          return true;
        },
      },
    });
    const upstream = new Upstream(new DirectWriter(socket));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      const at = this.#idle.indexOf(upstream);
      if (at >= 0) this.#idle.splice(at, 1);
    });
    return upstream;
  }
}

class Upstream {
  readonly writer: DirectWriter;
  isNew = true;
  take: Take = () => undefined;

  constructor(writer: DirectWriter) {
    this.writer = writer;
  }
}

/** One side of the two rings. */
class RingSide implements FrameHandler {
  readonly #reader: RingReader;
  readonly #writer: RingWriter;
  readonly #out: ByteRange;
  readonly #in = new ByteRanges();
  readonly #copy = new ByteRange(Buffer.allocUnsafeSlow(BUFFER_BYTES));
  readonly #bell: Doorbell;
  readonly #waiter: DoorbellWaiter;
  readonly #onMessage: (number: number, bytes: Uint8Array) => void;
  #isRingDue = false;

  constructor(
    region: SharedArrayBuffer,
    side: 0 | 1,
    onMessage: (number: number, bytes: Uint8Array) => void,
  ) {
    const ring = (index: number) => 2 * BELL_BYTES + index * ringBytes(RING_CAPACITY);
    this.#reader = new RingReader(region, ring(1 - side), RING_CAPACITY);
    this.#writer = new RingWriter(region, ring(side), RING_CAPACITY);
    this.#out = new ByteRange(this.#writer.bytes);
    this.#bell = new Doorbell(region, (1 - side) * BELL_BYTES);
    this.#waiter = new DoorbellWaiter(region, side * BELL_BYTES, () => !this.#reader.isEmpty(), this.#turn); // prettier-ignore
    this.#onMessage = onMessage;
    this.#waiter.park();
  }

  /** What the read buffer holds. */
  send(number: number, bytes: number): void {
    const at = this.#writer.tryClaim(KIND, 0, number, 0, bytes);
    if (at < 0) throw new Error('the ring is full');
    copyRange(bufferRange, 0, bytes, this.#out, at);
    this.#writer.commit();
    if (this.#isRingDue) return;
    this.#isRingDue = true;
    setImmediate(this.#ring);
  }

  onFrame(
    _kind: number,
    _flags: number,
    number: number,
    _aux: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    copyRange(this.#in.of(bytes), start, end, this.#copy, 0);
    this.#onMessage(number, this.#copy.bytes.subarray(0, end - start));
  }

  readonly #ring = (): void => {
    this.#isRingDue = false;
    this.#bell.ring();
  };

  readonly #turn = (): void => {
    if (this.#reader.read(this, FRAMES_PER_TURN) > 0) setImmediate(this.#turn);
    else this.#waiter.park();
  };
}

/** @param onMessage told of each read; what to do with what is answered is its last argument */
function serve(onMessage: (bytes: number, number: number, client: DirectWriter) => void): void {
  let count = 0;
  const server = new Server({ pauseOnConnect: true, noDelay: true }, (accepted) => {
    const shell = accepted as unknown as { _handle: object | null };
    const handle = shell._handle;
    shell._handle = null;
    const number = (count += 1);
    const onread = {
      buffer,
      callback: (bytes: number) => {
        onMessage(bytes, number, client);
        return true;
      },
    };
    const socket = new Socket({ handle, onread } as SocketConstructorOpts);
    const client = new DirectWriter(socket);
    socket.on('error', () => undefined);
    socket.resume();
  });
  server.listen(0, HOST, () => {
    process.stdout.write(`forwarder on ${(server.address() as AddressInfo).port}\n`);
  });
}

function serveInOne(port: number): void {
  const upstreams = new Upstreams(port);
  serve((bytes, _number, client) =>
    upstreams.send(buffer.subarray(0, bytes), (answer) => client.write(answer)),
  );
}

function serveInTwo(port: number): void {
  const region = new SharedArrayBuffer(2 * BELL_BYTES + 2 * ringBytes(RING_CAPACITY));
  const clients = new Map<number, DirectWriter>();
  const side = new RingSide(region, 0, (number, bytes) => clients.get(number)?.write(bytes));
  new Worker(new URL(import.meta.url), { workerData: { region, port } });
  serve((bytes, number, client) => {
    clients.set(number, client);
    side.send(number, bytes);
  });
}

function forwardInWorker(region: SharedArrayBuffer, port: number): void {
  const upstreams = new Upstreams(port);
  const side = new RingSide(region, 1, (number, bytes) =>
    upstreams.send(bytes, (answer) => side.send(number, answer.length)),
  );
  setInterval(() => undefined, 60_000); // a doorbell keeps no thread alive
}

if (!isMainThread) {
  const { region, port } = workerData as { region: SharedArrayBuffer; port: number };
  forwardInWorker(region, port);
} else if (process.argv[3] === 'two') {
  serveInTwo(Number(process.argv[2]));
} else {
  serveInOne(Number(process.argv[2]));
}
