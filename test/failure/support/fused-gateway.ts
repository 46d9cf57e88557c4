/** A gateway whose (built, real) shards can be ended from a test. */
import { BroadcastChannel } from 'node:worker_threads';

import type { ConfigInput } from '../../../src/config/schema.ts';
import { Edge, type ShardEvent } from '../../../src/edge/edge.ts';
import type { EdgeStats } from '../../../src/edge/edge-state.ts';
import { Gateway } from '../../../src/gateway.ts';
import { createLogger } from '../../../src/observe/log.ts';
import type { LogLine } from './gateway.ts';
import { settled } from './settled.ts';

const FUSED = new URL('./fused-shard.mjs', import.meta.url);
const running = new Set<FusedGateway>();

export class FusedGateway {
  readonly log: LogLine[] = [];
  readonly events: ShardEvent[] = [];
  readonly #gateway: Gateway<EdgeStats>;
  readonly #fuse = new BroadcastChannel('sluice-fuse');
  url = '';

  private constructor(config: ConfigInput) {
    const write = (line: string): void => void this.log.push(JSON.parse(line) as LogLine);
    const logger = createLogger('info', { write });
    this.#gateway = new Gateway<EdgeStats>(
      { shards: 2, listen: { port: 0 }, auth: 'none', ...config },
      { logger, environment: {} },
      {
        edge: (plan) =>
          new Edge(plan, {
            logger,
            shardUrl: FUSED,
            onShardEvent: (event) => void this.events.push(event),
          }),
        admin: () => null,
      },
    );
    running.add(this);
  }

  /** Resolves once every upstream is up on every shard. */
  static async start(config: ConfigInput): Promise<FusedGateway> {
    const gateway = new FusedGateway(config);
    gateway.url = (await gateway.#gateway.start()).url;
    await settled(async () => {
      const { upstreams } = await gateway.#gateway.status();
      return upstreams.every(({ state, tools }) => state === 'up' && tools !== null);
    }, 'all upstreams to be up');
    return gateway;
  }

  /** Ends a shard and waits until the edge knows. */
  async end(shard: number, way: 'throw' | 'exit' | 'hang'): Promise<void> {
    const lost = this.#count('lost', shard) + 1;
    this.#fuse.postMessage({ shard, way });
    await settled(() => this.#count('lost', shard) >= lost, `shard ${shard} to be lost`);
  }

  /** Resolves when that shard was started so many times. */
  async ready(shard: number, times: number): Promise<void> {
    await settled(() => this.#count('ready', shard) >= times, `shard ${shard} to be back`);
  }

  #count(kind: ShardEvent['kind'], shard: number): number {
    return this.events.filter((event) => event.kind === kind && event.shard === shard).length;
  }

  async stop(): Promise<void> {
    running.delete(this);
    this.#fuse.close();
    await this.#gateway.close(0);
  }
}

export async function stopFusedGateways(): Promise<void> {
  await Promise.all([...running].map((gateway) => gateway.stop()));
}
