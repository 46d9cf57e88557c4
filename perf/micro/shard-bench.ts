/**
 * A whole shard in this thread, without sockets: the real parts, loop and plan, with everything on that
 * `perf/load/gateway.yaml` turns on. The bench plays the edge (it writes OPEN frames and reads the
 * replies) and, through `LoopBackClient`, the upstream.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { createClock } from '../../shared/clock.ts';
import type { ControlPort, ShardTask } from '../../shared/control-message.ts';
import { FLAG_FIN, FRAME_HEAD, FRAME_OPEN } from '../../shared/frame-kind.ts';
import { headerCode } from '../../shared/header-code.ts';
import { openKernel } from '../../shared/kernel/byte-kernel.ts';
import { EXCHANGE_SLOT_BITS, SCRATCH_BYTES } from '../../shared/limits.ts';
import { OpenHead, writeHeaderLatin1, writeOpenHead } from '../../shared/open-codec.ts';
import { shardThread } from '../../shared/region-descriptor.ts';
import { FRAMES_OFFSET } from '../../shared/ring-descriptor.ts';
import { RingReader, type FrameHandler } from '../../shared/ring-reader.ts';
import { RingWriter } from '../../shared/ring-writer.ts';
import { planOf } from '../../src/config/load.ts';
import type { Plan } from '../../src/config/plan.ts';
import { openRegion } from '../../src/edge/edge-region.ts';
import { ShardLog } from '../../workers/shard-log.ts';
import { ShardLoop } from '../../workers/shard-loop.ts';
import { ShardParts } from '../../workers/shard-parts.ts';
import { callPool, PERF_SECRET, type PooledRequest } from '../load/request-pool.ts';
import { LoopBackClient } from './loop-back-client.ts';

const SLOTS = 1024;
const GENERATION_MASK = 0x3ffff;
const PEER = Uint8Array.of(127, 0, 0, 1);
const LOOK_MS = 20;
const LOOKS_MAX = 500;

/** Counts replies, and those with status 200 (the first field of a HEAD frame). */
class Replies implements FrameHandler {
  count = 0;
  ok = 0;
  onFrame(
    kind: number,
    flags: number,
    _exchange: number,
    _aux: number,
    bytes: Uint8Array,
    start: number,
  ): void {
    if ((flags & FLAG_FIN) !== 0) this.count += 1;
    if (kind === FRAME_HEAD && bytes[start] === 200 && bytes[start + 1] === 0) this.ok += 1;
  }
}

export class ShardBench {
  readonly client: LoopBackClient;
  readonly replies = new Replies();
  readonly #parts: ShardParts;
  readonly #loop: ShardLoop;
  readonly #in: RingWriter;
  readonly #reader: RingReader;
  readonly #out: RingReader;
  readonly #frames: readonly Uint8Array[];
  readonly #bodyBytes: readonly number[];
  readonly #stopped: Promise<void>;
  #next = 0;

  private constructor(plan: Plan) {
    const { region, layout, memory } = openRegion(plan);
    openKernel(memory, layout.scratch[shardThread(layout, 0)]!, SCRATCH_BYTES);
    this.client = new LoopBackClient();
    const task: ShardTask<Plan> = {
      shardIndex: 0,
      generation: 1,
      region,
      layout,
      memory,
      plan,
      clockBaseMs: performance.timeOrigin,
      logLevel: 'silent',
      instance: new Uint8Array(8),
      sessionKeys: [{ id: 1, secret: new Uint8Array(32).fill(7) }],
      controlPort: new QuietPort(),
      peers: [0],
    };
    const log = new ShardLog('silent', () => undefined);
    const clock = createClock(performance, task.clockBaseMs);
    const parts = new ShardParts(task, clock, log, () => undefined);
    let resolve: () => void = () => undefined;
    this.#stopped = new Promise((done) => (resolve = done));
    this.#loop = new ShardLoop(task, parts, log, () => undefined, resolve);
    const ringIn = layout.ringsIn[0]?.[0] as number;
    this.#in = new RingWriter(region, ringIn, layout.ringInBytes);
    // The shard wants a Buffer over its ring, as its own reader gives it.
    const bytes = Buffer.from(region, ringIn + FRAMES_OFFSET, layout.ringInBytes);
    this.#reader = new RingReader(region, ringIn, layout.ringInBytes, bytes);
    this.#out = new RingReader(region, layout.ringsOut[0]?.[0] as number, layout.ringOutBytes);
    const requests = callPool();
    this.#frames = requests.map((request) => openPayload(request, plan.number));
    this.#bodyBytes = requests.map(({ body }) => Buffer.byteLength(body));
    this.#loop.start();
    for (const upstream of parts.upstreams.all())
      Object.defineProperty(upstream, 'client', { value: this.client });
    this.#parts = parts;
  }

  /** Runs `work` with a shard whose upstream is known, and ends the shard whatever happens. */
  static async run(work: (shard: ShardBench) => void): Promise<void> {
    const bench = new ShardBench(planOf(settings()));
    try {
      await bench.#untilUp();
      bench.client.isHeld = true;
      work(bench);
    } finally {
      await bench.#stop();
    }
  }

  /** Puts calls into the ring. @returns how many there was room for */
  fill(count: number): number {
    let written = 0;
    while (written < count) {
      const payload = this.#frames[this.#next % this.#frames.length] as Uint8Array;
      const body = this.#bodyBytes[this.#next % this.#frames.length] as number;
      const generation = (Math.floor(this.#next / SLOTS) + 1) & GENERATION_MASK;
      const exchange = ((generation << EXCHANGE_SLOT_BITS) | (this.#next % SLOTS)) >>> 0;
      if (!this.#in.tryWrite(FRAME_OPEN, FLAG_FIN, exchange, body, payload, 0, payload.length))
        break;
      this.#next += 1;
      written += 1;
    }
    return written;
  }

  /** One call: its frame is read, runs through the stages, is answered, and its reply is in the ring. */
  step(): void {
    const { clock } = this.#parts;
    clock.hold();
    this.#reader.read(this.#loop, 1);
    clock.release();
    this.client.answer();
  }

  /** Reads the replies, as the edge would. */
  drain(): void {
    while (this.#out.read(this.replies, 64) > 0);
  }

  async #stop(): Promise<void> {
    this.client.isHeld = false;
    this.#loop.onControl({ kind: 'stop' });
    await this.#stopped;
  }

  /** The first attempt to connect was the real client's and met a closed port. */
  async #untilUp(): Promise<void> {
    for (let look = 0; look < LOOKS_MAX; look += 1) {
      const upstreams = [...this.#parts.upstreams.all()];
      if (upstreams.every((one) => one.isUp && one.catalog.isLoaded('tools'))) return;
      await pause(LOOK_MS);
    }
    throw new Error('the upstream did not come up');
  }
}

class QuietPort extends EventEmitter implements ControlPort {
  postMessage(): void {}
  close(): void {}
  ref(): void {}
  unref(): void {}
}

function settings() {
  const limit = { requests: 100_000_000, windowSeconds: 60 } as const;
  return {
    listen: { port: 0 },
    shards: 1,
    upstreams: { stub: { http: { url: 'http://127.0.0.1:9/mcp' }, prefix: '' } },
    auth: {
      required: true,
      methods: [
        {
          jwt: {
            algorithms: ['HS256' as const],
            secret: PERF_SECRET,
            issuer: 'sluice-perf',
            audience: 'sluice',
            clientId: 'sub',
            scopes: 'scope',
          },
        },
      ],
    },
    routes: [
      {
        tools: '*',
        upstream: 'stub',
        requiredScopes: ['tools:*'],
        rateLimit: { per: 'client+tool' as const, algorithm: 'tokenBucket' as const, ...limit },
      },
    ],
    rateLimits: [
      { per: 'global' as const, algorithm: 'fixedWindow' as const, ...limit },
      { per: 'client' as const, algorithm: 'tokenBucket' as const, ...limit },
    ],
  };
}

/** As the edge writes it: names in lower case, the fields a client's HTTP library sends. */
function openPayload({ headers, body }: PooledRequest, planNumber: number): Uint8Array {
  const bytes = new Uint8Array(8192);
  const fields = { ...headers, 'Content-Type': 'application/json' };
  const head = new OpenHead();
  head.planNumber = planNumber;
  head.peerFamily = 4;
  let at = writeOpenHead(bytes, 0, head, PEER);
  const start = at;
  for (const [name, value] of Object.entries(fields)) {
    const lower = name.toLowerCase();
    at = writeHeaderLatin1(bytes, at, headerCode(lower), lower, value);
  }
  head.headerCount = Object.keys(fields).length;
  head.headerBytes = at - start;
  writeOpenHead(bytes, 0, head, PEER);
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(body)]);
}
