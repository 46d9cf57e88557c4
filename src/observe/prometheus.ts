/**
 * The numbers as Prometheus text, made anew at each scrape: the truth is in shared memory, and the
 * metrics of prom-client hold it only while they are written out.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { COUNTER_ROWS } from '../../shared/counter-catalogue.ts';
import type { CounterRow } from '../../shared/counter-catalogue.ts';
import type { CallTotal } from './call-totals.ts';
import { LATENCY_HISTOGRAM, METRIC_ROWS } from './metric-catalogue.ts';
import type { MetricRow, Put } from './metric-catalogue.ts';
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

/** Renders the numbers of one gateway. */
export class MetricsText {
  readonly #scrape: Scrape;
  readonly #registry = new Registry();
  #calls: readonly CallTotal[] = [];
  #running: Promise<string> | null = null;

  constructor(scrape: Scrape, build: () => BuildInfo) {
    this.#scrape = scrape;
    for (const row of METRIC_ROWS) this.#register(row);
    new CountedHistogram(this.#registry, () => this.#calls);
    for (const row of COUNTER_ROWS) this.#register(counterMetric(row));
    const info: Gauge<(typeof BUILD_INFO_LABELS)[number]> = new Gauge({
      name: 'sluice_build_info',
      help: BUILD_INFO_HELP,
      labelNames: BUILD_INFO_LABELS,
      registers: [this.#registry],
      collect: () => info.set({ ...build(), node: process.versions.node }, 1),
    });
  }

  /** The whole page. Who asks while one is being made gets that one. */
  text(): Promise<string> {
    this.#running ??= this.#render();
    return this.#running;
  }

  async #render(): Promise<string> {
    try {
      this.#calls = this.#scrape.calls();
      return await this.#registry.metrics();
    } finally {
      this.#running = null;
    }
  }

  #register(row: MetricRow): void {
    const { name, help, labels } = row;
    const config = { name, help, labelNames: labels, registers: [this.#registry] };
    if (row.type === 'counter') {
      const counter: Counter = new Counter({
        ...config,
        collect: () => this.#fill(row, counter, (of, value) => counter.inc(of, value)),
      });
    } else {
      const gauge: Gauge = new Gauge({
        ...config,
        collect: () => this.#fill(row, gauge, (of, value) => gauge.set(of, value)),
      });
    }
  }

  #fill(row: MetricRow, metric: { reset(): void }, put: Put): void {
    metric.reset();
    row.read(this.#scrape, this.#calls, put);
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
