/**
 * The numbers as Prometheus text, made anew at each scrape: the truth is in shared memory, and
 * prom-client writes it out without keeping it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { COUNTER_ROWS } from '../../shared/counter-catalogue.ts';
import type { CounterRow } from '../../shared/counter-catalogue.ts';
import type { CallTotal } from './call-totals.ts';
import { LATENCY_HISTOGRAM, METRIC_ROWS } from './metric-catalogue.ts';
import type { MetricRow } from './metric-catalogue.ts';
import type { Scrape } from './scrape.ts';

export const METRICS_CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

/** What runs, for `sluice_build_info`. */
export interface BuildInfo {
  readonly version: string;
  /** Which HTTP server carries the main listener. */
  readonly http: string;
}

export const BUILD_INFO_HELP = 'Always 1; the labels say what runs.';
export const BUILD_INFO_LABELS = ['version', 'node', 'http'] as const;

/** A metric as prom-client's registry writes it out. */
interface CountedMetric {
  readonly name: string;
  readonly help: string;
  readonly type: 'histogram';
  readonly values: readonly CountedValue[];
  readonly aggregator: 'sum';
}

interface CountedValue {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/**
 * A histogram whose buckets were counted elsewhere. prom-client's own takes one observation at a time,
 * so what it hands to the registry is replaced.
 */
class CountedHistogram extends Histogram {
  readonly #totals: () => readonly CallTotal[];

  constructor(registry: Registry, totals: () => readonly CallTotal[]) {
    const { name, help, labels, buckets } = LATENCY_HISTOGRAM;
    super({ name, help, labelNames: labels, buckets: [...buckets], registers: [registry] });
    this.#totals = totals;
  }

  /** What the registry asks a histogram for, and `get` too. */
  getForPromString(): Promise<CountedMetric> {
    const { name, help, buckets } = LATENCY_HISTOGRAM;
    const values: CountedValue[] = [];
    for (const { upstream, tool, buckets: counts, timed, sumUs } of this.#totals()) {
      const labels = { upstream, tool };
      let below = 0;
      buckets.forEach((le, index) => {
        below += counts[index]!;
        values.push({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: below });
      });
      values.push({
        metricName: `${name}_bucket`,
        labels: { le: '+Inf', ...labels },
        value: timed,
      });
      values.push({ metricName: `${name}_sum`, labels, value: sumUs / 1e6 });
      values.push({ metricName: `${name}_count`, labels, value: timed });
    }
    return Promise.resolve({ name, help, type: 'histogram', values, aggregator: 'sum' });
  }
}

type Values = Awaited<ReturnType<Gauge['get']>>['values'];

/** A counter whose values are read, not kept: cheaper than to fill it anew at each scrape. */
class ReadCounter extends Counter {
  readonly #read: () => Values;

  constructor(row: MetricRow, registry: Registry, read: () => Values) {
    super({ name: row.name, help: row.help, labelNames: row.labels, registers: [registry] });
    this.#read = read;
  }

  override async get(): ReturnType<Counter['get']> {
    return { ...(await super.get()), values: this.#read() };
  }
}

/** A gauge, likewise. */
class ReadGauge extends Gauge {
  readonly #read: () => Values;

  constructor(row: MetricRow, registry: Registry, read: () => Values) {
    super({ name: row.name, help: row.help, labelNames: row.labels, registers: [registry] });
    this.#read = read;
  }

  override async get(): ReturnType<Gauge['get']> {
    return { ...(await super.get()), values: this.#read() };
  }
}

/** Renders the numbers of one gateway. */
export class MetricsText {
  readonly #scrape: Scrape;
  readonly #registry = new Registry();
  readonly #names: string[] = [];
  #calls: readonly CallTotal[] = [];
  #running: Promise<string> | null = null;

  constructor(scrape: Scrape, build: () => BuildInfo) {
    this.#scrape = scrape;
    const info: MetricRow = {
      name: 'sluice_build_info',
      type: 'gauge',
      help: BUILD_INFO_HELP,
      labels: BUILD_INFO_LABELS,
      read: (_scrape, _calls, put) => put({ ...build(), node: process.versions.node }, 1),
    };
    for (const row of [...METRIC_ROWS, info]) this.#register(row);
    new CountedHistogram(this.#registry, () => this.#calls);
    this.#names.push(LATENCY_HISTOGRAM.name);
    for (const row of COUNTER_ROWS) this.#register(counterMetric(row));
  }

  /** The whole page. Who asks while one is being made gets that one. */
  text(): Promise<string> {
    this.#running ??= this.#render();
    return this.#running;
  }

  /** One metric a turn: between two of them the thread serves calls. */
  async #render(): Promise<string> {
    try {
      this.#calls = this.#scrape.calls();
      const parts: string[] = [];
      for (const name of this.#names) {
        await nextTurn();
        parts.push(await this.#registry.getSingleMetricAsString(name));
      }
      return `${parts.join('\n\n')}\n`;
    } finally {
      this.#running = null;
    }
  }

  #register(row: MetricRow): void {
    const read = (): Values => {
      const values: Values = [];
      row.read(this.#scrape, this.#calls, (labels, value) => values.push({ labels, value }));
      return values;
    };
    if (row.type === 'counter') new ReadCounter(row, this.#registry, read);
    else new ReadGauge(row, this.#registry, read);
    this.#names.push(row.name);
  }
}

/** A counter of the catalogue. What several threads count stands apart by thread. */
export function counterMetric(row: CounterRow): MetricRow {
  const isEdgeOnly = row.thread === 'edge';
  const labels = [
    ...(row.label === undefined ? [] : [row.label]),
    ...(isEdgeOnly ? [] : ['thread']),
  ];
  return {
    name: `sluice_${row.name}`,
    type: 'counter',
    help: row.help,
    labels,
    read(scrape, _calls, put) {
      scrape.threads.forEach((thread, index) => {
        if (row.thread !== 'any' && isEdgeOnly !== (thread === 'edge')) return;
        const own: Record<string, string> = isEdgeOnly ? {} : { thread };
        if (row.label === undefined || row.values === undefined) {
          put(own, scrape.counter(index, row.id));
          return;
        }
        for (const [cell, value] of row.values.entries()) {
          if (value !== '')
            put({ [row.label]: value, ...own }, scrape.counter(index, row.id + cell));
        }
      });
    },
  };
}
