/**
 * Every metric that is not a counter of `shared/counter-catalogue.ts`: its name, what it means, and
 * how it is read. One table, from which the registry and the documentation are made.
 */
import { OUTCOME_NAMES } from '../../shared/metric-table.ts';
import { LATENCY_BUCKETS } from './call-totals.ts';
import type { CallTotal } from './call-totals.ts';
import type { Scrape } from './scrape.ts';

export type Labels = Readonly<Record<string, string>>;
/** Takes one value under its labels. */
export type Put = (labels: Labels, value: number) => void;

export interface MetricRow {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly string[];
  /** `calls`: the totals of this scrape. */
  read(scrape: Scrape, calls: readonly CallTotal[], put: Put): void;
}

const NONE: Labels = {};
const QUANTILES = [0.5, 0.9, 0.99, 0.999];

export const LATENCY_HISTOGRAM = {
  name: 'sluice_call_duration_seconds',
  help: 'From the arrival of a call at the edge to its answer, by upstream and tool. Refused and cancelled calls are not timed.',
  labels: ['upstream', 'tool'],
  buckets: LATENCY_BUCKETS,
} as const;

const CALLS: readonly MetricRow[] = [
  {
    name: 'sluice_calls_total',
    type: 'counter',
    help: 'Calls by upstream, tool (its own name there) and outcome: ok, is_error (a result with isError), failed (an error of the upstream or on the way to it), refused (by the gateway), cancelled.',
    labels: ['upstream', 'tool', 'outcome'],
    read(_scrape, calls, put) {
      for (const { upstream, tool, outcomes } of calls) {
        OUTCOME_NAMES.forEach((outcome, index) =>
          put({ upstream, tool, outcome }, outcomes[index]!),
        );
      }
    },
  },
  {
    name: 'sluice_call_duration_quantile_seconds',
    type: 'gauge',
    help: 'Latency that this share of the calls since the start did not exceed, within 5 %. For a window of time use histogram_quantile over sluice_call_duration_seconds.',
    labels: ['upstream', 'tool', 'quantile'],
    read(_scrape, calls, put) {
      for (const total of calls) {
        if (total.timed === 0) continue;
        const { upstream, tool } = total;
        for (const quantile of QUANTILES) {
          const seconds = total.percentileUs(quantile * 100) / 1e6;
          put({ upstream, tool, quantile: String(quantile) }, seconds);
        }
      }
    },
  },
];

/** A gauge of the whole gateway. */
function single(name: string, help: string, value: (scrape: Scrape) => number): MetricRow {
  return {
    name: `sluice_${name}`,
    type: 'gauge',
    help,
    labels: [],
    read: (scrape, _calls, put) => put(NONE, value(scrape)),
  };
}

type ShardGauges = ReturnType<Scrape['gauges']>['shards'][number];

/** A value of each shard. */
function perShard(
  name: string,
  help: string,
  value: (shard: ShardGauges, scrape: Scrape) => number,
  type: MetricRow['type'] = 'gauge',
): MetricRow {
  return {
    name: `sluice_${name}`,
    type,
    help,
    labels: ['shard'],
    read(scrape, _calls, put) {
      for (const shard of scrape.gauges().shards) {
        put({ shard: String(shard.index) }, value(shard, scrape));
      }
    },
  };
}

const SHARDS: readonly MetricRow[] = [
  single('ready', '1 when every shard runs and nothing is being stopped.', (scrape) =>
    scrape.gauges().isReady ? 1 : 0,
  ),
  perShard('shard_up', '1 while the shard takes calls.', ({ phase }) =>
    Number(phase === 'running'),
  ),
  perShard('shard_generation', 'Which life of the shard this is, from 1.', (s) => s.generation),
  perShard(
    'shard_restarts_total',
    'Times the shard was started again.',
    (s) => s.restarts,
    'counter',
  ),
  perShard(
    'open_exchanges',
    'Client requests that have no complete answer yet, event streams included.',
    (shard) => shard.openExchanges,
  ),
  perShard('sessions', 'Legacy sessions the shard holds.', ({ index }, scrape) =>
    scrape.sessions(index),
  ),
];

const FLOW: readonly MetricRow[] = [
  {
    name: 'sluice_ring_used_bytes',
    type: 'gauge',
    help: 'Bytes that wait in a ring: to the shard (in), from it to the edge (out), from it to all other shards (peer).',
    labels: ['ring', 'shard'],
    read(scrape, _calls, put) {
      for (const { ring, shard, usedBytes } of scrape.rings()) {
        put({ ring, shard: String(shard) }, usedBytes);
      }
    },
  },
  {
    name: 'sluice_ring_capacity_bytes',
    type: 'gauge',
    help: 'Size of those rings.',
    labels: ['ring', 'shard'],
    read(scrape, _calls, put) {
      for (const { ring, shard, capacityBytes } of scrape.rings()) {
        put({ ring, shard: String(shard) }, capacityBytes);
      }
    },
  },
  {
    name: 'sluice_upstream_calls_in_flight',
    type: 'gauge',
    help: 'Messages sent to an upstream that wait for its answer.',
    labels: ['upstream'],
    read(scrape, _calls, put) {
      for (const { upstream, count } of scrape.inflight()) put({ upstream }, count);
    },
  },
  {
    name: 'sluice_child_processes',
    type: 'gauge',
    help: 'Child processes that run; an empty upstream is one that the settings no longer have.',
    labels: ['upstream'],
    read(scrape, _calls, put) {
      for (const { upstream, count } of scrape.processes()) put({ upstream }, count);
    },
  },
  single(
    'body_buffer_bytes',
    'Request body bytes held by the edge.',
    (scrape) => scrape.gauges().bodyBytes,
  ),
  single(
    'stalled_sockets',
    'Clients whose socket is full and takes nothing.',
    (scrape) => scrape.gauges().stalledSockets,
  ),
];

const PROCESS: readonly MetricRow[] = [
  single('plan_number', 'Number of the settings in force; a reload adds one.', (s) => s.planNumber),
  single(
    'edge_tick_late_seconds',
    'How late the last one-second tick of the main thread was: its event loop lag.',
    (scrape) => scrape.tickLateMs / 1000,
  ),
  {
    name: 'sluice_edge_busy_seconds_total',
    type: 'counter',
    help: 'Time the event loop of the main thread was not waiting.',
    labels: [],
    read: (_scrape, _calls, put) => put(NONE, performance.eventLoopUtilization().active / 1000),
  },
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of the process, all threads.',
    labels: [],
    read: (_scrape, _calls, put) => put(NONE, process.memoryUsage.rss()),
  },
  {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'User and system CPU time of the process, all threads.',
    labels: [],
    read(_scrape, _calls, put) {
      const { user, system } = process.cpuUsage();
      put(NONE, (user + system) / 1e6);
    },
  },
  {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'Start of the process, in seconds since 1970-01-01 UTC.',
    labels: [],
    read: (_scrape, _calls, put) => put(NONE, Math.round(performance.timeOrigin) / 1000),
  },
];

export const METRIC_ROWS: readonly MetricRow[] = [...CALLS, ...SHARDS, ...FLOW, ...PROCESS];
