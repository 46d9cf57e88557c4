/**
 * Where each part lies in the region, the one SharedArrayBuffer of all threads. A layout is plain
 * data: the supervisor computes it, posts it to every shard, and nobody else does sums with offsets.
 *
 *   +--------------------------------------+
 *   | header: magic, version, edges, shards|   128 bytes, written once
 *   | plan word                            |   edge writes, all read
 *   +--------------------------------------+
 *   | thread cells                         |   threads × 640: doorbell, beat, generation, …
 *   | counters                             |   threads × 1.5 KiB: each thread its own block
 *   +--------------------------------------+
 *   | in-flight counts                     |   shards × 1 KiB: each shard its own row
 *   | process table                        |   16 KiB: entries taken by compare-exchange
 *   +--------------------------------------+
 *   | exchange cells                       |   shards × 1 MiB: shard writes, edge reads if it died
 *   | metric tables                        |   shards × 880 KiB: shard writes, edge reads
 *   +--------------------------------------+
 *   | rings in    [edge][shard]            |   edges × shards × (1 MiB + control words)
 *   | rings out   [edge][shard]            |   edges × shards × (2 MiB + control words)
 *   | rings peer  [from][to]               |   shards × (shards - 1) × (512 KiB + control words)
 *   +--------------------------------------+
 *   | tables asked for by name             |   rate limits and what comes later
 *   +--------------------------------------+
 *   | scratch     [thread]                 |   threads × 512 KiB, see kernel/byte-kernel.ts
 *   +--------------------------------------+
 *
 * Threads are numbered edges first, then shards. There is one edge now; with two the format is the
 * same. Every part starts at a multiple of 128 bytes, so none shares a cache line with its neighbour.
 * The operating system backs only pages that were touched: rings that never carry much cost little.
 */
import { assert } from './assert.ts';
import { COUNTER_BLOCK_BYTES } from './counter-cell.ts';
import { EXCHANGE_CELLS_BYTES } from './exchange-cell.ts';
import { inflightTableBytes } from './inflight-table.ts';
import type { KernelMemory } from './kernel/byte-kernel.ts';
import { RING_IN_BYTES, RING_OUT_BYTES, RING_PEER_BYTES, SCRATCH_BYTES, SHARDS_MAX } from './limits.ts'; // prettier-ignore
import { METRIC_TABLE_BYTES } from './metric-table.ts';
import { PROCESS_TABLE_BYTES } from './process-table.ts';
import { WORD_SLOT_BYTES, ringBytes } from './ring-descriptor.ts';
import { GENERATION_OFFSET, THREAD_CELL_BYTES } from './thread-cell.ts';

/** "SLCE" in little endian. */
const MAGIC = 0x45434c53;
/** Raised whenever the layout changes: a region is never read by another version. */
export const REGION_VERSION = 1;

const MAGIC_WORD = 0;
const VERSION_WORD = 1;
const EDGES_WORD = 2;
const SHARDS_WORD = 3;
const BYTES_WORD = 4;

const EDGES_MAX = 4;
/** Offsets stay well within signed 32 bits. 32 shards with their 992 peer rings take 0.7 GiB. */
const REGION_BYTES_MAX: number = 0x7000_0000;

/** A part that another room lays out inside. */
export interface RegionTableShape {
  readonly name: string;
  readonly bytes: number;
}

export interface RegionTable {
  readonly offset: number;
  readonly bytes: number;
}

export interface RegionShape {
  readonly shards: number;
  readonly edges?: number;
  readonly tables?: readonly RegionTableShape[];
  /** Smaller rings than the limits say, powers of two; for tests and small hosts. */
  readonly ringInBytes?: number;
  readonly ringOutBytes?: number;
  readonly ringPeerBytes?: number;
}

/** Byte offsets into the region. Plain data, fit for `postMessage`. */
export interface RegionLayout {
  readonly version: number;
  readonly edges: number;
  readonly shards: number;
  /** Edges and shards. Thread numbers: edge e is e, shard s is `edges + s`. */
  readonly threads: number;
  readonly bytes: number;
  readonly plan: number;
  /** Thread cell of each thread (`thread-cell.ts`), THREAD_CELL_BYTES apart. */
  readonly threadCells: readonly number[];
  /** Doorbell word of each thread; the same as the start of its thread cell. */
  readonly doorbells: readonly number[];
  /** Counter block of each thread. */
  readonly counters: readonly number[];
  readonly inflight: number;
  readonly processes: number;
  /** Of each thread: memory that its kernel works on, SCRATCH_BYTES. */
  readonly scratch: readonly number[];
  /** By shard. */
  readonly exchangeCells: readonly number[];
  /** By shard. */
  readonly metrics: readonly number[];
  /** Capacities of the rings in bytes, to be given to their ends. */
  readonly ringInBytes: number;
  readonly ringOutBytes: number;
  readonly ringPeerBytes: number;
  /** Edge to shard: `[edge][shard]`. */
  readonly ringsIn: readonly (readonly number[])[];
  /** Shard to edge: `[edge][shard]`. */
  readonly ringsOut: readonly (readonly number[])[];
  /** Shard to shard: `[from][to]`, -1 where both are the same. */
  readonly ringsPeer: readonly (readonly number[])[];
  readonly tables: Readonly<Record<string, RegionTable>>;
}

/** Hands out one part after another. */
class Ground {
  #end = 0;

  take(bytes: number): number {
    const offset = this.#end;
    this.#end += Math.ceil(bytes / WORD_SLOT_BYTES) * WORD_SLOT_BYTES;
    return offset;
  }

  takeEach(count: number, bytes: number): number[] {
    return Array.from({ length: count }, () => this.take(bytes));
  }

  takeGrid(rows: number, columns: number, bytes: number): number[][] {
    return Array.from({ length: rows }, () => this.takeEach(columns, bytes));
  }

  get bytes(): number {
    return this.#end;
  }
}

/** Computes the layout of a region. */
export function layoutRegion(shape: RegionShape): RegionLayout {
  const { shards, edges = 1, tables = [] } = shape;
  assert(
    Number.isInteger(shards) && shards >= 1 && shards <= SHARDS_MAX,
    'shards in bounds',
    shards,
  );
  assert(Number.isInteger(edges) && edges >= 1 && edges <= EDGES_MAX, 'edges in bounds', edges);
  const ringInBytes = shape.ringInBytes ?? RING_IN_BYTES;
  const ringOutBytes = shape.ringOutBytes ?? RING_OUT_BYTES;
  const ringPeerBytes = shape.ringPeerBytes ?? RING_PEER_BYTES;
  const threads = edges + shards;
  const ground = new Ground();
  ground.take(WORD_SLOT_BYTES); // header
  const plan = ground.take(WORD_SLOT_BYTES);
  const threadCells = ground.takeEach(threads, THREAD_CELL_BYTES);
  const layout: Omit<RegionLayout, 'bytes'> = {
    version: REGION_VERSION,
    edges,
    shards,
    threads,
    plan,
    threadCells,
    doorbells: threadCells,
    counters: ground.takeEach(threads, COUNTER_BLOCK_BYTES),
    inflight: ground.take(inflightTableBytes(shards)),
    processes: ground.take(PROCESS_TABLE_BYTES),
    exchangeCells: ground.takeEach(shards, EXCHANGE_CELLS_BYTES),
    metrics: ground.takeEach(shards, METRIC_TABLE_BYTES),
    ringInBytes,
    ringOutBytes,
    ringPeerBytes,
    ringsIn: ground.takeGrid(edges, shards, ringBytes(ringInBytes)),
    ringsOut: ground.takeGrid(edges, shards, ringBytes(ringOutBytes)),
    ringsPeer: peerRings(ground, shards, ringBytes(ringPeerBytes)),
    tables: namedTables(ground, tables),
    scratch: ground.takeEach(threads, SCRATCH_BYTES),
  };
  assert(ground.bytes <= REGION_BYTES_MAX, 'the region stays within 32-bit offsets', ground.bytes);
  return { ...layout, bytes: ground.bytes };
}

/**
 * Makes the region: zero, but for its header and the generations, which start at 1.
 *
 * @param memory for it, of at least `layout.bytes`; null: memory that no kernel works on
 */
export function createRegion(
  layout: RegionLayout,
  memory: KernelMemory | null = null,
): SharedArrayBuffer {
  const region = memory?.buffer ?? new SharedArrayBuffer(layout.bytes);
  const header = new Int32Array(region, 0, WORD_SLOT_BYTES >> 2);
  header[MAGIC_WORD] = MAGIC;
  header[VERSION_WORD] = layout.version;
  header[EDGES_WORD] = layout.edges;
  header[SHARDS_WORD] = layout.shards;
  header[BYTES_WORD] = layout.bytes;
  for (const cell of layout.threadCells) {
    new Int32Array(region, cell + GENERATION_OFFSET, 1)[0] = 1;
  }
  return region;
}

/** A thread's first look at the region it was given: fails unless the layout is the region's own. */
export function checkRegion(region: SharedArrayBuffer, layout: RegionLayout): void {
  const header = new Int32Array(region, 0, WORD_SLOT_BYTES >> 2);
  assert(header[MAGIC_WORD] === MAGIC, 'the region has its magic', header[MAGIC_WORD]);
  assert(
    header[VERSION_WORD] === REGION_VERSION,
    'the region is of this version',
    header[VERSION_WORD],
  );
  assert(
    header[EDGES_WORD] === layout.edges &&
      header[SHARDS_WORD] === layout.shards &&
      header[BYTES_WORD] === layout.bytes &&
      region.byteLength >= layout.bytes,
    'the layout is the one the region was made for',
    layout.bytes,
  );
}

/** Thread number of a shard. */
export function shardThread(layout: RegionLayout, shard: number): number {
  return layout.edges + shard;
}

/** The table that was asked for by this name. */
export function regionTable(layout: RegionLayout, name: string): RegionTable {
  const table = layout.tables[name];
  assert(table !== undefined, 'the region has a table of this name', name);
  return table;
}

function peerRings(ground: Ground, shards: number, bytes: number): number[][] {
  return Array.from({ length: shards }, (_, from) =>
    Array.from({ length: shards }, (_, to) => (from === to ? -1 : ground.take(bytes))),
  );
}

function namedTables(
  ground: Ground,
  shapes: readonly RegionTableShape[],
): Record<string, RegionTable> {
  const tables: Record<string, RegionTable> = {};
  for (const { name, bytes } of shapes) {
    assert(tables[name] === undefined, 'a table name is used once', name);
    tables[name] = { offset: ground.take(bytes), bytes };
  }
  return tables;
}
