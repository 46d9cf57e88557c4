import { METRIC_LABELS_MAX } from '../shared/limits.ts';
import type { MetricTable } from '../shared/metric-table.ts';
import type { Exchange } from './exchange.ts';
import type { NameRoute } from './routing/name-route.ts';

/** Names are told to the edge once; counting needs the slot only. */
export type LabelSink = (slot: number, upstream: string, name: string) => void;

/** Where names that no list knows are counted: a client must not be able to fill the table. */
const OTHER = '(other)';

/**
 * Gives each (upstream, name) its row in this shard's metric table, and writes the rows. Bounded: the
 * last row is shared by all that come too late.
 */
export class MetricLabels {
  readonly #table: MetricTable;
  readonly #sink: LabelSink;
  readonly #nowUs: () => number;
  readonly #slots = new Map<string, number>();

  /** @param nowUs low 32 bits of monotonic microseconds, as in OPEN frames */
  constructor(table: MetricTable, sink: LabelSink, nowUs: () => number) {
    this.#table = table;
    this.#sink = sink;
    this.#nowUs = nowUs;
  }

  /** The row of a name. `isListed`: the upstream's list has it. */
  slot(upstream: string, name: string, isListed: boolean): number {
    const label = isListed ? name : OTHER;
    const key = `${upstream}\n${label}`;
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const last = METRIC_LABELS_MAX - 1;
    const slot = Math.min(this.#slots.size, last);
    if (slot === last) {
      if (this.#slots.size === last) this.#announce(key, last, '', '(overflow)');
      return last;
    }
    this.#announce(key, slot, upstream, label);
    return slot;
  }

  /** Counts the end of a call and how long it took. */
  record(exchange: Exchange, outcome: number): void {
    const route: NameRoute | null = exchange.route;
    if (route === null || route.metricSlot < 0) return;
    const latencyUs = (this.#nowUs() - exchange.arrivalUs) | 0;
    this.#table.record(route.metricSlot, outcome, Math.max(latencyUs, 0));
  }

  #announce(key: string, slot: number, upstream: string, name: string): void {
    this.#slots.set(key, slot);
    this.#sink(slot, upstream, name);
  }
}
