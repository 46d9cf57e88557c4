import type { ShardTask } from '../shared/control-message.ts';
import { COUNTERS } from '../shared/counter-catalogue.ts';
import { CounterBlock } from '../shared/counter-cell.ts';
import { Doorbell } from '../shared/doorbell.ts';
import { ExchangeCells } from '../shared/exchange-cell.ts';
import { InflightTable } from '../shared/inflight-table.ts';
import { MetricTable } from '../shared/metric-table.ts';
import { ProcessTable } from '../shared/process-table.ts';
import { RATE_LIMIT_TABLE } from '../shared/rate-limit-descriptor.ts';
import { RateLimitTable } from '../shared/rate-limit-table.ts';
import { checkRegion, regionTable, shardThread } from '../shared/region-descriptor.ts';
import { RingWriter } from '../shared/ring-writer.ts';
import { FrameWriter } from './frame-writer.ts';

/** This shard's places in the region. */
export class ShardMemory {
  readonly counters: CounterBlock;
  readonly inflight: InflightTable;
  readonly cells: ExchangeCells;
  readonly metrics: MetricTable;
  readonly processes: ProcessTable;
  readonly rateLimits: RateLimitTable;
  readonly edgeDoorbell: Doorbell;
  readonly #task: ShardTask<unknown>;

  constructor(task: ShardTask<unknown>) {
    const { region, layout, shardIndex, generation } = task;
    checkRegion(region, layout);
    this.#task = task;
    const thread = shardThread(layout, shardIndex);
    this.counters = new CounterBlock(region, layout.counters[thread] as number);
    const firstShardCell = layout.threadCells[layout.edges] as number;
    this.inflight = new InflightTable(region, layout.inflight, layout.shards, firstShardCell);
    this.inflight.open(shardIndex, generation);
    this.cells = new ExchangeCells(region, layout.exchangeCells[shardIndex] as number);
    this.metrics = new MetricTable(region, layout.metrics[shardIndex] as number);
    this.processes = new ProcessTable(region, layout.processes);
    const { offset } = regionTable(layout, RATE_LIMIT_TABLE);
    this.rateLimits = new RateLimitTable(region, offset, shardIndex);
    this.edgeDoorbell = new Doorbell(region, layout.doorbells[0] as number);
  }

  /** The ring to the edge. @param isAlone see `FrameWriter` */
  edgeFrames(isAlone: () => boolean): FrameWriter {
    const { layout, shardIndex } = this.#task;
    const offset = layout.ringsOut[0]?.[shardIndex] as number;
    return this.#writer(offset, layout.ringOutBytes, this.edgeDoorbell, isAlone);
  }

  /** The ring to another shard; made anew each time that shard joins. */
  peerFrames(peer: number): FrameWriter {
    const { region, layout, shardIndex } = this.#task;
    const offset = layout.ringsPeer[shardIndex]?.[peer] as number;
    const bell = new Doorbell(region, layout.doorbells[shardThread(layout, peer)] as number);
    return this.#writer(offset, layout.ringPeerBytes, bell);
  }

  #writer(offset: number, capacity: number, bell: Doorbell, isAlone?: () => boolean): FrameWriter {
    return new FrameWriter(
      new RingWriter(this.#task.region, offset, capacity),
      bell,
      () => this.counters.add(COUNTERS.DOORBELLS.id),
      () => this.counters.add(COUNTERS.RING_FULL.id),
      isAlone,
    );
  }
}
