/**
 * What a process has used so far, read from outside (Linux only): CPU time per thread, split into user
 * and system, and memory. Clock ticks are 10 ms, so a difference is worth something from a second on.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** `sysconf(_SC_CLK_TCK)` is 100 on every Linux that Node runs on. */
const US_PER_TICK = 10_000;

export interface CpuTime {
  readonly userUs: number;
  readonly systemUs: number;
}

export interface ProcessSample {
  readonly total: CpuTime;
  /** By thread id; the main thread's is the process id. */
  readonly threads: ReadonlyMap<number, CpuTime>;
}

/** How the CPU time of one process is spread, in microseconds. */
export interface ThreadSplit {
  /** The main thread: of a gateway the edge. */
  readonly main: CpuTime;
  /** The busiest other threads, as many as were asked for: of a gateway the shards. */
  readonly workers: CpuTime;
  /** All else: garbage collection, compilation, the thread pool. */
  readonly rest: CpuTime;
}

/** @throws Error when the process is gone */
export function sampleProcess(pid: number): ProcessSample {
  const threads = new Map<number, CpuTime>();
  for (const name of readdirSync(`/proc/${pid}/task`)) {
    try {
      threads.set(Number(name), readStat(`/proc/${pid}/task/${name}/stat`));
    } catch {
      // A thread that ended between the two looks.
    }
  }
  return { total: readStat(`/proc/${pid}/stat`), threads };
}

/** What was used between two looks. */
export function subtract(after: CpuTime, before: CpuTime | undefined): CpuTime {
  return {
    userUs: after.userUs - (before?.userUs ?? 0),
    systemUs: after.systemUs - (before?.systemUs ?? 0),
  };
}

export function sum(times: readonly CpuTime[]): CpuTime {
  return {
    userUs: times.reduce((total, { userUs }) => total + userUs, 0),
    systemUs: times.reduce((total, { systemUs }) => total + systemUs, 0),
  };
}

export const totalUs = ({ userUs, systemUs }: CpuTime): number => userUs + systemUs;

/** Splits what a process used between two looks by thread. */
export function splitThreads(
  pid: number,
  before: ProcessSample,
  after: ProcessSample,
  workers: number,
): ThreadSplit {
  const main = subtract(
    after.threads.get(pid) ?? { userUs: 0, systemUs: 0 },
    before.threads.get(pid),
  );
  const others = [...after.threads]
    .filter(([thread]) => thread !== pid)
    .map(([thread, time]) => subtract(time, before.threads.get(thread)))
    .sort((a, b) => totalUs(b) - totalUs(a));
  return { main, workers: sum(others.slice(0, workers)), rest: sum(others.slice(workers)) };
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(line?.[1] ?? 0) * 1024;
}

/** Processes that a process has started. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
    .split(' ')
    .filter((text) => text !== '')
    .map(Number);
}

/** The command may hold spaces and brackets; it ends at the last closing one. */
function readStat(path: string): CpuTime {
  const text = readFileSync(path, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    userUs: Number(fields[11]) * US_PER_TICK,
    systemUs: Number(fields[12]) * US_PER_TICK,
  };
}
