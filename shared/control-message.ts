/**
 * What crosses a shard's control port: a `MessagePort` between the edge's supervisor and one
 * generation of one shard, for what is rare. All per-call traffic goes through the rings.
 *
 * Always holds:
 * - The port belongs to one generation. A message of an older one cannot arrive.
 * - Order within one direction is kept, but there is no order between the port and the rings.
 * - The shard posts `ready` once, after which the edge may send it exchanges.
 * - Peer rings: a thread touches the rings between itself and shard P only from the moment it was told
 *   that P is joined (in `ShardTask.peers` or by `peerJoined`) until it posted `peerLeft` for that
 *   generation. The edge resets a pair of rings only while neither end may touch them.
 */
import type { KernelMemory } from './kernel/byte-kernel.ts';
import type { RegionLayout } from './region-descriptor.ts';

/** What this room needs of a `MessagePort`; `shared/` knows no platform types. */
export interface ControlPort {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  close(): void;
  ref(): void;
  unref(): void;
}

export type ControlLogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** One key that seals session ids. The first of a list seals, all of them open. */
export interface ControlSessionKey {
  readonly id: number;
  readonly secret: Uint8Array;
}

/** The argument of a shard's one task. `Plan` is the type in `src/config/plan.ts`. */
export interface ShardTask<Plan> {
  readonly shardIndex: number;
  /** Counts from 1 for each shard; equals the shard's generation word. */
  readonly generation: number;
  readonly region: SharedArrayBuffer;
  readonly layout: RegionLayout;
  /** What the region lies in; null: this thread has no byte kernel. */
  readonly memory: KernelMemory | null;
  readonly plan: Plan;
  /** The edge's `performance.timeOrigin` (see `createClock`). */
  readonly clockBaseMs: number;
  readonly logLevel: ControlLogLevel;
  /** 8 random bytes that name this run of the gateway. */
  readonly instance: Uint8Array;
  readonly sessionKeys: readonly ControlSessionKey[];
  /** Transferred with the task. */
  readonly controlPort: ControlPort;
  /** Per shard, the generation whose peer rings may be used from the start; 0 for none, and for oneself. */
  readonly peers: readonly number[];
}

/** Edge to shard. */
export type ToShardMessage<Plan> =
  /** Compile this plan, use it for new exchanges that name it, answer `planTaken`. */
  | { readonly kind: 'plan'; readonly plan: Plan }
  /** Every shard has the plan `number`; no new exchange names an older one. Old plans may go with their exchanges. */
  | { readonly kind: 'planCurrent'; readonly number: number }
  /** Some shard refused the plan `number`: forget it. No exchange names it. */
  | { readonly kind: 'planDropped'; readonly number: number }
  /**
   * That generation is gone. Drop what waits for its ring, fail the calls it carried for others, cancel
   * those it had opened here, stop touching the rings between you, then answer `peerLeft`.
   */
  | { readonly kind: 'peerLost'; readonly shard: number; readonly generation: number }
  /** The rings between you are empty and yours to use. */
  | { readonly kind: 'peerJoined'; readonly shard: number; readonly generation: number }
  | { readonly kind: 'logLevel'; readonly level: ControlLogLevel }
  /** Answer `status` with the same number. */
  | { readonly kind: 'statusAsk'; readonly ask: number }
  /** End listen streams and finish what runs. Exchanges may still come, over connections that live on. */
  | { readonly kind: 'drain' }
  /** Close links, end child processes, post `stopped`, let the task's promise resolve. */
  | { readonly kind: 'stop' };

/** Shard to edge. */
export type FromShardMessage<Status> =
  | { readonly kind: 'ready'; readonly generation: number }
  | { readonly kind: 'planTaken'; readonly number: number }
  /** The plan could not be compiled here; the shard keeps the one it had. `reason` holds no secret. */
  | { readonly kind: 'planRefused'; readonly number: number; readonly reason: string }
  | { readonly kind: 'peerLeft'; readonly shard: number; readonly generation: number }
  | { readonly kind: 'status'; readonly ask: number; readonly status: Status }
  /** A metric cell got its name. `slot` is this shard's, below METRIC_LABELS_MAX. */
  | {
      readonly kind: 'label';
      readonly slot: number;
      readonly upstream: string;
      readonly name: string;
    }
  /** One line for the gateway's log, without secrets. */
  | {
      readonly kind: 'log';
      readonly level: Exclude<ControlLogLevel, 'silent'>;
      readonly message: string;
      readonly fields: Readonly<Record<string, string | number | boolean>>;
    }
  | { readonly kind: 'stopped' };
