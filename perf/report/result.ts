/** The shape of results: what scenarios give, what is printed, drawn and written as JSON. */
import type { Interval } from './statistics.ts';

/** CPU microseconds per request, by thread and mode. */
export interface CpuPerRequest {
  readonly total: number;
  readonly mainUser: number;
  readonly mainSystem: number;
  readonly workersUser: number;
  readonly workersSystem: number;
  readonly rest: number;
}

/** One subject, one round. */
export interface Round {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly cpu: CpuPerRequest;
  readonly residentBytes: number;
}

export interface SubjectResult {
  readonly name: string;
  readonly rounds: readonly Round[];
}

export interface Ratio {
  readonly text: string;
  readonly value: Interval;
  /** What was aimed at, and what fails the run. */
  readonly goal?: number;
  readonly gate?: number;
}

/** A number that is no row of the table. */
export interface Figure {
  readonly text: string;
  readonly value: number;
  readonly unit: string;
  /** At most; `goalAtLeast` where more is better. */
  readonly goal?: number;
  readonly goalAtLeast?: number;
}

/** Points of one line of a chart. */
export interface ChartLine {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  readonly name: string;
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** Bars stand side by side at each x of `labels`; else lines. */
  readonly labels?: readonly string[];
  readonly lines: readonly ChartLine[];
}

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  /** How to measure it again. */
  readonly command: string;
  readonly seconds: number;
  readonly subjects: readonly SubjectResult[];
  readonly ratios: readonly Ratio[];
  readonly figures: readonly Figure[];
  readonly charts: readonly Chart[];
}

export interface Machine {
  readonly cores: number;
  readonly model: string;
  readonly memoryBytes: number;
  readonly node: string;
  readonly system: string;
  /** Load average when the run began: above 0.5 the machine was not quiet. */
  readonly loadBefore: number;
  readonly tools: string;
}

export interface RunResult {
  readonly at: string;
  readonly revision: string;
  readonly machine: Machine;
  readonly scenarios: readonly ScenarioResult[];
}
