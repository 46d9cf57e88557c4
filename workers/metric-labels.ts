import { FAULTS } from '../shared/fault.ts';
import type { FaultCode } from '../shared/fault.ts';
import { METRIC_LABELS_MAX } from '../shared/limits.ts';
import { OUTCOME_CANCELLED, OUTCOME_FAILED, OUTCOME_REFUSED } from '../shared/metric-table.ts';
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

  /** Counts the end of a call and how long it took. Each call counts once: what ends it first. */
  record(exchange: Exchange, outcome: number): void {
    const route: NameRoute | null = exchange.route;
    if (route === null || route.metricSlot < 0 || exchange.isCounted) return;
    exchange.isCounted = true;
    const latencyUs = (this.#nowUs() - exchange.arrivalUs) | 0;
    this.#table.record(route.metricSlot, outcome, Math.max(latencyUs, 0));
  }

  /** Counts a call that a fault ends. One that was not let through took no time worth telling. */
  fault(exchange: Exchange, code: FaultCode): void {
    const outcome = outcomeOf(code);
    if (outcome === OUTCOME_FAILED) this.record(exchange, outcome);
    else this.#count(exchange, outcome);
  }

  /** Counts a call whose client does not want its answer any more. */
  cancelled(exchange: Exchange): void {
    this.#count(exchange, OUTCOME_CANCELLED);
  }

  #count(exchange: Exchange, outcome: number): void {
    const { route } = exchange;
    if (route === null || route.metricSlot < 0 || exchange.isCounted) return;
    exchange.isCounted = true;
    this.#table.count(route.metricSlot, outcome);
  }

  #announce(key: string, slot: number, upstream: string, name: string): void {
    this.#slots.set(key, slot);
    this.#sink(slot, upstream, name);
  }
}

function outcomeOf(code: FaultCode): number {
  if (code === 'CANCELLED' || code === 'CLIENT_TOO_SLOW') return OUTCOME_CANCELLED;
  const isFailure = FAULTS[code].cause === 'upstream' || code === 'INTERNAL_ERROR';
  return isFailure ? OUTCOME_FAILED : OUTCOME_REFUSED;
}
